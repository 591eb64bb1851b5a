//! `inferno pipeline` as a user runs it: from the template to a run, killed at random moments, twice at a time, and watched.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use inferno_tests::{Finished, TestContext, build, within};
use serde_json::{Value, json};

/// A user with a plugin whose steps write in capitals (`upper`) or keep everything to the end (`keep`).
fn user() -> TestContext {
    let context = TestContext::new();
    let manifest = "[plugin]\nname = 'roles'\nversion = '0.1.0'\ndescription = 'x'\nlicense = 'MIT'\nwit = '0.1'\n[roles.step]\n";
    context.install_plugin("roles", manifest, &build::plugin("inferno-guest-roles", "inferno_guest_roles"));
    context
}

/// Where they work: not in their home, in which the host has files of its own.
fn folder(context: &TestContext) -> PathBuf {
    let folder = context.home().join("work");
    fs::create_dir_all(&folder).unwrap();
    folder
}

fn command(context: &TestContext, args: &[&str]) -> Command {
    let mut command = context.command(args);
    command.current_dir(folder(context));
    command
}

fn run(context: &TestContext, args: &[&str]) -> Finished {
    Finished::of(&mut command(context, args))
}

fn product(context: &TestContext, args: &[&str]) -> String {
    let finished = run(context, args);
    assert_eq!(finished.status, Some(0), "{args:?}: {finished:?}");
    finished.stdout
}

fn write(context: &TestContext, name: &str, text: &str) {
    fs::write(folder(context).join(name), text).unwrap();
}

