//! Pieces of texts that are small enough for a model.

use std::rc::Rc;

use inferno_sdk::Error as HostError;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use toml::Spanned;

use super::Kind;
use super::asking;
use super::columns::{object, object_mut, text};
use crate::error::Error;
use crate::models::Models;
use crate::node::{Context, Outcome, Step};
use crate::record::Record;

mod cut;
mod markdown;

use cut::Cut;
use markdown::Section;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// `characters`, `tokens` of a model, or `markdown`: each section for itself, with its headings in the field
    /// `headings`; one that is too large is cut by tokens if there is a `model`, and by characters otherwise.
    #[serde(default = "characters")]
    #[schemars(with = "By")]
    by: Spanned<By>,
    /// The most characters or tokens of a piece. It is cut at white space, best at the end of a paragraph or sentence.
    #[schemars(with = "usize")]
    size: Spanned<usize>,
    /// How many characters or tokens at the end of a piece the next one has again, at most.
    #[serde(default = "nothing")]
    #[schemars(with = "usize")]
    overlap: Spanned<usize>,
    /// Whose tokens count.
    #[schemars(with = "Option<String>")]
    model: Option<Spanned<String>>,
    /// The field with the text. Each piece is a record with all fields and its text in this one; its number, from 1, is
    /// in the field `chunk`. A text without words has no pieces.
    #[serde(default = "field")]
    field: String,
}

fn characters() -> Spanned<By> {
    Spanned::new(0..0, By::Characters)
}

fn nothing() -> Spanned<usize> {
    Spanned::new(0..0, 0)
}

