//! What the tests share: a folder, a host without models and plugins without sandboxes.

use std::any::Any;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use inferno_sdk::inference::{Completion, Finish, Input, Request, Usage};
use inferno_sdk::models::Model;
use inferno_sdk::step::{Item, Outcome, Step};
use inferno_sdk::{Error as HostError, ErrorKind};
use serde_json::{Value, json};

use crate::disk::{Disk, RealDisk};
use crate::engine::{Report, Unwatched};
use crate::error::Error;
use crate::host::{Call, Done, Host, OpenStep, Reply};
use crate::session::{Options, Script, Tools};

/// A folder with files, in which pipelines run.
pub(crate) struct Kit {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) host: Rc<FakeHost>,
}

impl Kit {
    pub(crate) fn new(files: &[(&str, &str)]) -> Self {
        // In memory, where there is such a folder: some tests make thousands of checkpoints.
        let dir = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        let kit = Self { dir, host: Rc::default() };
        for (name, text) in files {
            kit.write(name, text);
        }
        kit
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        fs::write(self.path(name), text).unwrap();
    }

    #[track_caller]
    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// The lines of a file of JSON lines.
    #[track_caller]
    pub(crate) fn lines(&self, name: &str) -> Vec<Value> {
        self.read(name).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Has requests answered.
    pub(crate) fn serve(&self, server: impl FnMut(&Call) -> Result<FakeReply, HostError> + 'static) {
        *self.host.server.borrow_mut() = Some(Box::new(server));
    }

    /// Runs a pipeline, from where it stopped.
    pub(crate) fn run(&self, toml: &str) -> Result<Report, Error> {
        self.run_on(toml, Rc::new(RealDisk), Options::default())
    }

    /// Runs a pipeline that is written as the end of its file's name says.
    pub(crate) fn run_file(&self, name: &str, text: &str) -> Result<Report, Error> {
        let script = Script { path: self.path(name), text: text.to_owned() };
        let tools = Tools { disk: Rc::new(RealDisk), host: self.host.clone() };
        script.run(Options::default(), &tools, &mut Unwatched)
    }

    pub(crate) fn run_on(&self, toml: &str, disk: Rc<dyn Disk>, options: Options) -> Result<Report, Error> {
        let script = Script { path: self.path("p.toml"), text: toml.to_owned() };
        script.run(options, &Tools { disk, host: self.host.clone() }, &mut Unwatched)
    }
}

/// Numbered records as JSON lines: `{"n":0}` and so on.
pub(crate) fn numbers(count: usize) -> String {
    (0..count).map(|n| format!("{{\"n\":{n}}}\n")).collect()
}

/// How a model fails at some texts.
fn trouble(text: &str) -> Result<(), HostError> {
    match text {
        "busy" => Err(HostError::new(ErrorKind::Unavailable, "the model is busy")),
        "too long" => Err(HostError::new(ErrorKind::ContextLength, "the text is too long")),
        "broken" => Err(HostError::new(ErrorKind::Internal, "the model is broken")),
        _ => Ok(()),
    }
}

/// A host with the plugins below, and a model that repeats its prompt.
#[derive(Default)]
pub(crate) struct FakeHost {
    /// What was asked of models.
    pub(crate) prompts: RefCell<Vec<String>>,
    pub(crate) slept: RefCell<Duration>,
    /// What answers requests.
    pub(crate) server: RefCell<Option<Server>>,
    pub(crate) secrets: RefCell<BTreeMap<String, String>>,
    pub(crate) locks: Rc<RefCell<BTreeSet<String>>>,
}

/// Answers requests.
pub(crate) type Server = Box<dyn FnMut(&Call) -> Result<FakeReply, HostError>>;

/// An answer, piece by piece.
pub(crate) struct FakeReply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) chunks: VecDeque<Result<Vec<u8>, HostError>>,
}

impl FakeReply {
    /// An answer with a body in one piece.
    pub(crate) fn new(status: u16, body: &str) -> Self {
        Self { status, headers: Vec::new(), chunks: VecDeque::from([Ok(body.as_bytes().to_vec())]) }
    }

    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }
}

