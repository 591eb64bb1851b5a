//! Sorted files, and what they are merged to.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use crate::disk::Disk;
use crate::error::Error;
use crate::kind::frames;
use crate::node::Context;

/// A record in the order: by key, and among equals as they came.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Item {
    /// Bytes that compare as what is sorted by.
    pub(super) key: Vec<u8>,
    pub(super) came: u64,
    pub(super) id: String,
    pub(super) text: String,
}

impl Item {
    /// About how much memory it takes.
    pub(super) fn size(&self) -> usize {
        size_of::<Self>() + self.key.len() + self.id.len() + self.text.len()
    }

    fn put(&self, into: &mut Vec<u8>) {
        frames::put(into, &self.key);
        frames::put_number(into, self.came);
        frames::put(into, self.id.as_bytes());
        frames::put(into, self.text.as_bytes());
    }

    fn read(from: &mut BufReader<File>) -> io::Result<Option<Self>> {
        let Some(key) = frames::next(from)? else { return Ok(None) };
        let came = frames::number(from)?;
        Ok(Some(Self { key, came, id: frames::text(from)?, text: frames::text(from)? }))
    }
}

/// How many files are open at once.
const MOST: usize = 32;
/// How much is read of each at once.
const BUFFER: usize = 64 * 1024;

/// Sorted files.
pub(super) struct Runs {
    disk: Rc<dyn Disk>,
    folder: PathBuf,
    paths: Vec<PathBuf>,
    made: usize,
}

impl Runs {
    pub(super) fn new(context: &Context) -> Self {
        Self { disk: context.disk.clone(), folder: context.state.clone(), paths: Vec::new(), made: 0 }
    }

    /// Makes a file of these.
    pub(super) fn add(&mut self, mut items: Vec<Item>) -> Result<(), Error> {
        items.sort_unstable();
        let mut items = items.into_iter();
        let path = self.write(|| Ok(items.next()))?;
        self.paths.push(path);
        if self.paths.len() >= MOST {
            let old = std::mem::take(&mut self.paths);
            let mut merge = Merge::of(&old, Vec::new())?;
            let path = self.write(|| merge.next())?;
            self.paths.push(path);
            remove(self.disk.as_ref(), &old)?;
        }
        Ok(())
    }

    fn write(&mut self, mut next: impl FnMut() -> Result<Option<Item>, Error>) -> Result<PathBuf, Error> {
        let path = self.folder.join(format!("sorted.{}", self.made));
        self.made += 1;
        let failed = |error: io::Error| Error::file("write", &path, &error);
        self.disk.create_folder(&self.folder).map_err(failed)?;
        let mut file = self.disk.append(&path, 0).map_err(failed)?;
        let mut bytes = Vec::new();
        while let Some(item) = next()? {
            bytes.clear();
            item.put(&mut bytes);
            file.write_all(&bytes).map_err(failed)?;
        }
        file.flush().map_err(failed)?;
        Ok(path)
    }

    /// All that is in the files, and these, in order.
    pub(super) fn merge(&self, items: Vec<Item>) -> Result<Merge, Error> {
        Merge::of(&self.paths, items)
    }

    /// Removes the files.
    pub(super) fn remove(&mut self) -> Result<(), Error> {
        remove(self.disk.as_ref(), &std::mem::take(&mut self.paths))
    }
}

fn remove(disk: &dyn Disk, paths: &[PathBuf]) -> Result<(), Error> {
    paths.iter().try_for_each(|path| disk.remove(path).map_err(|error| Error::file("remove", path, &error)))
}

/// The items of several files, and some in memory, in order.
pub(super) struct Merge {
    files: Vec<(PathBuf, BufReader<File>)>,
    memory: std::vec::IntoIter<Item>,
    /// The first of each, and where the next one comes from; `None`: from memory.
    first: BinaryHeap<Reverse<(Item, Option<usize>)>>,
}

impl Merge {
    fn of(paths: &[PathBuf], mut items: Vec<Item>) -> Result<Self, Error> {
        items.sort_unstable();
        let open = |path: &PathBuf| match File::open(path) {
            Ok(file) => Ok((path.clone(), BufReader::with_capacity(BUFFER, file))),
            Err(error) => Err(unread(path, &error)),
        };
        let files = paths.iter().map(open).collect::<Result<Vec<_>, _>>()?;
        let mut merge = Self { files, memory: items.into_iter(), first: BinaryHeap::new() };
        for from in (0..paths.len()).map(Some).chain([None]) {
            merge.refill(from)?;
        }
        Ok(merge)
    }

    fn refill(&mut self, from: Option<usize>) -> Result<(), Error> {
        let item = match from {
            None => self.memory.next(),
            Some(n) => {
                let (path, file) = &mut self.files[n];
                Item::read(file).map_err(|error| unread(path, &error))?
            }
        };
        self.first.extend(item.map(|item| Reverse((item, from))));
        Ok(())
    }

    pub(super) fn next(&mut self) -> Result<Option<Item>, Error> {
        let Some(Reverse((item, from))) = self.first.pop() else { return Ok(None) };
        self.refill(from)?;
        Ok(Some(item))
    }
}

fn unread(path: &Path, error: &io::Error) -> Error {
    Error::file("read", path, error)
}
