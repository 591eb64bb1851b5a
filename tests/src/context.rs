use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::build;
use crate::serving::Server;

/// A user who has nothing yet: a home of their own, and no configuration, models, plugins or keys.
pub struct TestContext {
    dir: TempDir,
    binary: PathBuf,
    /// Compiled plugins and the unpacked demo model. Shared between tests, which users' processes also do.
    cache: PathBuf,
}

/// How a command ended.
#[derive(Debug)]
pub struct Finished {
    /// The exit status; none if a signal ended it.
    pub status: Option<i32>,
    /// What it produced.
    pub stdout: String,
    /// What it said.
    pub stderr: String,
}

impl Default for TestContext {
    fn default() -> Self {
        Self::new()
    }
}

impl TestContext {
    /// A new user.
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        for name in ["home", "data/models", "data/plugins", "data/backends"] {
            fs::create_dir_all(dir.path().join(name)).unwrap();
        }
        Self { dir, binary: build::inferno(), cache: build::tools_dir().join("cache") }
    }

    /// Their home directory, where commands run.
    pub fn home(&self) -> PathBuf {
        self.dir.path().join("home")
    }

    /// Their data directory.
    pub fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// Where their models are.
    pub fn models(&self) -> PathBuf {
        self.data().join("models")
    }

    /// Adds a model that answers with what it was asked; `settings` is the JSON of its file.
    pub fn echo_model(&self, name: &str, settings: &str) -> PathBuf {
        let path = self.models().join(name).with_extension("echo");
        fs::write(&path, format!("inferno-echo\n{settings}\n")).unwrap();
        path
    }

    /// The demo model's file, as it is in the repository.
    pub fn storyteller(&self) -> PathBuf {
        build::root().join("examples/storyteller/storyteller.gguf")
    }

    /// Installs a plugin: its manifest and its component.
    pub fn install_plugin(&self, name: &str, manifest: &str, component: &Path) -> PathBuf {
        let folder = self.data().join("plugins").join(name);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("plugin.toml"), manifest).unwrap();
        fs::copy(component, folder.join("plugin.wasm")).unwrap();
        folder
    }

    /// Grants, as the user would write them.
    pub fn write_grants(&self, toml: &str) {
        fs::write(self.data().join("grants.toml"), toml).unwrap();
    }

    /// The program, not yet started, with nothing of this machine's user in its environment.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.binary);
        command.args(args).env_clear().current_dir(self.home()).stdin(Stdio::null());
        for kept in ["PATH", "LD_LIBRARY_PATH", "DYLD_FALLBACK_LIBRARY_PATH"] {
            command.envs(std::env::var_os(kept).map(|value| (kept, value)));
        }
        command
            .env("HOME", self.home())
            .env("INFERNO_DATA_DIR", self.data())
            .env("INFERNO_CACHE_DIR", &self.cache);
        command
    }

    /// Runs the program to its end.
    pub fn run(&self, args: &[&str]) -> Finished {
        Finished::of(&mut self.command(args))
    }

    /// Runs the program to its end, which must be a good one, and gives what it produced.
    pub fn product(&self, args: &[&str]) -> String {
        let finished = self.run(args);
        assert_eq!(finished.status, Some(0), "{args:?}: {finished:?}");
        finished.stdout
    }

    /// Starts `inferno serve` on a free port; `config` are `KEY=VALUE` pairs.
    pub fn serve(&self, config: &[&str]) -> Server {
        let mut args = vec!["serve", "--port", "0"];
        for pair in config {
            args.extend(["--config", pair]);
        }
        Server::start(&mut self.command(&args))
    }
}

impl Finished {
    /// Runs a command to its end.
    pub fn of(command: &mut Command) -> Self {
        let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        Self {
            status: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}
