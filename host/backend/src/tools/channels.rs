//! Answers that are messages in channels, as gpt-oss writes them (the format is called Harmony).
//!
//! What the model tells itself is in the channel `analysis` and is no part of the answer. A message to a tool is a call;
//! all others are text.

use super::format::{CALL, CHANNEL, END, MESSAGE, RETURN, START};
use super::json::Nesting;
use super::parser::Syntax;
use super::prose::{Calls, Prose, is_name, might_be, overlap, tell};
use crate::{Event, Tool};

/// Tools of callers are in this namespace.
const NAMESPACE: &str = "functions.";
/// Whose messages are part of the answer.
const ASSISTANT: &str = "assistant";
/// Names who a message is for.
const TO: &str = "to=";

/// Where the text is.
#[derive(Debug)]
enum State {
    /// Where a message begins; the prompt ends there.
    Start,
    /// In what says where a message goes.
    Head,
    /// In a message for nobody.
    Hidden,
    /// In a message for the caller.
    Shown,
    /// In the arguments of a call.
    Arguments(Nesting),
    /// Behind them.
    After,
}

/// A parser of messages.
#[derive(Debug)]
pub(super) struct Channels {
    /// No tools: there is nobody who could be called.
    tools: bool,
    state: State,
}

impl Channels {
    pub(super) fn new(tools: Vec<Tool>) -> Self {
        Self { tools: !tools.is_empty(), state: State::Start }
    }

    /// An answer that begins with no head, as under a grammar, is text.
    fn start(&mut self, text: &Prose) -> bool {
        let rest = text.buffer.trim_start();
        let heads = [CHANNEL, START, TO];
        self.state = if heads.iter().any(|head| rest.starts_with(head)) {
            State::Head
        } else if might_be(rest, &heads) {
            return false;
        } else {
            State::Shown
        };
        true
    }

    fn head(&mut self, text: &mut Prose, calls: &mut Calls, emit: &mut dyn FnMut(Event)) -> bool {
        let Some(at) = text.buffer.find(MESSAGE) else { return false };
        let head = text.drain(at + MESSAGE.len());
        let word = |mark: &str| {
            let rest = head.rsplit_once(mark).map(|(_, rest)| rest.trim_start())?;
            Some(rest.split(['<', ' ', '\n']).next().unwrap_or_default())
        };
        let channel = word(CHANNEL).unwrap_or_default();
        // The head that the prompt began has none of its own.
        let role = word(START).unwrap_or(ASSISTANT);
        self.state = match word(TO) {
            Some(to) => {
                match to.strip_prefix(NAMESPACE).filter(|name| self.tools && name.chars().all(is_name)) {
                    Some(name) => {
                        calls.begin(name.to_owned(), String::new(), emit);
                        State::Arguments(Nesting::default())
                    }
                    None => State::Hidden,
                }
            }
            None if channel == "analysis" || role != ASSISTANT => State::Hidden,
            None => State::Shown,
        };
        true
    }

    /// Takes what belongs to the message, and finds its end.
    fn body(&mut self, text: &mut Prose) -> (String, bool) {
        let ends = [END, CALL, RETURN, START, CHANNEL];
        let found = ends.iter().filter_map(|end| Some((text.buffer.find(end)?, *end))).min();
        let Some((at, end)) = found else {
            let undecided = ends.iter().map(|end| overlap(&text.buffer, end)).max().unwrap_or(0);
            return (text.drain(text.buffer.len() - undecided), false);
        };
        let body = text.drain(at);
        if end != START && end != CHANNEL {
            text.drain(end.len());
        }
        self.state = State::Head;
        (body, true)
    }
}

impl Syntax for Channels {
    fn advance(&mut self, text: &mut Prose, calls: &mut Calls, emit: &mut dyn FnMut(Event)) -> bool {
        match self.state {
            State::Start => self.start(text),
            State::Head => self.head(text, calls, emit),
            State::Hidden | State::After => self.body(text).1,
            State::Shown => {
                let (body, ended) = self.body(text);
                tell(body, emit);
                ended
            }
            State::Arguments(mut nesting) => {
                let (body, ended) = self.body(text);
                match nesting.end_in(&body) {
                    Some(end) => {
                        calls.more(body.get(..end).unwrap_or_default().to_owned(), emit);
                        if !ended {
                            self.state = State::After;
                        }
                    }
                    None => {
                        calls.more(body, emit);
                        if !ended {
                            self.state = State::Arguments(nesting);
                        }
                    }
                }
                ended
            }
        }
    }

    fn ends_in_text(&self) -> bool {
        matches!(self.state, State::Start | State::Shown)
    }
}
