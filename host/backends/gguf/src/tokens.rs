//! Texts to tokens and back, and the length of prompts, without computing anything.

use inferno_backend::{Detokenize, Emit, Error, Event, Finish, Tokenize, Usage};
use llama_cpp_2::token::LlamaToken;
use llama_cpp_2::vocab::LlamaVocab;

/// Bytes that are cut into tokens at once.
const LONGEST: usize = 4 << 20;
/// Tokens that are made into text at once.
const MOST: usize = 1 << 20;

/// Answers that wait for the next step.
#[derive(Default)]
pub(crate) struct Replies {
    waiting: Vec<(u64, Reply)>,
}

struct Reply {
    tokens: u32,
    event: Option<Event>,
    cancelled: bool,
}

impl Replies {
    /// Says the tokens of a text.
    pub(crate) fn tokenize(&mut self, id: u64, work: &Tokenize, vocab: &LlamaVocab<'_>) -> Result<(), Error> {
        if work.text.len() > LONGEST {
            return Err(Error::invalid(format!(
                "the text has {} bytes, but at most {LONGEST} are cut into tokens at once",
                work.text.len()
            ))
            .hint("send it in parts"));
        }
        let tokens = vocab.tokenize(work.text.as_bytes(), work.special, work.special);
        let tokens: Vec<u32> = tokens.iter().map(|token| token.0.unsigned_abs()).collect();
        self.add(id, tokens.len(), Some(Event::Tokens(tokens)));
        Ok(())
    }

    /// Says the text of tokens.
    pub(crate) fn detokenize(
        &mut self,
        id: u64,
        work: &Detokenize,
        vocab: &LlamaVocab<'_>,
    ) -> Result<(), Error> {
        if work.tokens.len() > MOST {
            return Err(Error::invalid(format!(
                "there are {} tokens, but at most {MOST} are made into text at once",
                work.tokens.len()
            )));
        }
        let mut tokens = Vec::with_capacity(work.tokens.len());
        for &token in &work.tokens {
            let known =
                i32::try_from(token).ok().filter(|&token| token < vocab.n_tokens()).ok_or_else(|| {
                    Error::invalid(format!("there is no token {token}: the model has {}", vocab.n_tokens()))
                });
            tokens.push(LlamaToken(known?));
        }
        let bytes = if tokens.is_empty() { Vec::new() } else { vocab.detokenize(&tokens, false, true) };
        let text = String::from_utf8_lossy(&bytes).into_owned();
        self.add(id, tokens.len(), (!text.is_empty()).then_some(Event::Text(text)));
        Ok(())
    }

    /// Says how many tokens a prompt has.
    pub(crate) fn count(&mut self, id: u64, prompt: &[LlamaToken]) {
        self.add(id, prompt.len(), None);
    }

    fn add(&mut self, id: u64, tokens: usize, event: Option<Event>) {
        let tokens = u32::try_from(tokens).unwrap_or(u32::MAX);
        self.waiting.push((id, Reply { tokens, event, cancelled: false }));
    }

    /// Ends a request without its answer.
    pub(crate) fn cancel(&mut self, id: u64) {
        if let Some((_, reply)) = self.waiting.iter_mut().find(|(waiting, _)| *waiting == id) {
            reply.cancelled = true;
        }
    }

    /// Hands out what waits. False: nothing did.
    pub(crate) fn step(&mut self, emit: Emit<'_>) -> bool {
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
