//! Finds what came of the calls of a replay, and says where it differs from the tape.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use serde_json::Value;

use super::difference::{self, between, shown};
use crate::error::Error;

/// A call on a tape. Lines are counted, to tell which calls were under way at the same time.
#[derive(Default)]
pub(super) struct Recorded {
    pub(super) name: String,
    pub(super) args: Value,
    pub(super) began: usize,
    /// None: the run ended first.
    pub(super) ended: Option<usize>,
    pub(super) parts: Vec<Value>,
    pub(super) result: Option<Value>,
    pub(super) taken: bool,
}

pub(super) struct Player {
    calls: Mutex<Calls>,
    outcome: Value,
    was_cut_off: AtomicBool,
}

struct Calls {
    all: Vec<Recorded>,
    /// All before this one are taken.
    next: usize,
}

/// The number of a call, the parts that came of it, and the result.
type Found = (u64, Vec<Value>, Option<Value>);

impl Player {
    pub(super) fn new(calls: Vec<Recorded>, outcome: Value) -> Self {
        Self {
            calls: Mutex::new(Calls { all: calls, next: 0 }),
            outcome,
            was_cut_off: AtomicBool::new(false),
        }
    }

    /// Takes the call from the tape.
    pub(super) fn take(&self, name: &str, args: &Value) -> Result<Found, Error> {
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(index) = calls.due(name, args) else { return Err(calls.differs(name, args)) };
        let call = &mut calls.all[index];
        call.taken = true;
        let found = (index as u64 + 1, std::mem::take(&mut call.parts), call.result.take());
        while calls.all.get(calls.next).is_some_and(|call| call.taken) {
            calls.next += 1;
        }
        Ok(found)
    }

    /// The replay ends where the run on the tape was ended from outside.
    pub(super) fn cut_off(&self) {
        self.was_cut_off.store(true, Ordering::Relaxed);
    }

    /// Nothing may be left, and the same must have come of it.
    pub(super) fn end(&self, outcome: &Value) -> Result<u64, Error> {
        let calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        let left = calls.all.iter().enumerate().find(|(_, call)| !call.taken);
        if let Some((index, call)) = left {
            let (number, args) = (index + 1, shown(Some(&call.args)));
            return Err(difference::error(format!(
                "call {number} was not made: expected {} {args}",
                call.name
            )));
        }
        // How that run was ended is not for this one to repeat.
        let both_failed = self.was_cut_off.load(Ordering::Relaxed) && self.outcome.get("error").is_some();
        if *outcome == self.outcome || both_failed {
            return Ok(calls.all.len() as u64);
        }
        Err(difference::error(format!("what came of it: {}", between(&self.outcome, outcome))))
    }
}

impl Calls {
    /// The call that it is: the next one on the tape, or one that was under way at the same time as all before it.
    fn due(&self, name: &str, args: &Value) -> Option<usize> {
        let mut horizon = usize::MAX;
        for (index, call) in self.all.iter().enumerate().skip(self.next).filter(|(_, call)| !call.taken) {
            if call.began > horizon {
                return None;
            }
            if call.name == name && call.args == *args {
                return Some(index);
            }
            horizon = horizon.min(call.ended.unwrap_or(usize::MAX));
        }
        None
    }

    fn differs(&self, name: &str, args: &Value) -> Error {
        let number = self.next + 1;
        let found = shown(Some(args));
        difference::error(match self.all.get(self.next) {
            None => format!("call {number} is one too many: expected the end, found {name} {found}"),
            Some(call) if call.name == name => {
                format!("call {number} ({name}): {}", between(&call.args, args))
            }
            Some(call) => {
                let expected = shown(Some(&call.args));
                format!("call {number}: expected {} {expected}, found {name} {found}", call.name)
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A call of this name that was under way from one line of a tape to another.
    fn call(name: &str, began: usize, ended: usize) -> Recorded {
        let (name, result) = (name.to_owned(), Some(json!(began)));
        Recorded { name, args: json!({}), began, ended: Some(ended), result, ..Recorded::default() }
    }

    fn take(player: &Player, name: &str) -> Result<u64, String> {
        player.take(name, &json!({})).map(|(number, ..)| number).map_err(|error| error.to_string())
    }

    #[test]
    fn only_calls_that_overlapped_may_change_their_order() {
        // `a` and `b` were under way together, and so were `b` and `c`, but `c` began after `a` had ended.
        let player = || {
            let calls = vec![call("a", 2, 4), call("b", 3, 7), call("c", 5, 6), call("d", 8, 9)];
            Player::new(calls, json!({}))
        };
        for order in [["a", "b", "c", "d"], ["b", "a", "c", "d"], ["a", "c", "b", "d"]] {
            let player = player();
            for name in order {
                take(&player, name).unwrap();
            }
            assert_eq!(player.end(&json!({})).unwrap(), 4);
        }
        for (before, name) in [(vec![], "c"), (vec!["b"], "c"), (vec!["a", "b"], "d"), (vec!["a"], "a")] {
            let player = player();
            for name in before {
                take(&player, name).unwrap();
            }
            assert!(take(&player, name).unwrap_err().contains("expected "), "{name}");
        }
    }
}
