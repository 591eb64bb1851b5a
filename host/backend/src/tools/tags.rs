//! Calls in which each argument has tags of its own, as in XML, but with texts as they are.

use serde_json::Value;

use super::format::Tags;
use super::parser::Syntax;
use super::prose::{Calls, Prose, Stop, is_name, might_be, overlap};
use super::values::Kinds;
use crate::{Event, Tool};

/// Where the text is.
#[derive(Debug)]
enum State {
    /// In what is no call.
    Text,
    /// Behind what begins a call, in front of its name.
    Head {
        /// The tag with the name is there already.
        opened: bool,
        /// No section was begun, so that only a tool's name makes a call of it.
        loose: bool,
    },
    /// Behind a name or an argument.
    Key,
    /// In an argument.
    Value {
        kinds: Kinds,
        /// Something of it was seen.
        begun: bool,
    },
    /// Behind a call.
    After,
}

/// A parser of formats with tags for arguments.
#[derive(Debug)]
pub(super) struct Tagged {
    tags: &'static Tags,
    tools: Vec<Tool>,
    state: State,
    /// Which of the tools is called, if it is one.
    called: Option<usize>,
    /// The call has an argument.
    any: bool,
}

impl Tagged {
    pub(super) fn new(tags: &'static Tags, tools: Vec<Tool>) -> Self {
        Self { tags, tools, state: State::Text, called: None, any: false }
    }

    fn text(&mut self, text: &mut Prose, emit: &mut dyn FnMut(Event)) -> bool {
        let &Tags { open, call, .. } = self.tags;
        let both = [open, call];
        let marks = if call.is_empty() { &both[..1] } else { &both };
        let Some(found) = text.until(marks, emit) else { return false };
        let loose = found == call;
        self.state = State::Head { opened: loose, loose };
        true
    }

    fn head(
        &mut self,
        (opened, loose): (bool, bool),
        text: &mut Prose,
        calls: &mut Calls,
        emit: &mut dyn FnMut(Event),
    ) -> bool {
        let parsed = self.name(&text.buffer, opened).and_then(|(name, at)| {
            let called = self.tools.iter().position(|tool| tool.name == name);
            if loose && called.is_none() { Err(Stop::Not) } else { Ok((name.to_owned(), at, called)) }
        });
        match parsed.map_err(|stop| stop.within(text.buffer.len())) {
            Ok((name, at, called)) => {
                text.forget();
                text.drain(at);
                calls.begin(name, String::new(), emit);
                self.called = called;
                self.any = false;
                self.state = State::Key;
                true
            }
            Err(Stop::More) => false,
            Err(Stop::Not) => {
                self.state = State::Text;
                text.restore(emit);
                true
            }
        }
    }

