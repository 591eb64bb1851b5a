//! What a process is started with.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use crate::failure::Failure;

/// Variables, directory and home, taken once so that everything after is a function of them.
#[derive(Clone, Debug)]
pub(crate) struct Environment {
    pub(super) variables: BTreeMap<OsString, OsString>,
    pub(super) directory: PathBuf,
    pub(super) home: PathBuf,
}

impl Environment {
    /// Of this process.
    pub(crate) fn current() -> Result<Self, Failure> {
        let directory = std::env::current_dir()
            .map_err(|error| Failure::new(format!("cannot tell the working directory: {error}")))?;
        let home = std::env::home_dir().filter(|home| !home.as_os_str().is_empty()).ok_or_else(|| {
            Failure::usage("there is no home directory").hint("set HOME to the directory of your files")
        })?;
        Ok(Self { variables: std::env::vars_os().collect(), directory, home })
    }

    /// Of nobody: paths come out as `~/...`, so that documentation is the same wherever it is made.
    pub(super) fn of_documentation() -> Self {
        // The directory does not exist, so that no file is found on the way up from it.
        Self { variables: BTreeMap::new(), directory: PathBuf::from("~"), home: PathBuf::from("~") }
    }

    /// A variable that is set to something: an empty one counts as not set.
    pub(super) fn variable(&self, name: &str) -> Option<&OsStr> {
        self.variables.get(OsStr::new(name)).map(OsString::as_os_str).filter(|value| !value.is_empty())
    }

    /// A base directory by the XDG rules, which ignore relative paths.
    pub(super) fn xdg(&self, variable: &str, fallback: &str) -> PathBuf {
        self.variable(variable)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
            .unwrap_or_else(|| self.home.join(fallback))
    }

    /// The user's configuration file, whether it is there or not.
    pub(crate) fn user_file(&self) -> PathBuf {
        self.xdg("XDG_CONFIG_HOME", ".config").join("inferno/config.toml")
    }

    /// What says what the user configured for everything that they do: the two files, and the folder of the second.
    pub(super) fn user_files(&self) -> Vec<PathBuf> {
        let file = self.user_file();
        let folder = file.parent().map(Path::to_owned);
        folder.into_iter().chain([self.home_file(), file]).collect()
    }

    /// The file in the home directory.
    pub(super) fn home_file(&self) -> PathBuf {
        self.home.join(".inferno.toml")
    }

    /// Where Hugging Face's own tools keep their downloads.
    pub(super) fn huggingface_hub(&self) -> PathBuf {
        if let Some(hub) = self.variable("HF_HUB_CACHE") {
            return self.directory.join(hub);
        }
        match self.variable("HF_HOME") {
            Some(home) => self.directory.join(home).join("hub"),
            None => self.xdg("XDG_CACHE_HOME", ".cache").join("huggingface/hub"),
        }
    }

    /// Where OpenTelemetry's own variables say that traces go.
    pub(super) fn otlp_endpoint(&self) -> Option<String> {
        Some(self.variable("OTEL_EXPORTER_OTLP_ENDPOINT")?.to_str()?.to_owned())
    }

    /// `.inferno.toml` of this directory or the nearest one above it. The search ends below the home directory,
    /// whose file is a lower layer of its own.
    pub(super) fn project_file(&self) -> Option<PathBuf> {
        let canonical = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let home = canonical(&self.home);
        canonical(&self.directory)
            .ancestors()
            .take_while(|directory| *directory != home)
            .map(|directory| directory.join(".inferno.toml"))
            .find(|file| file.is_file())
    }
}
