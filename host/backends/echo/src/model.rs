//! The loaded "model": a queue of requests.

use std::collections::VecDeque;
use std::thread;
use std::time::{Duration, Instant};

use inferno_backend::{
    Ability, Embed, Emit, Error, ErrorKind, Generate, Image, Input, LoadOptions, Message, Model, ModelInfo,
    Role, Work,
};

use crate::Settings;
use crate::generation::Request;
use crate::words;

/// The longest wait inside one step, so that commands are not kept waiting.
const NAP: Duration = Duration::from_millis(1);

/// What a message says, with a word for each image in it.
fn seen<'a>(message: &Message, images: impl Iterator<Item = &'a Image>) -> String {
    let mut content = message.content.clone();
    // From the end, so that places in front of it stay as they are.
    let placed: Vec<_> = message.images.iter().zip(images).collect();
    for (at, Image(bytes)) in placed.into_iter().rev() {
        content.insert_str(*at, &format!("[{} bytes]", bytes.len()));
    }
    content
}

pub(crate) struct EchoModel {
    info: ModelInfo,
    embedding: Option<u32>,
    interval: Duration,
    waiting: VecDeque<Request>,
    active: Vec<Request>,
}

impl EchoModel {
    pub(crate) fn new(settings: &Settings, options: &LoadOptions) -> Self {
        let context = options.context.map_or(settings.context, |context| context.min(settings.context));
        let interval = match settings.tokens_per_second {
            0.0 => Duration::ZERO,
            rate => Duration::from_secs_f64(1.0 / rate),
        };
        let abilities = settings.vision.then_some(Ability::Vision).into_iter().collect();
        let info = ModelInfo {
            abilities,
            embeds: settings.embedding.is_some(),
            generates: true,
            chats: true,
            ..ModelInfo::new(context, options.sequences, "CPU")
        };
        Self { info, embedding: settings.embedding, interval, waiting: VecDeque::new(), active: Vec::new() }
    }

    fn generation(&self, id: u64, work: Generate) -> Result<Request, Error> {
        work.sampling.check()?;
        if !work.images.is_empty() && !self.info.abilities.contains(&Ability::Vision) {
            return Err(Error::invalid("the model has no vision").hint("set `vision` in its file"));
        }
        let mut images = work.images.iter();
        let (answer, prompt_tokens) = match &work.input {
            Input::Prompt(prompt) => (prompt.clone(), words::count(prompt)),
            Input::Chat(messages) => {
                let said: Vec<_> = messages
                    .iter()
                    .map(|message| (message.role, seen(message, images.by_ref().take(message.images.len()))))
                    .collect();
                let asked = said.iter().rfind(|(role, _)| *role == Role::User);
                let (_, asked) =
                    asked.ok_or_else(|| Error::invalid("the chat has no message of the user to echo"))?;
                let tokens = said.iter().map(|(_, content)| words::count(content));
                (asked.clone(), tokens.fold(0, u32::saturating_add))
            }
        };
        let context = self.info.context;
        if prompt_tokens >= context {
            let message = format!(
                "the prompt has {prompt_tokens} tokens and the context holds {context}, answer included"
            );
            return Err(Error::new(ErrorKind::ContextLength, message)
                .hint("shorten the prompt, or load the model with a larger context"));
        }
        let room = context - prompt_tokens;
        let limit = work.max_tokens.map_or(room, |limit| limit.min(room));
        Ok(Request::write(id, prompt_tokens, &answer, limit, work, self.interval))
    }

    fn embedding(&self, id: u64, work: Embed) -> Result<Request, Error> {
        let length = self.embedding.ok_or_else(|| Error::invalid("this model makes no embeddings"))?;
        let context = self.info.context;
        let mut total: u32 = 0;
        for (index, input) in work.inputs.iter().enumerate() {
            let tokens = words::count(input);
            if tokens > context {
                let message = format!("input {index} has {tokens} tokens and the context holds {context}");
                return Err(Error::new(ErrorKind::ContextLength, message).hint("split the text"));
            }
            total = total.saturating_add(tokens);
        }
        Ok(Request::embed(id, total, work, length))
    }
}

impl Model for EchoModel {
    fn info(&self) -> ModelInfo {
        self.info.clone()
    }

    fn submit(&mut self, id: u64, work: Work) -> Result<(), Error> {
        let request = match work {
            Work::Generate(work) => self.generation(id, work),
            Work::Embed(work) => self.embedding(id, work),
            Work::Rank(_)
            | Work::Classify(_)
            | Work::Tensors(_)
            | Work::Tokenize(_)
            | Work::Detokenize(_)
            | Work::Count(_) => {
                Err(Error::invalid("an echo model writes text and makes vectors, and does nothing else"))
            }
        }?;
        self.waiting.push_back(request);
        Ok(())
    }

    fn cancel(&mut self, id: u64) {
        // One that still waits needs no free place any more: it ends with the next step.
        if let Some(index) = self.waiting.iter().position(|request| request.id == id) {
            self.active.extend(self.waiting.remove(index));
        }
        if let Some(request) = self.active.iter_mut().find(|request| request.id == id) {
            request.cancel();
        }
    }

    fn step(&mut self, emit: Emit<'_>) -> Result<bool, Error> {
        let now = Instant::now();
        while self.active.len() < self.info.sequences as usize
            && let Some(mut request) = self.waiting.pop_front()
        {
            request.start(now);
            self.active.push(request);
        }
        self.active.iter_mut().for_each(|request| request.announce(emit));
        let waits = |request: &Request| request.due().filter(|due| *due > now);
        // `None`, one that need not wait, is the smallest.
        if let Some(due) = self.active.iter().map(waits).min().flatten() {
            thread::sleep(NAP.min(due - now));
            return Ok(true);
        }
        self.active.retain_mut(|request| waits(request).is_some() || !request.advance(emit));
        Ok(!self.active.is_empty() || !self.waiting.is_empty())
    }
}
