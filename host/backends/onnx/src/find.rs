//! Where ONNX Runtime is on this machine. Nothing is opened or run to find out.

use std::collections::BTreeSet;
use std::env::{self, consts::DLL_EXTENSION, consts::DLL_PREFIX};
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use inferno_backend::{Error, ErrorKind};

/// What everybody can do.
const HOW: &str = "get it with `cargo xtask onnxruntime` or `pip install onnxruntime`, or name the library in the setting \
                   onnx.runtime (INFERNO_ONNX_RUNTIME)";

/// The environment and the folders that the search starts from, so that tests can give others.
pub(crate) struct Places {
    /// The program's own folder.
    program: Option<PathBuf>,
    /// Folders of the system's libraries.
    system: Vec<PathBuf>,
    variable: fn(&str) -> Option<std::ffi::OsString>,
}

impl Places {
    /// This process and this machine.
    pub(crate) fn here() -> Self {
        let program = env::current_exe().ok().and_then(|path| path.canonicalize().ok());
        let system = [
            "/usr/local/lib",
            "/usr/lib",
            "/usr/lib64",
            "/usr/lib/x86_64-linux-gnu",
            "/usr/lib/aarch64-linux-gnu",
            "/lib64",
            "/opt/onnxruntime/lib",
            "/opt/homebrew/lib",
        ];
        Self {
            program: program.and_then(|path| path.parent().map(Path::to_owned)),
            system: system.map(PathBuf::from).into(),
            variable: |name| env::var_os(name),
        }
    }

    /// The library: the one that was `named`, else the first that is found.
    pub(crate) fn find(&self, named: Option<&Path>) -> Result<PathBuf, Error> {
        let pointed = (self.variable)("ORT_DYLIB_PATH").filter(|path| !path.is_empty()).map(PathBuf::from);
        let named = named.map(|path| (path, "the setting onnx.runtime"));
        if let Some((path, who)) = named.or(pointed.as_deref().map(|path| (path, "ORT_DYLIB_PATH"))) {
            let found = if path.is_dir() { in_folder(path) } else { Some(path.to_owned()) };
            return found.and_then(|path| path.canonicalize().ok()).ok_or_else(|| {
                let message = format!("{who} names {}, but ONNX Runtime is not there", path.display());
                Error::new(ErrorKind::NotFound, message)
                    .hint("it is the path of libonnxruntime.so, or of the folder that has it")
            });
        }
        let found =
            self.program.iter().chain(&self.listed()).chain(&self.system).find_map(|dir| in_folder(dir));
        let found = found.or_else(|| self.wheels().iter().find_map(|dir| in_folder(dir)));
        found.and_then(|path| path.canonicalize().ok()).ok_or_else(|| {
            let message = "ONNX Runtime, which models in ONNX need, is not on this machine: it was looked for beside this \
                           program, among the system's libraries and in Python's packages";
            Error::new(ErrorKind::NotFound, message).hint(HOW)
        })
    }

    fn listed(&self) -> Vec<PathBuf> {
        let paths = (self.variable)("LD_LIBRARY_PATH").unwrap_or_default();
        env::split_paths(&paths).filter(|path| path.is_absolute()).collect()
    }

    /// Where wheels of `onnxruntime` may keep their library.
    fn wheels(&self) -> Vec<PathBuf> {
        let mut prefixes: Vec<PathBuf> =
            (self.variable)("VIRTUAL_ENV").map(PathBuf::from).into_iter().collect();
        let mut seen = BTreeSet::new();
        for dir in env::split_paths(&(self.variable)("PATH").unwrap_or_default()) {
            let python = dir.join("python3");
            // The folder that a virtual environment is in, and the one that its interpreter comes from.
            for python in [Some(python.clone()), python.canonicalize().ok()].into_iter().flatten() {
                if python.exists()
                    && let Some(prefix) = python.parent().and_then(Path::parent)
                {
                    prefixes.push(prefix.to_owned());
                }
            }
            // pyenv's stand-ins start another interpreter.
            if dir.ends_with("shims")
                && let Some(root) = dir.parent()
            {
                prefixes.extend(folders(&root.join("versions")));
            }
        }
        if let Some(home) = (self.variable)("HOME") {
            prefixes.push(Path::new(&home).join(".local"));
        }
        prefixes.retain(|prefix| seen.insert(prefix.clone()));
        prefixes.iter().flat_map(|prefix| packages(prefix)).map(|dir| dir.join("onnxruntime/capi")).collect()
    }
}

