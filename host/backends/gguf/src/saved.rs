//! Beginnings of prompts on disk, so that they survive the process that read them.
//!
//! Each is a file of its own, named by a digest of its tokens. A file is written beside its place and renamed, and
//! checked before it is used; what is damaged or was written by another version is deleted.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use llama_cpp_2::token::LlamaToken;
use sha2::{Digest, Sha256};

use crate::log;
use crate::prefix::common;

const MAGIC: &[u8; 16] = b"inferno state 1\n";
const SUFFIX: &str = "state";
const UNFINISHED: &str = "unfinished";
/// Tokens of one file.
const MOST_TOKENS: u32 = 1 << 22;
/// Bytes that all files may take where nobody asked for more or less.
const USUAL_BYTES: u64 = 1 << 30;

/// How files are packed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Packing {
    /// As they are.
    None,
    /// With zstd.
    #[default]
    Zstd,
    /// With gzip.
    Gzip,
}

/// What a user may choose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Settings {
    /// Bytes that all files of a model may take.
    pub(crate) bytes: u64,
    /// How they are packed.
    pub(crate) packing: Packing,
}

impl Default for Settings {
    fn default() -> Self {
        Self { bytes: USUAL_BYTES, packing: Packing::default() }
    }
}

struct Entry {
    path: PathBuf,
    tokens: Vec<LlamaToken>,
    bytes: u64,
    used: SystemTime,
}

/// The files of one model.
pub(crate) struct Saved {
    dir: PathBuf,
    settings: Settings,
    /// What the state's form depends on.
    form: String,
    entries: Vec<Entry>,
}

impl Saved {
    /// Looks at what is there. What cannot be used is deleted.
    pub(crate) fn open(dir: &Path, settings: Settings, form: String) -> io::Result<Self> {
        let mut saved = Self { dir: dir.to_owned(), settings, form, entries: Vec::new() };
        for file in fs::read_dir(dir)? {
            let path = file?.path();
            match path.extension().and_then(|suffix| suffix.to_str()) {
                Some(SUFFIX) => match saved.look(&path) {
                    Ok(entry) => saved.entries.push(entry),
                    Err(error) => delete(&path, &error.to_string()),
                },
                Some(UNFINISHED) => delete(&path, "it was never finished"),
                _ => {}
            }
        }
        saved.make_room(0);
        Ok(saved)
    }

    fn look(&self, path: &Path) -> io::Result<Entry> {
        let mut file = io::BufReader::new(File::open(path)?);
        let Head { tokens, .. } = Head::read(&mut file, &self.form)?;
        let metadata = fs::metadata(path)?;
        let used = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
        Ok(Entry { path: path.to_owned(), tokens, bytes: metadata.len(), used })
    }

    /// How much of the prompt's beginning is here.
    pub(crate) fn find(&self, prompt: &[LlamaToken]) -> Option<usize> {
        self.entries.iter().map(|entry| common(&entry.tokens, prompt)).max()
    }

    /// The tokens and the state that have the most of the prompt's beginning.
    pub(crate) fn load(&mut self, prompt: &[LlamaToken]) -> Option<(Vec<LlamaToken>, Vec<u8>)> {
        let (index, _) =
            self.entries.iter().enumerate().max_by_key(|(_, entry)| common(&entry.tokens, prompt))?;
        let entry = self.entries.get_mut(index)?;
        match unpack(&entry.path, &self.form) {
            Ok((tokens, state)) if tokens == entry.tokens => {
                entry.used = SystemTime::now();
                // Only which file goes first depends on it.
                let _ = File::options()
                    .append(true)
                    .open(&entry.path)
                    .and_then(|file| file.set_modified(entry.used));
                Some((tokens, state))
            }
            Ok(_) => self.drop_entry(index, "it has changed"),
            Err(error) => self.drop_entry(index, &error.to_string()),
        }
    }

    fn drop_entry<T>(&mut self, index: usize, why: &str) -> Option<T> {
        let entry = self.entries.swap_remove(index);
        delete(&entry.path, why);
        None
    }

    /// Deletes what cannot be used after all.
    pub(crate) fn discard(&mut self, tokens: &[LlamaToken], why: &str) {
        if let Some(index) = self.entries.iter().position(|entry| entry.tokens == tokens) {
            self.drop_entry::<()>(index, why);
        }
    }

    /// These tokens are here, maybe with more behind them.
    pub(crate) fn has(&self, tokens: &[LlamaToken]) -> bool {
        self.entries.iter().any(|entry| entry.tokens.starts_with(tokens))
    }

    /// Saves the state of these tokens, in the place of those that it goes on from.
    pub(crate) fn save(&mut self, tokens: &[LlamaToken], state: &[u8]) {
        match self.write(tokens, state) {
            Ok(Some(entry)) => {
                for index in (0..self.entries.len()).rev() {
                    if self.entries.get(index).is_some_and(|old| tokens.starts_with(&old.tokens)) {
                        let old = self.entries.swap_remove(index);
                        remove(&old.path);
                    }
                }
                self.make_room(entry.bytes);
                self.entries.push(entry);
            }
            Ok(None) => {}
            Err(error) => log::line(&format!("cannot save what was read of a prompt: {error}")),
        }
    }

