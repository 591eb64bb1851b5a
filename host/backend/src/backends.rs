//! All backends that this program can use.

use std::path::{Path, PathBuf};
use std::{fs, io};

use serde::Serialize;

use crate::{Detect, Device, Error, ErrorKind, Library, Linked};

/// How libraries end here.
const SUFFIX: &str = std::env::consts::DLL_EXTENSION;

/// The backends of a directory, in the order of their file names, then those that are linked in. Where two could
/// do, the first one does: who puts a library into the directory wants it used.
pub struct Backends {
    usable: Vec<Library>,
    broken: Vec<BackendInfo>,
    dir: Option<PathBuf>,
}

/// What there is to know about a backend.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BackendInfo {
    /// Its own name; the file's where it cannot be used.
    pub name: String,
    /// Its version; empty where it cannot be used.
    pub version: String,
    /// The formats that it runs.
    pub formats: Vec<String>,
    /// What it can compute on.
    pub devices: Vec<Device>,
    /// Where it was opened from; none where it is linked in.
    pub path: Option<PathBuf>,
    /// Why it cannot be used, or not fully.
    pub error: Option<String>,
}

impl Backends {
    /// The linked ones and every library in `dir`. A library that cannot be used is listed with the reason; a
    /// directory that does not exist holds none.
    pub fn new(linked: Vec<Linked>, dir: Option<&Path>) -> Self {
        let mut backends = Self { usable: Vec::new(), broken: Vec::new(), dir: dir.map(Path::to_owned) };
        if let Some(dir) = dir {
            match libraries(dir) {
                Ok(paths) => paths.iter().for_each(|path| backends.add(Some(path), Library::open(path))),
                Err(error) => {
                    let reason = format!("cannot read the backends directory {}: {error}", dir.display());
                    backends.broken.push(unusable(Some(dir), reason));
                }
            }
        }
        for linked in linked {
            backends.add(None, Library::linked(linked));
        }
        backends
    }

    fn add(&mut self, path: Option<&Path>, library: Result<Library, Error>) {
        match library {
            Ok(library) => match self.usable.iter().find(|other| other.name() == library.name()) {
                None => self.usable.push(library),
                Some(first) => {
                    let place = first.path().map_or("linked in".into(), |path| path.display().to_string());
                    let error = format!("another backend of this name comes first ({place})");
                    let (name, version) = (library.name().to_owned(), library.version().to_owned());
                    let formats = library.formats().to_vec();
                    let path = path.map(Path::to_owned);
                    let error = Some(error);
                    self.broken.push(BackendInfo {
                        name,
                        version,
                        formats,
                        devices: Vec::new(),
                        path,
                        error,
                    });
                }
            },
            Err(error) => self.broken.push(unusable(path, error.message)),
        }
    }

    /// The backend called `name` or, without a name, the first that runs `format`.
    pub fn find(&self, name: Option<&str>, format: &str) -> Result<&Library, Error> {
        let runs = |library: &&Library| library.formats().iter().any(|known| known == format);
        let Some(name) = name else {
            return self.usable.iter().find(runs).ok_or_else(|| {
                let known =
                    self.usable.iter().flat_map(|library| library.formats().iter().map(String::as_str));
                self.not_found(format!("no backend runs the format `{format}`"), "formats", known)
            });
        };
        let found = self.usable.iter().find(|library| library.name() == name).ok_or_else(|| {
            let known = self.usable.iter().map(Library::name);
            self.not_found(format!("there is no backend `{name}`"), "backends", known)
        })?;
        if runs(&found) {
            return Ok(found);
        }
        let formats = found.formats().join(", ");
        Err(Error::invalid(format!("backend {name} does not run the format `{format}`, only: {formats}")))
    }

    fn not_found<'a>(&self, message: String, what: &str, known: impl Iterator<Item = &'a str>) -> Error {
        let known = known.collect::<Vec<_>>().join(", ");
        let known = if known.is_empty() { "none" } else { &known };
        let mut hint = format!("{what} that can be used: {known}");
        for backend in &self.broken {
            let error = backend.error.as_deref().unwrap_or_default();
            hint.push_str(&format!("; {} cannot: {error}", backend.name));
        }
        Error::new(ErrorKind::NotFound, message).hint(hint)
    }

    /// All of them, those that cannot be used included. Asks each for its devices, which can take a while.
    pub fn list(&self) -> Vec<BackendInfo> {
        let usable = self.usable.iter().map(|library| {
            let devices = library.devices();
            BackendInfo {
                name: library.name().to_owned(),
                version: library.version().to_owned(),
                formats: library.formats().to_vec(),
                error: devices.as_ref().err().map(|error| error.message.clone()),
                devices: devices.unwrap_or_default(),
                path: library.path().map(Path::to_owned),
            }
        });
        usable.chain(self.broken.iter().cloned()).collect()
    }

    /// How the files of formats are told from others, as far as the usable ones say so.
    pub fn detect(&self) -> impl Iterator<Item = &Detect> {
        self.usable.iter().flat_map(Library::detect)
    }

    /// Where the opened ones come from.
    pub(crate) fn dir(&self) -> Option<&Path> {
        self.dir.as_deref()
    }
}

fn unusable(path: Option<&Path>, error: String) -> BackendInfo {
    let name =
        path.and_then(Path::file_name).map_or("(linked in)".into(), |name| name.to_string_lossy().into());
    BackendInfo {
        name,
        version: String::new(),
        formats: Vec::new(),
        devices: Vec::new(),
        path: path.map(Path::to_owned),
        error: Some(error),
    }
}

fn libraries(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == SUFFIX));
    paths.sort();
    Ok(paths)
}
