//! Where single steps are tried.

use std::rc::Rc;

use serde_json::{Value, json};
use toml::de::DeTable;

use super::Kind;
use crate::disk::RealDisk;
use crate::error::Error;
use crate::file::settings::Retry;
use crate::file::table::Table;
use crate::models::Models;
use crate::node::{Context, Outcome, Saved, Step};
use crate::record::Record;
use crate::testing::FakeHost;

/// A folder and a host.
pub(super) struct Bench {
    pub(super) dir: tempfile::TempDir,
    pub(super) host: Rc<FakeHost>,
    inputs: usize,
}

impl Bench {
    pub(super) fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap(), host: Rc::default(), inputs: 1 }
    }

    pub(super) fn two_inputs() -> Self {
        Self { inputs: 2, ..Self::new() }
    }

    pub(super) fn context(&self) -> Context {
        Context {
            embedder: None,
            node: "it".to_owned(),
            inputs: self.inputs,
            folder: self.dir.path().to_owned(),
            state: self.dir.path().join("state"),
            disk: Rc::new(RealDisk),
            host: self.host.clone(),
            models: Rc::new(Models::new(self.host.clone(), None, 2)),
            watch: false,
            retry: Retry::default(),
        }
    }

    pub(super) fn open<K: Kind + Step>(&self, fields: &str) -> Result<K, Error> {
        super::open(Table::from(DeTable::parse(fields)?), &self.context(), "step")
    }

    #[track_caller]
    pub(super) fn error<K: Kind + Step>(&self, fields: &str) -> Error {
        self.open::<K>(fields).err().expect("it is wrong")
    }

    /// What comes out of a step; of rejected records, why.
    pub(super) fn pass(&self, step: &mut impl Step, values: impl IntoIterator<Item = Value>) -> Vec<Value> {
        let records = (1..).zip(values).map(|(n, value)| Record::from_value(format!("in:{n}"), value));
        self.pass_records(step, 0, records.collect()).into_iter().map(|(_, value)| value).collect()
    }

    /// The same with ids.
    pub(super) fn pass_records(
        &self,
        step: &mut impl Step,
        input: usize,
        batch: Vec<Record>,
    ) -> Vec<(String, Value)> {
        let count = batch.len();
        let outcomes = step.process(input, batch).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(outcomes.len(), count);
        outcomes.into_iter().flat_map(shown).collect()
    }

    /// All that a step kept.
    pub(super) fn finish(&self, step: &mut impl Step) -> Vec<(String, Value)> {
        let mut all = Vec::new();
        loop {
            let kept = step.finish().unwrap_or_else(|error| panic!("{error}"));
            if kept.is_empty() {
                return all;
            }
            all.extend(kept.into_iter().map(plain));
        }
    }

    /// Runs batches through a step undisturbed, and then with a death after each of them, once with a checkpoint after
    /// every batch and once with a single one: everything has to be the same. Gives what came out.
    #[track_caller]
    pub(super) fn survives<K: Kind + Step>(
        &self,
        fields: &str,
        batches: &[(usize, Vec<Value>)],
    ) -> Vec<(String, Value)> {
        let records = |n: usize| {
            let (input, values) = &batches[n];
            let record =
                |(m, value): (usize, &Value)| Record::from_value(format!("in{input}:{n}.{m}"), value.clone());
            (*input, values.iter().enumerate().map(record).collect::<Vec<_>>())
        };
        let go = |step: &mut K, n: usize| {
            let (input, batch) = records(n);
            self.pass_records(step, input, batch)
        };
        let open = || self.open::<K>(fields).unwrap_or_else(|error| panic!("{error}"));
        let mut step = open();
        let mut expect: Vec<_> = (0..batches.len()).flat_map(|n| go(&mut step, n)).collect();
        expect.extend(self.finish(&mut step));
        for death in 0..=batches.len() {
            for often in [true, false] {
                let (mut first, mut pieces, mut out) = (open(), Vec::new(), Vec::new());
                for n in 0..death {
                    out.extend(go(&mut first, n));
                    if often || n + 1 == death {
                        keep(&mut pieces, first.save().unwrap());
                        assert_eq!(first.save().unwrap(), Saved::Nothing, "nothing is new");
                    }
                }
                drop(first);
                let mut second = open();
                for piece in &pieces {
                    second.restore(piece).unwrap();
                }
                for n in death..batches.len() {
                    out.extend(go(&mut second, n));
                    if often {
                        keep(&mut pieces, second.save().unwrap());
                    }
                }
                keep(&mut pieces, second.save().unwrap());
                out.extend(self.finish(&mut second));
                assert_eq!(out, expect, "death after {death}, checkpoints after all: {often}");
                // Once more from the last checkpoint, as if it had died in the middle of its end.
                let mut third = open();
                for piece in &pieces {
                    third.restore(piece).unwrap();
                }
                let end = self.finish(&mut third);
                assert_eq!(end, expect[expect.len() - end.len()..], "the end again");
            }
        }
        expect
    }
}

fn keep(pieces: &mut Vec<Vec<u8>>, saved: Saved) {
    match saved {
        Saved::Nothing => {}
        Saved::More(piece) => pieces.push(piece),
        Saved::All(piece) => *pieces = vec![piece],
    }
}

fn plain(mut record: Record) -> (String, Value) {
    let value = record.value().unwrap().clone();
    (record.id, value)
}

fn shown(outcome: Outcome) -> Vec<(String, Value)> {
    let told = |word: &str, record: Record, why: String| {
        let (id, data) = plain(record);
        vec![(id, json!({ word: why, "data": data }))]
    };
    match outcome {
        Outcome::One(record) => vec![plain(record)],
        Outcome::Many(records) => records.into_iter().map(plain).collect(),
        Outcome::Retry(record, why) => told("again", record, why),
        Outcome::Reject(record, why) => told("rejected", record, why),
        Outcome::Fail(record, why) => told("failed", record, why),
        Outcome::Drop => Vec::new(),
    }
}
