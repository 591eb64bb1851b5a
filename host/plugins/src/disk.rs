//! Reading with a bound, and writing so that a crash leaves the old or the new.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::Path;

use crate::error::{Error, ErrorKind};

/// The bytes of a file that is at most so long.
pub(crate) fn read_bytes(path: &Path, max: u64) -> Result<Vec<u8>, Error> {
    let failed = |error: io::Error| Error::io("read", path, &error);
    let file = File::open(path).map_err(failed)?;
    let mut bytes = Vec::new();
    file.take(max + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > max {
        return Err(Error::new(ErrorKind::Package, format!("{} is longer than {max} bytes", path.display())));
    }
    Ok(bytes)
}

/// The same for text.
pub(crate) fn read_text(path: &Path, max: u64) -> Result<String, Error> {
    String::from_utf8(read_bytes(path, max)?)
        .map_err(|_| Error::new(ErrorKind::Package, format!("{} is not UTF-8 text", path.display())))
}

/// Every change to what is installed goes through here, one step at a time.
#[derive(Debug, Default)]
pub(crate) struct Disk {
    /// In tests: after how many more steps the power fails.
    #[cfg(test)]
    pub(crate) left: std::sync::Mutex<Option<usize>>,
}

impl Disk {
    #[cfg(test)]
    fn step(&self) -> io::Result<()> {
        let mut left = self.left.lock().unwrap();
        match &mut *left {
            None => Ok(()),
            Some(0) => Err(io::Error::other("the power failed")),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
        }
    }

    #[cfg(not(test))]
    #[expect(clippy::unused_self, clippy::unnecessary_wraps, reason = "tests stop here")]
    fn step(&self) -> io::Result<()> {
        Ok(())
    }

    /// Makes a folder, and those above it.
    pub(crate) fn folder(&self, path: &Path) -> io::Result<()> {
        self.step()?;
        fs::create_dir_all(path)
    }

    /// Writes a file that nobody will change again.
    pub(crate) fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        self.step()?;
        let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
        // Two steps: the power may fail in the middle of a file.
        file.write_all(&bytes[..bytes.len() / 2])?;
        self.step()?;
        file.write_all(&bytes[bytes.len() / 2..])?;
        let mut permissions = file.metadata()?.permissions();
        permissions.set_readonly(true);
        file.set_permissions(permissions)?;
        file.sync_all()
    }

    pub(crate) fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.step()?;
        fs::rename(from, to)?;
        self.step()?;
        for folder in [from.parent(), to.parent()].into_iter().flatten() {
            sync(folder)?;
        }
        Ok(())
    }

    pub(crate) fn remove_folder(&self, path: &Path) -> io::Result<()> {
        self.step()?;
        match fs::remove_dir_all(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Puts a file in the place of another, whole. A link to the file stays one, and its permissions stay too.
    pub(crate) fn replace(&self, path: &Path, text: &str) -> io::Result<()> {
        let path = match fs::canonicalize(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => path.to_owned(),
            found => found?,
        };
        let mut name = std::ffi::OsString::from(".");
        name.push(path.file_name().unwrap_or_default());
        name.push(".new");
        let new = path.with_file_name(name);
        self.step()?;
        let mut file = File::create(&new)?;
        file.write_all(&text.as_bytes()[..text.len() / 2])?;
        self.step()?;
        file.write_all(&text.as_bytes()[text.len() / 2..])?;
        if let Ok(old) = fs::metadata(&path) {
            file.set_permissions(old.permissions())?;
        }
        file.sync_all()?;
        self.rename(&new, &path)
    }
}

/// What was renamed must be found after a crash, too.
fn sync(folder: &Path) -> io::Result<()> {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    match File::open(folder).and_then(|folder| folder.sync_all()) {
        // Some systems have no such thing as syncing a folder.
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::Unsupported | io::ErrorKind::PermissionDenied | io::ErrorKind::InvalidInput
            ) =>
        {
            Ok(())
        }
        done => done,
    }
}
