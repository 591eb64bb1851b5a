//! From no worker to a worker, or to a clear error.

use std::{os::unix::fs::symlink, time::Duration};

use futures::future::join_all;
use inferno_inference::ErrorKind;

use crate::kit::{Kit, exists, prompt};

/// A worker that counts its starts and ends at once.
const BROKEN: &str = "echo start >> $KIT/starts; echo 'no such tensor' >&2; exit 3";

#[tokio::test]
async fn all_who_ask_wait_for_one_load() {
    let kit = Kit::new(|_| {});
    let (mut shares, ask) = (vec![], || kit.inference.complete("fast", prompt("a", 3)));
    let load = kit.inference.load("fast", |share| shares.push(share));
    let (info, answers) = tokio::join!(load, join_all((0..16).map(|_| ask())));
    assert!(info.expect("it loads").generates);
    for answer in answers {
        answer.expect("it is answered");
    }
    assert_eq!(kit.loaded().restarts, 0, "one process served all");
    assert!(!shares.is_empty() && shares.iter().all(|share| (0.0..=1.0).contains(share)), "{shares:?}");
}

#[tokio::test]
async fn two_names_of_a_file_share_a_worker() {
    let kit = Kit::new(|_| {});
    symlink(kit.path("fast.echo"), kit.path("other.echo")).expect("a link");
    let other = kit.inference.models().open(&kit.path("other.echo")).expect("it is a model");
    kit.inference.load("fast", |_| {}).await.expect("it loads");
    let pid = kit.loaded().pid;
    kit.inference.load_on(&other, |_| {}).await.expect("it is loaded");
    assert_eq!(kit.loaded().pid, pid);
}

#[tokio::test]
async fn a_file_that_was_replaced_is_another_model() {
    let kit = Kit::new(|_| {});
    kit.inference.complete("fast", prompt("a", 3)).await.expect("it is answered");
    let old = kit.loaded().pid;
    std::fs::write(kit.path("fast.echo"), "inferno-echo\n{\"context\": 64}\n").expect("it is writable");
    kit.inference.complete("fast", prompt("a", 3)).await.expect("it is answered");
    let new = kit.loaded();
    assert_ne!(new.pid, old);
    assert_eq!(new.info.context, 64);
    crate::kit::until("the old worker has ended", || !exists(old)).await;
}

#[tokio::test]
async fn a_failed_load_is_the_error_of_all_who_wait() {
    let kit = Kit::with_script(BROKEN, |_| {});
    let outcomes = join_all((0..8).map(|_| kit.inference.complete("fast", prompt("a", 3)))).await;
    for outcome in outcomes {
        let error = outcome.expect_err("there is no worker");
        assert_eq!(error.kind, ErrorKind::Unavailable);
        assert!(error.message.contains("fast") && error.message.contains("exit status 3"), "{error}");
    }
    assert_eq!(kit.written("starts"), "start\n", "all waited for the same load");
    assert_eq!(kit.inference.loaded(), []);
}

#[tokio::test]
async fn a_model_that_never_loads_is_tried_less_and_less() {
    let kit = Kit::with_script(BROKEN, |_| {});
    let ask = async || kit.inference.complete("fast", prompt("a", 3)).await.expect_err("it is broken");
    assert_eq!(ask().await.retry_after_ms, None, "the first failure may be an accident");
    ask().await;
    let fast = ask().await;
    assert_eq!(kit.written("starts").lines().count(), 2, "the third one was answered without a process");
    assert!(fast.message.contains("exit status 3"), "{fast}");
    let after = fast.retry_after_ms.expect("it says when");
    assert!((1..=1000).contains(&after), "{after}");

    tokio::time::sleep(Duration::from_millis(after + 1)).await;
    assert_eq!(ask().await.retry_after_ms, None);
    assert_eq!(kit.written("starts").lines().count(), 3, "it is tried when it said so");
    let longer = ask().await.retry_after_ms.expect("it says when");
    assert!((1001..=2000).contains(&longer), "{longer}");
    kit.model("fast", 7);
    ask().await;
    assert_eq!(kit.written("starts").lines().count(), 4, "another file is tried at once");
}

#[tokio::test]
async fn a_worker_that_says_nonsense_is_ended() {
    let nonsense = "echo $$ > $KIT/pid; head -c 4096 /dev/zero >&0; exec sleep 1000";
    let kit = Kit::with_script(nonsense, |_| {});
    let error = kit.inference.complete("fast", prompt("a", 3)).await.expect_err("no worker says that");
    assert_eq!(error.kind, ErrorKind::Unavailable);
    assert!(error.message.contains("fast") && error.message.contains("frame of 0 bytes"), "{error}");
    assert!(!exists(kit.written("pid").trim().parse().expect("it ran")));
}

#[tokio::test]
async fn a_load_without_progress_has_an_end() {
    let silent = "echo $$ > $KIT/pid; exec sleep 1000";
    let kit = Kit::with_script(silent, |config| config.load_timeout = Duration::from_millis(300));
    let error = kit.inference.complete("fast", prompt("a", 3)).await.expect_err("it never loads");
    assert_eq!(error.kind, ErrorKind::Timeout);
    assert!(error.message.contains("fast"), "{error}");
    assert!(!exists(kit.written("pid").trim().parse().expect("it ran")));
}

#[tokio::test]
async fn a_worker_that_cannot_be_started_is_named() {
    let kit = Kit::new(|config| config.worker.program = "/nowhere/inferno".into());
    let error = kit.inference.complete("fast", prompt("a", 3)).await.expect_err("there is no such program");
    assert_eq!(error.kind, ErrorKind::Internal);
    assert!(error.message.contains("/nowhere/inferno"), "{error}");
}
