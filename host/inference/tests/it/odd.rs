//! A worker that says what a real one would not, or notes down what it is told.

use std::{
    fs::OpenOptions,
    io::{self, Write},
    os::{fd::AsFd, unix::net::UnixStream},
};

use futures::StreamExt;
use inferno_backend::frames::{self, Frame};
use inferno_inference::{Error, ErrorKind, Event, Finish, Generate, Input, ModelInfo, Usage};

use crate::kit::{Kit, prompt, read, soon, until, wanted};

const DONE: Event = Event::Done { finish: Finish::Stop, usage: Usage::new(1, 1) };

/// What the worker does is what it is asked for: the prompt is the name of a deed.
fn odd(change: impl FnOnce(&mut inferno_inference::Config)) -> Kit {
    Kit::with_test("odd::become_an_odd_worker", change)
}

fn deed(name: &str) -> Generate {
    prompt(name, 1)
}

#[tokio::test]
async fn frames_of_unknown_requests_are_ignored() {
    let kit = odd(|_| {});
    let generation = kit.inference.generate("fast", deed("strangers")).await.expect("it starts");
    assert_eq!(read(generation).await.0, "mine");
    assert_eq!(kit.loaded().restarts, 0);
}

#[tokio::test]
async fn a_dropped_generation_is_cancelled_once_and_a_finished_one_never() {
    let kit = odd(|_| {});
    let finished = kit.inference.generate("fast", deed("answer")).await.expect("it starts");
    read(finished).await;
    let ended = kit.inference.generate("fast", deed("answer")).await.expect("it starts");
    until("it has ended, unread", || kit.loaded().active == 0).await;
    drop(ended);
    drop(kit.inference.generate("fast", deed("begin")).await.expect("it starts"));
    until("the cancel has arrived", || !kit.written("cancels").is_empty()).await;
    // The worker obeys in order: when this is answered, nothing sent before is still on its way.
    kit.inference.complete("fast", deed("answer")).await.expect("it is answered");
    assert_eq!(kit.written("cancels").lines().count(), 1);
}

#[tokio::test]
async fn a_place_is_free_when_the_worker_says_so_and_not_before() {
    let kit = odd(|config| (config.sequences, config.queue) = (1, 0));
    drop(kit.inference.generate("fast", deed("begin and ignore the cancel")).await.expect("it starts"));
    until("the cancel has arrived", || !kit.written("cancels").is_empty()).await;
    let another = kit.inference.generate("fast", deed("answer"));
    let full = soon("a full queue answers at once", another).await.expect_err("the worker still works on it");
    assert_eq!(full.kind, ErrorKind::Exhausted);
}

#[tokio::test]
async fn a_worker_that_gives_up_says_why_and_is_replaced() {
    let kit = odd(|_| {});
    let mut generation = kit.inference.generate("fast", deed("give up")).await.expect("it starts");
    let error = generation.next().await.expect("an end is told").expect_err("it gave up");
    assert_eq!((error.kind, error.message.as_str()), (ErrorKind::Internal, "the device is gone"));
    kit.inference.complete("fast", deed("answer")).await.expect("another worker answers");
    assert_eq!(kit.loaded().restarts, 1);
}

#[tokio::test]
async fn nonsense_between_answers_ends_the_worker() {
    let kit = odd(|_| {});
    let generation = kit.inference.generate("fast", deed("be ready twice")).await.expect("it starts");
    let error = generation.complete().await.expect_err("it was stopped");
    assert_eq!(error.kind, ErrorKind::Unavailable);
    assert!(error.message.contains("load that was over"), "{error}");
    kit.inference.complete("fast", deed("answer")).await.expect("another worker answers");
}

#[tokio::test]
async fn a_text_longer_than_the_buffer_is_whole() {
    let kit = odd(|_| {});
    let completion = kit.inference.complete("fast", deed("shout")).await.expect("it is answered");
    assert_eq!(completion.text.len(), 300_000);
}

#[test]
#[ignore = "this is what the other tests start as their worker"]
fn become_an_odd_worker() {
    if wanted() {
        std::process::exit(i32::from(work().is_err()));
    }
}

fn work() -> Result<(), frames::FrameError> {
    let mut socket = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    let mut deaf = false;
    let info = ModelInfo { generates: true, ..ModelInfo::new(8, 1, "CPU") };
    while let Some(frame) = frames::read_frame(&mut socket)? {
        let mut say = |frame| frames::write(&mut socket, &frame);
        match frame {
            Frame::Load(_) => say(Frame::Ready(info.clone()))?,
            Frame::Submit { id, work: inferno_backend::Work::Generate(Generate { input, .. }) } => {
                let Input::Prompt(deed) = input else { continue };
                let event = |event| Frame::Event { id, event };
                say(event(Event::Started { prompt_tokens: 1 }))?;
                match deed.as_str() {
                    "answer" => say(event(DONE))?,
                    "strangers" => {
                        for id in [0, id + 1, u64::MAX] {
                            say(Frame::Event { id, event: Event::Text("not mine".into()) })?;
                            say(Frame::Event { id, event: DONE })?;
                        }
                        say(event(Event::Text("mine".into())))?;
                        say(event(DONE))?;
                    }
                    "shout" => {
                        say(event(Event::Text("a".repeat(300_000))))?;
                        say(event(DONE))?;
                    }
                    "give up" => say(Frame::Failed(Error::internal("the device is gone")))?,
                    "be ready twice" => say(Frame::Ready(info.clone()))?,
                    "begin and ignore the cancel" => deaf = true,
                    _ => {}
                }
            }
            Frame::Cancel { id } => {
                let path = std::env::var_os("KIT").map(std::path::PathBuf::from).unwrap_or_default();
                let mut notes = OpenOptions::new().append(true).create(true).open(path.join("cancels"))?;
                writeln!(notes, "{id}")?;
                if !deaf {
                    let usage = Usage::default();
                    say(Frame::Event { id, event: Event::Done { finish: Finish::Cancelled, usage } })?;
                }
            }
            _ => {}
        }
    }
    Ok(())
}
