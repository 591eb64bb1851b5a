//! What models answered, so that asking again costs nothing.
//!
//! One file that only grows. A piece at its end that a crash has torn is cut off and asked for again.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use sha2::{Digest, Sha256};

use crate::disk::{Append, Disk};
use crate::error::Error;

/// What an answer is found by: a digest of everything that it depends on.
pub(crate) type Key = [u8; 16];

/// The key of these parts.
pub(crate) fn key(parts: &[&str]) -> Key {
    let mut digest = Sha256::new();
    for part in parts {
        digest.update((part.len() as u64).to_le_bytes());
        digest.update(part);
    }
    let mut key = Key::default();
    key.copy_from_slice(&digest.finalize()[..16]);
    key
}

/// Key, length and checksum.
const HEAD: usize = 16 + 4 + 4;

/// Answers by their keys.
pub(crate) struct Cache {
    path: PathBuf,
    disk: Rc<dyn Disk>,
    /// Where each answer is, and how long.
    places: HashMap<Key, (u64, u32)>,
    writing: Option<Box<dyn Append>>,
    reading: Option<File>,
    /// How much of the file is whole.
    length: u64,
}

impl Cache {
    /// Opens the cache in this file, which may not exist yet.
    pub(crate) fn open(path: PathBuf, disk: Rc<dyn Disk>) -> Result<Self, Error> {
        let failed = |error| Error::file("read", &path, &error);
        let mut cache = Self {
            path: path.clone(),
            disk,
            places: HashMap::new(),
            writing: None,
            reading: None,
            length: 0,
        };
        match File::open(&path) {
            Ok(file) => cache.scan(file).map_err(failed)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed(error)),
        }
        Ok(cache)
    }

    fn scan(&mut self, file: File) -> io::Result<()> {
        let mut file = BufReader::with_capacity(256 * 1024, file);
        let mut answer = Vec::new();
        loop {
            let mut head = [0; HEAD];
            if !filled(file.read_exact(&mut head))? {
                return Ok(());
            }
            let (key, length, sum) = parse(&head);
            answer.clear();
            file.by_ref().take(length.into()).read_to_end(&mut answer)?;
            if answer.len() as u64 != u64::from(length) || checksum(&key, &answer) != sum {
                return Ok(());
            }
            self.places.insert(key, (self.length + HEAD as u64, length));
            self.length += HEAD as u64 + u64::from(length);
        }
    }

    /// The answer, if it is known.
    pub(crate) fn get(&mut self, key: &Key) -> Result<Option<Vec<u8>>, Error> {
        let Some((place, length)) = self.places.get(key).copied() else { return Ok(None) };
        let path = self.path.clone();
        self.read(place, length).map(Some).map_err(|error| Error::file("read", &path, &error))
    }

    fn read(&mut self, place: u64, length: u32) -> io::Result<Vec<u8>> {
        if let Some(file) = &mut self.writing {
            file.flush()?;
        }
        let file = match &mut self.reading {
            Some(file) => file,
            none => none.insert(File::open(&self.path)?),
        };
        file.seek(SeekFrom::Start(place))?;
        let mut answer = Vec::new();
        file.take(length.into()).read_to_end(&mut answer)?;
        Ok(answer)
    }

    /// Keeps an answer. It outlives the process from here on, and the machine from [`Self::sync`] on.
    pub(crate) fn put(&mut self, key: Key, answer: &[u8]) -> Result<(), Error> {
        // What does not fit a length is asked for again.
        let Ok(length) = u32::try_from(answer.len()) else { return Ok(()) };
        let path = self.path.clone();
        self.write(key, length, answer).map_err(|error| Error::file("write", &path, &error))?;
        self.places.insert(key, (self.length + HEAD as u64, length));
        self.length += HEAD as u64 + u64::from(length);
        Ok(())
    }

    fn write(&mut self, key: Key, length: u32, answer: &[u8]) -> io::Result<()> {
        let file = match &mut self.writing {
            Some(file) => file,
            none => {
                self.disk.create_folder(self.path.parent().unwrap_or(Path::new(".")))?;
                none.insert(self.disk.append(&self.path, self.length)?)
            }
        };
        file.write_all(&key)?;
        file.write_all(&length.to_le_bytes())?;
        file.write_all(&checksum(&key, answer))?;
        file.write_all(answer)?;
        file.flush()
    }

    /// Makes durable what was kept.
    pub(crate) fn sync(&mut self) -> Result<(), Error> {
        let Some(file) = &mut self.writing else { return Ok(()) };
        file.sync().map_err(|error| Error::file("write", &self.path, &error))
    }
}

/// False: the file ends before.
fn filled(read: io::Result<()>) -> io::Result<bool> {
    match read {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

fn parse(head: &[u8; HEAD]) -> (Key, u32, [u8; 4]) {
    let (mut key, mut length, mut sum) = (Key::default(), [0; 4], [0; 4]);
    key.copy_from_slice(&head[..16]);
    length.copy_from_slice(&head[16..20]);
    sum.copy_from_slice(&head[20..]);
    (key, u32::from_le_bytes(length), sum)
}

fn checksum(key: &Key, answer: &[u8]) -> [u8; 4] {
    let digest = Sha256::new().chain_update(key).chain_update(answer).finalize();
    let mut sum = [0; 4];
    sum.copy_from_slice(&digest[..4]);
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::RealDisk;
    use std::fs;

    #[test]
    fn answers_outlive_the_process_and_a_torn_end_is_forgotten() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("cache/answers");
        let open = || Cache::open(path.clone(), Rc::new(RealDisk)).unwrap();
        let (one, two) = (key(&["a", "b"]), key(&["ab", ""]));
        assert_ne!(one, two);
        let mut cache = open();
        assert_eq!(cache.get(&one).unwrap(), None);
        cache.put(one, b"first").unwrap();
        cache.put(two, b"").unwrap();
        assert_eq!(cache.get(&one).unwrap().unwrap(), b"first");
        drop(cache);
        let whole = fs::read(&path).unwrap();
        for torn in 0..whole.len() {
            fs::write(&path, &whole[..torn]).unwrap();
            let mut cache = open();
            assert_eq!(cache.get(&one).unwrap().is_some(), torn >= HEAD + 5);
            assert_eq!(cache.get(&two).unwrap(), None);
            cache.put(two, b"again").unwrap();
            drop(cache);
            assert_eq!(open().get(&two).unwrap().unwrap(), b"again");
        }
    }

    #[test]
    fn a_flipped_bit_is_not_an_answer() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("answers");
        let mut cache = Cache::open(path.clone(), Rc::new(RealDisk)).unwrap();
        let key = key(&["a"]);
        cache.put(key, b"first").unwrap();
        let mut bytes = fs::read(&path).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(&path, bytes).unwrap();
        assert_eq!(Cache::open(path, Rc::new(RealDisk)).unwrap().get(&key).unwrap(), None);
    }
}
