//! What workers computed of prompts and keep for the next process: where it lies and how much it may be. What is in the
//! files only the backend knows; each model has a folder, by its digest.

use std::{
    collections::{BTreeMap, HashMap},
    fs::{self, DirBuilder},
    io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::SystemTime,
};

use crate::lock;

/// How backends pack what they keep.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    None,
    /// So that everything can read it.
    Gzip,
    /// Fast and small.
    #[default]
    Zstd,
}

impl Compression {
    /// In one word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        }
    }
}

/// A folder of such files. Clones are one.
#[derive(Clone, Debug)]
pub struct PromptCache(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    dir: PathBuf,
    bytes: u64,
    compression: Compression,
    /// How many workers use a folder, by its name; held while files are removed, so that none is taken from under one.
    users: Mutex<HashMap<String, usize>>,
}

/// What is kept of one model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The model's digest, without what it was computed with.
    pub digest: String,
    /// Files.
    pub files: usize,
    /// Bytes on disk.
    pub bytes: u64,
    /// When one of them was last used.
    pub used: SystemTime,
}

/// A model's folder, as long as a worker uses it.
#[derive(Debug)]
pub(crate) struct InUse {
    cache: PromptCache,
    name: String,
    pub(crate) dir: PathBuf,
}

#[derive(Debug)]
struct Entry {
    path: PathBuf,
    bytes: u64,
    used: SystemTime,
}

impl PromptCache {
    /// Keeps at most `bytes` in `dir`.
    #[must_use]
    pub fn new(dir: PathBuf, bytes: u64, compression: Compression) -> Self {
        Self(Arc::new(Inner { dir, bytes, compression, users: Mutex::default() }))
    }

    /// What there is, by digest.
    pub fn list(&self) -> io::Result<Vec<Kept>> {
        let mut kept = Vec::new();
        for name in self.folders()? {
            let entries = entries(&self.0.dir.join(&name))?;
            if let Some(used) = entries.iter().map(|entry| entry.used).max() {
                let bytes = entries.iter().map(|entry| entry.bytes).sum();
                kept.push(Kept { digest: name, files: entries.len(), bytes, used });
            }
        }
        kept.sort_by(|a, b| a.digest.cmp(&b.digest));
        Ok(kept)
    }

    /// Removes what is kept of one model, or of all, and says how many bytes that were. A worker that runs does without.
    pub fn clear(&self, digest: Option<&str>) -> io::Result<u64> {
        let wanted = digest.map(bare);
        let mut freed = 0;
        let _still = lock(&self.0.users);
        for name in self.folders()? {
            if wanted.is_none_or(|wanted| wanted == name) {
                for entry in entries(&self.0.dir.join(&name))? {
                    fs::remove_file(&entry.path)?;
                    freed += entry.bytes;
                }
            }
        }
        Ok(freed)
    }

    /// The folder of a model.
    pub(crate) fn enter(&self, digest: &str) -> io::Result<InUse> {
        let name = bare(digest).to_owned();
        let dir = self.0.dir.join(&name);
        let mut users = lock(&self.0.users);
        // It holds what people asked.
        DirBuilder::new().recursive(true).mode(0o700).create(&dir)?;
        *users.entry(name.clone()).or_default() += 1;
        Ok(InUse { cache: self.clone(), name, dir })
    }

    /// Removes the files that were used least lately, until all others are within the bound.
    fn prune(&self, users: &HashMap<String, usize>) -> io::Result<()> {
        let (mut sum, mut idle) = (0_u64, Vec::new());
        for name in self.folders()? {
            let entries = entries(&self.0.dir.join(&name))?;
            sum += entries.iter().map(|entry| entry.bytes).sum::<u64>();
            if !users.contains_key(&name) {
                idle.extend(entries);
            }
        }
        idle.sort_by_key(|entry| entry.used);
        for entry in idle {
            if sum <= self.0.bytes {
                break;
            }
            fs::remove_file(&entry.path)?;
            sum = sum.saturating_sub(entry.bytes);
        }
        Ok(())
    }

    /// Folders whose name is a digest; others are not ours.
    fn folders(&self) -> io::Result<Vec<String>> {
        let listing = match fs::read_dir(&self.0.dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            listing => listing?,
        };
        let mut names = Vec::new();
        for entry in listing {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if entry.file_type()?.is_dir()
                && name.len() == 64
                && name.bytes().all(|byte| byte.is_ascii_hexdigit())
            {
                names.push(name);
            }
        }
        Ok(names)
    }
}

