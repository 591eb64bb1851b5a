//! A loaded model and what becomes of requests.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use inferno_backend::{
    Backend, Choice, Error, Event, Finish, Generate, Input, LoadOptions, Message, Model, Role, Sampling,
    ToolCallDelta, Usage, Work,
};
use inferno_backend_onnx::{Onnx, Settings};
use inferno_tests::onnx;
use tempfile::TempDir;

/// Tells the backend where the runtime is, as the program does.
pub(crate) fn with_runtime() {
    let runtime = Some(onnx::runtime());
    // The first settings hold; all tests give the same.
    let _ = inferno_backend_onnx::backend(Settings { runtime, providers: vec!["CPU".into()] });
}

/// Loads what `make` puts into a folder.
pub(crate) fn load(make: impl FnOnce(&Path), sequences: u32) -> (TempDir, Box<dyn Model>) {
    let dir = tempfile::tempdir().unwrap();
    make(dir.path());
    let model = open(&dir.path().join("model.onnx"), sequences).unwrap();
    (dir, model)
}

pub(crate) fn open(path: &Path, sequences: u32) -> Result<Box<dyn Model>, Error> {
    with_runtime();
    Onnx.load(&LoadOptions { sequences, ..LoadOptions::new(path) }, &mut |_| {})
}

/// Always the likeliest token.
pub(crate) fn raw(prompt: &str) -> Generate {
    let sampling = Sampling { temperature: 0.0, ..Sampling::default() };
    Generate { max_tokens: Some(40), sampling, ..Generate::new(Input::Prompt(prompt.into())) }
}

pub(crate) fn chat(content: &str) -> Generate {
    Generate { input: Input::Chat(vec![Message::new(Role::User, content)]), ..raw("") }
}

/// What became of a request.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Outcome {
    pub(crate) prompt_tokens: Option<u32>,
    pub(crate) text: String,
    pub(crate) vectors: Vec<Vec<f32>>,
    pub(crate) tokens: Vec<u32>,
    pub(crate) choices: Vec<Choice>,
    pub(crate) calls: Vec<ToolCallDelta>,
    pub(crate) end: Option<(Finish, Usage)>,
    pub(crate) error: Option<Error>,
    /// Steps in which something was told.
    pub(crate) steps: u32,
}

impl Outcome {
    #[track_caller]
    pub(crate) fn finish(&self) -> Finish {
        self.end.unwrap_or_else(|| panic!("it has not ended well: {self:?}")).0
    }

    fn take(&mut self, event: Event) {
        assert!(self.end.is_none() && self.error.is_none(), "{event:?} after the end");
        match event {
            Event::Started { prompt_tokens } => {
                assert_eq!(self.prompt_tokens.replace(prompt_tokens), None, "started twice");
            }
            Event::Text(text) => self.text.push_str(&text),
            Event::Embedding(vector) => self.vectors.push(vector),
            Event::Tokens(tokens) => self.tokens.extend(tokens),
            Event::Choices(choices) => self.choices.extend(choices),
            Event::ToolCall(call) => self.calls.push(call),
            Event::Done { finish, usage } => self.end = Some((finish, usage)),
            Event::Failed(error) => self.error = Some(error),
        }
    }
}

/// One step; false: there is nothing left to do.
pub(crate) fn step(model: &mut dyn Model, outcomes: &mut BTreeMap<u64, Outcome>) -> bool {
    let mut told = Vec::new();
    let more = model.step(&mut |id, event| told.push((id, event))).unwrap();
    let ids: BTreeSet<u64> = told.iter().map(|(id, _)| *id).collect();
    ids.iter().for_each(|id| outcomes.entry(*id).or_default().steps += 1);
    told.into_iter().for_each(|(id, event)| outcomes.entry(id).or_default().take(event));
    more
}

/// Steps until nothing is left to do.
pub(crate) fn drain(model: &mut dyn Model) -> BTreeMap<u64, Outcome> {
    let mut outcomes = BTreeMap::new();
    while step(model, &mut outcomes) {}
    outcomes
}

/// One request, to its end.
#[track_caller]
pub(crate) fn run(model: &mut dyn Model, work: Work) -> Outcome {
    model.submit(1, work).unwrap();
    drain(model).remove(&1).unwrap()
}

/// Why a request is not taken.
#[track_caller]
pub(crate) fn refused(model: &mut dyn Model, work: Work) -> String {
    model.submit(9, work).expect_err("refused").message
}
