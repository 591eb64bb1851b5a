//! Text, or fields, that a model writes.

use std::rc::Rc;

use inferno_sdk::inference::{Format, Message, Request};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};
use toml::Spanned;

use super::Kind;
use super::asking::{self, Asked};
use super::columns::object_mut;
use super::expression::Template;
use crate::error::Error;
use crate::models::{Answer, Models};
use crate::node::{Context, Outcome, Step};
use crate::record::Record;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// The model, by a name as `inferno models list` shows it.
    #[schemars(with = "String")]
    model: Spanned<String>,
    /// What it is asked: a template with the record's fields, such as `Sum up in one sentence: {{ text }}`.
    #[schemars(with = "String")]
    prompt: Spanned<String>,
    /// Instructions that come before: a template too. Only for models that chat.
    #[schemars(with = "Option<String>")]
    system: Option<Spanned<String>>,
    /// The field for the answer. Unless given: `answer`; with `schema`, the fields of the answer become those of the
    /// record.
    into: Option<String>,
    /// A JSON schema of an object. The model can write nothing else, and its fields are taken.
    #[schemars(with = "Option<Map<String, Value>>")]
    schema: Option<Spanned<Value>>,
    /// The most tokens of an answer. An answer that is cut off there is kept as it is, or rejected with `schema`.
    #[serde(default = "tokens")]
    max_tokens: u32,
    /// How freely it chooses its words, from 0 to 2. With 0 the same question always has the same answer.
    #[serde(default)]
    temperature: f32,
    /// Chooses among so many likeliest tokens.
    top_k: Option<u32>,
    /// Chooses among the likeliest tokens that together have this probability.
    top_p: Option<f32>,
    /// Chooses among tokens that have at least this share of the likeliest one's probability.
    min_p: Option<f32>,
    /// Makes what was said already less likely; 1 changes nothing.
    repeat_penalty: Option<f32>,
    /// With a temperature: another seed is another answer.
    #[serde(default)]
    seed: u64,
    /// Texts that end an answer.
    #[serde(default)]
    stop: Vec<String>,
}

fn tokens() -> u32 {
    512
}

pub(crate) struct Generate {
    models: Rc<Models>,
    prompt: Template,
    system: Option<Template>,
    into: Option<String>,
    has_schema: bool,
    chats: bool,
    /// All but the question.
    request: Request,
}

impl Kind for Generate {
    const NAME: &'static str = "generate";
    const ABOUT: &'static str = "asks a model, and puts its answer into a field, or the fields of its answer";
    type Config = Config;

    fn open(config: Config, context: &Context) -> Result<Self, Error> {
        let chats = asking::model(&config.model, context)?.chats;
        if let (Some(system), false) = (&config.system, chats) {
            return Err(Error::new(format!("the model {} does not chat", config.model.get_ref()))
                .hint("put the instructions into the prompt")
                .at(system.span()));
        }
        let prompt = Template::parse(&config.prompt)?;
        let system = config.system.as_ref().map(Template::parse).transpose()?;
        let mut request = Request::prompt(config.model.into_inner(), "");
        request.max_tokens = Some(config.max_tokens);
        request.temperature = Some(config.temperature);
        request.top_k = config.top_k;
        request.top_p = config.top_p;
        request.min_p = config.min_p;
        request.repeat_penalty = config.repeat_penalty;
        request.seed = Some(config.seed);
        request.stop = config.stop;
        request.format = config.schema.as_ref().map(schema).transpose()?;
        let (into, has_schema) = (config.into, config.schema.is_some());
        Ok(Self { models: context.models.clone(), prompt, system, into, has_schema, chats, request })
    }
}

fn schema(schema: &Spanned<Value>) -> Result<Format, Error> {
    if schema.get_ref()["type"] != "object" {
        return Err(Error::new("the schema is none of an object")
            .hint("begin with `type = \"object\"`, and describe the fields in `properties`")
            .at(schema.span()));
    }
    Ok(Format::Json(Some(schema.get_ref().to_string())))
}

impl Step for Generate {
    fn process(&mut self, _: usize, batch: Vec<Record>) -> Result<Vec<Outcome>, Error> {
        let mut asked = Asked::of(batch, |record| self.request(record));
        let requests = std::mem::take(&mut asked.questions);
        let answers = self.models.complete(requests)?;
        asked.answered(answers, |record, answer| self.put(record, answer))
    }
}

