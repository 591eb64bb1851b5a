//! A step of an installed plugin, in a sandbox of its own.

use std::collections::VecDeque;
use std::mem;
use std::rc::Rc;

use inferno_sdk::step::{self, Item};
use inferno_sdk::{Error as HostError, ErrorKind};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use toml::Spanned;

use super::Kind;
use crate::error::Error;
use crate::host::{Host, OpenStep};
use crate::node::{Beside, Context, Outcome, Saved, Step};
use crate::record::Record;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// The plugin. It has to be installed and play the role `step`.
    #[schemars(with = "String")]
    plugin: Spanned<String>,
    /// What it is configured with, as its own documentation says.
    #[serde(default = "empty")]
    config: Value,
    /// What of its memory a run that goes on gives back to it.
    #[serde(default)]
    memory: Memory,
}

fn empty() -> Value {
    json!({})
}

/// How a plugin's memory is brought back: it sees again what it saw.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Memory {
    /// From the first record on that it absorbs, such as for a sum.
    #[default]
    Absorbed,
    /// All records from the beginning: for a step that counts or compares without absorbing.
    All,
    /// It has none: each record is worked on by itself, in as many instances as calls of models may be under way.
    None,
}

pub(crate) struct Plugin {
    host: Rc<dyn Host>,
    name: String,
    config: Value,
    /// Those at work; one that failed makes room for another.
    instances: Vec<Option<Box<dyn OpenStep>>>,
    /// Batches under way, oldest first, and whose they are.
    begun: VecDeque<(usize, Vec<Item>)>,
    /// Whose the next batch is.
    next: usize,
    /// Who ended a batch last, and so has none.
    idle: usize,
    memory: Memory,
    /// Everything that it sees from now on is part of its memory.
    remembers: bool,
    /// What it has seen since the last checkpoint, as lines of JSON.
    seen: Vec<u8>,
    /// What `finish` gave, in order from the end.
    kept: Option<Vec<Record>>,
}

/// How many records of `finish` go on at once.
const AT_ONCE: usize = 256;

#[derive(Serialize, Deserialize)]
struct Seen {
    id: String,
    data: String,
}

impl Kind for Plugin {
    const NAME: &'static str = "plugin";
    const ABOUT: &'static str = "the step of an installed plugin, with the plugin's own grants";
    type Config = Config;

    fn open(config: Config, context: &Context) -> Result<Self, Error> {
        let host = context.host.clone();
        let span = config.plugin.span();
        let name = config.plugin.into_inner();
        let open = host.open_step(&name, &config.config).map_err(|error| Error::from(error).at(span))?;
        let count = if config.memory == Memory::None { context.models.parallel() } else { 1 };
        let mut instances: Vec<_> = (0..count.max(1)).map(|_| None).collect();
        instances[0] = Some(open);
        Ok(Self {
            host,
            name,
            config: config.config,
            instances,
            begun: VecDeque::new(),
            next: 0,
            idle: 0,
            memory: config.memory,
            remembers: config.memory == Memory::All,
            seen: Vec::new(),
            kept: None,
        })
    }
}

impl Beside for Plugin {
    fn room(&self) -> usize {
        self.instances.len()
    }

    fn begin(&mut self, _: usize, batch: Vec<Record>) -> Result<(), Error> {
        let at = self.next;
        self.next = (at + 1) % self.instances.len();
        self.submit(at, batch)
    }

    fn end(&mut self) -> Result<Vec<Outcome>, Error> {
        let Some((at, items)) = self.begun.pop_front() else { return Ok(Vec::new()) };
        self.take(at, items)
    }
}

impl Step for Plugin {
    fn process(&mut self, _: usize, batch: Vec<Record>) -> Result<Vec<Outcome>, Error> {
        let at = self.idle;
        self.submit(at, batch)?;
        let Some((at, items)) = self.begun.pop_back() else { return Ok(Vec::new()) };
        self.take(at, items)
    }

    fn beside(&mut self) -> Option<&mut dyn Beside> {
        Some(self)
    }

    fn finish(&mut self) -> Result<Vec<Record>, Error> {
        if self.kept.is_none() {
            // One that has seen nothing may keep something all the same, such as a sum of nothing.
            self.instance(0)?;
            let mut kept = Vec::new();
            for open in mem::take(&mut self.instances).into_iter().flatten() {
                kept.extend(open.finish().map_err(|error| self.told(error))?.into_iter().map(record));
            }
            kept.reverse();
            self.kept = Some(kept);
        }
        let kept = self.kept.get_or_insert_default();
        Ok(kept.drain(kept.len().saturating_sub(AT_ONCE)..).rev().collect())
    }

    fn save(&mut self) -> Result<Saved, Error> {
        Ok(match mem::take(&mut self.seen) {
            nothing if nothing.is_empty() => Saved::Nothing,
            seen => Saved::More(seen),
        })
    }

