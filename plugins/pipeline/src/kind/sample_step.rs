//! Some records, chosen by chance, but the same ones each time: a digest of the record's id and of the seed decides.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use toml::Spanned;

use super::columns::{Next, each};
use super::rest::Rest;
use super::{Kind, frames};
use crate::error::Error;
use crate::node::{Context, Outcome, Saved, Step};
use crate::record::Record;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// The share of records that go on, from 0 to 1; the others are dropped.
    #[schemars(with = "Option<f64>")]
    rate: Option<Spanned<f64>>,
    /// How many records go on, after the last one has come; kept in memory until then. Either this or `rate`.
    #[schemars(with = "Option<usize>")]
    count: Option<Spanned<usize>>,
    /// Another seed is another choice.
    #[serde(default)]
    seed: u64,
}

pub(crate) struct Sample {
    seed: u64,
    how: How,
}

enum How {
    /// Records whose draw is below.
    Below(u64),
    Lowest(Lowest),
}

/// The records with the lowest draws so far: whatever comes, each is as likely among them as any other.
struct Lowest {
    count: usize,
    /// By draw and arrival.
    kept: BTreeMap<(u64, u64), Record>,
    came: u64,
    saved: u64,
    rest: Rest,
}

impl Kind for Sample {
    const NAME: &'static str = "sample";
    const ABOUT: &'static str = "passes a share of the records, or so many of them, chosen by chance";
    type Config = Config;

    fn open(config: Config, _: &Context) -> Result<Self, Error> {
        let how = match (config.rate, config.count) {
            (Some(rate), None) => How::Below(below(&rate)?),
            (None, Some(count)) => How::Lowest(Lowest::new(count.into_inner())),
            (Some(_), Some(count)) => {
                return Err(Error::new("there are both `rate` and `count`")
                    .hint("remove one")
                    .at(count.span()));
            }
            (None, None) => {
                return Err(Error::new("it says neither `rate` nor `count`").hint("add one of them"));
            }
        };
        Ok(Self { seed: config.seed, how })
    }
}

