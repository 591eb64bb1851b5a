//! The files of a tenant on disk: each a pair of content and what is known about it. It is there when the second is.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::disk::{self, Folder};
use crate::error::ApiError;

/// What the name of a file begins with.
pub(crate) const PREFIX: &str = "file-";
/// How many files a tenant may have.
pub(crate) const MAX_FILES: usize = 1000;
/// How many bytes they may have together.
pub(crate) const MAX_TOTAL: u64 = 10 << 30;
/// How long a file is kept unless something else is asked for.
pub(crate) const LIFE: u64 = 30 * 24 * 3600;

/// What is known about a file, as it is stored and answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct File {
    pub(crate) id: String,
    pub(crate) object: String,
    pub(crate) bytes: u64,
    pub(crate) created_at: u64,
    pub(crate) expires_at: Option<u64>,
    pub(crate) filename: String,
    pub(crate) purpose: String,
    pub(crate) status: String,
}

impl File {
    /// One that is whole and kept for so many seconds.
    pub(crate) fn new(id: String, bytes: u64, filename: String, purpose: &str, life: u64) -> Self {
        let created_at = crate::since_1970().as_secs();
        Self {
            id,
            object: "file".to_owned(),
            bytes,
            created_at,
            expires_at: Some(created_at + life),
            filename,
            purpose: purpose.to_owned(),
            status: "processed".to_owned(),
        }
    }

    fn is_over(&self) -> bool {
        self.expires_at.is_some_and(|time| time <= crate::since_1970().as_secs())
    }
}

/// All files of a tenant.
pub(crate) struct Shelf<'a> {
    folder: &'a Folder,
}

impl<'a> Shelf<'a> {
    pub(crate) fn of(folder: &'a Folder) -> Self {
        Self { folder }
    }

    /// Puts a file on it, whose content was written and synced as a draft.
    pub(crate) fn put(&self, draft: &Path, file: &File) -> io::Result<()> {
        fs::create_dir_all(self.folder.files())?;
        disk::rename(draft, &self.content(&file.id))?;
        self.folder.replace(&self.about(&file.id), &crate::answer::json(file))
    }

    /// Where the content of a file is.
    pub(crate) fn content(&self, id: &str) -> PathBuf {
        self.folder.files().join(format!("{id}.data"))
    }

    fn about(&self, id: &str) -> PathBuf {
        self.folder.files().join(format!("{id}.json"))
    }

    /// What is known about a file.
    pub(crate) fn find(&self, id: &str) -> Result<File, ApiError> {
        let missing = || ApiError::no_file(id);
        if !disk::is_id(PREFIX, id) {
            return Err(missing());
        }
        let about = disk::read(&self.about(id)).map_err(|error| ApiError::disk("read the file", &error))?;
        let file: File = about.and_then(|about| serde_json::from_slice(&about).ok()).ok_or_else(missing)?;
        if file.is_over() { Err(missing()) } else { Ok(file) }
    }

    /// The ids of all files, the oldest first.
    pub(crate) fn ids(&self) -> io::Result<Vec<String>> {
        let names = disk::entries(&self.folder.files())?.into_iter().map(|entry| entry.file_name());
        let id = |name: std::ffi::OsString| Some(name.to_str()?.strip_suffix(".json")?.to_owned());
        let mut ids: Vec<String> = names.filter_map(id).collect();
        ids.sort_unstable();
        Ok(ids)
    }

    /// Takes a file off it.
    pub(crate) fn remove(&self, id: &str) -> io::Result<()> {
        disk::remove(&self.about(id))?;
        disk::remove(&self.content(id))
    }

    /// Removes what has expired and what came to nothing; says how many files there are and what they take.
    pub(crate) fn sweep(&self) -> io::Result<(usize, u64)> {
        self.folder.sweep_drafts()?;
        let (mut count, mut bytes) = (0, 0);
        let ids = self.ids()?;
        for id in &ids {
            match self.find(id) {
                Ok(file) => {
                    count += 1;
                    bytes += file.bytes;
                }
                Err(_) => self.remove(id)?,
            }
        }
        self.sweep_strays(&ids)?;
        Ok((count, bytes))
    }

    /// Content without anything known about it is that of a file that a crash kept from being there, if it is old enough.
    fn sweep_strays(&self, ids: &[String]) -> io::Result<()> {
        for entry in disk::entries(&self.folder.files())? {
            let name = entry.file_name();
            let Some(id) = name.to_str().and_then(|name| name.strip_suffix(".data")) else { continue };
            let age = entry.metadata()?.modified()?.elapsed().unwrap_or_default();
            if !ids.iter().any(|known| known == id) && age.as_secs() > 24 * 3600 {
                disk::remove(&entry.path())?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::refused;

    fn put(folder: &Folder, id: &str, life: u64) {
        let draft = folder.draft().unwrap();
        disk::write(&draft, b"12345").unwrap();
        let file = File::new(id.to_owned(), 5, "a.jsonl".into(), "batch", life);
        Shelf::of(folder).put(&draft, &file).unwrap();
    }

    #[test]
    fn what_has_expired_or_came_to_nothing_is_swept() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::at(dir.path());
        let shelf = Shelf::of(&folder);
        assert_eq!(shelf.sweep().unwrap(), (0, 0));
        put(&folder, "file-2", 1000);
        put(&folder, "file-1", 1000);
        put(&folder, "file-3", 0);
        assert_eq!(shelf.find("file-1").unwrap().filename, "a.jsonl");
        refused(shelf.find("file-3"), 404, "id", "not_found", "No such File object: file-3");
        refused(shelf.find("../files/file-1"), 404, "id", "not_found", "No such File object");
        for (stray, age) in [("old", 2), ("young", 0)] {
            let path = shelf.content(&format!("file-{stray}"));
            disk::write(&path, b"x").unwrap();
            let time = std::time::SystemTime::now() - std::time::Duration::from_secs(age * 24 * 3600);
            fs::File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
        }
        assert_eq!(shelf.sweep().unwrap(), (2, 10));
        assert_eq!(shelf.ids().unwrap(), ["file-1", "file-2"]);
        assert!(!shelf.content("file-3").exists() && !shelf.content("file-old").exists());
        assert!(shelf.content("file-young").exists(), "it may be about to be whole");
    }
}
