//! Whose turn it is, and what becomes of those who wait.

use std::{sync::Mutex, time::Duration};

use futures::{StreamExt, future::join_all, future::poll_immediate};
use inferno_inference::{ErrorKind, Event, Inference, Outcome, Terms};
use tokio::time::Instant;

use crate::kit::{Kit, kill, prompt, soon, until};

/// One at a time, so that there is an order.
fn one_at_a_time(queue: usize) -> Kit {
    Kit::new(|config| (config.sequences, config.queue) = (1, queue))
}

fn tenant(kit: &Kit, name: &str) -> Inference {
    kit.inference.under(Terms::of(name))
}

#[tokio::test]
async fn tenants_take_turns_and_the_background_comes_last() {
    let kit = one_at_a_time(16);
    let endless = kit.endless().await;
    let order = Mutex::new(Vec::new());
    let ask = async |number: usize, name: &str| {
        // They stand in line in this order.
        until("it is its turn to ask", || kit.loaded().queued == number).await;
        let background = name.starts_with('z');
        let terms = Terms { background, ..Terms::of(&name[..1]) };
        let answer = kit.inference.under(terms).complete("slow", prompt(name, 1)).await.expect("an answer");
        order.lock().expect("no panic").push(answer.text);
    };
    let names = ["z1", "a1", "a2", "a3", "b1", "c1", "b2"];
    let all = join_all((0..).zip(names).map(|(number, name)| ask(number, name)));
    let both = async {
        tokio::join!(all, async {
            until("all wait", || kit.loaded().queued == names.len()).await;
            assert_eq!(kit.loaded().active, 1);
            drop(endless);
        })
    };
    soon("all have their turn", both).await;
    assert_eq!(order.into_inner().expect("no panic"), ["a1", "b1", "c1", "a2", "b2", "a3", "z1"]);
}

#[tokio::test]
async fn a_deadline_ends_the_wait_and_the_request_never_reaches_the_worker() {
    let kit = one_at_a_time(4);
    let endless = kit.endless().await;
    let terms = Terms { deadline: Some(Instant::now() + Duration::from_millis(30)), ..Terms::of("hasty") };
    let error = kit.inference.under(terms).complete("slow", prompt("a", 1)).await.expect_err("too late");
    assert_eq!(error.kind, ErrorKind::Timeout);
    assert!(error.message.contains("model slow"), "{error}");
    assert_eq!((kit.loaded().active, kit.loaded().queued), (1, 0));
    drop(endless);
    until("it is idle", || kit.loaded().active == 0).await;
    let figures = kit.inference.figures();
    assert_eq!(figures.models["slow"].tenants["hasty"].requests, [(Outcome::Timeout, 1)].into());
}

#[tokio::test]
async fn a_killed_worker_takes_along_only_what_it_worked_on() {
    let kit = one_at_a_time(8);
    let mut endless = kit.endless().await;
    let waiting = (0..4).map(async |number| {
        let text = format!("text {number}");
        let answer = tenant(&kit, "t").complete("slow", prompt(&text, 5)).await.expect("it goes on");
        assert_eq!(answer.text, text);
    });
    let old = kit.loaded().pid;
    let kill = async {
        until("all wait", || kit.loaded().queued == 4).await;
        kill(old);
        loop {
            match endless.next().await.expect("an end is told") {
                Ok(Event::Text(_)) => {}
                Ok(other) => panic!("{other:?} is no end of a killed worker"),
                Err(error) => return error,
            }
        }
    };
    let (_, error) = soon("a new worker serves", async { tokio::join!(join_all(waiting), kill) }).await;
    assert_eq!(error.kind, ErrorKind::Unavailable);
    assert_ne!(kit.loaded().pid, old);
    let figures = kit.inference.figures().models.remove("slow").expect("it was asked");
    assert_eq!(figures.tenants["t"].requests, [(Outcome::Done, 4)].into());
    assert_eq!(figures.tenants[""].requests, [(Outcome::Unavailable, 1)].into());
    assert_eq!((figures.restarts, figures.load.count(), figures.active, figures.queued), (1, 2, 0, 0));
}

#[tokio::test]
async fn figures_tell_what_happened() {
    let kit = one_at_a_time(0);
    tenant(&kit, "a").complete("fast", prompt("one two three", 2)).await.expect("an answer");
    let held = kit.inference.generate("slow", prompt("long long long", 3)).await.expect("it starts");
    let error = tenant(&kit, "b").complete("slow", prompt("x", 1)).await.expect_err("full");
    assert_eq!(error.kind, ErrorKind::Exhausted);
    drop(held);
    until("it is idle", || kit.inference.loaded().iter().all(|loaded| loaded.active == 0)).await;
    tenant(&kit, "b").complete("fast", prompt("", 1)).await.expect_err("no prompt");
    let figures = kit.inference.figures();
    let (fast, slow) = (&figures.models["fast"], &figures.models["slow"]);
    let a = &fast.tenants["a"];
    assert_eq!(a.requests, [(Outcome::Done, 1)].into());
    assert_eq!((a.prompt_tokens, a.output_tokens, a.cached_tokens), (3, 2, 0));
    assert_eq!((fast.first_token.count(), fast.queue_wait.count(), fast.load.count()), (1, 1, 1));
    assert!(fast.load.sum > 0.0 && fast.first_token.sum >= fast.load.sum, "{fast:?}");
    assert_eq!(slow.tenants["b"].requests, [(Outcome::Exhausted, 1)].into());
    assert_eq!(slow.tenants[""].requests, [(Outcome::Cancelled, 1)].into());
    assert!(figures.memory_budget.is_some_and(|budget| budget > figures.memory_used), "{figures:?}");
}

#[tokio::test]
async fn who_gives_up_waiting_costs_nothing() {
    let kit = one_at_a_time(4);
    let endless = kit.endless().await;
    let mut waiting: Vec<_> =
        (0..4).map(|_| Box::pin(kit.inference.complete("slow", prompt("never", 3)))).collect();
    for wait in &mut waiting {
        while kit.loaded().queued < 4 && poll_immediate(&mut *wait).await.is_none() {
            tokio::task::yield_now().await;
            if kit.loaded().queued > 0 {
                break;
            }
        }
    }
    drop(waiting);
    assert_eq!((kit.loaded().active, kit.loaded().queued), (1, 0));
    drop(endless);
    until("it is idle", || kit.loaded().active == 0).await;
    let figures = kit.inference.figures().models.remove("slow").expect("it was asked");
    assert_eq!(figures.queue_wait.count(), 1, "the others never came to the worker: {figures:?}");
}