fn below(rate: &Spanned<f64>) -> Result<u64, Error> {
    if !(0.0..=1.0).contains(rate.get_ref()) {
        return Err(Error::new(format!("{} is no share", rate.get_ref()))
            .hint("write a number from 0 to 1; `count` is for numbers of records")
            .at(rate.span()));
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is in range")]
    Ok((rate.get_ref() * 2.0_f64.powi(64)) as u64)
}

impl Step for Sample {
    fn process(&mut self, _: usize, batch: Vec<Record>) -> Result<Vec<Outcome>, Error> {
        let seed = self.seed;
        match &mut self.how {
            How::Below(below) => each(batch, |record| {
                let draw = draw(seed, &record.id);
                Ok(if draw < *below || *below == u64::MAX { Next::Keep } else { Next::Drop })
            }),
            How::Lowest(lowest) => {
                Ok(batch.into_iter().map(|record| lowest.take(draw(seed, &record.id), record)).collect())
            }
        }
    }

    fn finish(&mut self) -> Result<Vec<Record>, Error> {
        match &mut self.how {
            How::Below(_) => Ok(Vec::new()),
            How::Lowest(lowest) => Ok(lowest.finish()),
        }
    }

    fn save(&mut self) -> Result<Saved, Error> {
        match &mut self.how {
            How::Below(_) => Ok(Saved::Nothing),
            How::Lowest(lowest) => Ok(lowest.save()),
        }
    }

    fn restore(&mut self, piece: &[u8]) -> Result<(), Error> {
        match &mut self.how {
            How::Below(_) => Ok(()),
            How::Lowest(lowest) => lowest.restore(piece).map_err(frames::unreadable),
        }
    }
}

impl Lowest {
    fn new(count: usize) -> Self {
        Self { count, kept: BTreeMap::new(), came: 0, saved: 0, rest: Rest::default() }
    }

    fn take(&mut self, draw: u64, record: Record) -> Outcome {
        self.kept.insert((draw, self.came), record);
        self.came += 1;
        self.trim();
        Outcome::Many(Vec::new())
    }

    fn trim(&mut self) {
        while self.kept.len() > self.count {
            self.kept.pop_last();
        }
    }

    /// As they came.
    fn finish(&mut self) -> Vec<Record> {
        self.rest.next(|| {
            let mut kept: Vec<_> =
                self.kept.iter().map(|((_, came), record)| (*came, record.clone())).collect();
            kept.sort_unstable_by_key(|(came, _)| *came);
            kept.into_iter().map(|(_, record)| record).collect()
        })
    }

    fn save(&mut self) -> Saved {
        if self.saved == self.came {
            return Saved::Nothing;
        }
        let mut piece = Vec::new();
        frames::put_number(&mut piece, self.came);
        for ((draw, came), record) in self.kept.iter().filter(|((_, came), _)| *came >= self.saved) {
            frames::put_number(&mut piece, *draw);
            frames::put_number(&mut piece, *came);
            frames::put_record(&mut piece, record);
        }
        self.saved = self.came;
        Saved::More(piece)
    }

    fn restore(&mut self, mut piece: &[u8]) -> std::io::Result<()> {
        self.came = frames::number(&mut piece)?;
        self.saved = self.came;
        while !piece.is_empty() {
            let place = (frames::number(&mut piece)?, frames::number(&mut piece)?);
            if let Some(record) = frames::record(&mut piece)? {
                self.kept.insert(place, record);
            }
        }
        self.trim();
        Ok(())
    }
}

/// A number by chance that is always the same for one record.
fn draw(seed: u64, id: &str) -> u64 {
    let digest = Sha256::new().chain_update(seed.to_le_bytes()).chain_update(id).finalize();
    digest.iter().take(8).fold(0, |draw, byte| draw << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kind::bench::Bench;
    use serde_json::{Value, json};

    #[test]
    fn a_share_passes_and_another_seed_is_another_share() {
        let bench = Bench::new();
        let values = || (0..2000).map(|n| json!(n));
        let pass = |fields: &str| bench.pass(&mut bench.open::<Sample>(fields).unwrap(), values());
        let some = pass("rate = 0.25");
        assert!((440..560).contains(&some.len()), "{}", some.len());
        assert_eq!(some, pass("rate = 0.25"));
        assert_ne!(some, pass("rate = 0.25\nseed = 1"));
        assert_eq!((pass("rate = 0.0").len(), pass("rate = 1.0").len()), (0, 2000));
    }

    #[test]
    fn so_many_are_kept_in_their_order_wherever_it_dies() {
        let batches: Vec<_> = (0..5).map(|n| (0, (0..9).map(|m| json!(n * 9 + m)).collect())).collect();
        let out = Bench::new().survives::<Sample>("count = 7", &batches);
        let values: Vec<_> = out.into_iter().map(|(_, value)| value.as_i64().unwrap()).collect();
        assert_eq!(values.len(), 7);
        assert!(values.is_sorted() && values[6] > 15, "{values:?}");
    }

    #[test]
    fn fewer_than_asked_for_are_all_there() {
        let out = Bench::new().survives::<Sample>("count = 7", &[(0, vec![json!(1), json!(2)])]);
        assert_eq!(out.into_iter().map(|(_, value)| value).collect::<Vec<Value>>(), [1, 2]);
    }

    #[test]
    fn it_is_either_a_share_or_a_number() {
        let bench = Bench::new();
        assert!(bench.error::<Sample>("").message.contains("neither"));
        assert_eq!(bench.error::<Sample>("rate = 0.5\ncount = 1").span, Some(19..20));
        assert_eq!(bench.error::<Sample>("rate = 50.0").message, "50 is no share");
    }
}
