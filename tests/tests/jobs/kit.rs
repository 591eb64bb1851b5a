//! Somebody with a plugin that does what jobs do.

use std::fs;
use std::io::Read;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use inferno_tests::{Finished, TestContext, build, within};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

const MANIFEST: &str = "[plugin]\nname = \"later\"\nversion = \"1.0.0\"\ndescription = \"A test\"\nlicense = \"MIT\"\n\
    wit = \"0.1\"\n[roles.command]\n[asks]\ninference = { models = [\"*\"] }\njobs = true\n\
    workdir = { access = \"write\", why = \"to note what it did\" }\n";

pub(super) struct Office {
    pub(super) context: TestContext,
}

impl Office {
    /// The plugin has all that it asks for.
    pub(super) fn new() -> Self {
        Self::granted("all")
    }

    pub(super) fn granted(grant: &str) -> Self {
        let context = TestContext::new();
        // Outside of the folder in which commands run.
        let folder = context.data().join("later-source");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("plugin.toml"), MANIFEST).unwrap();
        let component = build::plugin("inferno-guest-later", "inferno-guest-later");
        fs::copy(component, folder.join("plugin.wasm")).unwrap();
        let folder = folder.to_str().unwrap();
        context.product(&["plugin", "install", folder, "--allow-unsigned", "--grant", grant, "--yes"]);
        fs::create_dir(context.home().join("work")).unwrap();
        Self { context }
    }

    /// Where commands are run: no folder is lent that holds files of the host, as a home does.
    fn folder(&self) -> PathBuf {
        self.context.home().join("work")
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = self.context.command(args);
        command.current_dir(self.folder());
        command
    }

    /// Runs the program to its end, which must be a good one, and gives what it produced.
    #[track_caller]
    pub(super) fn product(&self, args: &[&str]) -> String {
        let finished = Finished::of(&mut self.command(args));
        assert_eq!(finished.status, Some(0), "{args:?}: {finished:?}");
        finished.stdout
    }

    /// Submits a job and gives its id.
    pub(super) fn submit(&self, options: &[&str], args: &[&str]) -> String {
        let words = [&["batch-queue", "submit"], options, &["--", "later"], args].concat();
        self.product(&words).trim().to_owned()
    }

    pub(super) fn show(&self, id: &str) -> Value {
        serde_json::from_str(&self.product(&["batch-queue", "show", id, "--json"])).unwrap()
    }

    pub(super) fn state(&self, id: &str) -> String {
        self.show(id)["job"]["state"].as_str().unwrap().to_owned()
    }

    /// Waits until a job is in this state.
    #[track_caller]
    pub(super) fn ends(&self, id: &str, state: &str) {
        within(&format!("{id} is not {state}"), || (self.state(id) == state).then_some(()));
    }

    /// What it says where it fails.
    #[track_caller]
    pub(super) fn refused(&self, args: &[&str]) -> String {
        let finished = Finished::of(&mut self.command(args));
        assert!(matches!(finished.status, Some(1 | 2)), "{args:?}: {finished:?}");
        finished.stderr
    }

    /// Runs what is due.
    pub(super) fn work_once(&self) {
        self.product(&["batch-queue", "work", "--once"]);
    }

    /// A process that runs jobs; `config` are `KEY=VALUE` pairs.
    pub(super) fn worker(&self, config: &[&str]) -> Process {
        let mut args = vec!["batch-queue", "work"];
        for pair in config {
            args.extend(["--config", pair]);
        }
        self.spawn(&args)
    }

    pub(super) fn spawn(&self, args: &[&str]) -> Process {
        Process(self.command(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
    }

    pub(super) fn notes(&self) -> PathBuf {
        self.folder().join("notes")
    }

    /// Waits until the plugin has noted just this.
    #[track_caller]
    pub(super) fn notes_are(&self, expected: &[&str]) {
        let noted = || fs::read_to_string(self.notes()).unwrap_or_default();
        within(&format!("not {expected:?} were noted"), || {
            (noted().lines().eq(expected.iter().copied())).then_some(())
        });
    }

    /// What the plugin waits for, happens.
    pub(super) fn let_go(&self, name: &str) {
        fs::write(self.folder().join(name), "").unwrap();
    }
}

/// A process of the program. Dropping it kills it.
pub(super) struct Process(Child);

impl Process {
    /// Tells it to end, as Ctrl-C does, and waits for that.
    pub(super) fn interrupt(&mut self) {
        kill_process(Pid::from_child(&self.0), Signal::INT).unwrap();
        assert!(self.0.wait().unwrap().success());
    }

    /// Ends it as a power cut does.
    pub(super) fn kill(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }

    /// Waits for its end, and gives what it produced and said.
    pub(super) fn told(&mut self) -> (String, String) {
        let (mut out, mut err) = (String::new(), String::new());
        self.0.stdout.take().unwrap().read_to_string(&mut out).unwrap();
        self.0.stderr.take().unwrap().read_to_string(&mut err).unwrap();
        assert!(self.0.wait().unwrap().success());
        (out, err)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It has ended, where the test went well.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
