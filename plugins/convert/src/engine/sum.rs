//! SHA-256 of files, a stretch at a time, so that whoever does it need not live as long as the file is. What is known of a
//! file stands in a small file of its own, which is all that a stretch leaves behind.

use std::fs::{self, File};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use inferno_sdk::Error;
use serde::{Deserialize, Serialize};
use sha2::block_api::compress256;

use crate::fault::{internal, io};
use crate::plan::Plan;

/// Bytes that are summed up in one call.
const STRETCH: u64 = 64 << 20;
/// Bytes that are read at once: whole blocks.
const AT_ONCE: usize = 1 << 20;
const BLOCK: u64 = 64;
/// What SHA-256 begins with.
const BEGIN: [u32; 8] =
    [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19];

/// A stretch of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Sum {
    /// It is below the folder that is written, and not below the one that is read.
    written: bool,
    path: String,
    /// Bytes of the whole file.
    bytes: u64,
    /// The file for what is known.
    known: String,
    /// So far.
    until: u64,
}

/// What is known of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Known {
    /// Bytes that are in it.
    at: u64,
    state: [u32; 8],
}

impl Known {
    /// What a file says, or the beginning.
    fn read(path: &Path, bytes: u64) -> Self {
        let begin = Self { at: 0, state: BEGIN };
        let text = fs::read(path).unwrap_or_default();
        let known = serde_json::from_slice(&text).unwrap_or(begin);
        let whole = known.at == bytes || known.at.is_multiple_of(BLOCK);
        if whole && known.at <= bytes { known } else { begin }
    }

    fn hex(&self) -> String {
        self.state.iter().map(|word| format!("{word:08x}")).collect()
    }
}

impl Sum {
    /// Goes on from what is known, and returns the name of the file that says what is known now.
    pub(crate) fn perform(&self, input: &Path, output: &Path) -> Result<String, Error> {
        let path = if self.written { output } else { input }.join(&self.path);
        let note = output.join(&self.known);
        let mut known = Known::read(&note, self.bytes);
        let mut file = File::open(&path).map_err(|error| io("open", &path, &error))?;
        file.seek(SeekFrom::Start(known.at)).map_err(|error| io("read", &path, &error))?;
        let mut buffer = vec![0; AT_ONCE];
        while known.at < self.until {
            let some = (self.until - known.at).min(AT_ONCE as u64) as usize;
            let part = &mut buffer[..some];
            file.read_exact(part).map_err(|error| io("read", &path, &error))?;
            known.at += some as u64;
            add(&mut known.state, part, known.at == self.bytes, self.bytes);
        }
        if self.bytes == 0 {
            known.state = BEGIN;
            add(&mut known.state, &[], true, 0);
        }
        let text = serde_json::to_vec(&known).map_err(|error| internal(error.to_string()))?;
        let fresh = output.join(format!("{}.new", self.known));
        fs::write(&fresh, text)
            .and_then(|()| fs::rename(&fresh, &note))
            .map_err(|error| io("write", &note, &error))?;
        Ok(self.known.clone())
    }
}

/// Adds whole blocks, or the last bytes with what ends every sum.
fn add(state: &mut [u32; 8], bytes: &[u8], last: bool, all: u64) {
    let (blocks, rest) = bytes.as_chunks::<{ BLOCK as usize }>();
    compress256(state, blocks);
    if last {
        let mut end = rest.to_vec();
        end.push(0x80);
        end.resize((end.len() + 8).next_multiple_of(BLOCK as usize) - 8, 0);
        end.extend((all * 8).to_be_bytes());
        compress256(state, end.as_chunks().0);
    }
}

/// The sums of all files of a conversion on their way.
pub(crate) struct Sums {
    files: Vec<Summed>,
    folder: PathBuf,
    inputs: usize,
}

struct Summed {
    written: bool,
    path: String,
    bytes: u64,
    known: String,
    at: u64,
    under_way: bool,
    whole: bool,
}