impl InUse {
    /// What the backend is told about it, as options of its own.
    pub(crate) fn options(&self) -> BTreeMap<String, String> {
        let Inner { bytes, compression, .. } = &*self.cache.0;
        [("state_bytes", bytes.to_string()), ("state_compress", compression.as_str().to_owned())]
            .map(|(name, value)| (name.to_owned(), value))
            .into()
    }

    /// The worker has ended, so that there may be more than is allowed.
    pub(crate) fn leave(self) {
        let Self { cache, name, dir } = self;
        let mut users = lock(&cache.0.users);
        match users.get(&name).map_or(0, |count| count - 1) {
            0 => users.remove(&name),
            left => users.insert(name, left),
        };
        if let Err(error) = cache.prune(&users) {
            tracing::warn!(dir = %dir.display(), %error, "the prompt cache could not be tidied");
        }
    }
}

/// `sha256:abc` as `abc`.
fn bare(digest: &str) -> &str {
    digest.rsplit(':').next().unwrap_or(digest)
}

fn entries(dir: &Path) -> io::Result<Vec<Entry>> {
    let mut entries = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let about = entry.metadata()?;
        if about.is_file() {
            // Reading counts as use where the system notes it.
            let read = about.accessed().unwrap_or(SystemTime::UNIX_EPOCH);
            let used = about.modified()?.max(read);
            entries.push(Entry { path: entry.path(), bytes: about.len(), used });
        }
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const ONE: &str = "1111111111111111111111111111111111111111111111111111111111111111";
    const TWO: &str = "2222222222222222222222222222222222222222222222222222222222222222";

    fn cache(dir: &Path, bytes: u64) -> PromptCache {
        PromptCache::new(dir.join("prompts"), bytes, Compression::None)
    }

    /// Writes a file and says that it was last used so long ago.
    fn write(folder: &InUse, name: &str, bytes: usize, hours: u64) {
        let path = folder.dir.join(name);
        fs::write(&path, vec![7; bytes]).expect("it is writable");
        let used = SystemTime::now() - Duration::from_secs(hours * 3600);
        let times = fs::FileTimes::new().set_accessed(used).set_modified(used);
        fs::File::options().write(true).open(path).and_then(|file| file.set_times(times)).expect("its times");
    }

    #[test]
    fn what_another_worker_uses_stays() {
        let dir = tempfile::TempDir::new().expect("a temporary directory");
        let cache = cache(dir.path(), 100);
        assert_eq!(cache.list().expect("nothing there yet"), []);
        let first = cache.enter(&format!("sha256:{ONE}")).expect("a folder");
        let second = cache.enter(ONE).expect("the same");
        write(&first, "state", 1000, 1);
        let file = first.dir.join("state");
        first.leave();
        assert!(file.exists(), "another worker uses it");
        let kept = cache.list().expect("a listing");
        assert_eq!((kept.len(), kept[0].digest.as_str(), kept[0].files, kept[0].bytes), (1, ONE, 1, 1000));
        second.leave();
        assert!(!file.exists(), "it is more than there may be");
    }

    #[test]
    fn what_was_used_least_lately_goes_first() {
        let dir = tempfile::TempDir::new().expect("a temporary directory");
        let cache = cache(dir.path(), 2500);
        let (one, two) = (cache.enter(ONE).expect("a folder"), cache.enter(TWO).expect("a folder"));
        write(&one, "old", 1000, 9);
        write(&one, "new", 1000, 1);
        write(&two, "older", 1000, 20);
        let (in_one, in_two) = (one.dir.clone(), two.dir.clone());
        one.leave();
        assert!(!in_one.join("old").exists() && in_one.join("new").exists());
        assert!(in_two.join("older").exists(), "a worker uses it");
        two.leave();
        assert!(in_two.join("older").exists(), "there is room for it");
        assert_eq!(cache.clear(Some(TWO)).expect("it is writable"), 1000);
        assert_eq!(cache.list().expect("a listing").len(), 1);
        assert_eq!(cache.clear(None).expect("it is writable"), 1000);
        assert_eq!(cache.list().expect("a listing"), []);
    }
}
