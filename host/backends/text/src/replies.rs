//! Texts to tokens and back, and the length of prompts, without computing anything.

use inferno_backend::{Detokenize, Emit, Error, Event, Finish, Tokenize, Usage};

/// Bytes that are cut into tokens at once.
const LONGEST: usize = 4 << 20;
/// Tokens that are made into text at once.
const MOST: usize = 1 << 20;

/// Answers that wait for the next step.
#[derive(Default)]
pub struct Replies {
    waiting: Vec<(u64, Reply)>,
}

struct Reply {
    tokens: u32,
    event: Option<Event>,
    cancelled: bool,
}

impl Replies {
    /// Says the tokens of a text, as `cut` makes them.
    pub fn tokenize(
        &mut self,
        id: u64,
        work: &Tokenize,
        cut: impl FnOnce(&str) -> Result<Vec<u32>, Error>,
    ) -> Result<(), Error> {
        if work.text.len() > LONGEST {
            return Err(Error::invalid(format!(
                "the text has {} bytes, but at most {LONGEST} are cut into tokens at once",
                work.text.len()
            ))
            .hint("send it in parts"));
        }
        let tokens = cut(&work.text)?;
        self.add(id, tokens.len(), Some(Event::Tokens(tokens)));
        Ok(())
    }

    /// Says the text of tokens of a vocabulary of this size, as `join` makes it.
    pub fn detokenize(
        &mut self,
        id: u64,
        work: &Detokenize,
        vocabulary: u32,
        join: impl FnOnce(&[u32]) -> Result<String, Error>,
    ) -> Result<(), Error> {
        if work.tokens.len() > MOST {
            return Err(Error::invalid(format!(
                "there are {} tokens, but at most {MOST} are made into text at once",
                work.tokens.len()
            )));
        }
        if let Some(token) = work.tokens.iter().find(|&&token| token >= vocabulary) {
            return Err(Error::invalid(format!("there is no token {token}: the model has {vocabulary}")));
        }
        let text = if work.tokens.is_empty() { String::new() } else { join(&work.tokens)? };
        self.add(id, work.tokens.len(), (!text.is_empty()).then_some(Event::Text(text)));
        Ok(())
    }

    /// Says how many tokens a prompt has.
    pub fn count(&mut self, id: u64, tokens: usize) {
        self.add(id, tokens, None);
    }

    fn add(&mut self, id: u64, tokens: usize, event: Option<Event>) {
        let tokens = u32::try_from(tokens).unwrap_or(u32::MAX);
        self.waiting.push((id, Reply { tokens, event, cancelled: false }));
    }

    /// Ends a request without its answer.
    pub fn cancel(&mut self, id: u64) {
        if let Some((_, reply)) = self.waiting.iter_mut().find(|(waiting, _)| *waiting == id) {
            reply.cancelled = true;
        }
    }

    /// Hands out what waits. False: nothing did.
    pub fn step(&mut self, emit: Emit<'_>) -> bool {
        let any = !self.waiting.is_empty();
        for (id, reply) in self.waiting.drain(..) {
            let usage = Usage::new(reply.tokens, 0);
            if reply.cancelled {
                emit(id, Event::Done { finish: Finish::Cancelled, usage });
                continue;
            }
            emit(id, Event::Started { prompt_tokens: reply.tokens });
            if let Some(event) = reply.event {
                emit(id, event);
            }
            emit(id, Event::Done { finish: Finish::Stop, usage });
        }
        any
    }
}
