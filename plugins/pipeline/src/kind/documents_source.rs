//! Whole files, one record each: what text, Markdown and HTML have in common.
//!
//! Which files have been taken is kept in a file of this node, whose length is the position: so that a run that goes on,
//! whether it watches or not, takes those that are left, in whatever order they appear.

use std::collections::{BTreeMap, VecDeque};
use std::fs;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use toml::Spanned;

use super::Kind;
use super::globs::{Found, Globs, State};
use crate::disk::Append;
use crate::error::Error;
use crate::node::{Context, Progress, Pull, Pulled, Room, Source};
use crate::record::Record;

/// What makes records of files.
pub(crate) trait Form: Sized + 'static {
    const NAME: &'static str;
    const ABOUT: &'static str;
    type Config: DeserializeOwned + JsonSchema;

    fn open(config: Self::Config) -> Result<(What, Self), Error>;

    /// The record of a file; for people, why there is none.
    fn read(&self, name: &str, text: String) -> Result<Value, String>;
}

/// Which files.
pub(crate) struct What {
    pub(crate) files: Spanned<String>,
    /// The largest, in bytes.
    pub(crate) max_size: u64,
}

/// What the largest is unless the file says otherwise.
pub(super) fn largest() -> u64 {
    16 << 20
}

pub(crate) struct Documents<F> {
    form: F,
    globs: Globs,
    max_size: u64,
    context: Context,
    /// The files that are next.
    queue: VecDeque<Found>,
    /// What has been taken, in whatever state it was.
    taken: BTreeMap<String, State>,
    /// What was there when they were looked for last; those that are the same the next time are no longer being written.
    settling: BTreeMap<String, State>,
    journal: Option<Box<dyn Append>>,
    count: u64,
}

/// A line of the journal.
#[derive(Serialize, Deserialize)]
struct Taken {
    name: String,
    size: u64,
    modified: u64,
}

impl<F: Form> Kind for Documents<F> {
    const NAME: &'static str = F::NAME;
    const ABOUT: &'static str = F::ABOUT;
    type Config = F::Config;

    fn open(config: F::Config, context: &Context) -> Result<Self, Error> {
        let (What { files, max_size }, form) = F::open(config)?;
        Ok(Self {
            form,
            globs: Globs::open(&files, context)?,
            max_size,
            context: context.clone(),
            queue: VecDeque::new(),
            taken: BTreeMap::new(),
            settling: BTreeMap::new(),
            journal: None,
            count: 0,
        })
    }
}

impl<F: Form> Documents<F> {
    /// Notes which files are new, or have changed.
    fn look(&mut self) -> Result<(), Error> {
        let found = self.globs.find()?;
        if !self.context.watch {
            self.queue.extend(found.into_iter().filter(|found| !self.taken.contains_key(&found.name)));
            return Ok(());
        }
        let settling = std::mem::take(&mut self.settling);
        for found in found {
            if self.taken.get(&found.name) == Some(&found.state) {
                continue;
            }
            match settling.get(&found.name) == Some(&found.state) {
                true => self.queue.push_back(found),
                false => drop(self.settling.insert(found.name, found.state)),
            }
        }
        Ok(())
    }

    /// Takes a file.
    fn take(&mut self, found: Found) -> Result<(Pulled, usize), Error> {
        // Another version of a file is another record.
        let id = match self.taken.contains_key(&found.name) {
            true => format!("{}@{}", found.name, found.state.modified),
            false => found.name.clone(),
        };
        let pulled = match self.read(&found) {
            Ok(data) => Pulled::Record(Record::from_value(id, data)),
            Err(why) => Pulled::Bad { record: Record::from_value(id, json!({ "path": found.name })), why },
        };
        let State { size, modified } = found.state;
        if let Some(journal) = &mut self.journal {
            let line = json!(Taken { name: found.name.clone(), size, modified });
            journal.write_all(format!("{line}\n").as_bytes()).map_err(|error| self.failed(&error))?;
        }
        self.taken.insert(found.name, found.state);
        self.count += 1;
        Ok((pulled, usize::try_from(size.min(self.max_size)).unwrap_or(usize::MAX)))
    }