impl Reply for FakeReply {
    fn status(&self) -> u16 {
        self.status
    }

    fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    fn chunk(&mut self) -> Result<Option<Vec<u8>>, HostError> {
        self.chunks.pop_front().transpose()
    }
}

struct FakeLock {
    name: String,
    locks: Rc<RefCell<BTreeSet<String>>>,
}

impl Drop for FakeLock {
    fn drop(&mut self) {
        self.locks.borrow_mut().remove(&self.name);
    }
}

impl Host for FakeHost {
    fn playing(&self, _: &str) -> Result<Vec<String>, HostError> {
        Ok(["flaky", "sum", "tag"].map(str::to_owned).to_vec())
    }

    fn open_step(&self, plugin: &str, config: &Value) -> Result<Box<dyn OpenStep>, HostError> {
        match plugin {
            "tag" => open::<Tag>(config),
            "sum" => open::<Sum>(config),
            "flaky" => open::<Flaky>(config),
            other => {
                Err(HostError::new(ErrorKind::NotFound, format!("no plugin named {other:?} is at hand"))
                    .with_hint("`inferno plugin list` shows those that are"))
            }
        }
    }

    fn model(&self, name: &str) -> Result<Model, HostError> {
        if name == "nope" {
            return Err(HostError::new(ErrorKind::NotFound, "there is no model named nope"));
        }
        Ok(Model {
            name: name.to_owned(),
            format: "echo".to_owned(),
            size_bytes: 1,
            modified: 0,
            context_length: Some(100),
            chats: true,
            details: Vec::new(),
        })
    }

    fn digest(&self, model: &str) -> Result<String, HostError> {
        Ok(format!("digest of {model}"))
    }

    fn complete(&self, requests: Vec<Request>, _: usize, mut done: Done) {
        let answer = |request: Request| {
            let text = match request.input {
                Input::Prompt(text) => text,
                Input::Chat(messages) => {
                    messages.iter().map(|message| message.content.as_str()).collect::<Vec<_>>().join("\n")
                }
            };
            self.prompts.borrow_mut().push(text.clone());
            trouble(&text)?;
            let (tool_calls, choices) = (Vec::new(), Vec::new());
            let finish = if request.max_tokens == Some(1) { Finish::Length } else { Finish::Stop };
            let usage = Usage { output_tokens: 1, ..Usage::default() };
            Ok(Completion { text, tool_calls, choices, finish, stopped_by: None, usage })
        };
        // As they come, which is in no order.
        for (number, request) in requests.into_iter().enumerate().rev() {
            done(number, answer(request));
        }
    }

    fn embed(&self, _: &str, texts: Vec<String>) -> Result<Vec<Vec<f32>>, HostError> {
        self.prompts.borrow_mut().extend(texts.iter().cloned());
        texts.iter().try_for_each(|text| trouble(text))?;
        let vowels = |text: &String| "aeiou".chars().map(|v| text.matches(v).count() as f32).collect();
        Ok(texts.iter().map(vowels).collect())
    }

    fn tokenize(&self, _: &str, text: &str) -> Result<Vec<u32>, HostError> {
        Ok((0..).zip(text.split_whitespace()).map(|(n, _)| n).collect())
    }

    fn send(&self, call: &Call) -> Result<Box<dyn Reply>, HostError> {
        let mut server = self.server.borrow_mut();
        let server = server.as_mut().expect("nobody answers in this test");
        server(call).map(|reply| Box::new(reply) as Box<dyn Reply>)
    }

    fn secret(&self, name: &str) -> Result<String, HostError> {
        let none = || HostError::new(ErrorKind::NotFound, format!("there is no secret {name:?}"));
        self.secrets.borrow().get(name).cloned().ok_or_else(none)
    }

    fn try_lock(&self, name: &str) -> Result<Option<Box<dyn Any>>, HostError> {
        let free = self.locks.borrow_mut().insert(name.to_owned());
        let lock = FakeLock { name: name.to_owned(), locks: self.locks.clone() };
        Ok(free.then(|| Box::new(lock) as Box<dyn Any>))
    }