    /// Writes a file. `None`: it would be larger than all may be.
    fn write(&self, tokens: &[LlamaToken], state: &[u8]) -> io::Result<Option<Entry>> {
        let packing = self.settings.packing;
        let packed = match packing {
            Packing::None => state.to_vec(),
            Packing::Zstd => zstd::bulk::compress(state, 1)?,
            Packing::Gzip => {
                let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
                encoder.write_all(state)?;
                encoder.finish()?
            }
        };
        let head =
            Head { packing, tokens: tokens.to_vec(), raw: state.len() as u64, packed: packed.len() as u64 };
        let head = head.bytes(&self.form);
        let digest = Sha256::new().chain_update(&head).chain_update(&packed).finalize();
        let bytes = (head.len() + digest.len() + packed.len()) as u64;
        if bytes > self.settings.bytes {
            return Ok(None);
        }
        let name = Sha256::digest(tokens.iter().flat_map(|token| token.0.to_le_bytes()).collect::<Vec<_>>());
        let path = self.dir.join(format!("{name:x}.{SUFFIX}"));
        let unfinished = path.with_extension(UNFINISHED);
        let written = File::create(&unfinished).and_then(|mut file| {
            file.write_all(&head)?;
            file.write_all(&digest)?;
            file.write_all(&packed)?;
            fs::rename(&unfinished, &path)
        });
        if written.is_err() {
            remove(&unfinished);
        }
        written.map(|()| Some(Entry { path, tokens: tokens.to_vec(), bytes, used: SystemTime::now() }))
    }

    /// Deletes those that were used longest ago until there is room for so many bytes.
    fn make_room(&mut self, bytes: u64) {
        let total = |entries: &[Entry]| entries.iter().map(|entry| entry.bytes).sum::<u64>();
        self.entries.sort_by_key(|entry| std::cmp::Reverse(entry.used));
        while total(&self.entries).saturating_add(bytes) > self.settings.bytes {
            let Some(oldest) = self.entries.pop() else { break };
            remove(&oldest.path);
        }
    }
}

/// What a file begins with.
struct Head {
    packing: Packing,
    tokens: Vec<LlamaToken>,
    raw: u64,
    packed: u64,
}

impl Head {
    fn bytes(&self, form: &str) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend((form.len() as u32).to_le_bytes());
        bytes.extend(form.as_bytes());
        bytes.extend((self.packing as u32).to_le_bytes());
        bytes.extend((self.tokens.len() as u32).to_le_bytes());
        self.tokens.iter().for_each(|token| bytes.extend(token.0.to_le_bytes()));
        bytes.extend(self.raw.to_le_bytes());
        bytes.extend(self.packed.to_le_bytes());
        bytes
    }

    fn read(file: &mut impl Read, form: &str) -> io::Result<Self> {
        let mut magic = [0; MAGIC.len()];
        file.read_exact(&mut magic)?;
        if magic != *MAGIC || number(file)? as usize != form.len() {
            return Err(wrong("it is of another version"));
        }
        let mut found = vec![0; form.len()];
        file.read_exact(&mut found)?;
        if found != form.as_bytes() {
            return Err(wrong("it is of another version or another number of sequences"));
        }
        let packing = [Packing::None, Packing::Zstd, Packing::Gzip];
        let packing = packing.get(number(file)? as usize).copied().ok_or_else(|| wrong("it is damaged"))?;
        let count = number(file)?;
        if count > MOST_TOKENS {
            return Err(wrong("it is damaged"));
        }
        let mut tokens = vec![0; count as usize * 4];
        file.read_exact(&mut tokens)?;
        let (tokens, _) = tokens.as_chunks::<4>();
        let tokens = tokens.iter().map(|token| LlamaToken(i32::from_le_bytes(*token))).collect();
        let mut long = || {
            let mut bytes = [0; 8];
            file.read_exact(&mut bytes).map(|()| u64::from_le_bytes(bytes))
        };
        Ok(Self { packing, tokens, raw: long()?, packed: long()? })
    }
}

fn number(file: &mut impl Read) -> io::Result<u32> {
    let mut bytes = [0; 4];
    file.read_exact(&mut bytes)?;
    Ok(u32::from_le_bytes(bytes))
}

/// The tokens and the state of a file that is whole.
fn unpack(path: &Path, form: &str) -> io::Result<(Vec<LlamaToken>, Vec<u8>)> {
    let bytes = fs::read(path)?;
    let mut rest = bytes.as_slice();
    let head = Head::read(&mut rest, form)?;
    let (begin, _) = bytes.split_at(bytes.len() - rest.len());
    let (digest, packed) = rest.split_at_checked(32).ok_or_else(|| wrong("it is cut off"))?;
    if packed.len() as u64 != head.packed {
        return Err(wrong("it is cut off"));
    }
    if Sha256::new().chain_update(begin).chain_update(packed).finalize().as_slice() != digest {
        return Err(wrong("it is damaged"));
    }
    let length = usize::try_from(head.raw).map_err(|_| wrong("it is too large"))?;
    let state = match head.packing {
        Packing::None => packed.to_vec(),
        Packing::Zstd => zstd::bulk::decompress(packed, length)?,
        Packing::Gzip => {
            let mut state = Vec::with_capacity(length);
            flate2::read::GzDecoder::new(packed).read_to_end(&mut state)?;
            state
        }
    };
    if state.len() != length {
        return Err(wrong("it is damaged"));
    }
    Ok((head.tokens, state))
}

