//! What was answered: a file of lines that grows. After a crash its last line may be torn; that one is cut off, and its
//! request counts as not answered.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::ids::{Ids, Seen};
use crate::{answer, disk};

/// How many requests were answered, and how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Counts {
    pub(crate) total: u64,
    pub(crate) completed: u64,
    pub(crate) failed: u64,
}

impl Counts {
    /// Those that are answered.
    pub(crate) fn done(self) -> u64 {
        self.completed + self.failed
    }
}

/// What came of one request.
pub(crate) enum Outcome<'a> {
    /// What a client would have been answered over HTTP.
    Answer { status: u16, body: &'a [u8] },
    /// Nothing, and why.
    Nothing { code: &'static str, message: &'static str },
}

impl Outcome<'_> {
    fn is_good(&self) -> bool {
        matches!(self, Self::Answer { status: 200, .. })
    }
}

#[derive(Serialize)]
struct Written<'a> {
    id: String,
    custom_id: &'a str,
    response: Option<Response<'a>>,
    error: Option<Nothing<'a>>,
}

#[derive(Serialize)]
struct Response<'a> {
    status_code: u16,
    request_id: String,
    body: &'a RawValue,
}

#[derive(Serialize)]
struct Nothing<'a> {
    code: &'a str,
    message: &'a str,
}

/// As much of a line as is needed to go on.
#[derive(Deserialize)]
struct Known {
    custom_id: String,
    response: Option<KnownResponse>,
}

#[derive(Deserialize)]
struct KnownResponse {
    status_code: u16,
}

/// The files that answers are written to: one for those that are good, and one for the others unless they are to stand
/// together.
pub(crate) struct Results {
    good: Part,
    bad: Option<Part>,
    counts: Counts,
}

impl Results {
    /// Goes on with what is there, or begins.
    pub(crate) fn open(good: &Path, bad: Option<&Path>, ids: &mut Ids) -> io::Result<Self> {
        let mut counts = Counts { total: ids.len() as u64, ..Counts::default() };
        let good = Part::open(good, ids, &mut counts)?;
        let bad = bad.map(|path| Part::open(path, ids, &mut counts)).transpose()?;
        Ok(Self { good, bad, counts })
    }

    pub(crate) fn counts(&self) -> Counts {
        self.counts
    }

    /// Adds what came of a request.
    pub(crate) fn add(&mut self, custom_id: &str, outcome: &Outcome<'_>) -> io::Result<()> {
        let text;
        let response = match outcome {
            Outcome::Nothing { .. } => None,
            Outcome::Answer { status, body } => {
                let body = match serde_json::from_slice(body) {
                    Ok(body) => body,
                    // What is no JSON is a text.
                    Err(_) => {
                        text = serde_json::value::to_raw_value(&String::from_utf8_lossy(body))?;
                        &*text
                    }
                };
                Some(Response { status_code: *status, request_id: disk::new_id("req_"), body })
            }
        };
        let error = match outcome {
            Outcome::Nothing { code, message } => Some(Nothing { code, message }),
            Outcome::Answer { .. } => None,
        };
        let mut line = answer::json(&Written { id: disk::new_id("batch_req_"), custom_id, response, error });
        line.push(b'\n');
        let good = outcome.is_good();
        let part = if good { &mut self.good } else { self.bad.as_mut().unwrap_or(&mut self.good) };
        part.append(&line)?;
        *(if good { &mut self.counts.completed } else { &mut self.counts.failed }) += 1;
        Ok(())
    }

    /// Makes durable what was added.
    pub(crate) fn sync(&mut self) -> io::Result<()> {
        self.good.sync()?;
        self.bad.as_mut().map_or(Ok(()), Part::sync)
    }

    /// The sizes of both files.
    pub(crate) fn sizes(&self) -> (u64, u64) {
        (self.good.length, self.bad.as_ref().map_or(0, |part| part.length))
    }
}

/// One of the files.
struct Part {
    file: File,
    path: PathBuf,
    length: u64,
    synced: bool,
}

impl Part {
    fn open(path: &Path, ids: &mut Ids, counts: &mut Counts) -> io::Result<Self> {
        let is_new = !path.exists();
        let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        let length = scan(&mut file, path, ids, counts)?;
        file.set_len(length)?;
        file.seek(SeekFrom::Start(length))?;
        if is_new {
            disk::sync_folder_of(path)?;
        }
        Ok(Self { file, path: path.to_owned(), length, synced: false })
    }

    fn append(&mut self, line: &[u8]) -> io::Result<()> {
        self.synced = false;
        match self.file.write_all(line) {
            Ok(()) => {
                self.length += line.len() as u64;
                Ok(())
            }
            Err(error) => Err(named(&self.path, &error)),
        }
    }

