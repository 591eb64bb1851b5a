//! A disk that fails, or under which the process dies, at a chosen operation.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use crate::disk::{Append, Disk, RealDisk};

/// What happens at the chosen operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The process dies before it.
    DiesBefore,
    /// The process dies right after it; of a write, in the middle of it.
    DiesAfter,
    /// The machine loses power: what was not made durable is gone.
    PowerCut,
    /// The disk is full, until the run is over.
    Full,
}

/// The disk.
#[derive(Clone)]
pub(crate) struct Faulty(Rc<RefCell<State>>);

struct State {
    fault: Fault,
    /// Operations until then.
    left: usize,
    over: bool,
    /// How much of each file is durable.
    durable: BTreeMap<PathBuf, u64>,
}

impl Faulty {
    pub(crate) fn new(fault: Fault, at: usize) -> Self {
        Self(Rc::new(RefCell::new(State { fault, left: at, over: false, durable: BTreeMap::new() })))
    }

    /// Whether it came to the chosen operation.
    pub(crate) fn is_over(&self) -> bool {
        self.0.borrow().over
    }

    /// Counts an operation, and does it unless it is too late.
    fn op<T>(&self, work: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        let mut state = self.0.borrow_mut();
        if state.over {
            return Err(state.error());
        }
        if state.left > 0 {
            state.left -= 1;
            return work();
        }
        state.over = true;
        if state.fault == Fault::DiesAfter {
            work()?;
        }
        if state.fault == Fault::PowerCut {
            state.lose();
        }
        Err(state.error())
    }
}

impl State {
    fn error(&self) -> io::Error {
        match self.fault {
            Fault::Full => io::ErrorKind::StorageFull.into(),
            _ => io::Error::other("the process has died"),
        }
    }

    fn lose(&self) {
        for (path, length) in &self.durable {
            if let Ok(file) = OpenOptions::new().write(true).open(path) {
                file.set_len(*length).unwrap();
            }
        }
    }
}

impl Disk for Faulty {
    fn append(&self, path: &Path, length: u64) -> io::Result<Box<dyn Append>> {
        let file = self.op(|| RealDisk.append(path, length))?;
        self.0.borrow_mut().durable.insert(path.to_owned(), length);
        Ok(Box::new(FaultyFile { disk: self.clone(), path: path.to_owned(), file }))
    }

    fn replace(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        self.op(|| RealDisk.replace(path, bytes))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.op(|| RealDisk.rename(from, to))?;
        let durable = self.0.borrow_mut().durable.remove(from);
        self.0.borrow_mut().durable.extend(durable.map(|length| (to.to_owned(), length)));
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.op(|| RealDisk.remove(path))
    }

    fn create_folder(&self, path: &Path) -> io::Result<()> {
        self.op(|| RealDisk.create_folder(path))
    }

    fn remove_folder(&self, path: &Path) -> io::Result<()> {
        self.op(|| RealDisk.remove_folder(path))
    }
}

struct FaultyFile {
    disk: Faulty,
    path: PathBuf,
    file: Box<dyn Append>,
}

impl Write for FaultyFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let disk = self.disk.clone();
        let dying = disk.0.borrow().left == 0;
        disk.op(|| {
            // In the middle of a write, half of it is on disk.
            let written = self.file.write(if dying { &bytes[..bytes.len() / 2] } else { bytes })?;
            self.file.flush()?;
            Ok(written)
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Append for FaultyFile {
    fn length(&self) -> u64 {
        self.file.length()
    }

    fn sync(&mut self) -> io::Result<()> {
        self.disk.op(|| self.file.sync())?;
        self.disk.0.borrow_mut().durable.insert(self.path.clone(), self.file.length());
        Ok(())
    }
}