fn wrong(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

fn delete(path: &Path, why: &str) {
    log::line(&format!("the saved state {} is deleted: {why}", path.display()));
    remove(path);
}

fn remove(path: &Path) {
    if let Err(error) = fs::remove_file(path) {
        log::line(&format!("cannot delete {}: {error}", path.display()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(length: usize, last: i32) -> Vec<LlamaToken> {
        (1..length as i32).chain([last]).map(LlamaToken).collect()
    }

    fn open(dir: &Path, bytes: u64, packing: Packing) -> Saved {
        Saved::open(dir, Settings { bytes, packing }, "form".into()).unwrap()
    }

    fn files(dir: &Path) -> usize {
        fs::read_dir(dir).unwrap().count()
    }

    #[test]
    fn states_come_back_however_they_were_packed() {
        for packing in [Packing::None, Packing::Zstd, Packing::Gzip] {
            let dir = tempfile::tempdir().unwrap();
            let state = b"state ".repeat(1000);
            open(dir.path(), 1 << 20, packing).save(&tokens(100, 0), &state);
            let mut saved = open(dir.path(), 1 << 20, Packing::Zstd);
            assert_eq!(saved.find(&tokens(200, 0)), Some(99));
            assert_eq!(saved.load(&tokens(200, 0)), Some((tokens(100, 0), state.clone())), "{packing:?}");
            assert!(saved.has(&tokens(99, 99)) && !saved.has(&tokens(101, 0)));
            let small = packing != Packing::None;
            assert_eq!(saved.entries[0].bytes < state.len() as u64, small, "{packing:?}");
        }
    }

    #[test]
    fn a_longer_one_takes_the_place_of_those_that_it_goes_on_from() {
        let dir = tempfile::tempdir().unwrap();
        let mut saved = open(dir.path(), 1 << 20, Packing::None);
        saved.save(&tokens(50, 50), b"short");
        saved.save(&tokens(60, 0), b"other");
        saved.save(&tokens(100, 0), b"long");
        assert_eq!(files(dir.path()), 2);
        assert_eq!(saved.load(&tokens(70, 0)).unwrap().1, b"long");
    }

    #[test]
    fn no_more_bytes_are_kept_than_allowed() {
        let dir = tempfile::tempdir().unwrap();
        let mut saved = open(dir.path(), 3000, Packing::None);
        let other = |first: i32| [&[LlamaToken(first)], tokens(50, 0).as_slice()].concat();
        saved.save(&other(1), &[0; 1000]);
        saved.save(&other(2), &[0; 1000]);
        saved.load(&other(1)).unwrap();
        saved.save(&other(3), &[0; 1000]);
        assert!(saved.has(&other(1)) && !saved.has(&other(2)) && saved.has(&other(3)), "the oldest went");
        assert_eq!(files(dir.path()), 2);
        saved.save(&other(4), &[0; 4000]);
        assert!(!saved.has(&other(4)), "larger than all may be");
        assert_eq!(files(dir.path()), 2);
        let saved = open(dir.path(), 1500, Packing::None);
        assert_eq!((saved.entries.len(), files(dir.path())), (1, 1), "less was allowed later");
    }

    #[test]
    fn what_cannot_be_used_is_deleted() {
        let dir = tempfile::tempdir().unwrap();
        let write = || {
            let mut saved = open(dir.path(), 1 << 20, Packing::None);
            saved.save(&tokens(50, 0), &[7; 1000]);
            saved.entries[0].path.clone()
        };
        let path = write();
        let whole = fs::read(&path).unwrap();
        for (at, length) in
            [(0, whole.len()), (20, whole.len()), (whole.len() - 1, whole.len()), (0, 10), (1, 900)]
        {
            let mut bytes = whole[..length].to_vec();
            if length == whole.len() {
                bytes[at] ^= 1;
            }
            fs::write(&path, bytes).unwrap();
            let mut saved = open(dir.path(), 1 << 20, Packing::None);
            assert_eq!(saved.load(&tokens(80, 0)), None, "byte {at} of {length}");
            assert_eq!(files(dir.path()), 0, "byte {at} of {length}");
        }
        write();
        fs::write(path.with_extension(UNFINISHED), "half").unwrap();
        fs::write(dir.path().join("note.txt"), "not ours").unwrap();
        Saved::open(dir.path(), Settings::default(), "another form".into()).unwrap();
        assert_eq!(files(dir.path()), 1, "only what is not ours is left");
    }
}
