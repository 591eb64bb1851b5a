//! The folders that a plugin was lent in one call, by the names that it knows, so that it can have another plugin work on
//! what lies in them. No link leads out of one: what is handed on is the opened folder, and not a path that could lead
//! somewhere else by the time of its use.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use cap_primitives::ambient_authority;
use cap_primitives::fs::{open_ambient_dir, open_dir};

use crate::ask::Access;
use crate::workdir::WORKDIR;

/// The folders of one call.
#[derive(Debug, Default)]
pub(crate) struct Lent(Vec<Folder>);

#[derive(Debug)]
struct Folder {
    name: String,
    host: PathBuf,
    access: Access,
}

/// Why a folder cannot be handed on.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// It lies in none that was lent; the names of those that were.
    Elsewhere(Vec<String>),
    /// The one that it lies in, by this name, was lent for reading alone.
    ReadOnly(String),
    /// It cannot be opened.
    Unopened(io::Error),
}

/// A folder that is open, and stays what it is whatever becomes of its path.
#[derive(Debug)]
pub(crate) struct Opened {
    /// By which this process reaches it.
    path: PathBuf,
    /// The path is good as long as this is open.
    _folder: File,
}

impl Lent {
    pub(crate) fn add(&mut self, name: impl Into<String>, host: impl Into<PathBuf>, access: Access) {
        self.0.push(Folder { name: name.into(), host: host.into(), access });
    }

    /// Opens the folder that the plugin calls `path`.
    pub(crate) fn open(&self, path: &str, access: Access) -> Result<Opened, Refusal> {
        let (folder, inside) = self.find(path).ok_or_else(|| Refusal::Elsewhere(self.names()))?;
        if access > folder.access {
            return Err(Refusal::ReadOnly(folder.name.clone()));
        }
        Opened::beneath(&folder.host, inside).map_err(Refusal::Unopened)
    }

    /// The innermost one that holds a path, and the way from there.
    fn find<'a>(&self, path: &'a str) -> Option<(&Folder, &'a Path)> {
        let path = Path::new(path);
        if path.is_relative() {
            return self.0.iter().find(|folder| folder.name == WORKDIR).map(|folder| (folder, path));
        }
        let holding =
            self.0.iter().filter_map(|folder| Some((folder, path.strip_prefix(&folder.name).ok()?)));
        holding.max_by_key(|(folder, _)| Path::new(&folder.name).components().count())
    }

    fn names(&self) -> Vec<String> {
        self.0.iter().map(|folder| folder.name.clone()).collect()
    }
}

impl Opened {
    fn beneath(start: &Path, inside: &Path) -> io::Result<Self> {
        let start = open_ambient_dir(start, ambient_authority())?;
        let folder = if inside.as_os_str().is_empty() { start } else { open_dir(&start, inside)? };
        Ok(Self { path: path_of(&folder)?, _folder: folder })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

/// A path that leads to what is open, and to nothing else.
#[cfg(target_os = "linux")]
fn path_of(folder: &File) -> io::Result<PathBuf> {
    use std::os::fd::AsRawFd as _;
    Ok(format!("/proc/self/fd/{}", folder.as_raw_fd()).into())
}

/// Where a system has no such path, no folder can be handed on.
#[cfg(not(target_os = "linux"))]
fn path_of(_: &File) -> io::Result<PathBuf> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "this system has no path for a folder that is open"))
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn what_was_lent_can_be_handed_on_and_nothing_else() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        for folder in ["work/models/inner", "papers", "private"] {
            fs::create_dir_all(at(folder)).unwrap();
        }
        fs::write(at("work/models/inner/file"), "this one").unwrap();
        symlink(at("private"), at("work/out")).unwrap();
        symlink("../private", at("work/up")).unwrap();
        symlink("models/inner", at("work/in")).unwrap();
        let whole = at("work").display().to_string();
        let mut lent = Lent::default();
        lent.add(".", at("work"), Access::Write);
        lent.add(&whole, at("work"), Access::Write);
        lent.add("/papers", at("papers"), Access::Read);
        let inner = [
            "models/inner".to_owned(),
            "./models/../models/inner".to_owned(),
            "in".to_owned(),
            format!("{whole}/models/inner"),
        ];
        for path in inner {
            let opened = lent.open(&path, Access::Write).unwrap();
            assert_eq!(fs::read_to_string(opened.path().join("file")).unwrap(), "this one", "{path}");
        }
        for path in [".", "", &whole, "/papers", "/papers/"] {
            lent.open(path, Access::Read).unwrap();
        }
        for path in
            ["out", "up", "..", "models/../../private", &format!("{whole}/../private"), "none", "in/file"]
        {
            assert!(matches!(lent.open(path, Access::Read), Err(Refusal::Unopened(_))), "{path}");
        }
        for path in ["/", "/etc", "/paper", &at("private").display().to_string()] {
            assert!(matches!(lent.open(path, Access::Read), Err(Refusal::Elsewhere(_))), "{path}");
        }
        assert!(
            matches!(lent.open("/papers", Access::Write), Err(Refusal::ReadOnly(name)) if name == "/papers")
        );
    }

    #[test]
    fn what_is_open_stays_what_it_is() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        fs::create_dir_all(at("work/a")).unwrap();
        fs::create_dir(at("private")).unwrap();
        fs::write(at("work/a/file"), "this one").unwrap();
        let mut lent = Lent::default();
        lent.add(".", at("work"), Access::Write);
        let opened = lent.open("a", Access::Write).unwrap();
        fs::rename(at("work/a"), at("work/b")).unwrap();
        symlink(at("private"), at("work/a")).unwrap();
        assert_eq!(fs::read_to_string(opened.path().join("file")).unwrap(), "this one");
    }
}