    fn read(&self, found: &Found) -> Result<Value, String> {
        if found.state.size > self.max_size {
            return Err(format!("the file is larger than {} bytes", self.max_size));
        }
        let bytes = fs::read(&found.path).map_err(|error| format!("cannot read the file: {error}"))?;
        let text = String::from_utf8(bytes)
            .map_err(|error| format!("the file is no UTF-8 text: {}", error.utf8_error()))?;
        let text = text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text);
        self.form.read(&found.name, text)
    }

    fn failed(&self, error: &std::io::Error) -> Error {
        Error::file("write", &self.context.state.join("taken"), error)
    }
}

impl<F: Form> Source for Documents<F> {
    fn start(&mut self, position: Option<&Value>) -> Result<(), Error> {
        let path = self.context.state.join("taken");
        let length = position.and_then(Value::as_u64).unwrap_or(0);
        self.context.disk.create_folder(&self.context.state).map_err(|error| self.failed(&error))?;
        self.journal = Some(self.context.disk.append(&path, length).map_err(|error| self.failed(&error))?);
        let text = fs::read_to_string(&path).map_err(|error| Error::file("read", &path, &error))?;
        for line in text.lines() {
            let Taken { name, size, modified } = serde_json::from_str(line).map_err(|error| {
                Error::new(format!("{} is damaged: {error}", path.display()))
                    .hint("begin again with `--fresh`")
            })?;
            self.taken.insert(name, State { size, modified });
            self.count += 1;
        }
        self.look()
    }

    fn pull(&mut self, room: Room) -> Result<Pull, Error> {
        if self.queue.is_empty() && self.context.watch {
            self.look()?;
        }
        let (mut batch, mut bytes) = (Vec::new(), 0);
        while batch.len() < room.records && bytes < room.bytes {
            let Some(found) = self.queue.pop_front() else { break };
            let (pulled, size) = self.take(found)?;
            bytes += size;
            batch.push(pulled);
        }
        if batch.is_empty() {
            return Ok(if self.context.watch { Pull::Idle } else { Pull::End });
        }
        if let Some(journal) = &mut self.journal {
            let synced = journal.sync();
            synced.map_err(|error| self.failed(&error))?;
        }
        Ok(Pull::Batch(batch))
    }

    fn position(&self) -> Value {
        json!(self.journal.as_ref().map_or(0, |journal| journal.length()))
    }

    fn progress(&self) -> Progress {
        let total = (!self.context.watch).then(|| self.count + self.queue.len() as u64);
        Progress { done: self.count, total }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kind::bench::Bench;
    use crate::kind::text_source::Text;

    const ROOM: Room = Room { records: 10, bytes: 1000 };

    fn watching(bench: &Bench, position: Option<&Value>) -> Documents<Text> {
        let fields = toml::de::DeTable::parse("files = \"in/*.txt\"").unwrap();
        let context = Context { watch: true, ..bench.context() };
        let mut source: Documents<Text> = super::super::open(fields.into(), &context, "source").unwrap();
        source.start(position).unwrap();
        source
    }

    fn ids(pull: Pull) -> Vec<String> {
        let Pull::Batch(batch) = pull else { return Vec::new() };
        let id = |pulled: Pulled| match pulled {
            Pulled::Record(record) | Pulled::Bad { record, .. } => record.id,
        };
        batch.into_iter().map(id).collect()
    }

    #[test]
    fn files_that_come_and_change_are_taken_once_they_are_whole() {
        let bench = Bench::new();
        let write = |name: &str, text: &str| {
            fs::create_dir_all(bench.dir.path().join("in")).unwrap();
            fs::write(bench.dir.path().join("in").join(name), text).unwrap();
        };
        let mut source = watching(&bench, None);
        assert!(matches!(source.pull(ROOM).unwrap(), Pull::Idle));
        write("b.txt", "1");
        assert!(ids(source.pull(ROOM).unwrap()).is_empty(), "it may still be being written");
        write("b.txt", "12");
        assert!(ids(source.pull(ROOM).unwrap()).is_empty(), "it has grown since");
        assert_eq!(ids(source.pull(ROOM).unwrap()), ["in/b.txt"]);
        assert!(ids(source.pull(ROOM).unwrap()).is_empty());
        let position = source.position();
        // One that sorts before what was taken, and another version of that.
        write("a.txt", "1");
        write("b.txt", "123");
        for _ in 0..2 {
            let mut again = watching(&bench, Some(&position));
            let taken = ids(again.pull(ROOM).unwrap());
            assert_eq!(taken[0], "in/a.txt");
            assert!(taken[1].starts_with("in/b.txt@"), "{taken:?}");
            assert_eq!(taken.len(), 2);
        }
    }
}
