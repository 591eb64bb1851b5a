//! Tells calls of tools from text while the model writes.

use std::fmt::Debug;

use super::ToolFormat;
use super::channels::Channels;
use super::objects::Objects;
use super::prose::{Calls, Prose, tell};
use super::python::Pythonic;
use super::tags::Tagged;
use crate::{Event, Tool};

/// One way of writing calls.
pub(super) trait Syntax: Debug + Send {
    /// Goes on by one state. False: more text is needed.
    fn advance(&mut self, text: &mut Prose, calls: &mut Calls, emit: &mut dyn FnMut(Event)) -> bool;

    /// Where the answer ends here: what is undecided is text, and not what is left of a call that never came to its
    /// arguments.
    fn ends_in_text(&self) -> bool;
}

/// Finds calls of tools in a text that comes in pieces. What might be the beginning of a call is held back until that is
/// decided: no part of a mark is ever shown as text, and no text is lost because it looked like one for a while.
#[derive(Debug)]
pub struct ToolParser {
    syntax: Box<dyn Syntax>,
    text: Prose,
    calls: Calls,
}

impl ToolParser {
    /// For an answer that may call these tools in this format.
    pub fn new(format: ToolFormat, tools: Vec<Tool>) -> Self {
        let syntax: Box<dyn Syntax> = match format {
            ToolFormat::Arguments(tags) => Box::new(Tagged::new(tags, tools)),
            ToolFormat::Python(mark) => Box::new(Pythonic::new(mark, tools)),
            ToolFormat::Channels => Box::new(Channels::new(tools)),
            objects => Box::new(Objects::new(objects, tools)),
        };
        Self { syntax, text: Prose::new(), calls: Calls::default() }
    }

    /// Calls that have begun.
    pub fn calls(&self) -> u32 {
        self.calls.begun()
    }

    /// Takes more of the answer; hands out [`Event::Text`] and [`Event::ToolCall`].
    pub fn push(&mut self, text: &str, emit: &mut dyn FnMut(Event)) {
        self.text.buffer.push_str(text);
        while self.syntax.advance(&mut self.text, &mut self.calls, emit) {}
    }

    /// Ends the answer.
    pub fn finish(&mut self, emit: &mut dyn FnMut(Event)) {
        let rest = self.text.rest();
        let shown = self.syntax.ends_in_text() && (self.calls.begun() == 0 || !rest.trim().is_empty());
        if shown {
            tell(rest, emit);
        }
    }
}
