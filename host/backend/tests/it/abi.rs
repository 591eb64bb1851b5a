//! A Rust backend through the C table and back again: nothing gets lost, and no panic gets through.

use std::fs;
use std::path::{Path, PathBuf};

use inferno_backend::{
    Embed, Error, ErrorKind, Event, Finish, Generate, Image, Input, Library, Linked, LoadOptions, Message,
    Model, Role, Sampling, Usage, Work,
};

use crate::scripted::Scripted;

pub(crate) fn options(path: &Path) -> LoadOptions {
    LoadOptions { path: path.to_owned(), sequences: 2, threads: Some(1), ..LoadOptions::new(path) }
}

pub(crate) fn prompt(text: &str) -> Work {
    Work::Generate(Generate { stop: vec!["\n".into()], ..Generate::new(Input::Prompt(text.into())) })
}

pub(crate) fn model_file(dir: &Path, text: &str) -> PathBuf {
    let path = dir.join("model \"of\" straw \u{1f33e}.script");
    fs::write(&path, text).unwrap();
    path
}

fn library() -> Library {
    Library::linked(Linked::of::<Scripted>()).unwrap()
}

fn load(text: &str) -> Result<Box<dyn Model>, Error> {
    let dir = tempfile::tempdir().unwrap();
    library().load(&options(&model_file(dir.path(), text)), &mut |_| {})
}

/// All events until the model is idle.
pub(crate) fn play(model: &mut dyn Model) -> Result<Vec<(u64, Event)>, Error> {
    let mut events = Vec::new();
    while model.step(&mut |id, event| events.push((id, event)))? {}
    Ok(events)
}

fn done(finish: Finish, output_tokens: u32) -> Event {
    Event::Done { finish, usage: Usage::new(3, output_tokens) }
}

#[test]
fn describes_itself() {
    let library = library();
    assert_eq!((library.name(), library.version(), library.path()), ("scripted", "7", None));
    assert_eq!(library.formats(), ["script", "play"]);
    let devices = library.devices().unwrap();
    assert_eq!((devices[0].name.as_str(), devices[0].memory), ("STAGE", 12));
    assert_eq!(load("").unwrap().info().device, "STAGE");
}

#[test]
fn passes_progress_on() {
    let dir = tempfile::tempdir().unwrap();
    let mut shares = Vec::new();
    library().load(&options(&model_file(dir.path(), "")), &mut |share| shares.push(share)).unwrap();
    assert_eq!(shares, [0.25, 0.251, 0.5, 1.0]);
}

#[test]
fn passes_events_of_several_requests() {
    let mut model = load("").unwrap();
    model.submit(1, prompt("Grüße \u{1f525}\0")).unwrap();
    model.submit(u64::MAX, Work::Embed(Embed { inputs: vec!["a".into(), "b".into()] })).unwrap();
    model.submit(3, prompt("fail this request")).unwrap();
    let failure = Error::new(ErrorKind::ContextLength, "3 words, room for 2").hint("less");
    assert_eq!(
        play(model.as_mut()).unwrap(),
        [
            (1, Event::Started { prompt_tokens: 3 }),
            (1, Event::Text("Grüße \u{1f525}\0".into())),
            (1, done(Finish::Stop, 0)),
            (u64::MAX, Event::Started { prompt_tokens: 3 }),
            (u64::MAX, Event::Embedding(vec![1.0, -0.0])),
            (u64::MAX, Event::Embedding(vec![0.6, 0.8])),
            (u64::MAX, done(Finish::Stop, 0)),
            (3, Event::Started { prompt_tokens: 3 }),
            (3, Event::Failed(failure)),
        ]
    );
}

#[test]
fn cancels() {
    let mut model = load("").unwrap();
    model.submit(5, prompt("endless")).unwrap();
    let mut events = Vec::new();
    assert!(model.step(&mut |id, event| events.push((id, event))).unwrap());
    model.cancel(6);
    model.cancel(5);
    events.extend(play(model.as_mut()).unwrap());
    assert_eq!(events.last(), Some(&(5, done(Finish::Cancelled, 1))));
    assert_eq!(events.len(), 3);
}

#[test]
fn passes_errors_on() {
    let refusal = load("refuse").err().unwrap();
    assert_eq!(refusal, Error::invalid("the file says so").hint("say otherwise"));

    let mut model = load("").unwrap();
    let chat = Generate {
        max_tokens: Some(1),
        sampling: Sampling { seed: Some(u64::MAX), ..Sampling::default() },
        ..Generate::new(Input::Chat(Vec::new()))
    };
    let refusal = model.submit(1, Work::Generate(chat)).unwrap_err();
    assert_eq!(refusal, Error::invalid("there is no dialogue here"));
    let seen = Message { images: vec![0, 3], ..Message::new(Role::User, "and") };
    let chat = Generate {
        images: vec![Image(vec![0; 70_000]), Image(Vec::new())],
        ..Generate::new(Input::Chat(vec![seen]))
    };
    let refusal = model.submit(1, Work::Generate(chat)).unwrap_err();
    assert_eq!(refusal, Error::invalid("[Image(70000 bytes), Image(0 bytes)] are not in the script"));

    model.submit(1, prompt("fail in step")).unwrap();
    assert_eq!(play(model.as_mut()).unwrap_err(), Error::internal("the stage broke").hint("mend it"));
}

#[test]
fn turns_panics_into_errors() {
    let check = |error: Error, call: &str, reason: &str| {
        assert_eq!(error.kind, ErrorKind::Internal);
        let expected = format!("the backend panicked in `{call}`: ");
        assert!(error.message.starts_with(&expected) && error.message.contains(reason), "{error}");
    };
    check(load("panic").err().unwrap(), "load", "the file says \"panic\"");

    let mut model = load("").unwrap();
    model.submit(1, prompt("panic in step")).unwrap();
    check(play(model.as_mut()).unwrap_err(), "step", "the stage broke");

    let mut model = load("").unwrap();
    check(model.submit(1, prompt("panic in submit")).unwrap_err(), "submit", "panic in submit");
    // It may be half changed, so it is not called again.
    model.cancel(1);
    let error = model.submit(2, prompt("fine")).unwrap_err();
    assert!(error.message.contains("panicked before"), "{error}");
    assert!(play(model.as_mut()).is_err());
}