/// The folders of Python's packages under a prefix.
fn packages(prefix: &Path) -> Vec<PathBuf> {
    let versions = folders(&prefix.join("lib")).into_iter().filter(|dir| {
        let name = dir.file_name().and_then(OsStr::to_str).unwrap_or_default();
        name.starts_with("python3")
    });
    versions.flat_map(|dir| [dir.join("site-packages"), dir.join("dist-packages")]).collect()
}

/// The newest first, by name.
fn folders(dir: &Path) -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> =
        fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    folders.sort();
    folders.reverse();
    folders
}

/// The library in a folder: under its plain name, else the newest of those that name a version.
pub(crate) fn in_folder(dir: &Path) -> Option<PathBuf> {
    let plain = format!("{DLL_PREFIX}onnxruntime.{DLL_EXTENSION}");
    let path = dir.join(&plain);
    if path.is_file() {
        return Some(path);
    }
    let base = format!("{DLL_PREFIX}onnxruntime.");
    let versioned = |path: &PathBuf| {
        let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
        let of_ours = name.starts_with(&plain) || (name.starts_with(&base) && name.ends_with(DLL_EXTENSION));
        of_ours && path.is_file()
    };
    let found = fs::read_dir(dir).ok()?.flatten().map(|entry| entry.path()).filter(versioned);
    found.max_by_key(|path| version_in(path))
}

/// The numbers in a file's name, so that 1.9 comes before 1.24.
fn version_in(path: &Path) -> Vec<u32> {
    let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
    name.split(|char: char| !char.is_ascii_digit()).filter_map(|part| part.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(dir: &Path, variable: fn(&str) -> Option<std::ffi::OsString>) -> Places {
        Places { program: Some(dir.join("bin")), system: vec![dir.join("lib")], variable }
    }

    fn put(path: &Path) -> PathBuf {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "").unwrap();
        path.canonicalize().unwrap()
    }

    #[test]
    fn the_named_one_comes_first_then_the_programs_then_the_systems() {
        let dir = tempfile::tempdir().unwrap();
        let places = places(dir.path(), |_| None);
        let error = places.find(None).unwrap_err();
        assert_eq!(error.kind, ErrorKind::NotFound);
        assert!(error.hint.unwrap().contains("pip install onnxruntime"));
        let system = put(&dir.path().join("lib/libonnxruntime.so.1.24.4"));
        assert_eq!(places.find(None).unwrap(), system);
        let newer = put(&dir.path().join("lib/libonnxruntime.so.1.30.0"));
        put(&dir.path().join("lib/libonnxruntime.so.1.9.0"));
        assert_eq!(places.find(None).unwrap(), newer);
        let own = put(&dir.path().join("bin/libonnxruntime.so"));
        assert_eq!(places.find(None).unwrap(), own);
        let named = put(&dir.path().join("elsewhere/libonnxruntime.so"));
        assert_eq!(places.find(Some(&named)).unwrap(), named);
        assert_eq!(places.find(named.parent()).unwrap(), named, "its folder will do");
        let error = places.find(Some(&dir.path().join("nothing.so"))).unwrap_err();
        assert!(error.message.contains("onnx.runtime") && error.message.contains("nothing.so"), "{error}");
    }

    #[test]
    fn other_libraries_of_the_runtime_are_not_it() {
        let dir = tempfile::tempdir().unwrap();
        put(&dir.path().join("libonnxruntime_providers_shared.so"));
        assert_eq!(in_folder(dir.path()), None);
    }

    #[test]
    fn the_wheel_of_a_virtual_environment_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let wheel =
            put(&dir.path().join("lib/python3.12/site-packages/onnxruntime/capi/libonnxruntime.so.1.24.4"));
        put(&dir.path().join("bin/python3"));
        thread_local!(static ROOT: std::cell::RefCell<PathBuf> = const { std::cell::RefCell::new(PathBuf::new()) });
        ROOT.with(|root| *root.borrow_mut() = dir.path().to_owned());
        let places = Places {
            program: None,
            system: Vec::new(),
            variable: |name| match name {
                "PATH" => ROOT.with(|root| Some(root.borrow().join("bin").into_os_string())),
                _ => None,
            },
        };
        assert_eq!(places.find(None).unwrap(), wheel);
    }

    #[test]
    fn a_variable_that_points_nowhere_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let places = places(dir.path(), |name| (name == "ORT_DYLIB_PATH").then(|| "/nowhere.so".into()));
        assert!(places.find(None).unwrap_err().message.contains("ORT_DYLIB_PATH names /nowhere.so"));
    }
}
