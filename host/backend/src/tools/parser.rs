//! Tells calls of tools from text while the model writes.

use std::hash::{BuildHasher, RandomState};

use super::json::{Arguments, Cursor, Head, Nesting, Stop};
use super::{ARGS, END_TAG, PIPED_END, ToolFormat};
use crate::{Event, ToolCallDelta};

/// Bytes in which a call must have shown its name and where its arguments begin.
const LONGEST_HEAD: usize = 256 << 10;

/// Where the text is.
#[derive(Debug)]
enum State {
    /// In what is no call.
    Text,
    /// Behind the mark of a call whose arguments have not begun.
    Head,
    /// In the arguments.
    Arguments(Nesting),
    /// Behind the arguments.
    Tail,
    /// Behind a call.
    After,
}

/// Finds calls of tools in a text that comes in pieces. What might be the beginning of a call is held back until that is
/// decided: no part of a mark is ever shown as text, and no text is lost because it looked like one for a while.
#[derive(Debug)]
pub struct ToolParser {
    format: ToolFormat,
    /// Tools that there are; an answer that is JSON and names none of them is no call.
    tools: Vec<String>,
    state: State,
    /// What was not decided yet.
    buffer: String,
    /// White space and the mark in front of the buffer, which are text if no call follows.
    before: String,
    /// Nothing but white space was seen.
    first: bool,
    calls: u32,
}

impl ToolParser {
    /// For an answer that may call these tools in this format.
    pub fn new(format: ToolFormat, tools: Vec<String>) -> Self {
        Self {
            format,
            tools,
            state: State::Text,
            buffer: String::new(),
            before: String::new(),
            first: true,
            calls: 0,
        }
    }

    /// Calls that have begun.
    pub fn calls(&self) -> u32 {
        self.calls
    }

    /// Takes more of the answer; hands out [`Event::Text`] and [`Event::ToolCall`].
    pub fn push(&mut self, text: &str, emit: &mut dyn FnMut(Event)) {
        self.buffer.push_str(text);
        while self.advance(emit) {}
    }

    /// Ends the answer. What is left of a call that never came to its arguments is dropped.
    pub fn finish(&mut self, emit: &mut dyn FnMut(Event)) {
        let undecided = std::mem::take(&mut self.buffer);
        let before = std::mem::take(&mut self.before);
        let text = match self.state {
            State::Text => before + &undecided,
            State::Head if self.format == ToolFormat::Bare => before + &undecided,
            _ => String::new(),
        };
        if self.calls == 0 || !text.trim().is_empty() {
            tell(text, emit);
        }
    }

    /// Goes on by one state. False: more text is needed.
    fn advance(&mut self, emit: &mut dyn FnMut(Event)) -> bool {
        match self.state {
            State::Text => self.text(emit),
            State::Head => self.head(emit),
            State::Arguments(nesting) => self.arguments(nesting, emit),
            State::Tail => self.tail(),
            State::After => self.after(),
        }
    }

    fn text(&mut self, emit: &mut dyn FnMut(Event)) -> bool {
        let mark = self.format.mark();
        if self.first && self.format == ToolFormat::Bare && self.buffer.trim_start().starts_with('{') {
            let spaces = self.buffer.len() - self.buffer.trim_start().len();
            self.before.extend(self.buffer.drain(..spaces));
            self.state = State::Head;
            return true;
        }
        let end_mark = if self.format.marks().contains(&PIPED_END) { PIPED_END } else { mark };
        let found =
            [mark, end_mark].into_iter().filter_map(|mark| Some((self.buffer.find(mark)?, mark))).min();
        if let Some((at, found)) = found {
            let shown = self.buffer.get(..at).unwrap_or_default().trim_end().len();
            self.show(shown, emit);
            self.before.extend(self.buffer.drain(..at - shown + found.len()));
            if found == mark {
                self.state = State::Head;
            } else {
                self.before.clear();
            }
            return true;
        }
        let partial = [mark, end_mark].into_iter().map(|mark| overlap(&self.buffer, mark)).max().unwrap_or(0);
        let decided = self.buffer.get(..self.buffer.len() - partial).unwrap_or_default().trim_end().len();
        self.show(decided, emit);
        false
    }

    /// Shows what was held back and this much of the buffer.
    fn show(&mut self, length: usize, emit: &mut dyn FnMut(Event)) {
        if length == 0 {
            return;
        }
        self.first = false;
        let mut text = std::mem::take(&mut self.before);
        text.extend(self.buffer.drain(..length));
        tell(text, emit);
    }

    fn head(&mut self, emit: &mut dyn FnMut(Event)) -> bool {
        let parsed = match self.format {
            ToolFormat::Spelled => spelled(&self.buffer),
            ToolFormat::Listed(_) => {
                // The list's bracket comes with the first call only.
                let trimmed = self.buffer.trim_start();
                let inner = trimmed.strip_prefix('[').unwrap_or(trimmed);
                let skipped = self.buffer.len() - inner.len();
                head_at(&self.buffer, skipped)
            }
            ToolFormat::Tagged | ToolFormat::Bare => head_at(&self.buffer, 0),
        };
        let parsed = match parsed {
            Ok(head) if self.format == ToolFormat::Bare && !self.tools.contains(&head.name) => Err(Stop::Not),
            Err(Stop::More) if self.buffer.len() > LONGEST_HEAD => Err(Stop::Not),
            other => other,
        };
        match parsed {
            Ok(Head { name, arguments }) => {
                self.begin(name, arguments, emit);
                true
            }
            Err(Stop::More) => false,
            Err(Stop::Not) => {
                self.first = false;
                self.state = State::Text;
                tell(std::mem::take(&mut self.before), emit);
                true
            }
        }
    }

