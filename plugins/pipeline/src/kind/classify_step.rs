//! One of some labels for each record, which a model chooses: it is asked, and can write nothing but a label.

use std::rc::Rc;

use inferno_sdk::inference::{Format, Message, Request};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use toml::Spanned;

use super::Kind;
use super::asking::{self, Asked};
use super::columns::{object, object_mut};
use super::expression::Template;
use crate::error::Error;
use crate::models::Models;
use crate::node::{Context, Outcome, Step};
use crate::record::Record;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// The model, by a name as `inferno models list` shows it. It is asked, and can write nothing but a label.
    #[schemars(with = "String")]
    model: Spanned<String>,
    /// The labels, of which one is chosen.
    #[schemars(with = "Vec<String>")]
    labels: Spanned<Vec<String>>,
    /// What gets the label: a template with the record's fields.
    #[serde(default = "text")]
    #[schemars(with = "String")]
    text: Spanned<String>,
    /// What the model is told before the text. Unless given: which labels there are, and to answer with the one that fits.
    instructions: Option<String>,
    /// The field for the label.
    #[serde(default = "into")]
    into: String,
}

fn text() -> Spanned<String> {
    Spanned::new(0..0, "{{ text }}".to_owned())
}

fn into() -> String {
    "label".to_owned()
}

pub(crate) struct Classify {
    models: Rc<Models>,
    labels: Vec<String>,
    text: Template,
    instructions: String,
    into: String,
    chats: bool,
    /// All but the question.
    request: Request,
}

impl Kind for Classify {
    const NAME: &'static str = "classify";
    const ABOUT: &'static str = "has a model choose one of some labels";
    type Config = Config;

    fn open(config: Config, context: &Context) -> Result<Self, Error> {
        let chats = asking::model(&config.model, context)?.chats;
        let labels = config.labels.get_ref();
        if labels.len() < 2 {
            return Err(Error::new("there is nothing to choose from")
                .hint("name two labels or more")
                .at(config.labels.span()));
        }
        let instructions = config.instructions.unwrap_or_else(|| {
            format!(
                "Which of these labels fits the text best: {}? Answer with the label alone.",
                labels.join(", ")
            )
        });
        let longest = labels.iter().map(String::len).max().unwrap_or_default();
        let mut request = Request::prompt(config.model.into_inner(), "");
        request.format = Some(Format::Json(Some(json!({ "type": "string", "enum": labels }).to_string())));
        request.temperature = Some(0.0);
        // A token is a byte or more; what JSON escapes is longer.
        request.max_tokens = Some(u32::try_from(longest * 6 + 16).unwrap_or(u32::MAX));
        Ok(Self {
            models: context.models.clone(),
            text: Template::parse(&config.text)?,
            labels: config.labels.into_inner(),
            instructions,
            into: config.into,
            chats,
            request,
        })
    }
}

impl Step for Classify {
    fn process(&mut self, _: usize, batch: Vec<Record>) -> Result<Vec<Outcome>, Error> {
        let mut asked = Asked::of(batch, |record| self.request(record));
        let requests = std::mem::take(&mut asked.questions);
        let answers = self.models.complete(requests)?;
        asked.answered(answers, |record, answer| {
            let label = serde_json::from_str::<String>(&answer.text).ok();
            let label = label.filter(|label| self.labels.contains(label));
            let label = label.ok_or_else(|| format!("the model gave no label but {:?}", answer.text))?;
            object_mut(record)?.insert(self.into.clone(), Value::String(label));
            Ok(())
        })
    }
}

impl Classify {
    fn request(&self, record: &mut Record) -> Result<Request, String> {
        object(record)?;
        let text = self.text.render(record)?;
        let mut request = self.request.clone();
        request.input = match self.chats {
            true => Request::chat("", vec![Message::system(&self.instructions), Message::user(text)]).input,
            false => Request::prompt("", format!("{}\n\n{text}\n\n", self.instructions)).input,
        };
        Ok(request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kind::bench::Bench;

    #[test]
    fn a_label_becomes_a_field_and_anything_else_is_rejected() {
        let bench = Bench::new();
        // The host of the tests repeats what it is asked, and white space before JSON does no harm.
        let fields = "model = 'm'\nlabels = ['cat', 'dog']\ninstructions = ''\ntext = '\"{{ t }}\"'";
        let mut step: Classify = bench.open(fields).unwrap();
        let out = bench.pass(&mut step, [json!({ "t": "dog" }), json!({ "t": "cow" }), json!({})]);
        assert_eq!(out[0], json!({ "t": "dog", "label": "dog" }));
        assert_eq!(out[1]["rejected"], "the model gave no label but \"\\n\\\"cow\\\"\"");
        assert_eq!(out[2]["rejected"], "there is no field `t`");
        let Some(Format::Json(Some(schema))) = &step.request.format else { panic!("there is a schema") };
        assert_eq!(schema, r#"{"type":"string","enum":["cat","dog"]}"#);
    }

    #[test]
    fn the_model_is_told_the_labels() {
        let bench = Bench::new();
        let mut step: Classify = bench.open("model = 'm'\nlabels = ['cat', 'dog']").unwrap();
        bench.pass(&mut step, [json!({ "text": "It barks." })]);
        let asked = bench.host.prompts.borrow()[0].clone();
        assert_eq!(
            asked,
            "Which of these labels fits the text best: cat, dog? Answer with the label alone.\nIt barks."
        );
        assert_eq!(bench.error::<Classify>("model = 'm'\nlabels = ['cat']").span, Some(21..28));
    }
}
