//! Workers that die, and how they are ended.

use std::time::Duration;

use futures::StreamExt;
use inferno_inference::{ErrorKind, Event};

use crate::kit::{Kit, exists, kill, prompt, read, soon, until, words};

const LONG: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_killed_worker_is_an_error_and_then_another_worker() {
    let kit = Kit::new(|_| {});
    let mut first = kit.endless().await;
    let mut second = kit.endless().await;
    kit.model("other", 200);
    let long = words("other", 200);
    let mut elsewhere = kit.inference.generate("other", prompt(&long, 200)).await.expect("it starts");
    let find = |name| kit.inference.loaded().into_iter().find(|loaded| loaded.name == name);
    let old = find("slow").expect("it is loaded").pid;
    kill(old);

    for generation in [&mut first, &mut second] {
        let error = loop {
            match generation.next().await.expect("an end is told") {
                Ok(Event::Text(_)) => {}
                Ok(other) => panic!("{other:?} is no end of a killed worker"),
                Err(error) => break error,
            }
        };
        assert_eq!(error.kind, ErrorKind::Unavailable);
        assert!(error.message.contains("slow") && error.message.contains("signal 9"), "{error}");
        assert_eq!(generation.next().await, None, "nothing follows");
    }
    let again = kit.inference.complete("slow", prompt("once more", 4)).await.expect("a new worker serves");
    assert_eq!(again.text, "once more");
    let new = find("slow").expect("it is loaded");
    assert_ne!(new.pid, old);
    assert_eq!(new.restarts, 1);
    assert!(!exists(old), "it was reaped");

    let mut text = String::new();
    while let Some(Ok(Event::Text(more))) = elsewhere.next().await {
        text.push_str(&more);
    }
    assert_eq!(text, long, "another model noticed nothing");
}

#[tokio::test]
async fn a_model_that_kills_its_workers_is_tried_less_and_less() {
    let kit = Kit::new(|_| {});
    for _ in 0..2 {
        let mut generation = kit.endless().await;
        kill(kit.loaded().pid);
        while let Some(Ok(_)) = generation.next().await {}
    }
    let error = kit.inference.generate("slow", prompt("a", 1)).await.expect_err("it has to wait");
    assert_eq!(error.kind, ErrorKind::Unavailable);
    assert!(error.retry_after_ms.is_some() && error.message.contains("signal 9"), "{error:?}");
}

#[tokio::test]
async fn an_idle_worker_that_dies_is_replaced_by_the_next_request() {
    let kit = Kit::new(|_| {});
    kit.inference.complete("fast", prompt("a", 3)).await.expect("it is answered");
    let old = kit.loaded().pid;
    kill(old);
    until("the death was noticed", || kit.inference.loaded().is_empty()).await;
    kit.inference.complete("fast", prompt("a", 3)).await.expect("it is answered");
    assert_ne!(kit.loaded().pid, old);
}

#[tokio::test]
async fn a_shutdown_waits_for_what_is_being_written() {
    let kit = Kit::new(|_| {});
    let generation = kit.inference.generate("slow", prompt("a b c d e f", 20)).await.expect("it starts");
    let pid = kit.loaded().pid;
    let both = async { tokio::join!(read(generation), kit.inference.shutdown(LONG)) };
    let ((text, ..), ()) = soon("it is short", both).await;
    assert_eq!(text, "a b c d e f");
    assert!(!exists(pid));
    let error = kit.inference.generate("slow", prompt("a", 1)).await.expect_err("it is too late");
    assert_eq!(error.kind, ErrorKind::Unavailable);
    kit.inference.shutdown(LONG).await;
}

#[tokio::test]
async fn a_shutdown_cuts_off_what_takes_too_long() {
    let kit = Kit::new(|_| {});
    let mut generation = kit.endless().await;
    let pid = kit.loaded().pid;
    soon("the deadline ends it", kit.inference.shutdown(Duration::from_millis(50))).await;
    assert!(!exists(pid));
    let error = loop {
        if let Err(error) = generation.next().await.expect("an end is told") {
            break error;
        }
    };
    assert_eq!(error.kind, ErrorKind::Unavailable);
    assert!(error.message.contains("shutting down"), "{error}");
}

#[tokio::test]
async fn a_shutdown_ends_a_load() {
    let kit = Kit::with_script("echo $$ > $KIT/pid; exec sleep 1000", |_| {});
    let load = kit.inference.load("fast", |_| {});
    let shutdown = async {
        until("the worker runs", || !kit.written("pid").is_empty()).await;
        kit.inference.shutdown(LONG).await;
    };
    let (outcome, ()) = soon("nothing waits for the load", async { tokio::join!(load, shutdown) }).await;
    assert_eq!(outcome.expect_err("it was cut off").kind, ErrorKind::Unavailable);
    assert!(!exists(kit.written("pid").trim().parse().expect("it ran")));
}

#[tokio::test]
async fn workers_end_with_the_last_who_could_use_them() {
    let kit = Kit::new(|_| {});
    let generation = kit.inference.generate("slow", prompt("a b c d", 10)).await.expect("it starts");
    let pid = kit.loaded().pid;
    drop(kit);
    assert_eq!(read(generation).await.0, "a b c d", "a generation is one who uses it");
    until("the worker has ended", || !exists(pid)).await;
}
