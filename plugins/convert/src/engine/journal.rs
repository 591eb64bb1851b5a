//! What is done of a conversion: a line that says of which, then lines with the numbers of its jobs, and a last one when
//! all is done and only the names are missing.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use inferno_sdk::Error;

use crate::fault::io;

const WHOLE: &str = "whole";

/// A journal that is being written.
#[derive(Debug)]
pub(crate) struct Journal {
    path: PathBuf,
    file: File,
}

/// What a journal says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Entries {
    /// The jobs that are done.
    pub(crate) done: BTreeSet<usize>,
    /// Nothing is left to do but to give the result its name.
    pub(crate) whole: bool,
}

impl Journal {
    /// Begins one, for the conversion that has this mark.
    pub(crate) fn begin(path: &Path, mark: &str) -> Result<Self, Error> {
        let fresh = path.with_extension("new");
        let written = File::create(&fresh).and_then(|mut file| {
            writeln!(file, "{mark}")?;
            file.sync_all()
        });
        written.and_then(|()| fs::rename(&fresh, path)).map_err(|error| io("write", path, &error))?;
        Self::open(path)
    }

    /// Goes on with that of the conversion that has this mark; none where there is no such journal.
    pub(crate) fn resume(path: &Path, mark: &str) -> Result<Option<(Self, Entries)>, Error> {
        let text = fs::read_to_string(path).unwrap_or_default();
        // What stands behind the last end of a line was cut off, and says nothing.
        let whole = text.rfind('\n').map_or("", |end| &text[..=end]);
        let Some(entries) = read(whole, mark) else { return Ok(None) };
        let journal = Self::open(path)?;
        journal.file.set_len(whole.len() as u64).map_err(|error| io("write", path, &error))?;
        Ok(Some((journal, entries)))
    }

    fn open(path: &Path) -> Result<Self, Error> {
        let file = OpenOptions::new().append(true).open(path).map_err(|error| io("open", path, &error))?;
        Ok(Self { path: path.to_owned(), file })
    }

    /// Writes down that these are done, durably.
    pub(crate) fn add(&mut self, jobs: &[usize]) -> Result<(), Error> {
        let line: Vec<_> = jobs.iter().map(usize::to_string).collect();
        self.line(&line.join(" "))
    }

    /// Writes down that everything is.
    pub(crate) fn whole(&mut self) -> Result<(), Error> {
        self.line(WHOLE)
    }

    fn line(&mut self, line: &str) -> Result<(), Error> {
        let written = self.file.write_all(format!("{line}\n").as_bytes());
        written.and_then(|()| self.file.sync_data()).map_err(|error| io("write", &self.path, &error))
    }
}

fn read(text: &str, mark: &str) -> Option<Entries> {
    let mut lines = text.lines();
    if lines.next()? != mark {
        return None;
    }
    let mut entries = Entries::default();
    for word in lines.flat_map(str::split_whitespace) {
        match word {
            WHOLE => entries.whole = true,
            number => drop(entries.done.insert(number.parse().ok()?)),
        }
    }
    Some(entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resumed(path: &Path, mark: &str) -> Option<(Journal, Entries)> {
        Journal::resume(path, mark).unwrap()
    }

    #[test]
    fn what_was_written_down_is_read_wherever_it_was_cut() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        assert!(resumed(&path, "mark").is_none());
        let mut journal = Journal::begin(&path, "mark").unwrap();
        assert_eq!(resumed(&path, "mark").unwrap().1, Entries::default());
        journal.add(&[3, 1]).unwrap();
        journal.add(&[12]).unwrap();
        let all = BTreeSet::from([1, 3, 12]);
        assert_eq!(resumed(&path, "mark").unwrap().1, Entries { done: all.clone(), whole: false });
        assert!(resumed(&path, "other").is_none());
        let text = fs::read_to_string(&path).unwrap();
        for end in 0..text.len() {
            fs::write(&path, &text[..end]).unwrap();
            // Begun again where the cut was, it says no more than what is done.
            let Some((mut journal, entries)) = resumed(&path, "mark") else { continue };
            assert!(entries.done.is_subset(&all), "{end}: {entries:?}");
            journal.add(&[7]).unwrap();
            let mut known = entries.done;
            known.insert(7);
            assert_eq!(resumed(&path, "mark").unwrap().1.done, known, "{end}");
        }
        Journal::begin(&path, "mark").unwrap().whole().unwrap();
        assert!(resumed(&path, "mark").unwrap().1.whole);
    }
}