fn read(context: &TestContext, name: &str) -> String {
    fs::read_to_string(folder(context).join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn numbers(count: usize) -> String {
    (0..count).map(|n| format!("{{\"n\":{n}}}\n")).collect()
}

const PIPELINE: &str = r#"
[pipeline]
batch = 10
checkpoint = "0s"

[[source]]
name = "in"
use = "jsonl"
path = "in.jsonl"

[[step]]
name = "upper"
use = "plugin"
plugin = "roles"
config = "upper"

[[step]]
name = "keep"
use = "plugin"
plugin = "roles"
config = "keep"
from = "in"

[[sink]]
name = "all"
use = "jsonl"
path = "all.jsonl"
from = "in"

[[sink]]
name = "capitals"
use = "jsonl"
path = "capitals.jsonl"
from = "upper"

[[sink]]
name = "kept"
use = "jsonl"
path = "kept.jsonl"
from = "keep"
"#;

fn start(context: &TestContext, args: &[&str]) -> Child {
    command(context, args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

fn kill(mut child: Child) {
    // Kill is signal 9: the process has no say in it.
    child.kill().unwrap();
    child.wait().unwrap();
}

/// Numbers that look random, and are the same in every run of the test.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}

#[test]
fn from_the_template_to_a_run() {
    let context = TestContext::new();
    assert_eq!(product(&context, &["pipeline", "new", "demo"]), "demo.toml\ndemo.in.jsonl\n");
    let again = run(&context, &["pipeline", "new", "demo"]);
    assert!(again.stderr.starts_with("error: demo.toml is there already"), "{again:?}");
    assert_eq!(product(&context, &["pipeline", "validate", "demo.toml"]), "demo.toml is fine: 2 nodes\n");
    assert_eq!(product(&context, &["pipeline", "test", "demo.toml"]).lines().count(), 2);
    let report: Value =
        serde_json::from_str(&product(&context, &["pipeline", "run", "demo.toml", "--json"])).unwrap();
    assert_eq!((&report["records"], &report["nodes"]["out"]["passed"]), (&json!(2), &json!(2)));
    assert_eq!(read(&context, "demo.out.jsonl"), read(&context, "demo.in.jsonl"));
    let listed: Value = serde_json::from_str(&product(&context, &["pipeline", "list", "--json"])).unwrap();
    assert_eq!((&listed[0]["file"], &listed[0]["state"]), (&json!("demo.toml"), &json!("finished")));
    assert!(product(&context, &["pipeline", "status", "demo.toml"]).contains("demo is finished"));
    assert!(
        product(&context, &["pipeline", "graph", "demo.toml", "--format", "mermaid"])
            .starts_with("flowchart")
    );
    let resumed = run(&context, &["pipeline", "resume", "demo.toml"]);
    assert!(resumed.stderr.contains("there is no run to go on with"), "{resumed:?}");
    let mistyped = run(&context, &["pipeline", "runn"]);
    assert!(mistyped.stderr.contains("unrecognized subcommand"), "{mistyped:?}");
    assert_eq!(mistyped.status, Some(1));
}

#[test]
fn a_step_that_is_not_granted_is_told_before_the_run() {
    let context = user();
    write(&context, "in.jsonl", &numbers(1));
    write(&context, "p.toml", &PIPELINE.replace("plugin = \"roles\"", "plugin = \"rules\""));
    let refused = run(&context, &["pipeline", "validate", "p.toml"]);
    assert_eq!(refused.status, Some(1));
    assert!(refused.stderr.contains("no plugin named \"rules\" is at hand"), "{refused:?}");
    assert!(refused.stderr.contains("p.toml:14:10"), "{refused:?}");
    write(&context, "p.toml", PIPELINE);
    product(&context, &["plugin", "revoke", "pipeline", "plugins=*"]);
    let refused = run(&context, &["pipeline", "validate", "p.toml"]);
    assert!(refused.stderr.contains("plugins = [\"roles\"]"), "the line that would grant it: {refused:?}");
}

/// `INFERNO_TEST_KILLS` says how often.
#[test]
fn killed_at_random_moments_each_record_is_there_exactly_once() {
    let kills: u64 = std::env::var("INFERNO_TEST_KILLS").map_or(20, |kills| kills.parse().unwrap());
    let context = user();
    write(&context, "in.jsonl", &numbers(5000));
    write(&context, "p.toml", PIPELINE);
    let capitals: String = (0..5000).map(|n| format!("{{\"N\":{n}}}\n")).collect();
    let (mut dice, mut killed, mut finished) = (Dice(7), 0, 0);
    let mut check = || {
        assert_eq!(read(&context, "all.jsonl"), numbers(5000));
        assert_eq!(read(&context, "capitals.jsonl"), capitals);
        assert_eq!(read(&context, "kept.jsonl"), numbers(5000));
        for name in ["all.jsonl", "capitals.jsonl", "kept.jsonl"] {
            fs::remove_file(folder(&context).join(name)).unwrap();
        }
        assert!(!folder(&context).join("p.dead.jsonl").exists());
        finished += 1;
    };
    while killed < kills {
        let mut child = start(&context, &["pipeline", "run", "p.toml"]);
        std::thread::sleep(Duration::from_millis(dice.below(1200)));
        match child.try_wait().unwrap() {
            Some(status) => {
                assert!(status.success());
                check();
            }
            None => {
                kill(child);
                killed += 1;
            }
        }
    }
    let last = run(&context, &["pipeline", "run", "p.toml"]);
    assert_eq!(last.status, Some(0), "{last:?}");
    check();
    println!("killed {killed} times, finished {finished} times");
}

#[test]
fn a_pipeline_is_watched_and_runs_once_at_a_time() {
    let context = user();
    write(&context, "in.jsonl", &numbers(3));
    write(&context, "p.toml", PIPELINE);
    let child = start(&context, &["pipeline", "run", "p.toml", "--watch"]);
    let capitals = || fs::read_to_string(folder(&context).join("capitals.jsonl")).unwrap_or_default();
    let lines = |count: usize| {
        within(&format!("there are not {count} lines"), || {
            (capitals().lines().count() == count).then_some(())
        });
    };
    lines(3);
    let second = run(&context, &["pipeline", "run", "p.toml"]);
    assert!(second.stderr.starts_with("error: p is running already"), "{second:?}");
    write(&context, "in.jsonl", &format!("{}{{\"n\":3}}\n{{\"n\":", numbers(3)));
    lines(4);
    kill(child);
    // The lock goes with its holder. The line that was not whole yet is, and the others are not read again.
    write(&context, "in.jsonl", &numbers(5));
    let child = start(&context, &["pipeline", "resume", "p.toml", "--watch"]);
    lines(5);
    kill(child);
}
