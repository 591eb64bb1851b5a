//! Records in order, however many: what does not fit in memory waits in files, which are merged in the end.
//!
//! The memory of the step is the records themselves. The files are made again of them in a run that goes on, so that
//! nothing but the memory has to outlive the process.

use schemars::JsonSchema;
use serde::Deserialize;

use super::columns::{Next, Texts, each};
use super::expression::Expression;
use super::rest::AT_ONCE;
use super::{Kind, frames, order};
use crate::error::Error;
use crate::node::{Context, Outcome, Saved, Step};
use crate::record::Record;

mod runs;

use runs::{Item, Merge, Runs};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// Expressions to sort by, such as `["lang", "size desc"]`: ascending, or descending with `desc` behind. Null and
    /// what is missing comes first, then false, true, numbers, texts by their code points, arrays and objects.
    #[schemars(with = "Vec<String>")]
    by: Texts,
    /// How many bytes of records wait in memory; what is more waits in files.
    #[serde(default = "usual")]
    memory: usize,
}

fn usual() -> usize {
    32 << 20
}

/// What to sort by.
struct By {
    expression: Expression,
    descending: bool,
}

pub(crate) struct Sort {
    by: Vec<By>,
    memory: usize,
    /// What waits in memory.
    items: Vec<Item>,
    bytes: usize,
    came: u64,
    runs: Runs,
    /// Records since the last checkpoint.
    new: Vec<u8>,
    merge: Option<Merge>,
}

impl Kind for Sort {
    const NAME: &'static str = "sort";
    const ABOUT: &'static str = "gives all records in order, after the last one has come";
    type Config = Config;

    fn open(config: Config, context: &Context) -> Result<Self, Error> {
        let by = config.by.0.into_iter().map(|mut text| {
            let source = text.get_ref().trim_end();
            let (rest, descending) = match (source.strip_suffix(" desc"), source.strip_suffix(" asc")) {
                (Some(rest), _) => (rest, true),
                (_, Some(rest)) => (rest, false),
                _ => (source, false),
            };
            *text.get_mut() = rest.to_owned();
            Ok(By { expression: Expression::parse(&text)?, descending })
        });
        Ok(Self {
            by: by.collect::<Result<_, Error>>()?,
            memory: config.memory,
            items: Vec::new(),
            bytes: 0,
            came: 0,
            runs: Runs::new(context),
            new: Vec::new(),
            merge: None,
        })
    }
}

impl Step for Sort {
    fn process(&mut self, _: usize, batch: Vec<Record>) -> Result<Vec<Outcome>, Error> {
        each(batch, |record| {
            let item = self.item(record)?;
            frames::put_record(&mut self.new, record);
            self.add(item)?;
            Ok(Next::Many(Vec::new()))
        })
    }

    fn finish(&mut self) -> Result<Vec<Record>, Error> {
        let merge = match &mut self.merge {
            Some(merge) => merge,
            none => {
                let items = std::mem::take(&mut self.items);
                none.insert(self.runs.merge(items)?)
            }
        };
        let mut records = Vec::new();
        while records.len() < AT_ONCE {
            let Some(item) = merge.next()? else { break };
            records.push(Record::from_text(item.id, item.text));
        }
        if records.is_empty() {
            self.runs.remove()?;
        }
        Ok(records)
    }

    fn save(&mut self) -> Result<Saved, Error> {
        Ok(match std::mem::take(&mut self.new) {
            nothing if nothing.is_empty() => Saved::Nothing,
            new => Saved::More(new),
        })
    }

    fn restore(&mut self, mut piece: &[u8]) -> Result<(), Error> {
        while let Some(mut record) = frames::record(&mut piece).map_err(frames::unreadable)? {
            let item = self.item(&mut record).map_err(frames::unreadable)?;
            self.add(item)?;
        }
        Ok(())
    }
}

impl Sort {
    fn item(&self, record: &mut Record) -> Result<Item, String> {
        let mut key = Vec::new();
        for By { expression, descending } in &self.by {
            let value = expression.eval_or_null(record)?;
            let start = key.len();
            order::put(&mut key, &value);
            if *descending {
                key[start..].iter_mut().for_each(|byte| *byte = !*byte);
            }
        }
        Ok(Item { key, came: self.came, id: record.id.clone(), text: record.text().into_owned() })
    }

    fn add(&mut self, item: Item) -> Result<(), Error> {
        self.came += 1;
        self.bytes += item.size();
        self.items.push(item);
        if self.bytes >= self.memory {
            self.bytes = 0;
            self.runs.add(std::mem::take(&mut self.items))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kind::bench::Bench;
    use serde_json::{Value, json};

    const LANGS: [&str; 3] = ["de", "fr", "en"];

    fn batches() -> Vec<(usize, Vec<Value>)> {
        let value = |n: usize| json!({ "n": (n * 7919) % 100, "lang": LANGS[n % 3], "seq": n });
        (0..4).map(|batch| (0, (batch * 40..batch * 40 + 40).map(value).collect())).collect()
    }

    #[test]
    fn the_order_is_the_same_in_memory_and_from_files_wherever_it_dies() {
        let bench = Bench::new();
        let fields = "by = ['lang', 'n % 10 desc']";
        let whole = bench.survives::<Sort>(fields, &batches());
        assert_eq!(whole.len(), 160);
        let key = |value: &Value| {
            (value["lang"].to_string(), -(value["n"].as_i64().unwrap() % 10), value["seq"].as_i64())
        };
        assert!(whole.is_sorted_by_key(|(_, value)| key(value)));
        // A few records fit; with so many files some are merged before the end.
        assert_eq!(bench.survives::<Sort>(&format!("{fields}\nmemory = 700"), &batches()), whole);
        let left = std::fs::read_dir(bench.dir.path().join("state")).unwrap().count();
        assert_eq!(left, 0, "files are removed");
    }

    #[test]
    fn what_has_no_value_comes_first_and_what_fails_is_rejected() {
        let bench = Bench::new();
        let mut sort: Sort = bench.open("by = ['n + 0 if n else n']").unwrap();
        let out = bench.pass(
            &mut sort,
            [json!({ "n": 2 }), json!({ "m": 1 }), json!({ "n": 1.5 }), json!({ "n": [1] })],
        );
        assert_eq!(out.len(), 1);
        assert!(out[0]["rejected"].as_str().unwrap().starts_with("invalid operation"), "{out:?}");
        let end: Vec<_> = bench.finish(&mut sort).into_iter().map(|(_, value)| value).collect();
        assert_eq!(end, [json!({ "m": 1 }), json!({ "n": 1.5 }), json!({ "n": 2 })]);
    }
}
