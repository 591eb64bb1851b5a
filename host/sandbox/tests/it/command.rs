//! The command role.

use std::io::{self, Write};
use std::time::Duration;

use inferno_sandbox::{CommandRun, ErrorKind, Limit, Plugin, Streams, Writer};

use crate::guests::{VERB, VERB_ASYNC, guest};
use crate::lab::{Lab, caller, manifest, until};
use crate::log::Captured;

fn verb(lab: &Lab, name: &str, rest: &str) -> Plugin {
    lab.load(&manifest("verb", "[roles.command]", rest), guest(name)).unwrap()
}

async fn run(plugin: &Plugin, args: &[&str]) -> u8 {
    let args: Vec<String> = args.iter().map(ToString::to_string).collect();
    plugin.command(caller("local"), args).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn arguments_and_exit_codes() {
    let lab = Lab::new();
    let verb = verb(&lab, VERB, "");
    assert_eq!(run(&verb, &["exit"]).await, 0);
    // WASI knows success and failure, and no numbers beyond that.
    assert_eq!(run(&verb, &["exit", "7"]).await, 1);
    assert_eq!(run(&verb, &["args", "a b", "--ü", ""]).await, 0);
    assert_eq!(run(&verb, &["args", "a", "b", "--ü", ""]).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_has_no_files_no_environment_and_no_network() {
    let lab = Lab::new();
    assert_eq!(run(&verb(&lab, VERB, ""), &["look"]).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn wasi_0_3_commands_run_too() {
    let lab = Lab::new();
    let verb = verb(&lab, VERB_ASYNC, "");
    assert_eq!(run(&verb, &["yes"]).await, 0);
    assert_eq!(run(&verb, &["no"]).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_have_limits_as_well() {
    let lab = Lab::new();
    let verb = verb(&lab, VERB, "[limits]\ncompute = '50ms'");
    let error = verb.command(caller("local"), vec!["spin".into()]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Limit(Limit::Compute));
    assert_eq!(error.to_string(), "plugin \"verb\" computed for longer than its limit of 50ms");
}

/// A run with these arguments, and what it prints.
pub(crate) fn written(args: &[&str]) -> (CommandRun, Captured, Captured) {
    let (out, err) = (Captured::default(), Captured::default());
    let streams = Streams::Written { stdout: Writer::new(out.clone()), stderr: Writer::new(err.clone()) };
    let args = args.iter().map(ToString::to_string).collect();
    (CommandRun { args, streams, ..CommandRun::default() }, out, err)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_reads_and_prints_where_it_is_told() {
    let lab = Lab::new();
    let verb = verb(&lab, VERB, "");
    let (run, out, err) = written(&["say", "a b"]);
    assert_eq!(verb.command(caller("local"), run).await.unwrap(), 0);
    assert!(out.text().ends_with("\na b"), "nothing to read: {}", out.text());
    assert_eq!(err.text(), "over\n");
    let (run, out, _) = written(&["print"]);
    assert_eq!(verb.command(caller("local"), run).await.unwrap(), 0);
    assert_eq!(out.text(), "0123456789abcdef0123456789abcdef\n".repeat(100));
}

/// Takes nothing.
struct Full;

impl Write for Full {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::StorageFull.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_is_told_that_its_output_cannot_be_written() {
    let lab = Lab::new();
    let verb = verb(&lab, VERB, "");
    let streams = Streams::Written { stdout: Writer::new(Full), stderr: Writer::new(Full) };
    let run = CommandRun { args: vec!["print".into()], streams, ..CommandRun::default() };
    assert_eq!(verb.command(caller("local"), run).await.unwrap(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_is_called_by_its_verb() {
    let lab = Lab::new();
    let roles = "[roles.command]\nverbs = ['first', 'second']";
    let plugin = lab.load(&manifest("verb", roles, ""), guest(VERB)).unwrap();
    for (called, expect) in [("", "first\n"), ("second", "second\n")] {
        let (run, out, _) = written(&["name"]);
        let run = CommandRun { verb: called.to_owned(), ..run };
        assert_eq!(plugin.command(caller("local"), run).await.unwrap(), 0);
        assert_eq!(out.text(), expect);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_ends_when_nobody_waits_for_it() {
    let lab = Lab::new();
    // As long as it lives it has the only place.
    let verb = verb(&lab, VERB, "[limits]\nconcurrent_calls = 1");
    for how in ["computing", "waiting"] {
        let (run, out, _) = written(&["begin", how]);
        let task = tokio::spawn({
            let verb = verb.clone();
            async move { verb.command(caller("local"), run).await }
        });
        until("it has begun", async || out.text() == "begun\n").await;
        let busy = verb.command(caller("local"), vec!["exit".into()]).await.unwrap_err();
        assert_eq!(busy.kind(), ErrorKind::Limit(Limit::ConcurrentCalls));
        task.abort();
        let ended = tokio::time::timeout(Duration::from_secs(10), task).await.expect("it ends soon");
        assert!(ended.unwrap_err().is_cancelled(), "{how}");
        assert_eq!(verb.command(caller("local"), vec!["exit".into()]).await.unwrap(), 0, "{how}");
    }
}
