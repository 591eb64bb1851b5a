//! A local index of vectors: one file, searched from its beginning to its end.
//!
//! The first line is JSON: what it is, how long the vectors are and which model made them. Then come entries: how long the
//! text is (four bytes, the lowest first), the vector (four bytes for each number, of length one in all), and the text:
//! JSON with the record's `id` and its `data`.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom};
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::Error;

/// The form of the file.
const VERSION: u32 = 1;
/// The longest first line.
const LONGEST_HEAD: u64 = 64 * 1024;
/// The longest vector.
pub(crate) const MOST_DIMENSIONS: usize = 65_536;

/// The first line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Head {
    inferno_index: u32,
    pub(crate) dimensions: usize,
    /// The model that made the vectors, if the pipeline says so.
    pub(crate) model: Option<String>,
}

impl Head {
    pub(crate) fn new(dimensions: usize, model: Option<String>) -> Self {
        Self { inferno_index: VERSION, dimensions, model }
    }
}

/// What an entry says of its record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Text {
    pub(crate) id: String,
    pub(crate) data: Value,
}

/// A record that was found.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Hit {
    /// The cosine: 1 for the same direction, 0 for no likeness.
    pub(crate) score: f32,
    pub(crate) text: Text,
}

/// A vector of length one; none if it has no direction.
pub(crate) fn unit(vector: &[f32]) -> Option<Vec<f32>> {
    let length = vector.iter().map(|x| f64::from(*x) * f64::from(*x)).sum::<f64>().sqrt();
    let usable = length.is_finite() && length > 0.0;
    usable.then(|| vector.iter().map(|x| (f64::from(*x) / length) as f32).collect())
}

/// The bytes of an entry.
pub(crate) fn entry(vector: &[f32], text: &str) -> Option<Vec<u8>> {
    let length = u32::try_from(text.len()).ok()?;
    let mut bytes = Vec::with_capacity(4 + vector.len() * 4 + text.len());
    bytes.extend_from_slice(&length.to_le_bytes());
    bytes.extend(vector.iter().flat_map(|x| x.to_le_bytes()));
    bytes.extend_from_slice(text.as_bytes());
    Some(bytes)
}

/// An index to search in.
pub(crate) struct Index {
    file: BufReader<File>,
    pub(crate) head: Head,
    /// Where the entries begin.
    entries: u64,
    shown: String,
}

/// An entry that is among the best so far.
struct Candidate {
    score: f32,
    /// Where its text is, and how long it is.
    place: u64,
    length: u32,
}

impl Ord for Candidate {
    /// The worst comes first; of equals, the later one.
    fn cmp(&self, other: &Self) -> Ordering {
        other.score.total_cmp(&self.score).then(self.place.cmp(&other.place))
    }
}

impl PartialOrd for Candidate {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Candidate {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Candidate {}

impl Index {
    pub(crate) fn open(path: &Path) -> Result<Self, Error> {
        let failed = |error| Error::file("read", path, &error);
        let mut file = BufReader::with_capacity(256 * 1024, File::open(path).map_err(failed)?);
        let mut line = Vec::new();
        file.by_ref().take(LONGEST_HEAD).read_until(b'\n', &mut line).map_err(failed)?;
        let head = serde_json::from_slice::<Head>(&line).ok().filter(|head| head.inferno_index == VERSION);
        let shown = path.display().to_string();
        if line.is_empty() {
            return Err(Error::new(format!("{shown} is empty: no record had a vector"))
                .hint("the dead letters of its pipeline say why"));
        }
        let head = head.filter(|head| (1..=MOST_DIMENSIONS).contains(&head.dimensions)).ok_or_else(|| {
            Error::new(format!("{shown} is no index")).hint("make one with the sink `index`")
        })?;
        Ok(Self { file, head, entries: line.len() as u64, shown })
    }

    /// The records whose vectors point most in the same direction, the best first.
    pub(crate) fn search(&mut self, query: &[f32], most: usize) -> Result<Vec<Hit>, Error> {
        if query.len() != self.head.dimensions {
            return Err(Error::new(format!(
                "the query has a vector of {} numbers, and those in {} have {}",
                query.len(),
                self.shown,
                self.head.dimensions
            ))
            .hint("name the model that made the index with `--model`"));
        }
        let query = unit(query).ok_or_else(|| Error::new("the query's vector has no direction"))?;
        let best = self.best(&query, most).map_err(|error| self.failed(&error))?;
        let mut hits = Vec::with_capacity(best.len());
        for Candidate { score, place, length } in best {
            let mut text = vec![0; length as usize];
            let read = self.file.seek(SeekFrom::Start(place)).and_then(|_| self.file.read_exact(&mut text));
            read.map_err(|error| self.failed(&error))?;
            let text = serde_json::from_slice(&text).map_err(|error| self.failed(&error.into()))?;
            hits.push(Hit { score, text });
        }
        Ok(hits)
    }

