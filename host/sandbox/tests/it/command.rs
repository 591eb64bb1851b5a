//! The command role.

use inferno_sandbox::{ErrorKind, Limit, Plugin};

use crate::guests::{VERB, VERB_ASYNC, guest};
use crate::lab::{Lab, caller, manifest};

fn verb(lab: &Lab, name: &str, rest: &str) -> Plugin {
    lab.load(&manifest("verb", "[roles.command]", rest), guest(name)).unwrap()
}

async fn run(plugin: &Plugin, args: &[&str]) -> u8 {
    plugin.command(caller("local"), args.iter().map(ToString::to_string).collect()).await.unwrap()
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
