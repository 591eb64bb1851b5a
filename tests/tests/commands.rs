//! Commands of plugins on a user's files: in the folder where the user is, and stopped by the user.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use inferno_tests::{Finished, TestContext, build};
use rustix::process::{Pid, Signal, kill_process};

const MANIFEST: &str = "[plugin]\nname = \"acme-files\"\nversion = \"1.0.0\"\ndescription = \"x\"\nlicense = \"MIT\"\n\
    wit = \"0.1\"\n[roles.command]\nverbs = [\"acme\", \"emca\"]\n[asks]\nworkdir = { access = \"write\", why = \"x\" }\ndata = true\n";

/// A user with the plugin, granted what it asks for, and a folder to work in.
fn user() -> TestContext {
    let context = TestContext::new();
    context.install_plugin(
        "acme-files",
        MANIFEST,
        &build::plugin("inferno-guest-verb", "inferno-guest-verb"),
    );
    context.product(&["plugin", "grant", "acme-files", "workdir", "data"]);
    fs::create_dir(work(&context)).unwrap();
    fs::write(work(&context).join("a.txt"), "read me").unwrap();
    context
}

fn work(context: &TestContext) -> PathBuf {
    context.home().canonicalize().unwrap().join("work")
}

fn at_work(context: &TestContext, args: &[&str]) -> Command {
    let mut command = context.command(args);
    command.current_dir(work(context));
    command
}

#[test]
fn a_command_works_where_its_user_is() {
    let context = user();
    let said = |args: &[&str]| {
        let done = Finished::of(&mut at_work(&context, args));
        assert_eq!(done.status, Some(0), "{done:?}");
        done.stdout
    };
    let whole = work(&context).join("a.txt").display().to_string();
    assert_eq!(said(&["acme", "files", "read", "a.txt"]), "read me");
    assert_eq!(said(&["acme", "files", "read", &whole]), "read me");
    said(&["acme", "files", "write", "b.txt", "written"]);
    assert_eq!(fs::read_to_string(work(&context).join("b.txt")).unwrap(), "written");
    said(&["acme", "files", "write", "/data/kept", "for later"]);
    let kept = context.data().join("plugin-data/acme-files/local/kept");
    assert_eq!(fs::read_to_string(kept).unwrap(), "for later");
    for verb in ["acme", "emca"] {
        assert_eq!(said(&[verb, "name"]), format!("{verb}\n"));
    }
    let info = context.product(&["plugin", "info", "acme-files"]);
    assert!(info.contains("inferno acme, inferno emca"), "{info}");

    let done = Finished::of(&mut at_work(&context, &["acme-files", "name"]));
    assert_eq!(done.status, Some(2), "{done:?}");
    assert!(done.stderr.contains("it is called as `inferno acme` or `inferno emca`"), "{done:?}");
    let done = Finished::of(&mut at_work(&context, &["acne", "name"]));
    assert!(done.stderr.contains("did you mean `acme`?"), "{done:?}");
}

#[test]
fn where_inferno_keeps_its_own_files_only_help_is_given() {
    let context = user();
    fs::write(context.home().join("a.txt"), "read me").unwrap();
    let plugins = context.data().join("plugins/acme-files");
    for (folder, how) in [
        (context.home(), "holds"),
        (context.home().parent().unwrap().to_owned(), "holds"),
        (context.data(), "is"),
        (context.models(), "lies in"),
        (plugins, "lies in"),
    ] {
        let run = |args: &[&str]| Finished::of(context.command(args).current_dir(&folder));
        let done = run(&["acme", "files", "list", "."]);
        assert_eq!((done.status, done.stdout.as_str()), (Some(1), ""), "{done:?}");
        assert!(done.stderr.contains("was granted the folder in which it is run, but"), "{done:?}");
        assert!(
            done.stderr.contains(&format!(" {how} ")) && done.stderr.contains("run it in another"),
            "{done:?}"
        );
        assert_eq!(run(&["acme", "name", "--help"]).stdout, "acme\n");
    }
}

#[test]
fn what_was_not_granted_is_not_there_and_explained() {
    let context = user();
    context.product(&["plugin", "revoke", "acme-files", "workdir", "data"]);
    for path in ["a.txt", "/data/kept"] {
        let done = Finished::of(&mut at_work(&context, &["acme", "files", "read", path]));
        assert_eq!((done.status, done.stdout.as_str()), (Some(1), ""), "{done:?}");
    }
    let told = context.product(&["plugin", "explain", "acme-files"]);
    assert!(told.contains("the folder in which it is run, which the user has not granted"), "{told}");
    assert!(told.contains("workdir = { access = \"write\" }"), "{told}");
    assert!(told.contains("a folder of its own as \"/data\"") && told.contains("data = true"), "{told}");
}

/// The lines that the command said that it had written, the rest of them, and how it ended.
fn stopped(mut child: Child, lines: usize, signal: Signal) -> (Vec<String>, Option<i32>) {
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut said: Vec<String> = Vec::new();
    while said.len() < lines {
        let mut line = String::new();
        assert!(out.read_line(&mut line).unwrap() > 0, "it ended by itself");
        said.push(line);
    }
    kill_process(Pid::from_child(&child), signal).unwrap();
    let mut rest = String::new();
    out.read_to_string(&mut rest).unwrap();
    // The last of them may be cut.
    said.extend(rest.split_inclusive('\n').filter(|line| line.ends_with('\n')).map(str::to_owned));
    (said, child.wait().unwrap().code())
}

#[test]
fn a_signal_ends_a_command_and_loses_nothing_that_it_wrote() {
    let context = user();
    for (signal, status) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let child = at_work(&context, &["acme", "lines", "out.txt"]).stdout(Stdio::piped()).spawn().unwrap();
        let (said, code) = stopped(child, 200, signal);
        assert_eq!(code, Some(status));
        let written = fs::read_to_string(work(&context).join("out.txt")).unwrap();
        let written: Vec<&str> = written.lines().collect();
        for (line, number) in said.iter().zip(0..) {
            assert_eq!(written.get(number), Some(&format!("line {number}").as_str()), "said {line:?}");
        }
    }
    // One that computes, and one that waits for its input, which nobody gives.
    for args in [["acme", "begin", "computing"], ["acme", "begin", "waiting"], ["acme", "begin", "reading"]] {
        let mut command = at_work(&context, &args);
        let child = command.stdout(Stdio::piped()).stdin(Stdio::piped()).spawn().unwrap();
        assert_eq!(stopped(child, 1, Signal::INT), (vec!["begun\n".to_owned()], Some(130)), "{args:?}");
    }
}

#[test]
fn the_limits_of_commands_can_be_set() {
    let context = user();
    let set = |pair: &str, args: &[&str]| {
        let done = Finished::of(&mut at_work(&context, &[&["--config", pair], args].concat()));
        assert_eq!(done.status, Some(1), "{done:?}");
        done.stderr
    };
    let said = set("limits.command_compute=50ms", &["acme", "spin"]);
    assert!(said.contains("computed for longer than its limit of 50ms"), "{said}");
    let said = set("limits.command_wall=50ms", &["acme", "begin", "waiting"]);
    assert!(said.contains("took longer than its limit of 50ms"), "{said}");
    let said = set("limits.command_host_calls=100", &["acme", "lines", "out.txt"]);
    assert!(said.contains("called the host more often than its limit of 100 times"), "{said}");
}
