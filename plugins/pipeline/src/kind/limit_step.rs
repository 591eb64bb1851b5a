//! Only so many records.

use schemars::JsonSchema;
use serde::Deserialize;

use super::columns::{Next, each};
use super::{Kind, frames};
use crate::error::Error;
use crate::node::{Context, Outcome, Saved, Step};
use crate::record::Record;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// How many records go on. All others are dropped; to read less, use `--limit`.
    count: u64,
    /// How many are dropped before those.
    #[serde(default)]
    skip: u64,
}

pub(crate) struct Limit {
    skip: u64,
    end: u64,
    /// Records that came, up to the end.
    came: u64,
    saved: u64,
}

impl Kind for Limit {
    const NAME: &'static str = "limit";
    const ABOUT: &'static str = "passes the first records, and drops the others";
    type Config = Config;

    fn open(config: Config, _: &Context) -> Result<Self, Error> {
        let Config { count, skip } = config;
        Ok(Self { skip, end: skip.saturating_add(count), came: 0, saved: 0 })
    }
}

impl Step for Limit {
    fn process(&mut self, _: usize, batch: Vec<Record>) -> Result<Vec<Outcome>, Error> {
        each(batch, |_| {
            let passes = (self.skip..self.end).contains(&self.came);
            self.came = self.end.min(self.came + 1);
            Ok(if passes { Next::Keep } else { Next::Drop })
        })
    }

    fn save(&mut self) -> Result<Saved, Error> {
        if self.saved == self.came {
            return Ok(Saved::Nothing);
        }
        self.saved = self.came;
        let mut piece = Vec::new();
        frames::put_number(&mut piece, self.came);
        Ok(Saved::More(piece))
    }

    fn restore(&mut self, mut piece: &[u8]) -> Result<(), Error> {
        self.came = frames::number(&mut piece).map_err(frames::unreadable)?;
        self.saved = self.came;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kind::bench::Bench;
    use serde_json::json;

    #[test]
    fn as_many_pass_as_should_wherever_it_dies() {
        let batches: Vec<_> = (0..4).map(|n| (0, (0..3).map(|m| json!(n * 3 + m)).collect())).collect();
        let out = Bench::new().survives::<Limit>("count = 4\nskip = 2", &batches);
        let values: Vec<_> = out.into_iter().map(|(_, value)| value).collect();
        assert_eq!(values, [2, 3, 4, 5]);
    }
}