    fn sleep(&self, time: Duration) {
        *self.slept.borrow_mut() += time;
    }
}

fn open<T: Step>(config: &Value) -> Result<Box<dyn OpenStep>, HostError> {
    let config = serde_json::from_value(config.clone());
    let config = config.map_err(|error| HostError::new(ErrorKind::Invalid, error.to_string()))?;
    Ok(Box::new(Open { step: T::open(config)?, batch: None }))
}

/// Works when it is asked for the outcomes.
struct Open<T: Step> {
    step: T,
    batch: Option<Vec<Item>>,
}

impl<T: Step> OpenStep for Open<T> {
    fn submit(&mut self, batch: Vec<Item>) -> Result<Vec<Item>, HostError> {
        assert!(self.batch.is_none(), "it has a batch already");
        self.batch = Some(batch.clone());
        Ok(batch)
    }

    fn take(&mut self) -> Result<Vec<Outcome>, HostError> {
        self.step.process(self.batch.take().expect("it has a batch"))
    }

    fn finish(mut self: Box<Self>) -> Result<Vec<Item>, HostError> {
        assert!(self.batch.is_none(), "it has a batch");
        self.step.finish()
    }
}

#[derive(serde::Deserialize)]
struct Nothing {}

/// Adds `"tag": true`; what has no `n` it rejects, and what has a negative one it drops.
struct Tag;

impl Step for Tag {
    type Config = Nothing;

    fn open(_: Nothing) -> Result<Self, HostError> {
        Ok(Self)
    }

    fn process(&mut self, batch: Vec<Item>) -> Result<Vec<Outcome>, HostError> {
        let one = |item: Item| {
            let mut data: Value = item.read()?;
            match data["n"].as_i64() {
                None => return Err(Outcome::Reject("it has no n".to_owned())),
                Some(..0) => return Err(Outcome::Drop("negative".to_owned())),
                Some(_) => {}
            }
            data["tag"] = true.into();
            item.with(&data)
        };
        Ok(batch.into_iter().map(|item| one(item).into()).collect())
    }
}

/// Absorbs everything and gives sums of each ten, and what is left in the end.
#[derive(Default)]
struct Sum {
    sum: i64,
    count: usize,
}

impl Sum {
    fn total(&mut self) -> Item {
        let Self { sum, count } = std::mem::take(self);
        Item::new(format!("sum of {count}"), &json!({ "sum": sum })).unwrap()
    }
}

impl Step for Sum {
    type Config = Nothing;

    fn open(_: Nothing) -> Result<Self, HostError> {
        Ok(Self::default())
    }

    fn process(&mut self, batch: Vec<Item>) -> Result<Vec<Outcome>, HostError> {
        let mut add = |item: Item| {
            self.sum += item.read::<Value>().unwrap()["n"].as_i64().unwrap();
            self.count += 1;
            if self.count == 10 { self.total().into() } else { Outcome::Emit(Vec::new()) }
        };
        Ok(batch.into_iter().map(&mut add).collect())
    }

    fn finish(&mut self) -> Result<Vec<Item>, HostError> {
        Ok(if self.count > 0 { vec![self.total()] } else { Vec::new() })
    }
}

/// Fails as many times in all as it is told, as the host fails if `batch` is set.
#[derive(serde::Deserialize)]
struct Flaky {
    failures: usize,
    #[serde(default)]
    batch: Option<String>,
}

impl Step for Flaky {
    type Config = Self;

    fn open(config: Self) -> Result<Self, HostError> {
        Ok(config)
    }

    fn process(&mut self, batch: Vec<Item>) -> Result<Vec<Outcome>, HostError> {
        if let Some(kind) = &self.batch {
            let kind = if kind == "busy" { ErrorKind::Unavailable } else { ErrorKind::Internal };
            return Err(HostError::new(kind, "the plugin trapped"));
        }
        let mut one = |item: Item| {
            if self.failures == 0 {
                return item.into();
            }
            self.failures -= 1;
            Outcome::Retry("not now".to_owned())
        };
        Ok(batch.into_iter().map(&mut one).collect())
    }
}
