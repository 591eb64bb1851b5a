//! Tapes: every host call of a plugin's run with its result, so that the run can be had again without anything of the
//! host behind it: no model, no store, no network.
//!
//! A tape is put to a loaded plugin ([`Plugin::taped`](crate::Plugin::taped)). While it records, each call is done as
//! always and written down. While it replays, no call is done: each gets the result that the tape holds for it, and the
//! first one that differs from the tape ends the run with an error that names it.
//!
//! Calls are taken in their order. Only those that were under way at the same time while the tape was made may come in
//! another order, since nothing but chance had put them in one.
//!
//! What is not on a tape: how files of granted folders are read and written (they are the real ones in a replay as
//! well), and how long things take. Values of secrets are not on it either: where one would stand, its name does.

mod cover;
mod difference;
mod lines;
mod output;
mod player;
mod reader;
mod recorder;
mod wasi;

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error::{Error, ErrorKind};
use cover::Cover;
pub(crate) use lines::Bytes;
pub use lines::Head;
pub(crate) use output::Output;
use player::Player;
pub use reader::Recording;
use recorder::Recorder;
pub(crate) use wasi::{lend, seed};

/// A tape at work, or none. Clones are one.
#[derive(Clone, Default)]
pub struct Tape(Option<Arc<Deck>>);

struct Deck {
    head: Head,
    cover: Cover,
    side: Side,
    /// Why the run is lost: it differs from the tape, or the tape cannot be written.
    failure: Mutex<Option<Error>>,
}

enum Side {
    Record(Recorder),
    Replay(Player),
}

/// How a call goes on.
pub(crate) enum Turn {
    /// It is done; what comes of it goes into the slot.
    Live(Slot),
    /// It is not done: this came of it.
    Told(Told),
}

/// A place for what comes of a call; without a tape it keeps nothing.
pub(crate) struct Slot(Option<(Arc<Deck>, u64)>);

/// What came of a call while the tape was made.
pub(crate) struct Told {
    deck: Arc<Deck>,
    number: u64,
    name: &'static str,
    parts: Vec<Value>,
    result: Option<Value>,
}

impl Tape {
    /// A new tape in a new file, which only its owner may read.
    pub fn record(file: &Path, head: Head) -> Result<Self, Error> {
        let recorder = Recorder::create(file, &head)?;
        Ok(Self::at_work(head, Side::Record(recorder)))
    }

    /// Plays a tape that was made before.
    pub fn replay(recording: Recording) -> Self {
        let Recording { head, calls, outcome } = recording;
        Self::at_work(head, Side::Replay(Player::new(calls, outcome)))
    }

    fn at_work(head: Head, side: Side) -> Self {
        let cover = Cover::new(&head.salt);
        Self(Some(Arc::new(Deck { head, cover, side, failure: Mutex::default() })))
    }

    /// Ends the run: `outcome` is what came of it, an object with the key `error` where it failed. A tape that records
    /// gets its last line; one that replays is compared with its own. Returns how many calls there were.
    pub fn finish(&self, outcome: Value) -> Result<u64, Error> {
        let Some(deck) = &self.0 else { return Ok(0) };
        deck.intact()?;
        let outcome = deck.cover.hide(plain(&outcome));
        match &deck.side {
            Side::Record(recorder) => recorder.end(outcome),
            Side::Replay(player) => player.end(&outcome),
        }
    }

    pub(crate) fn is_on(&self) -> bool {
        self.0.is_some()
    }

    pub(crate) fn is_replaying(&self) -> bool {
        self.0.as_ref().is_some_and(|deck| matches!(deck.side, Side::Replay(_)))
    }

    /// What a command reads, where its run is on tape.
    pub(crate) fn standard_input(&self) -> Option<String> {
        let deck = self.0.as_ref()?;
        Some(deck.head.input.as_str().unwrap_or_default().to_owned())
    }

    /// A call begins. The arguments are only asked for where there is a tape.
    pub(crate) fn begin(&self, name: &'static str, args: impl FnOnce() -> Value) -> Result<Turn, Error> {
        match &self.0 {
            None => Ok(Turn::Live(Slot(None))),
            Some(deck) => deck.begin(name, args()),
        }
    }

    /// A call that cannot fail and takes no time. Where it differs from the tape, the next call that can fail does.
    pub(crate) fn instant<R: Serialize + DeserializeOwned>(
        &self,
        name: &'static str,
        args: impl FnOnce() -> Value,
        live: impl FnOnce() -> R,
    ) -> R {
        match self.begin(name, args) {
            Ok(Turn::Live(slot)) => {
                let result = live();
                if let Some((deck, number)) = slot.0 {
                    let _ = deck.done(number, plain(&result), Value::Null);
                }
                result
            }
            Ok(Turn::Told(told)) => told.result().unwrap_or_else(|_| live()),
            Err(_) => live(),
        }
    }

    /// From now on the value of this secret does not stand on the tape.
    pub(crate) fn hide(&self, name: &str, value: &str) {
        if let Some(deck) = &self.0 {
            deck.cover.add(name, value);
        }
    }

    /// What tells whether a secret is the same, and nothing else about it.
    pub(crate) fn print_of(&self, value: &str) -> String {
        self.0.as_ref().map(|deck| deck.cover.print_of(value)).unwrap_or_default()
    }
}

