//! Text files.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use toml::Spanned;

use super::documents_source::{Form, What, largest};
use crate::error::Error;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// The files, such as `docs/**/*.txt`. With `--watch`, files that come or change later too.
    #[schemars(with = "String")]
    files: Spanned<String>,
    /// The largest file, in bytes.
    #[serde(default = "largest")]
    max_size: u64,
}

/// The text as it is.
pub(crate) struct Text;

impl Form for Text {
    const NAME: &'static str = "text";
    const ABOUT: &'static str = "text files, one record each: `path` and `text`";
    type Config = Config;

    fn open(Config { files, max_size }: Config) -> Result<(What, Self), Error> {
        Ok((What { files, max_size }, Self))
    }

    fn read(&self, name: &str, text: String) -> Result<Value, String> {
        Ok(json!({ "path": name, "text": text }))
    }
}
