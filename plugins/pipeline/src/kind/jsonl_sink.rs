//! Lines of JSON into a file.

use std::borrow::Cow;
use std::path::PathBuf;
use std::rc::Rc;

use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

use super::Kind;
use super::growing::Growing;
use crate::disk::Disk;
use crate::error::Error;
use crate::node::{Context, Refused, Sink};
use crate::record::Record;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// The file. While the run is under way it is called so with `.partial` at its end.
    path: String,
}

pub(crate) struct Jsonl(Growing);

impl Kind for Jsonl {
    const NAME: &'static str = "jsonl";
    const ABOUT: &'static str = "lines of JSON into a file, one for each record; exactly once";
    type Config = Config;

    fn open(config: Config, context: &Context) -> Result<Self, Error> {
        Ok(Self(Growing::new(&config.path, context)))
    }
}

impl Jsonl {
    /// One that writes into its file at once.
    pub(crate) fn live(disk: Rc<dyn Disk>, path: PathBuf) -> Self {
        Self(Growing::live(disk, path))
    }
}

impl Sink for Jsonl {
    fn start(&mut self, mark: Option<&Value>) -> Result<(), Error> {
        self.0.start(mark.and_then(Value::as_u64).unwrap_or(0))
    }

    fn write(&mut self, batch: &[Record]) -> Result<Vec<Refused>, Error> {
        let mut refused = Vec::new();
        for (index, record) in batch.iter().enumerate() {
            let text = record.text();
            // What came from outside may be anything, and has to be one line of JSON here.
            if !record.is_checked()
                && let Err(error) = serde_json::from_str::<IgnoredAny>(&text)
            {
                refused.push(Refused { index, why: format!("it is no JSON: {error}"), retry: false });
                continue;
            }
            let line: Cow<'_, str> =
                if text.contains('\n') { text.replace(['\n', '\r'], " ").into() } else { text };
            self.0.write(line.as_bytes())?;
            self.0.write(b"\n")?;
        }
        Ok(refused)
    }

    fn commit(&mut self) -> Result<Value, Error> {
        self.0.commit().map(Value::from)
    }

    fn publish(&mut self) -> Result<(), Error> {
        self.0.publish()
    }
}
