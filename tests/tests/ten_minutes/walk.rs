//! An author and a user of a plugin, and what they do with it on the command line.

use std::cell::Cell;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use inferno_tests::{Finished, TestContext, build};
use serde_json::Value;

/// Somebody who writes a plugin. They have the tools of its language, and nothing else of this machine's user.
pub(crate) struct Author {
    pub(crate) context: TestContext,
    name: &'static str,
    folder: PathBuf,
}

/// Somebody who runs it: on the same machine, and as if they had got it from far away.
pub(crate) struct User<'a> {
    author: &'a Author,
    /// What the plugin is given to do.
    input: PathBuf,
    /// How often it has counted, from what it gives back.
    seen: fn(&Value) -> Option<u64>,
    last: Cell<u64>,
}

impl Author {
    /// Makes the plugin's folder.
    pub(crate) fn begins(name: &'static str, role: &str, language: &str) -> Self {
        let author = Self::with_nothing(name);
        let made = author.says(&["plugin", "new", name, "--role", role, "--lang", language]);
        assert_eq!(made.stdout, format!("{name}\n"));
        author
    }

    /// Has not begun yet.
    pub(crate) fn with_nothing(name: &'static str) -> Self {
        let context = TestContext::new();
        let folder = context.home().join(name);
        Self { context, name, folder }
    }

    /// Types a line of a console, in a folder for this work alone, and reads what comes of it.
    pub(crate) fn types_line(&self, line: &str) -> String {
        let folder = self.context.home().join("work");
        fs::create_dir_all(&folder).unwrap();
        let mut command = match line.strip_prefix("inferno ") {
            Some(args) => self.context.command(&args.split(' ').collect::<Vec<_>>()),
            None => Command::new("sh"),
        };
        if !line.starts_with("inferno ") {
            command.args(["-c", line]);
        }
        let done = Finished::of(self.with_tools(&mut command).current_dir(folder));
        assert_eq!(done.status, Some(0), "{line}: {done:?}");
        done.stdout
    }

    /// Runs the tests that came with the folder, by the first line that its README has for a console.
    pub(crate) fn tests_as_the_readme_says(&self) {
        let readme = fs::read_to_string(self.folder.join("README.md")).unwrap();
        let line = readme.lines().find_map(|line| line.strip_prefix("$ ")).expect("a line for a console");
        let line = line.split("  #").next().unwrap();
        build::run(self.with_tools(Command::new("sh").args(["-c", line]).current_dir(&self.folder)));
    }

    /// Changes a file in the one place where it says this.
    pub(crate) fn edit(&self, file: &str, from: &str, to: &str) {
        let path = self.folder.join(file);
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(text.matches(from).count(), 1, "{file} should say once: {from}\n{text}");
        fs::write(path, text.replace(from, to)).unwrap();
    }

    /// Adds to the end of a file.
    pub(crate) fn add(&self, file: &str, more: &str) {
        let path = self.folder.join(file);
        let text = fs::read_to_string(&path).unwrap();
        fs::write(path, text + more).unwrap();
    }

    /// Builds the component.
    pub(crate) fn builds(&self) {
        let built: Value =
            serde_json::from_str(&self.says(&["plugin", "build", self.name, "--json"]).stdout).unwrap();
        assert_eq!(built["name"], self.name, "{built}");
        assert!(self.folder.join("plugin.wasm").is_file());
    }

    /// Has the cases that came with it tested in the sandbox.
    pub(crate) fn tests(&self) {
        let tested = self.says(&["plugin", "test", self.name]);
        assert!(tested.stdout.contains(" ok\n"), "{tested:?}");
    }

    /// Has it tested once it counts: the same input gives something else each time, which the case must say.
    pub(crate) fn tests_that_it_counts(&self, case: &str) {
        let args = ["plugin", "test", self.name, "--grant", "kv"];
        let surprised = self.types(&args);
        assert_eq!(surprised.status, Some(1), "{surprised:?}");
        assert!(surprised.stdout.contains("`deterministic = false` in the case allows it"), "{surprised:?}");
        let name = format!("name = \"{case}\"\n");
        self.edit("tests/cases.toml", &name, &format!("{name}deterministic = false\n"));
        self.says(&args);
    }

    /// Makes one file of it, signed with the author's key, which is made when it is first needed.
    pub(crate) fn package(&self, version: &str) -> String {
        let file = self.says(&["plugin", "pack", self.name]).stdout.trim().to_owned();
        assert_eq!(file, format!("{}-{version}.wasm", self.name));
        let unsigned = self.types(&["plugin", "verify", &file]);
        assert!(unsigned.status == Some(1) && unsigned.stderr.contains("nobody signed it"), "{unsigned:?}");
        let key = self.context.data().join("signing.key");
        if !key.exists() {
            self.says(&["plugin", "keygen"]);
        }
        self.says(&["plugin", "sign", &file]);
        let public = fs::read_to_string(key.with_extension("key.pub")).unwrap();
        self.says(&["plugin", "verify", &file, "--key", public.trim()]);
        file
    }

    /// Reads what the package could do.
    pub(crate) fn inspected(&self, file: &str) {
        let about = self.says(&["plugin", "inspect", file]).stdout;
        for part in
            ["keep small values between calls", "ed25519:", "It can never run a model", "reach the network"]
        {
            assert!(about.contains(part), "{part}: {about}");
        }
    }

    /// Types a command.
    fn types(&self, args: &[&str]) -> Finished {
        Finished::of(self.with_tools(&mut self.context.command(args)))
    }

    /// Types a command that must succeed.
    fn says(&self, args: &[&str]) -> Finished {
        let finished = self.types(args);
        assert_eq!(finished.status, Some(0), "{args:?}: {finished:?}");
        finished
    }