impl Sums {
    /// `folder` is where outputs, and what is known, are.
    pub(crate) fn new(plan: &Plan, folder: &Path) -> Self {
        let inputs = plan.inputs.iter().map(|input| (false, &input.path, input.bytes));
        let outputs = plan.outputs.iter().map(|output| (true, &output.path, output.bytes));
        let files = inputs.chain(outputs).enumerate().map(|(number, (written, path, bytes))| {
            let known = format!(".sum.{number}");
            let at = Known::read(&folder.join(&known), bytes).at;
            let path = path.clone();
            Summed { written, path, bytes, known, at, under_way: false, whole: bytes > 0 && at == bytes }
        });
        Self { files: files.collect(), folder: folder.to_owned(), inputs: plan.inputs.len() }
    }

    /// The next stretch that can be summed up, where so many bytes of each output are ready.
    pub(crate) fn next(&mut self, ready: &[u64]) -> Option<(usize, Sum)> {
        let inputs = self.inputs;
        let (number, file, until) = self.files.iter_mut().enumerate().find_map(|(number, file)| {
            let there = if file.written { *ready.get(number - inputs)? } else { file.bytes };
            let until = if there == file.bytes { there.min(file.at + STRETCH) } else { file.at + STRETCH };
            let can = !file.under_way && !file.whole && until <= there;
            can.then_some((number, file, until))
        })?;
        file.under_way = true;
        let Summed { written, path, bytes, known, .. } = &*file;
        Some((
            number,
            Sum { written: *written, path: path.clone(), bytes: *bytes, known: known.clone(), until },
        ))
    }

    /// Takes what came of it. Returns how many bytes it was.
    pub(crate) fn done(&mut self, number: usize) -> Result<u64, Error> {
        let lost = || internal("what is known of a file is lost");
        let file = self.files.get_mut(number).ok_or_else(lost)?;
        let known = Known::read(&self.folder.join(&file.known), file.bytes);
        let more = known.at.checked_sub(file.at).ok_or_else(lost)?;
        file.under_way = false;
        file.at = known.at;
        file.whole = known.at == file.bytes;
        Ok(more)
    }

    /// The sums of the inputs and of the outputs.
    pub(crate) fn all(&self) -> Result<(Vec<String>, Vec<String>), Error> {
        let sum = |file: &Summed| {
            let known = Known::read(&self.folder.join(&file.known), file.bytes);
            if file.whole {
                Ok(known.hex())
            } else {
                Err(internal(format!("{} was not summed up", file.path)))
            }
        };
        let mut sums = self.files.iter().map(sum).collect::<Result<Vec<_>, _>>()?;
        let outputs = sums.split_off(self.inputs);
        Ok((sums, outputs))
    }
}

#[cfg(test)]
mod tests {
    use sha2::{Digest as _, Sha256};

    use super::*;

    #[test]
    fn stretches_add_up_to_the_sum_of_the_file() {
        let folder = tempfile::tempdir().unwrap();
        for bytes in [0_usize, 1, 55, 56, 63, 64, 65, 119, 128, 5_000_000] {
            let data: Vec<u8> = (0..bytes).map(|at| (at * 7 % 251) as u8).collect();
            fs::write(folder.path().join("file"), &data).unwrap();
            let known = format!("known.{bytes}");
            let sum = |until| Sum {
                written: true,
                path: "file".into(),
                bytes: bytes as u64,
                known: known.clone(),
                until,
            };
            for until in [bytes as u64 / 2 / BLOCK * BLOCK, bytes as u64] {
                if until > 0 || bytes == 0 {
                    sum(until).perform(folder.path(), folder.path()).unwrap();
                }
            }
            let found = Known::read(&folder.path().join(&known), bytes as u64).hex();
            let expected: String = Sha256::digest(&data).iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(found, expected, "{bytes}");
        }
    }
}
