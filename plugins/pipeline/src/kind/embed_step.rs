//! Vectors of texts.

use std::rc::Rc;

use inferno_sdk::{Error as HostError, ErrorKind};
use schemars::JsonSchema;
use serde::Deserialize;
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
    /// The model, by a name as `inferno models list` shows it.
    #[schemars(with = "String")]
    model: Spanned<String>,
    /// What is embedded: a template with the record's fields, such as `{{ title }}: {{ text }}`.
    #[serde(default = "text")]
    #[schemars(with = "String")]
    text: Spanned<String>,
    /// The field for the vector, an array of numbers.
    #[serde(default = "into")]
    into: String,
}

fn text() -> Spanned<String> {
    Spanned::new(0..0, "{{ text }}".to_owned())
}

fn into() -> String {
    "vector".to_owned()
}

pub(crate) struct Embed {
    models: Rc<Models>,
    model: String,
    text: Template,
    into: String,
}

/// How many texts a call takes.
const AT_ONCE: usize = 64;

impl Kind for Embed {
    const NAME: &'static str = "embed";
    const ABOUT: &'static str = "puts the vector of a text into a field";
    type Config = Config;

    fn open(config: Config, context: &Context) -> Result<Self, Error> {
        asking::model(&config.model, context)?;
        let text = Template::parse(&config.text)?;
        let (models, model) = (context.models.clone(), config.model.into_inner());
        Ok(Self { models, model, text, into: config.into })
    }
}

impl Step for Embed {
    fn process(&mut self, _: usize, batch: Vec<Record>) -> Result<Vec<Outcome>, Error> {
        let asked = Asked::of(batch, |record| {
            object(record)?;
            self.text.render(record)
        });
        let mut vectors = Vec::with_capacity(asked.questions.len());
        for texts in asked.questions.chunks(AT_ONCE) {
            vectors.extend(self.embed(texts)?);
        }
        asked.answered(vectors, |record, vector| {
            object_mut(record)?.insert(self.into.clone(), vector.into());
            Ok(())
        })
    }
}

impl Embed {
    fn embed(&self, texts: &[String]) -> Result<Vec<Result<Vec<f32>, HostError>>, Error> {
        match self.models.embed(&self.model, texts.to_vec())? {
            Ok(vectors) => Ok(vectors.into_iter().map(Ok).collect()),
            // One text of them fails all: the others do not have to suffer for it.
            Err(error) if texts.len() > 1 && is_about_a_text(&error) => {
                let (one, other) = texts.split_at(texts.len() / 2);
                let mut vectors = self.embed(one)?;
                vectors.extend(self.embed(other)?);
                Ok(vectors)
            }
            Err(error) => Ok(texts.iter().map(|_| Err(error.clone())).collect()),
        }
    }
}

fn is_about_a_text(error: &HostError) -> bool {
    matches!(error.kind, ErrorKind::Invalid | ErrorKind::ContextLength)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kind::bench::Bench;
    use serde_json::json;

    #[test]
    fn vectors_become_fields_and_a_bad_text_fails_alone() {
        let bench = Bench::new();
        let mut step: Embed = bench.open("model = 'm'").unwrap();
        let mut values: Vec<_> = (0..150).map(|n| json!({ "text": "a".repeat(n) })).collect();
        values[70] = json!({ "text": "too long" });
        values[71] = json!({ "t": "a" });
        let out = bench.pass(&mut step, values);
        for (n, out) in out.iter().enumerate() {
            match n {
                70 => assert_eq!(out["rejected"], "the text is too long"),
                71 => assert_eq!(out["rejected"], "there is no field `text`"),
                // The model of the tests counts vowels.
                _ => assert_eq!(out["vector"], json!([n as f32, 0.0, 0.0, 0.0, 0.0])),
            }
        }
        let mut step: Embed = bench.open("model = 'm'\ntext = '{{ a }} {{ b }}'\ninto = 'v'").unwrap();
        let out = bench.pass(&mut step, [json!({ "a": "e", "b": "oo" })]);
        assert_eq!(out[0]["v"], json!([0.0, 1.0, 0.0, 2.0, 0.0]));
        assert_eq!(bench.error::<Embed>("model = 'nope'").span, Some(8..14));
    }
}
