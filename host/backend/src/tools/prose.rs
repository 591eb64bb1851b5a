//! What all parsers of calls work on: text in which marks are looked for, and the calls that were found.

use std::cmp::Reverse;
use std::hash::{BuildHasher, RandomState};

use crate::{Event, ToolCallDelta};

/// Bytes in which the beginning of a call must have shown what it is.
pub(super) const LONGEST_HEAD: usize = 256 << 10;

/// Why nothing can be said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// It is not all there yet.
    More,
    /// It is no call.
    Not,
}

impl Stop {
    /// What may not go on for ever does not.
    pub(super) fn within(self, length: usize) -> Self {
        if length > LONGEST_HEAD { Self::Not } else { self }
    }
}

/// The part of an answer that was not handed out yet.
#[derive(Debug)]
pub(super) struct Prose {
    /// What was not decided yet.
    pub(super) buffer: String,
    /// White space and the mark in front of the buffer, which are text if no call follows.
    before: String,
    /// Nothing but white space was seen.
    first: bool,
}

impl Prose {
    pub(super) fn new() -> Self {
        Self { buffer: String::new(), before: String::new(), first: true }
    }

    /// Shows what is certainly text, up to the first of these marks. A mark is taken out, with the white space in front
    /// of it, and kept until it is clear what it is.
    pub(super) fn until(
        &mut self,
        marks: &[&'static str],
        emit: &mut dyn FnMut(Event),
    ) -> Option<&'static str> {
        let found =
            marks.iter().filter_map(|mark| Some((self.buffer.find(mark)?, Reverse(mark.len()), *mark))).min();
        if let Some((at, _, mark)) = found {
            let shown = self.buffer.get(..at).unwrap_or_default().trim_end().len();
            self.show(shown, emit);
            self.take(at - shown + mark.len());
            return Some(mark);
        }
        let partial = marks.iter().map(|mark| overlap(&self.buffer, mark)).max().unwrap_or(0);
        let decided = self.buffer.get(..self.buffer.len() - partial).unwrap_or_default().trim_end().len();
        self.show(decided, emit);
        None
    }

    /// Whether the answer begins with this character; the white space in front of it is then kept as that of a mark is.
    pub(super) fn begins_with(&mut self, char: char) -> bool {
        let spaces = self.buffer.len() - self.buffer.trim_start().len();
        let begins = self.first && self.buffer.get(spaces..).is_some_and(|rest| rest.starts_with(char));
        if begins {
            self.take(spaces);
        }
        begins
    }

    /// Keeps this much of the buffer until it is clear what it is.
    pub(super) fn take(&mut self, length: usize) {
        self.before.extend(self.buffer.drain(..length));
    }

    /// What was kept began a call, or ended one.
    pub(super) fn forget(&mut self) {
        self.before.clear();
        self.first = false;
    }

    /// What was kept is text.
    pub(super) fn restore(&mut self, emit: &mut dyn FnMut(Event)) {
        self.first = false;
        tell(std::mem::take(&mut self.before), emit);
    }

    /// All that is left.
    pub(super) fn rest(&mut self) -> String {
        std::mem::take(&mut self.before) + &std::mem::take(&mut self.buffer)
    }

    /// Takes this much out of the buffer.
    pub(super) fn drain(&mut self, length: usize) -> String {
        self.buffer.drain(..length).collect()
    }

    /// Shows what was kept and this much of the buffer.
    fn show(&mut self, length: usize, emit: &mut dyn FnMut(Event)) {
        if length == 0 {
            return;
        }
        self.first = false;
        let mut text = std::mem::take(&mut self.before);
        text.extend(self.buffer.drain(..length));
        tell(text, emit);
    }
}

/// Counts calls and hands out their pieces.
#[derive(Debug, Default)]
pub(super) struct Calls {
    begun: u32,
}

impl Calls {
    pub(super) fn begun(&self) -> u32 {
        self.begun
    }

    /// Another call, and what of its arguments is known.
    pub(super) fn begin(&mut self, name: String, arguments: String, emit: &mut dyn FnMut(Event)) {
        let index = self.begun;
        self.begun += 1;
        emit(Event::ToolCall(ToolCallDelta { index, id: Some(new_id()), name: Some(name), arguments }));
    }

    /// More of the arguments of the last call.
    pub(super) fn more(&self, arguments: String, emit: &mut dyn FnMut(Event)) {
        if !arguments.is_empty() {
            let index = self.begun.saturating_sub(1);
            emit(Event::ToolCall(ToolCallDelta { index, arguments, ..Default::default() }));
        }
    }
}

pub(super) fn tell(text: String, emit: &mut dyn FnMut(Event)) {
    if !text.is_empty() {
        emit(Event::Text(text));
    }
}

/// A character of a tool's name.
pub(super) fn is_name(char: char) -> bool {
    char.is_ascii_alphanumeric() || matches!(char, '_' | '-' | '.')
}

/// How much of the end of a text is the beginning of the mark.
pub(super) fn overlap(text: &str, mark: &str) -> usize {
    (1..mark.len())
        .rev()
        .find(|&length| mark.get(..length).is_some_and(|part| text.ends_with(part)))
        .unwrap_or(0)
}

/// Whether a text that goes on might become one that begins with one of these.
pub(super) fn might_be(text: &str, marks: &[&str]) -> bool {
    marks.iter().any(|mark| mark.starts_with(text))
}

/// `call_` and 24 letters and digits at random.
fn new_id() -> String {
    const LETTERS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut id = String::from("call_");
    for part in 0..3_u8 {
        let mut number = RandomState::new().hash_one(part);
        for _ in 0..8 {
            id.push(char::from(LETTERS[(number % 62) as usize]));
            number /= 62;
        }
    }
    id
}
