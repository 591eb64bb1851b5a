//! What sources, steps and sinks promise.
//!
//! A node is made by its kind's `open` (see [`crate::kind::Kind`]), which checks the configuration and whatever can be
//! checked without an effect; `validate` does no more. A run then calls `start`, batches go through, and at checkpoints
//! each node says where it is. **The checkpoint is the one truth**: what a node did after it never happened once the
//! process dies, and it is up to `start` to see to that.

use std::path::PathBuf;
use std::rc::Rc;

use serde_json::Value;

use crate::disk::Disk;
use crate::error::Error;
use crate::file::settings::Retry;
use crate::host::Host;
use crate::models::Models;
use crate::record::Record;

/// What a node may use.
#[derive(Clone)]
pub(crate) struct Context {
    /// The node's name in the pipeline file.
    pub(crate) node: String,
    /// How many nodes it takes from.
    pub(crate) inputs: usize,
    /// The model of the step `embed` that its records went through last, where it is one and the same for all of them.
    pub(crate) embedder: Option<String>,
    /// The folder of the pipeline file, which paths in it are relative to: see [`Self::path`].
    pub(crate) folder: PathBuf,
    /// A folder for this node's own files, which may not exist yet. It is emptied when a run starts from the beginning.
    pub(crate) state: PathBuf,
    /// Where files are written.
    pub(crate) disk: Rc<dyn Disk>,
    /// Other plugins, HTTP, the clock.
    pub(crate) host: Rc<dyn Host>,
    /// Models, with their answers kept.
    pub(crate) models: Rc<Models>,
    /// Whether the run goes on when its sources have nothing more at the moment.
    pub(crate) watch: bool,
    /// How often what may work later is tried. For steps and sinks the engine sees to it; a source does so itself.
    pub(crate) retry: Retry,
}

impl Context {
    /// A path of the pipeline file.
    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.folder.join(path)
    }
}

/// How much a source may hand over at once. It stops at whichever comes first, but always hands over one record.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Room {
    pub(crate) records: usize,
    pub(crate) bytes: usize,
}

/// What a source had.
#[derive(Debug)]
pub(crate) enum Pull {
    /// Never empty.
    Batch(Vec<Pulled>),
    /// Nothing at the moment; only where `context.watch` is set.
    Idle,
    /// Nothing more.
    End,
}

/// One thing that a source found.
#[derive(Debug)]
pub(crate) enum Pulled {
    Record(Record),
    /// Something that is no record, such as a line that is no text; for people, why. It goes to the dead letters.
    Bad {
        record: Record,
        why: String,
    },
}

/// How far a source is, for people.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Progress {
    /// Bytes, rows, or whatever the source counts.
    pub(crate) done: u64,
    /// Where it is known.
    pub(crate) total: Option<u64>,
}

/// Where records come from.
pub(crate) trait Source {
    /// Goes to a place that [`Self::position`] gave in an earlier run; `None` is the beginning. What was there before
    /// must still be there unchanged as far as can be told cheaply; otherwise an error that says so.
    fn start(&mut self, position: Option<&Value>) -> Result<(), Error>;

    /// The next records. The same place always gives the same ones with the same ids.
    fn pull(&mut self, room: Room) -> Result<Pull, Error>;

    /// Where it is: behind all that [`Self::pull`] has given.
    fn position(&self) -> Value;

    /// How far it is.
    fn progress(&self) -> Progress {
        Progress::default()
    }
}

/// What became of one record of a batch.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// It goes on, changed or not.
    One(Record),
    /// These go on in its place; none means that it was absorbed, such as by an aggregation.
    Many(Vec<Record>),
    /// It failed as it came, and trying again may help; for people, why.
    Retry(Record, String),
    /// It failed as it came and always will; for people, why. By default it goes to the dead letters.
    Reject(Record, String),
    /// The step failed, and not because of this record; for people, why. By default the run stops.
    Fail(Record, String),
    /// It is left out on purpose.
    Drop,
}

/// What a step has to keep at a checkpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Saved {
    /// Nothing since the last one.
    #[default]
    Nothing,
    /// This, behind what was saved before.
    More(Vec<u8>),
    /// This, in place of all that was saved before.
    All(Vec<u8>),
}

/// What works on records.
///
/// A step with a memory (sums, windows, what it has seen) gives what is new in it at every checkpoint, in a form of its
/// own choice. The engine keeps it durably, and in a run that goes on has the step take all of it back, piece by piece
/// and in order, before the first batch. A step without a memory implements [`Self::process`] alone.
pub(crate) trait Step {
    /// One outcome for each record, in order. `input` is which of the nodes in `from` the batch comes from, counted from 0.
    /// An error stops the run; what is wrong with single records belongs into outcomes.
    fn process(&mut self, input: usize, batch: Vec<Record>) -> Result<Vec<Outcome>, Error>;

    /// Itself, if it can work beside the caller: then batches go through [`Beside`], and [`Self::process`] is for those
    /// that are tried again.
    fn beside(&mut self) -> Option<&mut dyn Beside> {
        None
    }

    /// An input that must have ended before the first batch of any other comes, such as the table of a join.
    fn first(&self) -> Option<usize> {
        None
    }

    /// What it has kept, after the last batch of every input. It is called until it gives nothing, and must give the same
    /// batches in the same order when it is called again after [`Self::restore`].
    fn finish(&mut self) -> Result<Vec<Record>, Error> {
        Ok(Vec::new())
    }

    /// What is new in its memory since the last call. Files of its own that this refers to must be durable.
    fn save(&mut self) -> Result<Saved, Error> {
        Ok(Saved::Nothing)
    }

    /// Takes back what [`Self::save`] gave.
    fn restore(&mut self, piece: &[u8]) -> Result<(), Error> {
        let _ = piece;
        Ok(())
    }
}

/// A step that works while its caller reads and writes.
pub(crate) trait Beside {
    /// How many batches it works on at a time.
    fn room(&self) -> usize;

    /// Hands over a batch, for which there is room.
    fn begin(&mut self, input: usize, batch: Vec<Record>) -> Result<(), Error>;

    /// Waits for the oldest batch that was handed over; what comes of it is as in [`Step::process`].
    fn end(&mut self) -> Result<Vec<Outcome>, Error>;
}

/// A record that a sink could not take.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    /// Its place in the batch.
    pub(crate) index: usize,
    /// For people.
    pub(crate) why: String,
    /// Trying again may help.
    pub(crate) retry: bool,
}

/// Where records go.
pub(crate) trait Sink {
    /// Goes back to a place that [`Self::commit`] gave in an earlier run, and undoes what was written behind it; `None` is
    /// the beginning. A place that is not there any more, such as a file that is shorter, is an error that says so.
    fn start(&mut self, mark: Option<&Value>) -> Result<(), Error>;

    /// Writes records; it need not be durable yet. Those that it cannot take are told, and all others are taken. An error
    /// stops the run.
    fn write(&mut self, batch: &[Record]) -> Result<Vec<Refused>, Error>;

    /// Makes all that was written durable, and says where it is. Called before every checkpoint.
    fn commit(&mut self) -> Result<Value, Error>;

    /// Puts the finished product in its place, such as by renaming a file. Called after the checkpoint that says that
    /// everything is written, and once more if the process dies in it: then what is done already is fine.
    fn publish(&mut self) -> Result<(), Error> {
        Ok(())
    }
}