    /// Lets a command find the tools of this machine's user. What is dear to make is kept from one run to the next, and
    /// cargo takes what it has.
    fn with_tools<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        let home = std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
        for (name, folder) in [("CARGO_HOME", ".cargo"), ("RUSTUP_HOME", ".rustup")] {
            command.env(name, std::env::var_os(name).map_or_else(|| home.join(folder), PathBuf::from));
        }
        command.envs(std::env::var_os("RUSTUP_TOOLCHAIN").map(|value| ("RUSTUP_TOOLCHAIN", value)));
        command
            .env("HOME", self.context.home())
            .env("CARGO_TARGET_DIR", build::tools_dir().join("authors").join(self.name))
            .env("CARGO_NET_OFFLINE", "true")
    }
}

impl<'a> User<'a> {
    /// A user with something for the plugin to do.
    pub(crate) fn of(author: &'a Author, input: Value, seen: fn(&Value) -> Option<u64>) -> Self {
        let file = author.context.home().join("input.json");
        fs::write(&file, input.to_string()).unwrap();
        Self { author, input: file, seen, last: Cell::new(0) }
    }

    /// Installs it and grants the lesser half of what it asks for.
    pub(crate) fn installs_with_a_partial_grant(&self, file: &str) {
        let done = self.author.says(&["plugin", "install", file, "--grant", "models"]);
        assert_eq!(done.stdout, format!("installed {} 0.1.0\n", self.name()));
        assert!(done.stderr.contains("not granted: kv"), "{done:?}");
        assert_eq!(
            (self.info()["granted"]["models"].clone(), self.info()["granted"]["kv"].clone()),
            (true.into(), false.into())
        );
    }

    /// Runs into what was not granted: the rule, the call and the line that would allow it are named, at once and later.
    pub(crate) fn is_told_why_a_call_was_denied(&self) {
        let denied = self.calls();
        let later = self.author.says(&["plugin", "explain", self.name()]);
        for said in [denied.stdout + &denied.stderr, later.stdout] {
            for part in [
                "inferno:host/kv.add",
                "which needs stored values (kv)",
                "its manifest asks for it, but the user has not granted it",
                "grants.toml",
                "kv = true",
            ] {
                assert!(said.contains(part), "{part}: {said}");
            }
        }
    }

    /// Grants the rest.
    pub(crate) fn grants(&self) {
        let done = self.author.says(&["plugin", "grant", self.name(), "kv"]);
        assert!(done.stdout.contains("kv = true") && done.stdout.contains("models = true"), "{done:?}");
    }

    /// Has it do its work, and sees that it goes on counting where it was.
    pub(crate) fn uses_it(&self) {
        let done = self.calls();
        assert_eq!(done.status, Some(0), "{done:?}");
        let output: Value = serde_json::from_str(&done.stdout).unwrap();
        let seen = (self.seen)(&output).unwrap_or_else(|| panic!("it has not counted: {output}"));
        let before = self.last.replace(seen);
        assert!(seen > before, "it had counted {before} before: {output}");
    }

    /// Gets a version that asks for more, and agrees to nothing yet.
    pub(crate) fn sees_an_upgrade_that_asks_for_more_wait(&self, file: &str) {
        let waits = self.author.says(&["plugin", "upgrade", self.name(), file]);
        assert!(waits.stdout.contains("waits for your consent"), "{waits:?}");
        assert!(waits.stderr.contains("send requests to https://example.com"), "the difference: {waits:?}");
        assert!(!waits.stderr.contains("keep small values"), "what is the same is no difference: {waits:?}");
        let info = self.info();
        assert_eq!((&info["version"], &info["waiting"]), (&"0.1.0".into(), &"0.2.0".into()), "{info}");
    }

    /// Agrees to it.
    pub(crate) fn agrees_to_the_upgrade(&self) {
        let done =
            self.author.says(&["plugin", "upgrade", self.name(), "--grant", "http=https://example.com"]);
        assert_eq!(done.stdout, format!("{} 0.2.0 serves now\n", self.name()));
        let info = self.info();
        assert_eq!((&info["version"], &info["waiting"]), (&"0.2.0".into(), &Value::Null), "{info}");
        assert_eq!(info["granted"]["http"][0], "https://example.com", "{info}");
        assert_eq!(info["granted"]["kv"], true, "what was granted before stays: {info}");
    }

    /// Goes back.
    pub(crate) fn rolls_back(&self) {
        let done = self.author.says(&["plugin", "rollback", self.name()]);
        assert_eq!(done.stdout, format!("{} 0.1.0 serves now\n", self.name()));
        let info = self.info();
        assert_eq!(info["version"], "0.1.0", "{info}");
        assert!(
            info["granted"].get("http").is_none(),
            "the older one may not do what only the newer one asked for: {info}"
        );
    }

    /// Removes it with all that belongs to it.
    pub(crate) fn removes_it(&self) {
        self.author.says(&["plugin", "remove", self.name()]);
        assert!(!self.author.says(&["plugin", "list"]).stdout.contains(self.name()));
        let gone = self.calls();
        assert!(gone.status == Some(1) && gone.stderr.contains("no plugin is called"), "{gone:?}");
        let data = self.author.context.data();
        assert!(!data.join("installed").join(self.name()).exists());
        let grants = fs::read_to_string(data.join("grants.toml")).unwrap_or_default();
        assert!(!grants.contains(self.name()), "{grants}");
    }

    fn name(&self) -> &str {
        self.author.name
    }

    fn calls(&self) -> Finished {
        self.author.types(&["plugin", "call", self.name(), "--input", text(&self.input)])
    }

    fn info(&self) -> Value {
        serde_json::from_str(&self.author.says(&["plugin", "info", self.name(), "--json"]).stdout).unwrap()
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}
