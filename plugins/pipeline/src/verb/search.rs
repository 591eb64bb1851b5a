//! `inferno pipeline search`: what is most like a text in an index.

use serde_json::{Value, json};

use super::{print, print_json};
use crate::args::Search;
use crate::error::Error;
use crate::kind::index::{Hit, Index};
use crate::session::Tools;

/// How much of a record is shown to people.
const SHOWN: usize = 200;

pub(super) fn search(search: &Search, tools: &Tools) -> Result<(), Error> {
    let hits = find(search, tools)?;
    if search.json {
        let hit = |hit: &Hit| json!({ "score": hit.score, "id": hit.text.id, "data": hit.text.data });
        return print_json(&json!(hits.iter().map(hit).collect::<Vec<_>>()));
    }
    let line = |hit: &Hit| format!("{:.3}  {}\n       {}\n", hit.score, hit.text.id, shown(&hit.text.data));
    print(&hits.iter().map(line).collect::<String>())
}

fn find(search: &Search, tools: &Tools) -> Result<Vec<Hit>, Error> {
    let mut index = Index::open(&search.index)?;
    let Some(model) = search.model.as_ref().or(index.head.model.as_ref()) else {
        return Err(Error::new(format!("{} does not say which model made it", search.index.display()))
            .hint("name it with `--model`, and in the pipeline with the field `model` of the sink"));
    };
    let vectors = tools.host.embed(model, vec![search.query.clone()])?;
    let vector = vectors.first().ok_or_else(|| Error::new(format!("the model {model} gave no vector")))?;
    index.search(vector, search.top.get())
}

/// The beginning of a record: its text, if it has one.
fn shown(data: &Value) -> String {
    let text = data["text"].as_str().map_or_else(|| data.to_string(), str::to_owned);
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZero;
    use std::rc::Rc;

    use super::*;
    use crate::disk::RealDisk;
    use crate::testing::Kit;

    const INDEXED: &str = r#"
        [[source]]
        use = "jsonl"
        path = "in.jsonl"

        [[sink]]
        use = "index"
        path = "notes.index"
        model = "vowels"
    "#;

    #[test]
    fn the_records_most_like_the_query_are_found() {
        let kit = Kit::new(&[(
            "in.jsonl",
            "{\"text\":\"banana\",\"vector\":[3,0,0,0,0]}\n{\"text\":\"tree\",\"vector\":[0,2,0,0,0]}\n\
             {\"text\":\"bean\",\"vector\":[1,1,0,0,0]}\n{\"text\":\"odd\",\"vector\":[1]}\n{\"text\":\"none\"}\n",
        )]);
        kit.run(INDEXED).unwrap();
        assert_eq!(kit.lines("p.dead.jsonl").len(), 2);
        let mut search = Search {
            index: kit.path("notes.index"),
            query: "a cat sat".to_owned(),
            top: NonZero::new(2).unwrap(),
            model: None,
            json: false,
        };
        let tools = Tools { disk: Rc::new(RealDisk), host: kit.host.clone() };
        let hits = find(&search, &tools).unwrap();
        let found: Vec<_> = hits.iter().map(|hit| (hit.text.id.as_str(), shown(&hit.text.data))).collect();
        assert_eq!(found, [("in.jsonl:1", "banana".to_owned()), ("in.jsonl:3", "bean".to_owned())]);
        assert_eq!(hits[0].text.data, json!({ "text": "banana" }), "the vector is not kept twice");
        search.index = kit.path("in.jsonl");
        assert!(find(&search, &tools).unwrap_err().message.ends_with("is no index"));
    }

    #[test]
    fn an_index_knows_the_model_of_the_step_that_embedded() {
        let embed = |name: &str, model: &str, from: &str| {
            format!("[[step]]\nname = '{name}'\nuse = 'embed'\nmodel = '{model}'\nfrom = '{from}'\n")
        };
        let run = |steps: &[String], last: &str| {
            let kit = Kit::new(&[("in.jsonl", "{\"text\":\"banana\"}\n")]);
            let source = "[[source]]\nname = 'in'\nuse = 'jsonl'\npath = 'in.jsonl'\n";
            let sink = format!("[[sink]]\nuse = 'index'\npath = 'notes.index'\nfrom = {last}\n");
            kit.run(&format!("{source}{}{sink}", steps.concat())).unwrap();
            Index::open(&kit.path("notes.index")).unwrap().head.model
        };
        let limit = "[[step]]\nname = 'few'\nuse = 'limit'\ncount = 9\nfrom = 'a'\n".to_owned();
        assert_eq!(run(&[embed("a", "vowels", "in"), limit], "'few'").as_deref(), Some("vowels"));
        let two = [embed("a", "vowels", "in"), embed("b", "others", "in")];
        assert_eq!(run(&two, "['a', 'b']"), None);
    }
}
