//! Writing files so that a crash at any moment leaves what was there before or what is there afterwards.
//!
//! Everything that a run writes goes through [`Disk`], so that tests can have the disk fail or the process die at each
//! single operation. Reading is plain [`std::fs`].

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// How much is collected before it is handed to the system.
const BUFFER: usize = 256 * 1024;

/// Where files are written.
pub(crate) trait Disk {
    /// Opens a file to write on at this length, and cuts off what is behind it. A missing file is made at length 0; one
    /// that is shorter is an error.
    fn append(&self, path: &Path, length: u64) -> io::Result<Box<dyn Append>>;

    /// Puts a file in place of what is there, durably and at once.
    fn replace(&self, path: &Path, bytes: &[u8]) -> io::Result<()>;

    /// Gives a file another name, in place of what is there, durably and at once.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file; it may be missing.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Makes a folder and those that it is in; it may be there.
    fn create_folder(&self, path: &Path) -> io::Result<()>;

    /// Removes a folder with all that is in it; it may be missing.
    fn remove_folder(&self, path: &Path) -> io::Result<()>;
}

/// A file that grows.
pub(crate) trait Append: Write {
    /// How long the file is, with what has been written.
    fn length(&self) -> u64;

    /// Makes all that was written durable.
    fn sync(&mut self) -> io::Result<()>;
}

/// The disk of this machine.
pub(crate) struct RealDisk;

impl Disk for RealDisk {
    fn append(&self, path: &Path, length: u64) -> io::Result<Box<dyn Append>> {
        let is_new = !path.exists();
        let mut file = OpenOptions::new().write(true).create(true).truncate(false).open(path)?;
        let found = file.metadata()?.len();
        if found < length {
            let why = format!("it has {found} bytes, but had {length}; something has changed it");
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, why));
        }
        file.set_len(length)?;
        file.seek(SeekFrom::Start(length))?;
        if is_new {
            sync_folder(path)?;
        }
        Ok(Box::new(Appending { file: BufWriter::with_capacity(BUFFER, file), length }))
    }

    fn replace(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let temporary = with_ending(path, "new");
        let mut file = File::create(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        drop(file);
        self.rename(&temporary, path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)?;
        sync_folder(to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        missing_is_fine(fs::remove_file(path))
    }

    fn create_folder(&self, path: &Path) -> io::Result<()> {
        fs::create_dir_all(path)
    }

    fn remove_folder(&self, path: &Path) -> io::Result<()> {
        missing_is_fine(fs::remove_dir_all(path))
    }
}

fn missing_is_fine(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Makes durable that a file is in its folder.
fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

/// A path with one more ending, such as `out.jsonl.partial`.
pub(crate) fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(ending);
    PathBuf::from(name)
}

struct Appending {
    file: BufWriter<File>,
    length: u64,
}

impl Write for Appending {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.length += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Append for Appending {
    fn length(&self) -> u64 {
        self.length
    }

    fn sync(&mut self) -> io::Result<()> {
        self.file.flush()?;
        self.file.get_ref().sync_data()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn appending_cuts_what_is_behind_and_refuses_what_is_short() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        let mut file = RealDisk.append(&path, 0).unwrap();
        file.write_all(b"0123456789").unwrap();
        file.sync().unwrap();
        let mut file = RealDisk.append(&path, 4).unwrap();
        file.write_all(b"x").unwrap();
        assert_eq!(file.length(), 5);
        file.sync().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"0123x");
        let error = RealDisk.append(&path, 6).err().unwrap();
        assert_eq!(error.to_string(), "it has 5 bytes, but had 6; something has changed it");
    }

    #[test]
    fn a_file_is_replaced_and_no_other_is_left() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.json");
        RealDisk.replace(&path, b"1").unwrap();
        RealDisk.replace(&path, b"2").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"2");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
