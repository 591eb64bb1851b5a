//! The folders that `inferno plugin new` makes for JavaScript and Python: the tests that come with each pass, and in the
//! real sandbox so do their recorded cases. Each language plays all roles in one component, since Python's takes half a
//! minute to build and to compile. The life of a single one is in `ten_minutes`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use inferno_tests::{Finished, TestContext, build};
use serde_json::{Value, json};

const ROLES: [&str; 7] = ["catalog", "command", "converter", "filter", "http", "judge", "step"];

/// A plugin that plays all roles as the templates of a language do.
struct Together {
    context: TestContext,
    language: &'static str,
    /// How the language's files end.
    ending: &'static str,
}

impl Together {
    /// Makes a folder for each role, has its tests run, and puts all of them into one.
    fn new(language: &'static str, ending: &'static str) -> Self {
        let together = Self { context: TestContext::new(), language, ending };
        let folder = together.folder();
        fs::create_dir_all(folder.join("tests")).unwrap();
        let mut manifest = String::new();
        for role in ROLES {
            let made = together.make(role);
            fs::copy(
                made.join(together.module("plugin")),
                folder.join(together.module(&format!("play_{role}"))),
            )
            .unwrap();
            if role != "command" {
                fs::copy(made.join("tests/cases.toml"), folder.join(format!("tests/{role}.toml"))).unwrap();
            }
            let text = fs::read_to_string(made.join("plugin.toml")).unwrap();
            let (head, tables) = text.split_once("[roles.").unwrap();
            if manifest.is_empty() {
                manifest = head.to_owned();
            }
            manifest += &format!("[roles.{tables}\n");
        }
        manifest +=
            "[asks]\nfiles = [{ path = \"/docs\", access = \"write\", why = \"to write things down\" }]\n";
        fs::write(folder.join("plugin.toml"), manifest).unwrap();
        let main = build::root().join("tests/fixtures/all-roles").join(together.module("plugin"));
        fs::copy(main, folder.join(together.module("plugin"))).unwrap();
        together
    }

    fn folder(&self) -> PathBuf {
        self.context.home().join("all")
    }

    fn module(&self, name: &str) -> String {
        format!("{name}.{}", self.ending)
    }

    /// Makes the folder of one role. The first line that its README has for a console runs its tests.
    fn make(&self, role: &str) -> PathBuf {
        self.context.product(&["plugin", "new", "acme", role, "--role", role, "--lang", self.language]);
        let folder = self.context.home().join(role);
        let readme = fs::read_to_string(folder.join("README.md")).unwrap();
        let line = readme.lines().find_map(|line| line.strip_prefix("$ ")).unwrap();
        build::run(Command::new("sh").args(["-c", line.split("  #").next().unwrap()]).current_dir(&folder));
        folder
    }

    /// Builds it, and has its cases and the contract of each role checked.
    fn builds_and_keeps_its_contracts(&self) {
        let built: Value =
            serde_json::from_str(&self.context.product(&["plugin", "build", "all", "--json"])).unwrap();
        let mut played: Vec<_> =
            built["roles"].as_array().unwrap().iter().map(|role| role.as_str()).collect();
        played.sort();
        assert_eq!(played, ROLES.map(Some), "{built}");
        assert_eq!(built["warnings"], json!([]), "{built}");
        let tested = self.context.run(&["plugin", "test", "all", "--json"]);
        let report: Value = serde_json::from_str(&tested.stdout).unwrap();
        assert_eq!(report["passed"], true, "{report}");
        assert!(report["cases"].as_u64() >= Some(9), "{report}");
    }

    /// Installs it with one folder of the user's.
    fn install(&self) {
        fs::create_dir(self.context.home().join("papers")).unwrap();
        fs::write(self.context.home().join("papers/a.txt"), "a").unwrap();
        fs::write(self.context.home().join("secret.txt"), "secret").unwrap();
        let args = ["plugin", "install", "all", "--allow-unsigned", "--grant", "files=./papers:rw"];
        self.context.product(&args);
    }

    /// Runs the verb with something on its standard input.
    fn verb(&self, args: &[&str], input: &str) -> Finished {
        let file = self.context.home().join("input.txt");
        fs::write(&file, input).unwrap();
        let mut command = self.context.command(&[&["acme"], args].concat());
        Finished::of(command.stdin(Stdio::from(fs::File::open(file).unwrap())))
    }

    /// Has it play a role by hand.
    fn plays(&self, role: &str, input: &Value) -> Finished {
        let file = self.context.home().join("input.json");
        fs::write(&file, input.to_string()).unwrap();
        self.context.run(&["plugin", "call", "acme", "--role", role, "--input", text(&file)])
    }