    fn begin(&mut self, name: String, arguments: Arguments, emit: &mut dyn FnMut(Event)) {
        self.before.clear();
        self.first = false;
        let mut call = ToolCallDelta {
            index: self.calls,
            id: Some(new_id()),
            name: Some(name),
            arguments: String::new(),
        };
        self.calls += 1;
        match arguments {
            Arguments::At(at) => {
                self.buffer.drain(..at);
                self.state = State::Arguments(Nesting::default());
            }
            Arguments::Whole(whole, at) => {
                call.arguments = whole;
                self.buffer.drain(..at);
                self.state = State::Tail;
            }
        }
        emit(Event::ToolCall(call));
    }

    fn arguments(&mut self, mut nesting: Nesting, emit: &mut dyn FnMut(Event)) -> bool {
        let end = self
            .buffer
            .char_indices()
            .find_map(|(at, char)| nesting.ends(char).then_some(at + char.len_utf8()));
        let arguments: String = self.buffer.drain(..end.unwrap_or(self.buffer.len())).collect();
        if !arguments.is_empty() {
            emit(Event::ToolCall(ToolCallDelta { index: self.calls - 1, arguments, ..Default::default() }));
        }
        self.state = match (end, self.format) {
            (None, _) => State::Arguments(nesting),
            (Some(_), ToolFormat::Spelled) => State::After,
            (Some(_), _) => State::Tail,
        };
        end.is_some()
    }

    fn tail(&mut self) -> bool {
        let mut cursor = Cursor::new(&self.buffer);
        let end = match cursor.tail() {
            Ok(()) => cursor.at,
            Err(Stop::More) => return false,
            // A brace is missing; what comes instead is looked at as what follows a call.
            Err(Stop::Not) => 0,
        };
        self.buffer.drain(..end);
        self.state = State::After;
        true
    }

    /// Swallows what ends a call, and finds the next one where no mark is in front of it.
    fn after(&mut self) -> bool {
        let rest = self.buffer.trim_start();
        let spaces = self.buffer.len() - rest.len();
        let (next, skipped) = match self.format {
            ToolFormat::Tagged if rest.starts_with(END_TAG) => (State::Text, spaces + END_TAG.len()),
            ToolFormat::Tagged if END_TAG.starts_with(rest) => return false,
            ToolFormat::Listed(_) | ToolFormat::Bare if rest.is_empty() => return false,
            ToolFormat::Listed(_) if rest.starts_with(',') => (State::Head, spaces + 1),
            ToolFormat::Listed(_) if rest.starts_with(']') => (State::Text, spaces + 1),
            ToolFormat::Bare if rest.starts_with([';', ',']) => {
                let Some(next) = rest.get(1..).map(str::trim_start).filter(|next| !next.is_empty()) else {
                    return false;
                };
                if next.starts_with('{') {
                    (State::Head, self.buffer.len() - next.len())
                } else {
                    (State::Text, 0)
                }
            }
            ToolFormat::Bare if rest.starts_with('{') => (State::Head, spaces),
            _ => (State::Text, 0),
        };
        self.buffer.drain(..skipped);
        self.state = next;
        true
    }
}

/// The beginning of a call whose object begins after so many bytes.
fn head_at(text: &str, skipped: usize) -> Result<Head, Stop> {
    let mut head = Cursor::new(text.get(skipped..).unwrap_or_default()).head()?;
    match &mut head.arguments {
        Arguments::At(at) | Arguments::Whole(_, at) => *at += skipped,
    }
    Ok(head)
}

/// The beginning of a call that is a name, a mark and an object.
fn spelled(text: &str) -> Result<Head, Stop> {
    let Some((name, arguments)) = text.split_once(ARGS) else {
        let name = text.get(..text.len() - overlap(text, ARGS)).unwrap_or_default();
        let possible = name.trim().chars().all(is_name);
        return Err(if possible { Stop::More } else { Stop::Not });
    };
    let mut cursor = Cursor::new(arguments);
    let name = name.trim();
    if name.is_empty() || !name.chars().all(is_name) || cursor.peek()? != '{' {
        return Err(Stop::Not);
    }
    let at = text.len() - arguments.len() + cursor.at;
    Ok(Head { name: name.to_owned(), arguments: Arguments::At(at) })
}

fn is_name(char: char) -> bool {
    char.is_ascii_alphanumeric() || matches!(char, '_' | '-' | '.')
}

/// How much of the end of a text is the beginning of the mark.
fn overlap(text: &str, mark: &str) -> usize {
    (1..mark.len())
        .rev()
        .find(|&length| mark.get(..length).is_some_and(|part| text.ends_with(part)))
        .unwrap_or(0)
}

fn tell(text: String, emit: &mut dyn FnMut(Event)) {
    if !text.is_empty() {
        emit(Event::Text(text));
    }
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
