use std::cell::RefCell;

use crate::wit::exports::inferno::plugin::step::Guest;
use crate::wit::inferno::host::types::Error;
use crate::wit::inferno::host::work::{Item, Outcome};
use crate::{Roles, misbehave, unknown, words};

#[derive(Default)]
struct Step {
    config: String,
    batches: usize,
    kept: Vec<Item>,
}

thread_local! {
    static STEP: RefCell<Step> = RefCell::default();
}

impl Guest for Roles {
    fn open(config: String) -> Result<(), Error> {
        let known =
            ["upper", "count", "keep", "odd", "same-id", "too-few", "too-many", "huge-list", "in-finish"];
        match &*words(&config) {
            ["open", rest @ ..] => misbehave::run(rest).unwrap_or(Ok(()))?,
            [word] if known.contains(word) => {}
            ["panic" | "spin" | "flood" | "refuse" | "sleep"] | ["burn" | "call", _] => {}
            _ => return Err(unknown(&config)),
        }
        STEP.set(Step { config, ..Step::default() });
        Ok(())
    }

    fn process(batch: Vec<Item>) -> Result<Vec<Outcome>, Error> {
        STEP.with_borrow_mut(|step| step.process(batch))
    }

    fn finish() -> Result<Vec<Item>, Error> {
        STEP.with_borrow_mut(|step| {
            if step.config.contains("in-finish") {
                misbehave::crash();
            }
            Ok(std::mem::take(&mut step.kept))
        })
    }
}

impl Step {
    fn process(&mut self, batch: Vec<Item>) -> Result<Vec<Outcome>, Error> {
        self.batches += 1;
        let with = |item: Item, data: String| Outcome::Emit(vec![Item { data, ..item }]);
        let same = |batch: Vec<Item>| batch.into_iter().map(|item| Outcome::Emit(vec![item])).collect();
        Ok(match &*words(&self.config) {
            ["upper"] => batch
                .into_iter()
                .map(|item| {
                    let data = item.data.to_uppercase();
                    with(item, data)
                })
                .collect(),
            ["count"] => batch.into_iter().map(|item| with(item, self.batches.to_string())).collect(),
            ["keep"] => {
                let absorbed = batch.iter().map(|_| Outcome::Emit(Vec::new())).collect();
                self.kept.extend(batch);
                absorbed
            }
            ["odd"] => batch
                .into_iter()
                .map(|item| match &*item.id {
                    "retry" => Outcome::Retry("later".to_owned()),
                    "reject" => Outcome::Reject("never".to_owned()),
                    "drop" => Outcome::Drop("on purpose".to_owned()),
                    _ => Outcome::Emit(vec![item]),
                })
                .collect(),
            ["same-id"] => batch
                .into_iter()
                .map(|item| Outcome::Emit(vec![Item { id: "1".to_owned(), ..item }]))
                .collect(),
            ["too-few"] => same(batch.into_iter().skip(1).collect()),
            ["too-many"] => same(batch.iter().chain(&batch).cloned().collect()),
            ["huge-list"] => {
                vec![Outcome::Emit(
                    (0..1 << 17).map(|_| Item { id: String::new(), data: String::new() }).collect(),
                )]
            }
            words => {
                misbehave::run(words).unwrap_or(Ok(()))?;
                same(batch)
            }
        })
    }
}
