//! A loaded model and what becomes of requests.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use inferno_backend::{
    Backend, Choice, Embed, Error, Event, Finish, Generate, Input, LoadOptions, Message, Model, Role,
    Sampling, Usage, Work,
};
use inferno_backend_gguf::Gguf;

/// Always the likeliest token.
pub(crate) fn greedy() -> Sampling {
    Sampling { temperature: 0.0, ..Sampling::default() }
}

pub(crate) fn storyteller() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../examples/storyteller/storyteller.gguf")
}

pub(crate) fn options(path: &Path, sequences: u32) -> LoadOptions {
    LoadOptions { sequences, ..LoadOptions::new(path) }
}

pub(crate) fn load(sequences: u32) -> Box<dyn Model> {
    Gguf.load(&options(&storyteller(), sequences), &mut |_| {}).unwrap()
}

pub(crate) fn message(role: Role, content: &str) -> Message {
    Message::new(role, content)
}

/// A chat of one message.
pub(crate) fn chat(content: &str) -> Generate {
    Generate {
        max_tokens: Some(200),
        sampling: greedy(),
        ..Generate::new(Input::Chat(vec![message(Role::User, content)]))
    }
}

pub(crate) fn raw(prompt: &str) -> Generate {
    Generate { input: Input::Prompt(prompt.into()), ..chat("") }
}

pub(crate) fn embed(inputs: &[&str]) -> Work {
    Work::Embed(Embed { inputs: inputs.iter().map(|&input| input.into()).collect() })
}

/// What became of a request.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Outcome {
    pub(crate) prompt_tokens: Option<u32>,
    pub(crate) texts: Vec<String>,
    pub(crate) vectors: Vec<Vec<f32>>,
    pub(crate) tokens: Vec<u32>,
    pub(crate) choices: Vec<Choice>,
    /// Calls of tools: what names each, the tool, and the pieces of its arguments.
    pub(crate) calls: Vec<(String, String, Vec<String>)>,
    pub(crate) end: Option<(Finish, Usage)>,
    pub(crate) error: Option<Error>,
}

impl Outcome {
    pub(crate) fn text(&self) -> String {
        self.texts.concat()
    }

    #[track_caller]
    pub(crate) fn finish(&self) -> Finish {
        self.end.expect("the request has ended").0
    }

    #[track_caller]
    pub(crate) fn usage(&self) -> Usage {
        self.end.expect("the request has ended").1
    }

    /// Takes an event and checks that it may come now.
    #[track_caller]
    pub(crate) fn take(&mut self, event: Event) {
        assert!(self.end.is_none() && self.error.is_none(), "{event:?} after the end");
        match event {
            Event::Started { prompt_tokens } => {
                assert_eq!(self.prompt_tokens.replace(prompt_tokens), None, "started twice");
            }
            Event::Text(text) => {
                assert!(self.prompt_tokens.is_some() && !text.is_empty());
                self.texts.push(text);
            }
            Event::Embedding(vector) => self.vectors.push(vector),
            Event::Done { finish, usage } => self.end = Some((finish, usage)),
            Event::Failed(error) => self.error = Some(error),
            Event::Tokens(tokens) => self.tokens.extend(tokens),
            Event::Choices(choices) => self.choices.extend(choices),
            Event::ToolCall(call) => {
                if let (Some(id), Some(name)) = (call.id, call.name) {
                    assert_eq!(call.index as usize, self.calls.len());
                    self.calls.push((id, name, Vec::new()));
                }
                if !call.arguments.is_empty() {
                    self.calls[call.index as usize].2.push(call.arguments);
                }
            }
        }
    }
}

/// Steps until nothing is left to do.
pub(crate) fn drain(model: &mut dyn Model, outcomes: &mut BTreeMap<u64, Outcome>) {
    while step(model, outcomes) {}
}

pub(crate) fn step(model: &mut dyn Model, outcomes: &mut BTreeMap<u64, Outcome>) -> bool {
    model.step(&mut |id, event| outcomes.entry(id).or_default().take(event)).unwrap()
}

/// Runs requests together; outcomes in their order.
pub(crate) fn run_all(model: &mut dyn Model, works: Vec<Work>) -> Vec<Outcome> {
    for (id, work) in (0..).zip(works) {
        model.submit(id, work).unwrap();
    }
    let mut outcomes = BTreeMap::new();
    drain(model, &mut outcomes);
    outcomes.into_values().collect()
}

pub(crate) fn generate(model: &mut dyn Model, request: Generate) -> Outcome {
    run_all(model, vec![Work::Generate(request)]).remove(0)
}
