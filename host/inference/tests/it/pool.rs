//! Several models: which are loaded, and which must go.

use std::time::{Duration, SystemTime};

use futures::{StreamExt, future::join_all, future::poll_immediate};
use inferno_inference::{ErrorKind, KeepAlive, State, Terms};
use tokio::time::Instant;

use crate::kit::{Kit, exists, kill, prompt, read, soon, until};

/// What an echo model is taken to need.
const EACH: u64 = 48 << 20;

/// Room for so many models.
fn room_for(models: u64) -> Kit {
    let kit =
        Kit::new(|config| (config.memory_budget, config.sequences) = (Some(models * EACH + EACH / 2), 2));
    for name in ["a", "b", "c", "d"] {
        kit.model(name, 0);
    }
    kit
}

async fn ask(kit: &Kit, model: &str) {
    kit.inference.complete(model, prompt("hello", 2)).await.expect("it is answered");
}

fn names(kit: &Kit) -> Vec<String> {
    kit.inference.loaded().into_iter().map(|loaded| loaded.name).collect()
}

#[tokio::test]
async fn the_model_that_was_used_least_lately_makes_room() {
    let kit = room_for(2);
    ask(&kit, "a").await;
    ask(&kit, "b").await;
    ask(&kit, "a").await;
    let pid = kit.inference.loaded()[1].pid;
    ask(&kit, "c").await;
    assert_eq!(names(&kit), ["a", "c"], "b was used least lately");
    assert!(!exists(pid), "its memory was free before c was loaded");
    let figures = kit.inference.figures();
    assert_eq!(figures.memory_used, 2 * EACH);
    assert_eq!(figures.models["b"].memory, None);
    assert_eq!(figures.models["c"].memory, Some(EACH));
}

#[tokio::test]
async fn a_model_with_requests_never_makes_room() {
    let kit = room_for(1);
    let endless = kit.endless().await;
    let terms = Terms { deadline: Some(Instant::now() + Duration::from_millis(50)), ..Terms::default() };
    let error = kit.inference.under(terms).complete("a", prompt("hello", 2)).await.expect_err("no room");
    assert_eq!(error.kind, ErrorKind::Unavailable);
    assert!(error.message.contains("model a needs about 48.0 MiB"), "{error}");
    assert!(error.message.contains("only 24.0 MiB of the 72.0 MiB"), "{error}");
    assert!(error.hint.as_ref().is_some_and(|hint| hint.contains("inference.memory_budget")), "{error:?}");
    assert!(error.retry_after_ms.is_some());
    assert_eq!(names(&kit), ["slow"]);

    let mut waiting = Box::pin(kit.inference.complete("a", prompt("hello", 2)));
    assert!(poll_immediate(&mut waiting).await.is_none());
    drop(endless);
    assert_eq!(soon("there is room", waiting).await.expect("it is answered").text, "hello");
    assert_eq!(names(&kit), ["a"]);
}

#[tokio::test]
async fn what_never_fits_is_refused_at_once() {
    let kit = Kit::new(|config| config.memory_budget = Some(1 << 20));
    let error = kit.inference.complete("fast", prompt("hello", 2)).await.expect_err("too large");
    assert_eq!((error.kind, error.retry_after_ms), (ErrorKind::Internal, None));
    assert!(error.message.contains("48.0 MiB") && error.message.contains("1.0 MiB"), "{error}");
    let status = kit.inference.status("fast").await.expect("it is known");
    assert_eq!((status.state, status.estimated), (State::Unloaded, EACH), "a refusal is no failure");
}

