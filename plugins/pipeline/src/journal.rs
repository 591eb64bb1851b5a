//! The memory of a step, on disk: pieces, each behind the other.

use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use crate::checkpoint::Memory;
use crate::disk::{Append, Disk};
use crate::error::Error;
use crate::node::Saved;

/// The memory of one step.
pub(crate) struct Journal {
    disk: Rc<dyn Disk>,
    folder: PathBuf,
    generation: u64,
    file: Option<Box<dyn Append>>,
    /// A generation that the next checkpoint makes worthless.
    old: Option<u64>,
}

impl Journal {
    /// The memory of a step whose files are in this folder, as a checkpoint left it; hands each piece of it to `restore`.
    pub(crate) fn open(
        disk: Rc<dyn Disk>,
        folder: PathBuf,
        memory: Option<Memory>,
        restore: impl FnMut(&[u8]) -> Result<(), Error>,
    ) -> Result<Self, Error> {
        let mut journal = Self { disk, folder, generation: 0, file: None, old: None };
        if let Some(Memory { generation, length }) = memory {
            journal.generation = generation;
            let path = journal.path(generation);
            let opened = journal.disk.append(&path, length);
            journal.file = Some(opened.map_err(|error| Error::file("write", &path, &error))?);
            read(&path, restore)?;
        }
        Ok(journal)
    }

    /// Adds to it. It counts from the next checkpoint on.
    pub(crate) fn save(&mut self, saved: &Saved) -> Result<(), Error> {
        let piece = match saved {
            Saved::Nothing => return Ok(()),
            Saved::More(piece) => piece,
            Saved::All(piece) => {
                if self.file.take().is_some() {
                    self.old.get_or_insert(self.generation);
                    self.generation += 1;
                }
                piece
            }
        };
        let path = self.path(self.generation);
        self.add(piece).map_err(|error| Error::file("write", &path, &error))
    }

    fn add(&mut self, piece: &[u8]) -> io::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            none => {
                self.disk.create_folder(&self.folder)?;
                none.insert(self.disk.append(&self.folder.join(name(self.generation)), 0)?)
            }
        };
        file.write_all(&(piece.len() as u64).to_le_bytes())?;
        file.write_all(piece)
    }

    /// Makes it durable, and says where it is.
    pub(crate) fn commit(&mut self) -> Result<Option<Memory>, Error> {
        let path = self.path(self.generation);
        let Some(file) = &mut self.file else { return Ok(None) };
        file.sync().map_err(|error| Error::file("write", &path, &error))?;
        Ok(Some(Memory { generation: self.generation, length: file.length() }))
    }

    /// Removes what the checkpoint has made worthless.
    pub(crate) fn tidy(&mut self) -> Result<(), Error> {
        let Some(old) = self.old.take() else { return Ok(()) };
        for generation in old..self.generation {
            let path = self.path(generation);
            self.disk.remove(&path).map_err(|error| Error::file("remove", &path, &error))?;
        }
        Ok(())
    }

    fn path(&self, generation: u64) -> PathBuf {
        self.folder.join(name(generation))
    }
}

fn name(generation: u64) -> String {
    format!("memory.{generation}")
}

fn read(path: &Path, mut restore: impl FnMut(&[u8]) -> Result<(), Error>) -> Result<(), Error> {
    let failed = |error: io::Error| Error::file("read", path, &error);
    let file = std::fs::File::open(path).map_err(failed)?;
    let mut left = file.metadata().map_err(failed)?.len();
    let mut file = io::BufReader::new(file);
    while left > 0 {
        let mut length = [0; 8];
        file.read_exact(&mut length).map_err(failed)?;
        let length = u64::from_le_bytes(length);
        let mut piece = Vec::new();
        file.by_ref().take(length).read_to_end(&mut piece).map_err(failed)?;
        if piece.len() as u64 != length {
            return Err(
                Error::new(format!("{} is damaged", path.display())).hint("begin again with `--fresh`")
            );
        }
        restore(&piece)?;
        left = left.saturating_sub(length + 8);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::RealDisk;

    fn open(dir: &Path, memory: Option<Memory>) -> (Journal, Vec<String>) {
        let mut pieces = Vec::new();
        let restore = |piece: &[u8]| {
            pieces.push(String::from_utf8(piece.to_vec()).unwrap());
            Ok(())
        };
        (Journal::open(Rc::new(RealDisk), dir.to_owned(), memory, restore).unwrap(), pieces)
    }

    fn more(text: &str) -> Saved {
        Saved::More(text.into())
    }

    #[test]
    fn what_came_after_the_checkpoint_never_was() {
        let dir = tempfile::tempdir().unwrap();
        let (mut journal, pieces) = open(dir.path(), None);
        assert!(pieces.is_empty());
        assert_eq!(journal.commit().unwrap(), None);
        journal.save(&more("a")).unwrap();
        journal.save(&more("b")).unwrap();
        let memory = journal.commit().unwrap();
        journal.save(&more("c")).unwrap();
        journal.save(&Saved::All("d".into())).unwrap();
        journal.commit().unwrap();
        let (mut journal, pieces) = open(dir.path(), memory);
        assert_eq!(pieces, ["a", "b"]);
        journal.save(&more("e")).unwrap();
        let memory = journal.commit().unwrap();
        assert_eq!(open(dir.path(), memory).1, ["a", "b", "e"]);
    }

    #[test]
    fn all_replaces_what_was_there_and_leaves_no_old_file_behind() {
        let dir = tempfile::tempdir().unwrap();
        let (mut journal, _) = open(dir.path(), None);
        for text in ["a", "b", "c"] {
            journal.save(&Saved::All(text.into())).unwrap();
        }
        let memory = journal.commit().unwrap();
        journal.tidy().unwrap();
        assert_eq!(open(dir.path(), memory).1, ["c"]);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
