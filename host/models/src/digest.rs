//! SHA-256 of model files. A model has gigabytes, so what was once computed is kept.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::UNIX_EPOCH,
};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::inspect::Files;

const CHUNK: usize = 1 << 20;
/// The cache forgets the oldest beyond this many.
const MAX_RECORDS: usize = 4096;

/// One digest and the file state that it belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Record {
    path: PathBuf,
    /// Size, modification time in nanoseconds and inode of each part.
    state: Vec<(u64, u64, u64)>,
    sha256: String,
}

/// Digests that are known already.
#[derive(Debug, Default)]
pub(crate) struct Digests {
    file: Option<PathBuf>,
    records: Mutex<Vec<Record>>,
}

impl Digests {
    /// Keeps digests in `dir` too. What cannot be read there is computed again.
    pub(crate) fn kept_in(dir: &Path) -> Self {
        let file = dir.join("digests.json");
        let records = load(&file);
        Self { file: Some(file), records: Mutex::new(records) }
    }

    /// The digest of all parts in their order, as `sha256:` and hexadecimal digits.
    pub(crate) fn digest(&self, files: &Files, progress: &mut dyn FnMut(u64, u64)) -> Result<String, String> {
        if let Some(sha256) = self.known(files) {
            return Ok(sha256);
        }
        let state = state(files);
        let sha256 = compute(files, progress).map_err(|error| format!("cannot be read: {error}"))?;
        if !files.unchanged() {
            return Err("the file changed while it was read: try again when it is complete".to_owned());
        }
        self.keep(Record { path: files.path.clone(), state, sha256: sha256.clone() });
        Ok(sha256)
    }

    /// The digest, if it was computed before.
    pub(crate) fn known(&self, files: &Files) -> Option<String> {
        let state = state(files);
        let records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        let record = records.iter().find(|record| record.path == files.path && record.state == state)?;
        Some(record.sha256.clone())
    }

    fn keep(&self, record: Record) {
        let mut records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(file) = &self.file {
            // Other processes may have added theirs since.
            for other in load(file) {
                if !records.iter().any(|own| own.path == other.path) {
                    records.push(other);
                }
            }
        }
        records.retain(|old| old.path != record.path);
        records.push(record);
        let surplus = records.len().saturating_sub(MAX_RECORDS);
        records.drain(..surplus);
        if let Some(file) = &self.file {
            // The digest is right whether or not it can be kept, so a full disk is no error here.
            let _ = save(file, &records);
        }
    }
}

fn state(files: &Files) -> Vec<(u64, u64, u64)> {
    let nanoseconds = |time: std::time::SystemTime| {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
    };
    files.stamps.iter().map(|stamp| (stamp.size, nanoseconds(stamp.modified), stamp.inode)).collect()
}

fn compute(files: &Files, progress: &mut dyn FnMut(u64, u64)) -> io::Result<String> {
    let total = files.size();
    let mut hasher = Sha256::new();
    let mut chunk = vec![0; CHUNK];
    let mut done = 0;
    for path in &files.parts {
        let mut file = File::open(path)?;
        loop {
            let read = match file.read(&mut chunk) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            hasher.update(&chunk[..read]);
            done += read as u64;
            progress(done.min(total), total);
        }
    }
    Ok(format!("sha256:{:x}", hasher.finalize()))
}

fn load(file: &Path) -> Vec<Record> {
    fs::read(file).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
}

/// Written beside and renamed, so that no reader sees half of it.
fn save(file: &Path, records: &[Record]) -> io::Result<()> {
    if let Some(dir) = file.parent() {
        fs::create_dir_all(dir)?;
    }
    let beside = file.with_extension(format!("{}.tmp", std::process::id()));
    fs::write(&beside, serde_json::to_vec(records)?)?;
    fs::rename(&beside, file)
}