    /// The command's streams, its status, and the one folder that was granted.
    fn is_a_verb(&self, files: &str) {
        let says = |args: &[&str], input: &str| {
            let done = self.verb(args, input);
            assert_eq!((done.status, &*done.stderr), (Some(0), ""), "{args:?}: {done:?}");
            done.stdout
        };
        assert_eq!(says(&["Ada"], ""), "Hello, Ada!\n");
        assert_eq!(says(&[], ""), "Hello, world!\n");
        assert_eq!(says(&["shout"], "zwölf\nfoxes\n"), "ZWÖLF\nFOXES\n");
        // More than fits into a pipe, or is taken at once.
        let long = "long ".repeat(20_000);
        let shouted = says(&["shout"], &long);
        assert!(shouted == long.to_uppercase(), "{} of {} bytes came through", shouted.len(), long.len());
        let failed = self.verb(&["fail"], "");
        assert_eq!(failed.status, Some(1), "{failed:?}");
        assert_eq!(failed.stderr, "error: that is not a name\nhint: say another\n");
        let stumbled = self.verb(&["stumble"], "");
        assert_eq!(stumbled.status, Some(1), "{stumbled:?}");
        assert!(stumbled.stderr.contains("error: the plugin failed"), "{stumbled:?}");
        assert_eq!(says(&["files"], ""), files);
        assert_eq!(fs::read_to_string(self.context.home().join("papers/b.txt")).unwrap(), "one zwö");
        for word in ["outside", "elsewhere"] {
            let denied = self.verb(&[word], "");
            assert!(denied.status == Some(1) && !denied.stdout.contains("secret"), "{denied:?}");
            assert!(denied.stderr.starts_with("error: "), "{denied:?}");
        }
    }

    /// Heads and bodies in both directions, and failures before an answer and in the midst of one.
    fn answers_requests(&self) {
        let ask = |path: &str| {
            let input = json!({
                "method": "PATCH", "path": path, "headers": [["x-says", "hé"]], "body": "a small fox",
            });
            self.plays("http", &input)
        };
        let answer: Value = serde_json::from_str(&ask("/acme/echo?q=1").stdout).unwrap();
        assert_eq!(
            (&answer["status"], &answer["body"]),
            (&201.into(), &"PATCH a small fox".into()),
            "{answer}"
        );
        let headers = answer["headers"].as_array().unwrap();
        assert!(headers.contains(&json!(["x-path", "/acme/echo?q=1"])), "{answer}");
        assert!(headers.contains(&json!(["x-said", "hé"])), "{answer}");
        let failed = ask("/acme/fail");
        assert!(failed.status == Some(1) && failed.stderr.contains("nobody counts that"), "{failed:?}");
        let half = ask("/acme/half");
        assert!(
            half.status == Some(1) && !half.stdout.contains("a half"),
            "half is not taken for all: {half:?}"
        );
    }
}

#[test]
fn javascript_plays_every_role() {
    let together = Together::new("js", "js");
    together.builds_and_keeps_its_contracts();
    together.install();
    together.is_a_verb("a.txt,b.txt 8 zw\n");
    together.answers_requests();
}

#[test]
fn python_plays_every_role() {
    let together = Together::new("python", "py");
    // The template's step is built in `ten_minutes`, so the example has its place here.
    fs::copy(build::root().join("examples/tag-step/plugin.py"), together.folder().join("play_step.py"))
        .unwrap();
    fs::remove_file(together.folder().join("tests/step.toml")).unwrap();
    together.builds_and_keeps_its_contracts();
    together.install();
    together.is_a_verb("['a.txt', 'b.txt'] 8\n");
    let left = together.verb(&["exit"], "");
    assert_eq!((left.status, &*left.stderr), (Some(1), "error: that is all\n"), "{left:?}");
    together.answers_requests();

    let tagged = together.plays(
        "step",
        &json!({
            "config": { "tags": { "animals": ["cat", "dog"], "food": ["bread"] } },
            "items": [
                { "id": "1", "data": { "text": "A Dog ate the bread" } },
                { "id": "2", "data": { "text": " " } },
            ],
        }),
    );
    let outcomes = &serde_json::from_str::<Value>(&tagged.stdout).unwrap()["outcomes"];
    assert_eq!(outcomes[0]["emit"][0]["data"]["tags"], json!(["animals", "food"]), "{outcomes}");
    assert_eq!(outcomes[1], json!({ "drop": "\"text\" is empty" }), "{outcomes}");
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}