    /// The name at the beginning of a call, and where it ends.
    fn name<'a>(&self, buffer: &'a str, opened: bool) -> Result<(&'a str, usize), Stop> {
        let &Tags { call, named, .. } = self.tags;
        let mut rest = buffer;
        if !opened {
            rest = buffer.trim_start();
            rest = match rest.strip_prefix(call) {
                Some(rest) => rest,
                None if might_be(rest, &[call]) => return Err(Stop::More),
                None => return Err(Stop::Not),
            };
        }
        let begin = buffer.len() - rest.len();
        let name = rest.trim_start();
        let length = name.find(|char| !is_name(char)).ok_or(Stop::More)?;
        let (name, behind) = name.split_at(length);
        if name.is_empty() {
            return Err(Stop::Not);
        }
        if behind.starts_with(named) && (!named.is_empty() || behind.starts_with(['<', '\n', '\r'])) {
            let spaces = rest.len() - rest.trim_start().len();
            Ok((name, begin + spaces + length + named.len()))
        } else if !named.is_empty() && might_be(behind, &[named]) {
            Err(Stop::More)
        } else {
            Err(Stop::Not)
        }
    }

    fn key(&mut self, text: &mut Prose, calls: &Calls, emit: &mut dyn FnMut(Event)) -> bool {
        let &Tags { key, end, close, .. } = self.tags;
        let rest = text.buffer.trim_start();
        let spaces = text.buffer.len() - rest.len();
        if let Some(inner) = rest.strip_prefix(key) {
            match self.argument(inner).map_err(|stop| stop.within(rest.len())) {
                Ok((name, left)) => {
                    let kinds = Kinds::of_argument(self.called.and_then(|at| self.tools.get(at)), name);
                    let mut more = if self.any { ", " } else { "{" }.to_owned();
                    more.push_str(&Value::from(name).to_string());
                    more.push_str(if kinds.only_text() { ": \"" } else { ": " });
                    text.drain(text.buffer.len() - left);
                    self.any = true;
                    self.state = State::Value { kinds, begun: false };
                    calls.more(more, emit);
                    return true;
                }
                Err(Stop::More) => return false,
                Err(Stop::Not) => self.close(0, State::Text, text, calls, emit),
            }
        } else if !end.is_empty() && rest.starts_with(end) {
            self.close(spaces + end.len(), State::After, text, calls, emit);
        } else if rest.starts_with(close) {
            self.close(spaces + close.len(), State::Text, text, calls, emit);
        } else if might_be(rest, &[key, end, close]) {
            return false;
        } else {
            self.close(0, State::After, text, calls, emit);
        }
        true
    }

    /// The name of an argument, and how much is left where its value begins.
    fn argument<'a>(&self, inner: &'a str) -> Result<(&'a str, usize), Stop> {
        let &Tags { keyed, value, .. } = self.tags;
        let (name, rest) = inner.split_once(keyed).ok_or(Stop::More)?;
        if value.is_empty() {
            return Ok((name.trim(), rest.len()));
        }
        let begin = rest.trim_start();
        match begin.strip_prefix(value) {
            Some(rest) => Ok((name.trim(), rest.len())),
            None if might_be(begin, &[value]) => Err(Stop::More),
            None => Err(Stop::Not),
        }
    }

    /// Ends the arguments.
    fn close(
        &mut self,
        skipped: usize,
        next: State,
        text: &mut Prose,
        calls: &Calls,
        emit: &mut dyn FnMut(Event),
    ) {
        text.drain(skipped);
        calls.more(if self.any { "}" } else { "{}" }.into(), emit);
        self.state = next;
    }

    fn value(
        &mut self,
        (kinds, mut begun): (Kinds, bool),
        text: &mut Prose,
        calls: &Calls,
        emit: &mut dyn FnMut(Event),
    ) -> bool {
        let &Tags { valued, lines, .. } = self.tags;
        if text.buffer.is_empty() {
            return false;
        }
        if !begun && lines && text.buffer.starts_with('\n') {
            text.drain(1);
        }
        begun = true;
        self.state = State::Value { kinds, begun };
        // The line break in front of the tag belongs to the tag.
        let without_break = |value: &str| match value.strip_suffix('\n') {
            Some(value) if lines => value.len(),
            _ => value.len(),
        };
        let Some(at) = text.buffer.find(valued) else {
            if kinds.only_text() {
                let undecided = overlap(&text.buffer, valued);
                let seen = text.buffer.get(..text.buffer.len() - undecided).unwrap_or_default();
                let decided = without_break(seen);
                let piece = text.drain(decided);
                calls.more(escaped(&piece), emit);
            }
            return false;
        };
        let piece = text.drain(at);
        let piece = piece.get(..without_break(&piece)).unwrap_or_default();
        text.drain(valued.len());
        calls.more(if kinds.only_text() { escaped(piece) + "\"" } else { kinds.json(piece) }, emit);
        self.state = State::Key;
        true
    }

    /// Swallows what ends a section, and finds the next call in it.
    fn after(&mut self, text: &mut Prose) -> bool {
        let &Tags { call, close, .. } = self.tags;
        let rest = text.buffer.trim_start();
        let spaces = text.buffer.len() - rest.len();
        if !call.is_empty() && rest.starts_with(call) {
            text.take(spaces + call.len());
            self.state = State::Head { opened: true, loose: false };
        } else if rest.starts_with(close) {
            text.drain(spaces + close.len());
            self.state = State::Text;
        } else if might_be(rest, &[call, close]) {
            return false;
        } else {
            self.state = State::Text;
        }
        true
    }
}

impl Syntax for Tagged {
    fn advance(&mut self, text: &mut Prose, calls: &mut Calls, emit: &mut dyn FnMut(Event)) -> bool {
        match self.state {
            State::Text => self.text(text, emit),
            State::Head { opened, loose } => self.head((opened, loose), text, calls, emit),
            State::Key => self.key(text, calls, emit),
            State::Value { kinds, begun } => self.value((kinds, begun), text, calls, emit),
            State::After => self.after(text),
        }
    }

    fn ends_in_text(&self) -> bool {
        matches!(self.state, State::Text | State::Head { loose: true, .. })
    }
}

/// A text as JSON has it between its quotes.
fn escaped(text: &str) -> String {
    let quoted = Value::from(text).to_string();
    quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or_default().to_owned()
}