impl Deck {
    fn begin(self: &Arc<Self>, name: &'static str, args: Value) -> Result<Turn, Error> {
        self.intact()?;
        let args = self.cover.hide(plain(&args));
        let began = match &self.side {
            Side::Record(recorder) => {
                recorder.begin(name, args).map(|number| Turn::Live(Slot(Some((self.clone(), number)))))
            }
            Side::Replay(player) => player.take(name, &args).map(|(number, parts, result)| {
                Turn::Told(Told { deck: self.clone(), number, name, parts, result })
            }),
        };
        began.map_err(|error| self.lose(error))
    }

    /// Returns what was written down, which is what a replay will give.
    fn done(&self, number: u64, result: Value, note: Value) -> Result<Value, Error> {
        match &self.side {
            Side::Record(recorder) => recorder
                .done(number, self.cover.hide(result.clone()), note)
                .map_err(|error| self.lose(error))?,
            Side::Replay(_) => {}
        }
        Ok(result)
    }

    fn intact(&self) -> Result<(), Error> {
        let failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        failure.clone().map_or(Ok(()), Err)
    }

    /// The first failure is the reason.
    fn lose(&self, error: Error) -> Error {
        let mut failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        failure.get_or_insert(error).clone()
    }
}

impl Slot {
    /// Whether what comes of the call is kept.
    pub(crate) fn is_kept(&self) -> bool {
        self.0.is_some()
    }

    /// The number of the call on the tape.
    pub(crate) fn number(&self) -> u64 {
        self.0.as_ref().map_or(0, |(_, number)| *number)
    }

    /// A part of what comes of the call.
    pub(crate) fn part(&self, part: &impl Serialize) -> Result<(), Error> {
        let Some((deck, number)) = &self.0 else { return Ok(()) };
        match &deck.side {
            Side::Record(recorder) => {
                recorder.part(*number, deck.cover.hide(plain(part))).map_err(|error| deck.lose(error))
            }
            Side::Replay(_) => Ok(()),
        }
    }

    /// All that came of the call, where the plugin gets something that cannot stand on a tape.
    pub(crate) fn keep(self, result: &impl Serialize) -> Result<(), Error> {
        let Some((deck, number)) = self.0 else { return Ok(()) };
        deck.done(number, plain(result), Value::Null).map(drop)
    }

    /// All that came of the call.
    pub(crate) fn done<R: Serialize + DeserializeOwned>(self, result: R) -> wasmtime::Result<R> {
        self.done_with(result, Value::Null)
    }

    /// The same, with a note for people: what the host chose by itself, such as a seed.
    pub(crate) fn done_with<R: Serialize + DeserializeOwned>(
        self,
        result: R,
        note: Value,
    ) -> wasmtime::Result<R> {
        let Some((deck, number)) = self.0 else { return Ok(result) };
        // The plugin gets what a replay will give it: numbers may be rounded on their way through text.
        let written = deck.done(number, plain(&result), note)?;
        Ok(serde_json::from_value(written)?)
    }
}

impl Told {
    /// The number of the call on the tape.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// The parts that came before the end, in order.
    pub(crate) fn parts<P: DeserializeOwned>(&mut self) -> wasmtime::Result<Vec<P>> {
        let parts = std::mem::take(&mut self.parts);
        parts.into_iter().map(|part| self.read(part)).collect()
    }

    /// All that came of the call.
    pub(crate) fn result<R: DeserializeOwned>(mut self) -> wasmtime::Result<R> {
        let Some(result) = self.result.take() else { return Err(self.cut_off().into()) };
        self.read(result)
    }

    /// It differs in something that only the one who asks can tell.
    pub(crate) fn differs(&self, what: &str) -> Error {
        self.deck.lose(difference::error(format!("call {} ({}): {what}", self.number, self.name)))
    }

    fn read<R: DeserializeOwned>(&self, value: Value) -> wasmtime::Result<R> {
        serde_json::from_value(self.deck.cover.show(value)).map_err(|error| {
            let what = format!(
                "the tape is damaged: what came of call {} ({}) does not fit: {error}",
                self.number, self.name
            );
            self.deck.lose(Error::new(ErrorKind::Tape, what)).into()
        })
    }

    /// The run that was recorded was ended from outside while this call was under way, and so this one ends here.
    fn cut_off(&self) -> Error {
        if let Side::Replay(player) = &self.deck.side {
            player.cut_off();
        }
        let (number, name) = (self.number, self.name);
        Error::new(ErrorKind::Tape, format!("the run on the tape was ended during call {number} ({name})"))
    }
}

/// As it will stand on the tape. Text and back, so that numbers are the same on both sides of a comparison.
fn plain(value: &impl Serialize) -> Value {
    let text = serde_json::to_string(value);
    text.and_then(|text| serde_json::from_str(&text)).unwrap_or_else(|error| Value::String(error.to_string()))
}

/// Begins a call; where a tape has told what comes of it, the function that this stands in ends with that.
macro_rules! taped {
    ($tape:expr, $name:expr, $args:expr) => {
        match $tape.begin($name, || $args)? {
            $crate::tape::Turn::Told(told) => return told.result(),
            $crate::tape::Turn::Live(slot) => slot,
        }
    };
}
pub(crate) use taped;
