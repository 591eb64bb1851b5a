//! The folder that the host keeps for this plugin and one tenant, and writing in it so that a crash at any moment leaves
//! what was there before or what is there afterwards.

use std::fs::{self, File};
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::error::ApiError;

/// Where the host lends it.
const LENT: &str = "/data";
/// What was begun longer ago than this is not being written any more.
const STALE: Duration = Duration::from_secs(24 * 3600);

/// The folder. Whatever is in it belongs to one tenant.
#[derive(Clone, Debug)]
pub(crate) struct Folder {
    root: PathBuf,
}

impl Folder {
    /// The one that is lent for this call.
    pub(crate) fn lent() -> Result<Self, ApiError> {
        let root = PathBuf::from(LENT);
        if root.is_dir() { Ok(Self { root }) } else { Err(ApiError::no_folder()) }
    }

    #[cfg(test)]
    pub(crate) fn at(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    /// Where files are.
    pub(crate) fn files(&self) -> PathBuf {
        self.root.join("files")
    }

    /// Where batches are.
    pub(crate) fn batches(&self) -> PathBuf {
        self.root.join("batches")
    }

    /// A name for something that is only in its place when it is whole.
    pub(crate) fn draft(&self) -> io::Result<PathBuf> {
        let folder = self.drafts();
        fs::create_dir_all(&folder)?;
        Ok(folder.join(new_id("")))
    }

    /// Puts a file in place of what is there, durably and at once.
    pub(crate) fn replace(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let draft = self.draft()?;
        let written = write(&draft, bytes).and_then(|()| rename(&draft, path));
        if written.is_err() {
            // Where the disk is full, this is what makes room.
            let _gone_later = remove(&draft);
        }
        written
    }

    /// Removes what was begun long ago and never came to its place.
    pub(crate) fn sweep_drafts(&self) -> io::Result<()> {
        for entry in entries(&self.drafts())? {
            let modified = entry.metadata()?.modified()?;
            if SystemTime::now().duration_since(modified).is_ok_and(|age| age > STALE) {
                let path = entry.path();
                if path.is_dir() { fs::remove_dir_all(path)? } else { remove(&path)? }
            }
        }
        Ok(())
    }

    fn drafts(&self) -> PathBuf {
        self.root.join("drafts")
    }
}

/// What is in a folder; nothing, if it is not there.
pub(crate) fn entries(folder: &Path) -> io::Result<Vec<fs::DirEntry>> {
    match fs::read_dir(folder) {
        Ok(entries) => entries.collect(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// The content of a file, if it is there.
pub(crate) fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Writes a new file and makes its content durable.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Gives a file or folder another name, durably.
pub(crate) fn rename(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)?;
    sync_folder_of(to)
}

/// Removes a file; it may be missing.
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Makes durable what is in the folder of a file.
pub(crate) fn sync_folder_of(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

/// A name that nothing else has. Those that are made later come later in order.
pub(crate) fn new_id(prefix: &str) -> String {
    let random = RandomState::new().hash_one(prefix) & 0xffff_ffff_ffff;
    format!("{prefix}{:012x}{random:012x}", crate::since_1970().as_millis())
}

/// Whether a text that a client sent can be a name that [`new_id`] made, and so is harmless as a part of a path.
pub(crate) fn is_id(prefix: &str, text: &str) -> bool {
    let rest = text.strip_prefix(prefix).unwrap_or_default();
    (1..=64).contains(&rest.len()) && rest.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_in_the_order_of_time_and_stay_in_their_folder() {
        let first = new_id("file-");
        std::thread::sleep(Duration::from_millis(2));
        assert!(first < new_id("file-") && is_id("file-", &first), "{first}");
        for odd in ["file-", "file-../x", "file-a/b", "file-a.b", "batch_1", "", "file-ä"] {
            assert!(!is_id("file-", odd), "{odd}");
        }
        assert!(!is_id("file-", &format!("file-{}", "a".repeat(65))));
    }

    #[test]
    fn what_is_replaced_is_whole_and_drafts_go_after_a_day() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::at(dir.path());
        let path = dir.path().join("a.json");
        folder.replace(&path, b"1").unwrap();
        folder.replace(&path, b"2").unwrap();
        assert_eq!(read(&path).unwrap().as_deref(), Some(&b"2"[..]));
        assert_eq!(read(&dir.path().join("b")).unwrap(), None);
        let (old, young) = (folder.draft().unwrap(), folder.draft().unwrap());
        write(&old, b"").unwrap();
        write(&young, b"").unwrap();
        let day_before = SystemTime::now() - STALE - Duration::from_secs(60);
        File::options().write(true).open(&old).unwrap().set_modified(day_before).unwrap();
        folder.sweep_drafts().unwrap();
        assert!(!old.exists() && young.exists());
        // A folder in its way cannot be replaced; nothing is left over.
        fs::create_dir(dir.path().join("c")).unwrap();
        folder.replace(&dir.path().join("c"), b"3").unwrap_err();
        assert_eq!(entries(&folder.drafts()).unwrap().len(), 1);
    }
}
