//! Lines of JSON out of a file.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use toml::Spanned;

use super::Kind;
use super::lines::{Line, Lines, Place};
use crate::error::Error;
use crate::node::{Context, Progress, Pull, Pulled, Room, Source};
use crate::record::Record;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// The file. Empty lines are passed over.
    #[schemars(with = "String")]
    path: Spanned<String>,
    /// The longest line, in bytes.
    #[serde(default = "longest")]
    max_line: usize,
}

fn longest() -> usize {
    16 << 20
}

pub(crate) struct Jsonl {
    path: PathBuf,
    /// What ids begin with: the path as the pipeline file has it.
    name: String,
    max_line: usize,
    size: u64,
    watch: bool,
    lines: Option<Lines>,
}

impl Kind for Jsonl {
    const NAME: &'static str = "jsonl";
    const ABOUT: &'static str = "lines of JSON from a file, one record each";
    type Config = Config;

    fn open(config: Config, context: &Context) -> Result<Self, Error> {
        let path = context.path(config.path.get_ref());
        let found = std::fs::metadata(&path);
        let size = found.map_err(|error| Error::file("read", &path, &error).at(config.path.span()))?.len();
        let (name, max_line) = (config.path.into_inner(), config.max_line);
        Ok(Self { path, name, max_line, size, watch: context.watch, lines: None })
    }
}

impl Jsonl {
    /// One over a file that another source has made; `name` is what ids begin with.
    pub(super) fn over(path: PathBuf, name: String) -> Result<Self, Error> {
        let size = std::fs::metadata(&path).map_err(|error| Error::file("read", &path, &error))?.len();
        Ok(Self { path, name, max_line: longest(), size, watch: false, lines: None })
    }
}

impl Source for Jsonl {
    fn start(&mut self, position: Option<&Value>) -> Result<(), Error> {
        let place = position.map_or_else(|| Ok(Place::default()), Place::deserialize);
        let place = place
            .map_err(|error| Error::new(format!("the place in {} is unreadable: {error}", self.name)))?;
        self.lines = Some(Lines::open(&self.path, &place, self.max_line)?);
        Ok(())
    }

    fn pull(&mut self, room: Room) -> Result<Pull, Error> {
        let Some(lines) = &mut self.lines else { return Ok(Pull::End) };
        let (mut batch, mut bytes) = (Vec::new(), 0);
        while batch.len() < room.records && bytes < room.bytes {
            let next = lines.next(self.watch).map_err(|error| Error::file("read", &self.path, &error))?;
            let Some(line) = next else { break };
            let id = format!("{}:{}", self.name, lines.line());
            match line {
                Line::Text(text) if text.trim_ascii().is_empty() => {}
                Line::Text(text) => {
                    bytes += text.len();
                    batch.push(Pulled::Record(Record::from_text(id, text)));
                }
                Line::Bad(why) => {
                    batch.push(Pulled::Bad { record: Record::from_value(id, Value::Null), why })
                }
            }
        }
        Ok(match batch.is_empty() {
            false => Pull::Batch(batch),
            true if self.watch => Pull::Idle,
            true => Pull::End,
        })
    }

    fn position(&self) -> Value {
        json!(self.lines.as_ref().map_or_else(Place::default, Lines::place))
    }

    fn progress(&self) -> Progress {
        Progress { done: self.lines.as_ref().map_or(0, Lines::byte), total: Some(self.size) }
    }
}
