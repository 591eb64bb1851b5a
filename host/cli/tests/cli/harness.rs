//! A user of the program.

use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// A home directory of its own, and a working directory inside it.
pub(crate) struct User {
    home: tempfile::TempDir,
    variables: Vec<(String, String)>,
}

/// How a call ended.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) status: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl User {
    pub(crate) fn new() -> Self {
        let user = Self { home: tempfile::tempdir().unwrap(), variables: Vec::new() };
        fs::create_dir_all(user.work()).unwrap();
        user
    }

    pub(crate) fn home(&self) -> PathBuf {
        self.home.path().canonicalize().unwrap()
    }

    pub(crate) fn work(&self) -> PathBuf {
        self.home().join("work")
    }

    pub(crate) fn models(&self) -> PathBuf {
        self.home().join(".local/share/inferno/models")
    }

    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// A file below the home directory.
    pub(crate) fn file(self, path: impl AsRef<Path>, text: impl AsRef<[u8]>) -> Self {
        let path = self.home().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    /// An echo model in the models directory.
    pub(crate) fn echo(self, name: &str) -> Self {
        let text = "inferno-echo\n{\"tokens_per_second\": 0, \"context\": 64}\n";
        self.file(format!(".local/share/inferno/models/{name}.echo"), text)
    }

    pub(crate) fn command<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_inferno"));
        command
            .args(arguments)
            .current_dir(self.work())
            .env_clear()
            .env("HOME", self.home())
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null());
        command
    }

    pub(crate) fn call<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Done {
        Done::from(self.command(arguments).output().unwrap())
    }

    /// A call with something on its standard input.
    pub(crate) fn call_with<S: AsRef<OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = S>,
        input: &[u8],
    ) -> Done {
        let mut command = self.command(arguments);
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // A program that refuses its arguments need not read its input.
        let _ = child.stdin.take().unwrap().write_all(input);
        Done::from(child.wait_with_output().unwrap())
    }
}

impl From<Output> for Done {
    fn from(output: Output) -> Self {
        Self {
            status: output.status.code(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Done {
    /// Standard output of a call that went well.
    #[track_caller]
    pub(crate) fn product(self) -> String {
        assert_eq!(self.status, Some(0), "{self:#?}");
        self.out
    }

    #[track_caller]
    pub(crate) fn json(self) -> Value {
        serde_json::from_str(&self.product()).unwrap()
    }

    /// Standard error of a call that failed in this way and had no product.
    #[track_caller]
    pub(crate) fn refusal(self, status: i32) -> String {
        assert_eq!(self.status, Some(status), "{self:#?}");
        assert_eq!(self.out, "", "{self:#?}");
        self.err
    }
}