    fn sync(&mut self) -> io::Result<()> {
        if !self.synced {
            self.file.sync_data().map_err(|error| named(&self.path, &error))?;
            self.synced = true;
        }
        Ok(())
    }
}

/// Reads what is there, and says how much of it is whole.
fn scan(file: &mut File, path: &Path, ids: &mut Ids, counts: &mut Counts) -> io::Result<u64> {
    let mut reader = BufReader::with_capacity(64 * 1024, file);
    let mut length = 0;
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = reader.read_until(b'\n', &mut line)? as u64;
        let whole = line.last() == Some(&b'\n');
        let Some(known) = serde_json::from_slice::<Known>(&line).ok().filter(|_| whole) else {
            return Ok(length);
        };
        match ids.answered(&known.custom_id) {
            Seen::First => {}
            // It can only stand in both files, which no run writes.
            Seen::Again => return Err(odd(path, &known.custom_id, "a second answer to")),
            Seen::Never => return Err(odd(path, &known.custom_id, "an answer to")),
        }
        let good = known.response.is_some_and(|response| response.status_code == 200);
        *(if good { &mut counts.completed } else { &mut counts.failed }) += 1;
        length += read;
    }
}

fn odd(path: &Path, custom_id: &str, what: &str) -> io::Error {
    let why = format!(
        "{} has {what} the request {custom_id:?}, which the input does not ask for: it belongs to another input",
        path.display()
    );
    io::Error::new(io::ErrorKind::InvalidData, why)
}

fn named(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn ids(names: &[&str]) -> Ids {
        let mut ids = Ids::default();
        names.iter().for_each(|name| ids.push(name));
        ids.settle();
        ids
    }

    #[test]
    fn wherever_a_file_is_cut_each_request_is_answered_once() {
        let dir = tempfile::tempdir().unwrap();
        let (good, bad) = (dir.path().join("good"), dir.path().join("bad"));
        let names = ["a", "b\"", "c"];
        let answer = |results: &mut Results, name: &str| {
            let status = if name == "c" { 400 } else { 200 };
            results.add(name, &Outcome::Answer { status, body: br#"{"said":"x"}"# }).unwrap();
        };
        let mut results = Results::open(&good, Some(&bad), &mut ids(&names)).unwrap();
        names.iter().for_each(|name| answer(&mut results, name));
        results.sync().unwrap();
        assert_eq!(results.counts(), Counts { total: 3, completed: 2, failed: 1 });
        let (whole, failed) = (fs::read(&good).unwrap(), fs::read(&bad).unwrap());
        assert_eq!(results.sizes(), (whole.len() as u64, failed.len() as u64));
        for length in 0..whole.len() {
            fs::write(&good, &whole[..length]).unwrap();
            fs::write(&bad, &failed[..length.min(failed.len())]).unwrap();
            let mut ids = ids(&names);
            let mut results = Results::open(&good, Some(&bad), &mut ids).unwrap();
            for (place, name) in names.iter().enumerate() {
                if !ids.is_done(place) {
                    answer(&mut results, name);
                }
            }
            assert_eq!(results.counts(), Counts { total: 3, completed: 2, failed: 1 }, "cut at {length}");
            let all = [fs::read_to_string(&good).unwrap(), fs::read_to_string(&bad).unwrap()].concat();
            let mut seen: Vec<String> =
                all.lines().map(|line| serde_json::from_str::<Known>(line).unwrap().custom_id).collect();
            seen.sort_unstable();
            assert_eq!(seen, names, "cut at {length}");
        }
    }

    #[test]
    fn zeros_that_a_power_cut_left_are_cut_off() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("out");
        let mut results = Results::open(&path, None, &mut ids(&["a", "b"])).unwrap();
        results.add("a", &Outcome::Answer { status: 200, body: b"no JSON" }).unwrap();
        let mut file = OpenOptions::new().append(true).open(&path).unwrap();
        file.write_all(&[0, 0, b'\n', 0]).unwrap();
        let results = Results::open(&path, None, &mut ids(&["a", "b"])).unwrap();
        assert_eq!(results.counts(), Counts { total: 2, completed: 1, failed: 0 });
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.ends_with("\"body\":\"no JSON\"},\"error\":null}\n"), "{text}");
    }

    #[test]
    fn the_answers_of_another_input_are_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("out");
        let mut results = Results::open(&path, None, &mut ids(&["a"])).unwrap();
        results.add("a", &Outcome::Nothing { code: "x", message: "y" }).unwrap();
        let before = fs::read(&path).unwrap();
        let error = Results::open(&path, None, &mut ids(&["b"])).err().unwrap();
        assert!(error.to_string().contains("belongs to another input"), "{error}");
        assert_eq!(fs::read(&path).unwrap(), before);
    }
}