impl Generate {
    fn request(&self, record: &mut Record) -> Result<Request, String> {
        super::columns::object(record)?;
        let prompt = self.prompt.render(record)?;
        let system = self.system.as_ref().map(|system| system.render(record)).transpose()?;
        let blank = match self.chats {
            false => Request::prompt("", prompt),
            true => {
                let system = system.map(Message::system);
                Request::chat("", system.into_iter().chain([Message::user(prompt)]).collect())
            }
        };
        let mut request = self.request.clone();
        request.input = blank.input;
        Ok(request)
    }

    fn put(&self, record: &mut Record, answer: Answer) -> Result<(), String> {
        if !self.has_schema {
            let into = self.into.as_deref().unwrap_or("answer");
            object_mut(record)?.insert(into.to_owned(), answer.text.into());
            return Ok(());
        }
        if !answer.whole {
            return Err(format!(
                "the answer was cut off after {} tokens; raise `max_tokens`",
                answer.output_tokens
            ));
        }
        let fields: Map<String, Value> = serde_json::from_str(&answer.text)
            .map_err(|error| format!("the answer is no JSON object: {error}: {}", answer.text))?;
        match &self.into {
            Some(into) => {
                object_mut(record)?.insert(into.clone(), fields.into());
            }
            None => object_mut(record)?.extend(fields),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kind::bench::Bench;
    use serde_json::json;

    #[test]
    fn an_answer_becomes_a_field() {
        let bench = Bench::new();
        let fields = "model = 'm'\nsystem = 'Be {{ how }}.'\nprompt = 'About {{ text | trim }}'";
        let mut step: Generate = bench.open(fields).unwrap();
        let out = bench
            .pass(&mut step, [json!({ "how": "brief", "text": " cats " }), json!({ "text": "x" }), json!(1)]);
        // The host of the tests repeats what it is asked.
        assert_eq!(out[0], json!({ "how": "brief", "text": " cats ", "answer": "Be brief.\nAbout cats" }));
        assert_eq!(out[1]["rejected"], "there is no field `how`");
        assert_eq!(out[2]["rejected"], "it has no fields: it is a number");
    }

    #[test]
    fn an_answer_with_a_schema_becomes_fields() {
        let bench = Bench::new();
        let schema = "[schema]\ntype = 'object'\nproperties.a = { type = 'integer' }";
        let open = |more: &str| {
            bench.open(&format!("model = 'm'\nprompt = '{{{{ t }}}}'\n{more}\n{schema}")).unwrap()
        };
        let mut step: Generate = open("");
        let out = bench.pass(&mut step, [json!({ "t": "{\"a\":1}" }), json!({ "t": "[1]" })]);
        assert_eq!(out[0], json!({ "t": "{\"a\":1}", "a": 1 }));
        assert!(
            out[1]["rejected"].as_str().unwrap().starts_with("the answer is no JSON object: "),
            "{out:?}"
        );
        let mut step: Generate = open("into = 'found'");
        assert_eq!(bench.pass(&mut step, [json!({ "t": "{\"a\":1}" })])[0]["found"], json!({ "a": 1 }));
        let mut step: Generate = open("max_tokens = 1");
        let out = bench.pass(&mut step, [json!({ "t": "{\"a\":1}" })]);
        assert_eq!(out[0]["rejected"], "the answer was cut off after 1 tokens; raise `max_tokens`");
        let Some(Format::Json(Some(schema))) = &step.request.format else { panic!("there is a schema") };
        assert_eq!(schema, r#"{"type":"object","properties":{"a":{"type":"integer"}}}"#);
    }

    #[test]
    fn failures_are_told_apart() {
        let bench = Bench::new();
        let mut step: Generate = bench.open("model = 'm'\nprompt = '{{ t }}'").unwrap();
        let out = bench.pass(&mut step, ["busy", "too long", "broken", "fine"].map(|t| json!({ "t": t })));
        let words: Vec<_> =
            out.iter().map(|out| out.as_object().unwrap().keys().next().unwrap().clone()).collect();
        assert_eq!(words, ["again", "rejected", "failed", "t"]);
    }

    #[test]
    fn mistakes_are_told_at_their_place() {
        let bench = Bench::new();
        let at = |fields: &str| bench.error::<Generate>(fields).span;
        assert_eq!(at("model = 'nope'\nprompt = ''"), Some(8..14));
        assert_eq!(at("model = 'm'\nprompt = '{{'"), Some(22..24));
        assert_eq!(at("model = 'm'\nprompt = ''\nschema = { type = 'array' }"), Some(33..51));
    }
}
