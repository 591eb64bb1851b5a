//! So many records that follow one another, as one.

use std::collections::VecDeque;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use toml::Spanned;

use super::columns::{Next, each};
use super::{Kind, frames};
use crate::error::Error;
use crate::node::{Context, Outcome, Saved, Step};
use crate::record::Record;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// How many records a window has.
    #[schemars(with = "usize")]
    size: Spanned<usize>,
    /// How many records after the beginning of one window the next one begins. Unless given: as many as it has, so that
    /// each record is in one window; fewer make them overlap.
    #[schemars(with = "Option<usize>")]
    every: Option<Spanned<usize>>,
    /// The field for the records of a window, which is a record with this field alone.
    #[serde(default = "field")]
    into: String,
    /// Whether there is a last window with the records that are left, if they are fewer.
    #[serde(default = "yes")]
    partial: bool,
}

fn field() -> String {
    "records".to_owned()
}

fn yes() -> bool {
    true
}

pub(crate) struct Window {
    node: String,
    size: usize,
    every: usize,
    into: String,
    partial: bool,
    memory: Memory,
    changed: bool,
    finished: bool,
}

/// What is known of the records so far.
#[derive(Default)]
struct Memory {
    /// The records of the window that is open.
    open: VecDeque<Value>,
    /// How many of these were in an earlier window too.
    old: usize,
    /// How many records come before that window begins.
    gap: usize,
    /// How many windows there were.
    count: u64,
}

impl Kind for Window {
    const NAME: &'static str = "window";
    const ABOUT: &'static str = "makes one record of so many that follow one another";
    type Config = Config;

    fn open(config: Config, context: &Context) -> Result<Self, Error> {
        let every = config.every.unwrap_or_else(|| config.size.clone());
        for number in [&config.size, &every] {
            if *number.get_ref() == 0 {
                return Err(Error::new("a window cannot have or leave out 0 records").at(number.span()));
            }
        }
        Ok(Self {
            node: context.node.clone(),
            size: config.size.into_inner(),
            every: every.into_inner(),
            into: config.into,
            partial: config.partial,
            memory: Memory::default(),
            changed: false,
            finished: false,
        })
    }
}

impl Step for Window {
    fn process(&mut self, _: usize, batch: Vec<Record>) -> Result<Vec<Outcome>, Error> {
        each(batch, |record| {
            let value = record.value()?.clone();
            self.changed = true;
            if self.memory.gap > 0 {
                self.memory.gap -= 1;
                return Ok(Next::Drop);
            }
            self.memory.open.push_back(value);
            if self.memory.open.len() < self.size {
                return Ok(Next::Many(Vec::new()));
            }
            let window = self.window();
            let memory = &mut self.memory;
            memory.count += 1;
            memory.open.drain(..self.every.min(self.size));
            memory.old = memory.open.len();
            memory.gap = self.every.saturating_sub(self.size);
            Ok(Next::Many(vec![window]))
        })
    }

    fn finish(&mut self) -> Result<Vec<Record>, Error> {
        let is_left = self.partial && self.memory.open.len() > self.memory.old;
        if std::mem::replace(&mut self.finished, true) || !is_left {
            return Ok(Vec::new());
        }
        Ok(vec![self.window()])
    }

    fn save(&mut self) -> Result<Saved, Error> {
        if !std::mem::take(&mut self.changed) {
            return Ok(Saved::Nothing);
        }
        let Memory { open, old, gap, count } = &self.memory;
        let mut piece = Vec::new();
        for number in [*old as u64, *gap as u64, *count] {
            frames::put_number(&mut piece, number);
        }
        open.iter().for_each(|value| frames::put(&mut piece, value.to_string().as_bytes()));
        Ok(Saved::All(piece))
    }

    fn restore(&mut self, mut piece: &[u8]) -> Result<(), Error> {
        let mut number = || {
            let number = frames::number(&mut piece).map_err(frames::unreadable)?;
            usize::try_from(number).map_err(frames::unreadable)
        };
        let (old, gap, count) = (number()?, number()?, number()? as u64);
        let mut open = VecDeque::new();
        while let Some(value) = frames::next(&mut piece).map_err(frames::unreadable)? {
            open.push_back(serde_json::from_slice(&value).map_err(frames::unreadable)?);
        }
        self.memory = Memory { open, old, gap, count };
        Ok(())
    }
}

impl Window {
    /// The window that is open.
    fn window(&self) -> Record {
        let Memory { open, count, .. } = &self.memory;
        Record::from_value(format!("{}:{count}", self.node), json!({ &self.into: open }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kind::bench::Bench;

    #[track_caller]
    fn check(fields: &str, expect: Value) {
        let batches =
            [(0, vec![json!(0), json!(1)]), (0, vec![json!(2)]), (0, (3..8).map(|n| json!(n)).collect())];
        let out = Bench::new().survives::<Window>(fields, &batches);
        let ids: Vec<_> = out.iter().map(|(id, _)| id.clone()).collect();
        assert_eq!(ids, (0..out.len()).map(|n| format!("it:{n}")).collect::<Vec<_>>());
        let values: Vec<_> = out.into_iter().map(|(_, value)| value["records"].clone()).collect();
        assert_eq!(Value::from(values), expect, "{fields}");
    }

    #[test]
    fn windows_follow_overlap_or_leave_gaps_wherever_it_dies() {
        check("size = 3", json!([[0, 1, 2], [3, 4, 5], [6, 7]]));
        check("size = 4", json!([[0, 1, 2, 3], [4, 5, 6, 7]]));
        check("size = 3\npartial = false", json!([[0, 1, 2], [3, 4, 5]]));
        check("size = 4\nevery = 2", json!([[0, 1, 2, 3], [2, 3, 4, 5], [4, 5, 6, 7]]));
        check("size = 4\nevery = 3", json!([[0, 1, 2, 3], [3, 4, 5, 6], [6, 7]]));
        check("size = 2\nevery = 3", json!([[0, 1], [3, 4], [6, 7]]));
        check("size = 9", json!([[0, 1, 2, 3, 4, 5, 6, 7]]));
    }

    #[test]
    fn a_window_of_nothing_is_refused() {
        assert_eq!(Bench::new().error::<Window>("size = 0").span, Some(7..8));
        assert_eq!(Bench::new().error::<Window>("size = 1\nevery = 0").span, Some(17..18));
    }
}