    fn best(&mut self, query: &[f32], most: usize) -> io::Result<Vec<Candidate>> {
        let end = self.file.get_ref().metadata()?.len();
        let mut place = self.file.seek(SeekFrom::Start(self.entries))?;
        let mut best = BinaryHeap::new();
        let mut bytes = vec![0; 4 + query.len() * 4];
        while place < end {
            self.file.read_exact(&mut bytes)?;
            let (length, vector) = bytes.split_at(4);
            let length = u32::from_le_bytes([length[0], length[1], length[2], length[3]]);
            place += bytes.len() as u64;
            best.push(Candidate { score: dot(query, vector), place, length });
            if best.len() > most {
                best.pop();
            }
            place += u64::from(length);
            if place > end {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.file.seek_relative(length.into())?;
        }
        // The heap has the worst on top, so sorted it begins with the best.
        Ok(best.into_sorted_vec())
    }

    fn failed(&self, error: &io::Error) -> Error {
        let told = Error::new(format!("cannot search in {}: {error}", self.shown));
        match error.kind() {
            io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData => {
                told.hint("it is damaged; run its pipeline again")
            }
            _ => told,
        }
    }
}

/// The product of a vector and one that is still bytes.
fn dot(query: &[f32], vector: &[u8]) -> f32 {
    let numbers = vector.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]));
    query.iter().zip(numbers).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(entries: &[(&[f32], &str)]) -> (tempfile::TempDir, std::path::PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("i");
        let mut bytes = serde_json::to_vec(&Head::new(2, None)).unwrap();
        bytes.push(b'\n');
        for (vector, id) in entries {
            let text = format!("{{\"id\":\"{id}\",\"data\":{{}}}}");
            bytes.extend(entry(&unit(vector).unwrap(), &text).unwrap());
        }
        std::fs::write(&path, bytes).unwrap();
        (dir, path)
    }

    #[test]
    fn the_nearest_come_first_whatever_their_length() {
        let (_dir, path) = index(&[
            (&[0.0, 9.0], "up"),
            (&[5.0, 5.0], "between"),
            (&[0.1, 0.0], "right"),
            (&[-1.0, 0.0], "left"),
            (&[7.0, 7.0], "between too"),
        ]);
        let mut index = Index::open(&path).unwrap();
        let found = |hits: Vec<Hit>| hits.into_iter().map(|hit| hit.text.id).collect::<Vec<_>>();
        assert_eq!(found(index.search(&[2.0, 0.1], 3).unwrap()), ["right", "between", "between too"]);
        let all = index.search(&[0.0, 1.0], 9).unwrap();
        assert!((all[0].score - 1.0).abs() < 1e-6 && all[4].score.abs() < 1e-6);
        assert_eq!(found(all), ["up", "between", "between too", "right", "left"]);
        assert!(index.search(&[1.0], 1).unwrap_err().message.contains("has a vector of 1 numbers"));
        assert!(index.search(&[0.0, 0.0], 1).is_err());
    }

    #[test]
    fn what_is_no_index_or_only_a_part_of_one_is_told() {
        let (_dir, path) = index(&[(&[1.0, 0.0], "a"), (&[1.0, 0.0], "b")]);
        let whole = std::fs::read(&path).unwrap();
        for cut in [1, 10, 20, 30] {
            std::fs::write(&path, &whole[..whole.len() - cut]).unwrap();
            let error = Index::open(&path).unwrap().search(&[1.0, 0.0], 5).unwrap_err();
            assert!(error.message.starts_with("cannot search in "), "{error}");
        }
        std::fs::write(&path, "").unwrap();
        assert!(Index::open(&path).err().unwrap().message.contains("is empty"));
        std::fs::write(&path, "{\"inferno_index\":2,\"dimensions\":2,\"model\":null}\n").unwrap();
        assert!(Index::open(&path).err().unwrap().message.ends_with("is no index"));
    }
}
