//! What a pipeline sets for all of its nodes, and for single ones.

use std::fmt;
use std::num::NonZero;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, de};
use toml::Spanned;

use crate::error::Error;

/// The `[pipeline]` table.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Settings {
    /// What it is called. Unless given: as its file.
    #[schemars(with = "Option<String>")]
    pub(crate) name: Option<Spanned<String>>,
    /// What it is for.
    pub(crate) description: Option<String>,
    /// How many records go on together.
    pub(crate) batch: NonZero<usize>,
    /// How many bytes go on together, where that is fewer records.
    pub(crate) batch_bytes: NonZero<usize>,
    /// How many calls of models are under way at once.
    pub(crate) parallel: NonZero<usize>,
    /// How often what is done is made durable; `0s`: after each batch.
    pub(crate) checkpoint: Span,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            name: None,
            description: None,
            batch: NonZero::new(256).unwrap_or(NonZero::<usize>::MIN),
            batch_bytes: NonZero::new(1 << 20).unwrap_or(NonZero::<usize>::MIN),
            parallel: NonZero::<usize>::MIN,
            checkpoint: Span(Duration::from_secs(1)),
        }
    }
}

impl Settings {
    /// The pipeline's name.
    pub(crate) fn name(&self) -> &str {
        self.name.as_ref().map_or("pipeline", |name| name.get_ref())
    }

    pub(super) fn check(&self) -> Result<(), Error> {
        let Some(name) = &self.name else { return Ok(()) };
        super::check_name(name.get_ref()).map_err(|error| error.at(name.span()))
    }
}

/// How often something is tried, and how long to wait in between.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Retry {
    /// How often it is tried in all.
    pub(crate) attempts: NonZero<u32>,
    /// How long to wait before the second attempt; each further wait is twice as long.
    pub(crate) backoff: Span,
    /// The longest wait.
    pub(crate) max: Span,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            attempts: NonZero::new(3).unwrap_or(NonZero::<u32>::MIN),
            backoff: Span(Duration::from_millis(500)),
            max: Span(Duration::from_secs(30)),
        }
    }
}

impl Retry {
    /// How long to wait after the given number of attempts.
    pub(crate) fn wait(&self, attempts: u32) -> Duration {
        let factor = 2_u32.saturating_pow(attempts.saturating_sub(1));
        self.backoff.0.saturating_mul(factor).min(self.max.0)
    }
}

/// What becomes of a record that failed for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum OnError {
    /// The run stops, and can go on later.
    Stop,
    /// It is left out, and counted.
    Drop,
    /// It goes to the dead letters, with the reason.
    DeadLetter,
}

/// A time such as `500ms` or `2m`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span(pub(crate) Duration);

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Span;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a time such as \"500ms\" or \"2m\"")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Span, E> {
                let wrong = |_| E::custom(format!("{text:?} is no time; write it as in \"500ms\" or \"2m\""));
                humantime::parse_duration(text).map(Span).map_err(wrong)
            }
        }
        deserializer.deserialize_str(Visitor)
    }
}

impl JsonSchema for Span {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "time".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "format": "duration" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest() {
        let retry = Retry { max: Span(Duration::from_secs(3)), ..Retry::default() };
        let waits = [1, 2, 3, 4, 99].map(|attempts| retry.wait(attempts).as_millis());
        assert_eq!(waits, [500, 1000, 2000, 3000, 3000]);
    }
}