#[tokio::test]
async fn nothing_is_unloaded_where_that_would_not_be_enough() {
    let kit = room_for(2);
    kit.inference.pin("a", true).await.expect("it is known");
    ask(&kit, "a").await;
    let endless = kit.endless().await;
    let terms = Terms { wait_for_load: Some(Duration::ZERO), ..Terms::default() };
    let error = kit.inference.under(terms).load("b", |_| {}).await.expect_err("no room");
    assert_eq!(error.kind, ErrorKind::Unavailable);
    assert_eq!(names(&kit), ["a", "slow"]);
    drop(endless);
    ask(&kit, "b").await;
    assert_eq!(names(&kit), ["a", "b"], "the pinned one was used less lately, and stays");
    kit.inference.pin("a", false).await.expect("it is known");
    ask(&kit, "c").await;
    assert_eq!(names(&kit), ["b", "c"], "it is pinned no longer");
}

#[tokio::test]
async fn models_that_the_configuration_pins_stay() {
    let kit = Kit::new(|config| {
        (config.keep_alive, config.pinned) = (KeepAlive::For(Duration::ZERO), vec!["fast".into()]);
    });
    ask(&kit, "fast").await;
    let loaded = kit.loaded();
    assert_eq!((loaded.pinned, loaded.expires), (true, None));
    kit.inference.pin("fast", false).await.expect("it is known");
    until("it is unloaded now", || kit.inference.loaded().is_empty()).await;
}

#[tokio::test]
async fn a_model_that_nobody_asks_is_unloaded() {
    let kit = Kit::new(|config| config.keep_alive = KeepAlive::For(Duration::from_millis(20)));
    let endless = kit.endless().await;
    let loaded = kit.loaded();
    let expires = loaded.expires.expect("it is known when");
    assert!(expires > SystemTime::now(), "while it works, the end moves on");
    drop(endless);
    until("it is unloaded", || kit.inference.loaded().is_empty()).await;
    until("its process has ended", || !exists(loaded.pid)).await;
    assert_eq!(kit.inference.status("slow").await.expect("it is known").state, State::Unloaded);
    assert_eq!(kit.inference.figures().memory_used, 0);
    ask(&kit, "slow").await;
}

#[tokio::test]
async fn a_request_may_say_how_long_its_model_stays() {
    let kit = Kit::new(|_| {});
    let keep = |keep_alive| kit.inference.under(Terms { keep_alive: Some(keep_alive), ..Terms::default() });
    keep(KeepAlive::Forever).load("fast", |_| {}).await.expect("it loads");
    assert_eq!(kit.loaded().expires, None);
    keep(KeepAlive::For(Duration::from_secs(3600))).load("fast", |_| {}).await.expect("it is loaded");
    let left = kit.loaded().expires.expect("an hour").duration_since(SystemTime::now()).expect("to come");
    assert!(left > Duration::from_secs(3500) && left <= Duration::from_secs(3600), "{left:?}");
    let at_once = keep(KeepAlive::For(Duration::ZERO));
    at_once.complete("fast", prompt("hello", 2)).await.expect("it is answered");
    until("it is unloaded", || kit.inference.loaded().is_empty()).await;
}

#[tokio::test]
async fn unloading_waits_for_requests_unless_forced() {
    let kit = Kit::new(|_| {});
    assert!(!kit.inference.unload("slow", false).await.expect("it is known"), "it was not loaded");
    let generation = kit.inference.generate("slow", prompt("a b c d", 9)).await.expect("it starts");
    let pid = kit.loaded().pid;
    let both = async { tokio::join!(read(generation), kit.inference.unload("slow", false)) };
    let ((text, ..), unloaded) = soon("it is short", both).await;
    assert_eq!((text.as_str(), unloaded), ("a b c d", Ok(true)));
    assert!(!exists(pid));

    let mut endless = kit.endless().await;
    let pid = kit.loaded().pid;
    assert!(soon("nothing is waited for", kit.inference.unload("slow", true)).await.expect("it is known"));
    assert!(!exists(pid));
    let error = loop {
        if let Err(error) = endless.next().await.expect("an end is told") {
            break error;
        }
    };
    assert_eq!(error.kind, ErrorKind::Unavailable);
    assert!(error.message.contains("slow was unloaded"), "{error}");
    ask(&kit, "fast").await;
}