    fn restore(&mut self, piece: &[u8]) -> Result<(), Error> {
        let unreadable =
            |error| Error::new(format!("what the step {} saw is unreadable: {error}", self.name));
        let lines = serde_json::Deserializer::from_slice(piece).into_iter::<Seen>();
        let items = lines.map(|seen| seen.map(|Seen { id, data }| Item { id, data }));
        let mut items = items.collect::<Result<Vec<_>, _>>().map_err(unreadable)?;
        self.remembers = true;
        while !items.is_empty() {
            let rest = items.split_off(items.len().min(AT_ONCE));
            let batch = mem::replace(&mut items, rest);
            let instance = self.instance(0)?;
            let outcomes = instance.submit(batch).and_then(|_| instance.take());
            outcomes.map_err(|error| self.told(error))?;
        }
        Ok(())
    }
}

impl Plugin {
    /// An instance; after a failure a new one.
    fn instance(&mut self, at: usize) -> Result<&mut dyn OpenStep, Error> {
        if self.instances.get(at).is_none_or(Option::is_none) {
            let opened = self.host.open_step(&self.name, &self.config).map_err(|error| self.told(error))?;
            if let Some(place) = self.instances.get_mut(at) {
                *place = Some(opened);
            }
        }
        match self.instances.get_mut(at) {
            Some(Some(open)) => Ok(open.as_mut()),
            _ => Err(Error::new(format!("the step of the plugin {} has ended", self.name))),
        }
    }

    fn submit(&mut self, at: usize, batch: Vec<Record>) -> Result<(), Error> {
        let items = batch.into_iter().map(item).collect();
        let submitted = self.instance(at)?.submit(items);
        let items = submitted.map_err(|error| self.told(error))?;
        self.begun.push_back((at, items));
        Ok(())
    }

    fn take(&mut self, at: usize, items: Vec<Item>) -> Result<Vec<Outcome>, Error> {
        self.idle = at;
        let outcomes = match self.instance(at)?.take() {
            Ok(outcomes) if outcomes.len() == items.len() => outcomes,
            Ok(outcomes) => return Err(self.miscounted(items.len(), outcomes.len())),
            Err(error) => return self.failed(at, items, &error),
        };
        self.remember(&items, &outcomes)?;
        Ok(items.into_iter().zip(outcomes).map(|(item, outcome)| translate(item, outcome)).collect())
    }

    fn told(&self, error: HostError) -> Error {
        let error = Error::from(error);
        Error { message: format!("the plugin {}: {}", self.name, error.message), ..error }
    }

    fn miscounted(&self, items: usize, outcomes: usize) -> Error {
        Error::new(format!("the plugin {} told {outcomes} outcomes for {items} items", self.name))
            .hint("that is a fault of the plugin; tell its author")
    }

    /// The whole batch failed.
    fn failed(&mut self, at: usize, items: Vec<Item>, error: &HostError) -> Result<Vec<Outcome>, Error> {
        // A call that ended in the middle leaves an instance that nobody can trust.
        self.instances[at] = None;
        if self.remembers {
            return Err(self.told(error.clone()).hint(
                "the step keeps something in memory, so that the run stops here; `inferno pipeline resume` goes on",
            ));
        }
        let why = error.to_string();
        let again = matches!(error.kind, ErrorKind::Unavailable | ErrorKind::Exhausted | ErrorKind::Timeout);
        let outcome = if again { Outcome::Retry } else { Outcome::Fail };
        Ok(items.into_iter().map(|item| outcome(record(item), why.clone())).collect())
    }

    /// Notes what the step has seen, if that may matter for what it does later.
    fn remember(&mut self, items: &[Item], outcomes: &[step::Outcome]) -> Result<(), Error> {
        let absorbed =
            |outcome: &step::Outcome| matches!(outcome, step::Outcome::Emit(items) if items.is_empty());
        let absorbs = outcomes.iter().any(absorbed);
        if absorbs && self.memory == Memory::None {
            return Err(Error::new(format!(
                "the plugin {} absorbs records, but has no memory by the file",
                self.name
            ))
            .hint("take `memory = \"none\"` out of the step"));
        }
        self.remembers |= absorbs;
        if !self.remembers {
            return Ok(());
        }
        for Item { id, data } in items {
            let seen = Seen { id: id.clone(), data: data.clone() };
            let written = serde_json::to_writer(&mut self.seen, &seen);
            written.map_err(|error| {
                Error::new(format!("cannot note what the plugin {} saw: {error}", self.name))
            })?;
            self.seen.push(b'\n');
        }
        Ok(())
    }
}

fn item(record: Record) -> Item {
    let (id, data) = record.into_parts();
    Item { id, data }
}

fn record(item: Item) -> Record {
    Record::from_text(item.id, item.data)
}

fn translate(item: Item, outcome: step::Outcome) -> Outcome {
    match outcome {
        step::Outcome::Emit(mut items) => match (items.len(), items.pop()) {
            (1, Some(one)) => Outcome::One(record(one)),
            (_, None) => Outcome::Many(Vec::new()),
            (_, Some(last)) => Outcome::Many(items.into_iter().chain([last]).map(record).collect()),
        },
        step::Outcome::Retry(why) => Outcome::Retry(record(item), why),
        step::Outcome::Reject(why) => Outcome::Reject(record(item), why),
        step::Outcome::Drop(_) => Outcome::Drop,
    }
}