fn field() -> String {
    "text".to_owned()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum By {
    Characters,
    Tokens,
    Markdown,
}

pub(crate) struct Chunk {
    models: Rc<Models>,
    model: Option<String>,
    markdown: bool,
    cut: Cut,
    field: String,
}

impl Kind for Chunk {
    const NAME: &'static str = "chunk";
    const ABOUT: &'static str = "cuts texts into pieces, one record each";
    type Config = Config;

    fn open(config: Config, context: &Context) -> Result<Self, Error> {
        let (by, size, overlap) = (*config.by.get_ref(), *config.size.get_ref(), *config.overlap.get_ref());
        if size == 0 {
            return Err(Error::new("a piece cannot have size 0").at(config.size.span()));
        }
        if overlap >= size {
            return Err(Error::new("the overlap leaves no room for anything new")
                .hint("make it smaller than `size`")
                .at(config.overlap.span()));
        }
        match (by, &config.model) {
            (By::Tokens, None) => {
                return Err(Error::new("tokens are those of a model, but none is named")
                    .hint("add a line such as `model = \"NAME\"`")
                    .at(config.by.span()));
            }
            (By::Characters, Some(model)) => {
                return Err(Error::new("a model has no say in characters")
                    .hint("write `by = \"tokens\"`, or leave `model` out")
                    .at(model.span()));
            }
            _ => {}
        }
        if let Some(model) = &config.model {
            asking::model(model, context)?;
        }
        let model = config.model.map(Spanned::into_inner);
        let cut = if model.is_some() { Cut::by_tokens(size, overlap) } else { Cut::exact(size, overlap) };
        Ok(Self {
            models: context.models.clone(),
            model,
            markdown: by == By::Markdown,
            cut,
            field: config.field,
        })
    }
}

impl Step for Chunk {
    fn process(&mut self, _: usize, batch: Vec<Record>) -> Result<Vec<Outcome>, Error> {
        Ok(batch.into_iter().map(|record| self.one(record)).collect())
    }
}

impl Chunk {
    fn one(&self, mut record: Record) -> Outcome {
        let whole = match text(&mut record, &self.field) {
            Ok(whole) => whole.to_owned(),
            Err(why) => return Outcome::Reject(record, why),
        };
        match self.pieces(&whole) {
            Ok(pieces) => match self.records(&mut record, &whole, pieces) {
                Ok(records) => Outcome::Many(records),
                Err(why) => Outcome::Reject(record, why),
            },
            Err(error) => asking::failed(record, &error),
        }
    }

    fn pieces(&self, whole: &str) -> Result<Vec<Section>, HostError> {
        let sections = match self.markdown {
            true => markdown::sections(whole),
            false => vec![Section { headings: Vec::new(), range: 0..whole.len() }],
        };
        let mut pieces = Vec::new();
        for Section { headings, range } in sections {
            let start = range.start;
            let cut = self.cut.apply(&whole[range], |text| self.measure(text))?;
            pieces.extend(cut.into_iter().map(|piece| Section {
                headings: headings.clone(),
                range: start + piece.start..start + piece.end,
            }));
        }
        Ok(pieces)
    }

    fn measure(&self, text: &str) -> Result<usize, HostError> {
        match &self.model {
            None => Ok(text.chars().count()),
            Some(model) => self.models.tokenize(model, text).map(|tokens| tokens.len()),
        }
    }

    fn records(&self, record: &mut Record, whole: &str, pieces: Vec<Section>) -> Result<Vec<Record>, String> {
        let id = record.id.clone();
        let mut blank: Map<_, _> = object(record)?.clone();
        blank.insert(self.field.clone(), Value::Null);
        let piece = |(n, Section { headings, range }): (usize, Section)| {
            let mut piece = Record::from_value(format!("{id}#{n}"), Value::Object(blank.clone()));
            let fields = object_mut(&mut piece)?;
            fields.insert(self.field.clone(), whole[range].into());
            fields.insert("chunk".to_owned(), n.into());
            if self.markdown {
                fields.insert("headings".to_owned(), headings.into());
            }
            Ok(piece)
        };
        (1..).zip(pieces).map(piece).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kind::bench::Bench;
    use serde_json::json;

    #[test]
    fn pieces_keep_the_other_fields_and_have_ids_that_last() {
        let bench = Bench::new();
        let mut step: Chunk = bench.open("size = 8\nfield = 't'").unwrap();
        let batch = vec![Record::from_value("in:4", json!({ "a": 1, "t": "one two three", "z": 2 }))];
        let out = bench.pass_records(&mut step, 0, batch);
        assert_eq!(out[0], ("in:4#1".to_owned(), json!({ "a": 1, "t": "one two", "z": 2, "chunk": 1 })));
        assert_eq!(out[1], ("in:4#2".to_owned(), json!({ "a": 1, "t": "three", "z": 2, "chunk": 2 })));
        assert_eq!(out[0].1.to_string(), r#"{"a":1,"t":"one two","z":2,"chunk":1}"#);
        let out = bench.pass(&mut step, [json!({ "t": " \n" }), json!({ "t": 1 }), json!({})]);
        assert_eq!(out[0]["rejected"], "the field `t` is no text but a number");
        assert_eq!(out[1]["rejected"], "there is no field `t`");
    }

    #[test]
    fn tokens_are_those_of_the_model() {
        let bench = Bench::new();
        // To the model of the tests, each word is one.
        let mut step: Chunk = bench.open("by = 'tokens'\nmodel = 'm'\nsize = 4\noverlap = 1").unwrap();
        let text = "antidisestablishmentarianism b c d e f g h";
        let texts: Vec<_> =
            bench.pass(&mut step, [json!({ "text": text })]).iter().map(|out| out["text"].clone()).collect();
        assert_eq!(texts, ["antidisestablishmentarianism b c d", "d e f g", "g h"]);
        let mut step: Chunk = bench.open("by = 'tokens'\nmodel = 'm'\nsize = 20\noverlap = 5").unwrap();
        let words: Vec<_> = (10..60).map(|n| n.to_string()).collect();
        let out = bench.pass(&mut step, [json!({ "text": words.join(" ") })]);
        let texts: Vec<_> = out.iter().map(|out| out["text"].as_str().unwrap()).collect();
        assert!(texts.iter().all(|text| (5..=20).contains(&text.split(' ').count())), "{texts:?}");
        assert!(texts[1].starts_with(&texts[0][texts[0].len() - 5 * 3 + 1..]), "{texts:?}");
    }

    #[test]
    fn sections_know_their_headings() {
        let bench = Bench::new();
        let mut step: Chunk = bench.open("by = 'markdown'\nsize = 20").unwrap();
        let text =
            "intro\n\n# A\n\none\n\n## B `c`\n\ntwo, which is longer than twenty\n\n# D\n\n## E\n\nthree";
        let out = bench.pass(&mut step, [json!({ "text": text })]);
        let got: Vec<_> = out.iter().map(|out| (out["headings"].clone(), out["text"].clone())).collect();
        let expect = [
            (json!([]), json!("intro")),
            (json!(["A"]), json!("one")),
            (json!(["A", "B c"]), json!("two, which is longer")),
            (json!(["A", "B c"]), json!("than twenty")),
            (json!(["D", "E"]), json!("three")),
        ];
        assert_eq!(got, expect);
        assert_eq!(out[4]["chunk"], 5);
    }

    #[test]
    fn mistakes_are_told_at_their_place() {
        let bench = Bench::new();
        let at = |fields: &str| bench.error::<Chunk>(fields).span;
        assert_eq!(at("size = 0"), Some(7..8));
        assert_eq!(at("size = 5\noverlap = 5"), Some(19..20));
        assert_eq!(at("size = 5\nby = 'tokens'"), Some(14..22));
        assert_eq!(at("size = 5\nmodel = 'm'"), Some(17..20));
        assert_eq!(at("size = 5\nby = 'tokens'\nmodel = 'nope'"), Some(31..37));
    }
}