#[tokio::test]
async fn a_load_can_be_given_up() {
    let kit = Kit::with_script("echo $$ > $KIT/pid; exec sleep 1000", |_| {});
    let load = kit.inference.load("fast", |_| {});
    let unload = async {
        until("the worker runs", || !kit.written("pid").is_empty()).await;
        let status = kit.inference.status("fast").await.expect("it is known");
        assert_eq!(status.state, State::Loading { progress: 0.0 });
        kit.inference.unload("fast", true).await
    };
    let (outcome, _) = soon("nothing waits for the load", async { tokio::join!(load, unload) }).await;
    assert!(outcome.expect_err("it was given up").message.contains("fast was unloaded"));
    assert!(!exists(kit.written("pid").trim().parse().expect("it ran")));
    let status = kit.inference.status("fast").await.expect("it is known");
    assert_eq!(status.state, State::Unloaded, "that was not the model's fault");
}

#[tokio::test]
async fn who_does_not_wait_for_a_load_is_told_how_far_it_is() {
    // A frame of progress, 0.25 as a float, and then silence.
    let frame = r"\015\000\000\000\020\000\000\000\000\000\000\000\000\000\000\200\076";
    let kit = Kit::with_script(&format!("printf '{frame}' >&0; exec sleep 1000"), |_| {});
    let ask = async |terms| kit.inference.under(terms).complete("fast", prompt("hello", 2)).await;
    let impatient = Terms { wait_for_load: Some(Duration::ZERO), ..Terms::default() };
    ask(impatient.clone()).await.expect_err("it is not loaded");
    soon("a quarter is done", async {
        while kit.inference.status("fast").await.expect("it is known").state
            != (State::Loading { progress: 0.25 })
        {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let error = ask(impatient).await.expect_err("it is not loaded");
    assert_eq!(error.kind, ErrorKind::Unavailable);
    assert!(error.message.contains("fast is being loaded: 25 % are done"), "{error}");
    assert!(error.retry_after_ms.is_some_and(|after| after >= 1000), "{error:?}");
    let deadline = Terms { deadline: Some(Instant::now()), ..Terms::default() };
    let error = ask(deadline).await.expect_err("it is not loaded");
    assert_eq!(error.kind, ErrorKind::Timeout);
    assert!(error.message.contains("25 %") && error.message.contains("deadline"), "{error}");
    kit.inference.unload("fast", true).await.expect("it is known");
}

#[tokio::test]
async fn failures_are_shown_and_forgotten() {
    let kit = Kit::with_script("exit 3", |_| {});
    kit.inference.complete("fast", prompt("hello", 2)).await.expect_err("it is broken");
    let State::Failed { error } = kit.inference.status("fast").await.expect("it is known").state else {
        panic!("it has failed")
    };
    assert!(error.message.contains("exit status 3"), "{error}");
}

#[tokio::test]
async fn a_killed_worker_gives_its_memory_back() {
    let kit = room_for(1);
    ask(&kit, "a").await;
    kill(kit.loaded().pid);
    until("the death was noticed", || kit.inference.loaded().is_empty()).await;
    assert!(matches!(kit.inference.status("a").await.expect("it is known").state, State::Failed { .. }));
    assert_eq!(kit.inference.figures().memory_used, 0);
    ask(&kit, "b").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn loads_and_unloads_in_any_order_lose_no_request() {
    let kit = room_for(2);
    let ask = async |number: usize| {
        let name = ["a", "b", "c", "d"][number % 4];
        let text = format!("answer {number}");
        let answer = kit.inference.complete(name, prompt(&text, 5)).await.expect("it is answered");
        assert_eq!(answer.text, text);
        if number.is_multiple_of(3) {
            kit.inference.unload(name, false).await.expect("it is known");
        }
    };
    soon("no one waits for ever", join_all((0..48).map(ask))).await;
    // Workers that were unloaded last may still be ending.
    until("only what is loaded takes memory", || {
        let loaded = kit.inference.loaded().len() as u64;
        loaded <= 2 && kit.inference.figures().memory_used == loaded * EACH
    })
    .await;
}
