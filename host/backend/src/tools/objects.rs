//! Calls whose arguments the model writes as a JSON object.

use super::format::{ACTION, ACTION_END, ARGS, CALL_ID, END_TAG, MISTRAL, PIPED, PIPED_END, PYTHON, TAG};
use super::format::{RESPONSE, RESPONSE_END, Section, THINKING, THINKING_END, ToolFormat};
use super::json::{Arguments, Cursor, Head, Nesting};
use super::parser::Syntax;
use super::prose::{Calls, Prose, Stop, is_name, might_be, overlap};
use crate::{Event, Tool};

/// Where the text is.
#[derive(Debug)]
enum State {
    /// In what is no call.
    Text,
    /// In what the model tells itself.
    Hidden,
    /// Behind the mark of a call whose arguments have not begun.
    Head,
    /// In the arguments.
    Arguments(Nesting),
    /// Behind the arguments.
    Tail,
    /// Behind a call.
    After,
}

/// A parser of all formats in which arguments are objects.
#[derive(Debug)]
pub(super) struct Objects {
    format: ToolFormat,
    /// Tools that there are; an answer that is JSON and names none of them is no call.
    tools: Vec<String>,
    state: State,
}

impl Objects {
    pub(super) fn new(format: ToolFormat, tools: Vec<Tool>) -> Self {
        let tools = tools.into_iter().map(|tool| tool.name).collect();
        Self { format, tools, state: State::Text }
    }

    /// Marks that are looked for in text.
    fn looked_for(&self) -> &'static [&'static str] {
        match self.format {
            ToolFormat::Tagged => &[TAG],
            ToolFormat::Listed(PIPED) => &[PIPED, PIPED_END],
            ToolFormat::Listed(ACTION) => {
                &[ACTION, ACTION_END, THINKING, THINKING_END, RESPONSE, RESPONSE_END]
            }
            ToolFormat::Listed(_) | ToolFormat::Spelled => &[MISTRAL],
            ToolFormat::Sectioned(section) => section.begins,
            _ => &[PYTHON],
        }
    }

    fn text(&mut self, text: &mut Prose, emit: &mut dyn FnMut(Event)) -> bool {
        if self.format == ToolFormat::Bare && text.begins_with('{') {
            self.state = State::Head;
            return true;
        }
        match text.until(self.looked_for(), emit) {
            None => return false,
            Some(THINKING) => {
                text.forget();
                self.state = State::Hidden;
            }
            Some(PIPED_END | ACTION_END | THINKING_END | RESPONSE | RESPONSE_END) => text.forget(),
            Some(_) => self.state = State::Head,
        }
        true
    }

    fn hidden(&mut self, text: &mut Prose) -> bool {
        let Some(at) = text.buffer.find(THINKING_END) else {
            let kept = overlap(&text.buffer, THINKING_END);
            text.drain(text.buffer.len() - kept);
            return false;
        };
        text.drain(at + THINKING_END.len());
        self.state = State::Text;
        true
    }

    fn head(&mut self, text: &mut Prose, calls: &mut Calls, emit: &mut dyn FnMut(Event)) -> bool {
        let buffer = &text.buffer;
        let parsed = match self.format {
            ToolFormat::Spelled => spelled(buffer),
            ToolFormat::Sectioned(section) => sectioned(buffer, section),
            ToolFormat::Listed(_) => {
                // The list's bracket comes with the first call only.
                let trimmed = buffer.trim_start();
                let inner = trimmed.strip_prefix('[').unwrap_or(trimmed);
                head_at(buffer, buffer.len() - inner.len())
            }
            _ => head_at(buffer, 0),
        };
        let parsed = match parsed {
            Ok(head) if self.format == ToolFormat::Bare && !self.tools.contains(&head.name) => Err(Stop::Not),
            other => other.map_err(|stop| stop.within(buffer.len())),
        };
        match parsed {
            Ok(Head { name, arguments }) => {
                text.forget();
                let (whole, at) = match arguments {
                    Arguments::At(at) => {
                        self.state = State::Arguments(Nesting::default());
                        (String::new(), at)
                    }
                    Arguments::Whole(whole, at) => {
                        self.state = State::Tail;
                        (whole, at)
                    }
                };
                text.drain(at);
                calls.begin(name, whole, emit);
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

    fn arguments(
        &mut self,
        mut nesting: Nesting,
        text: &mut Prose,
        calls: &Calls,
        emit: &mut dyn FnMut(Event),
    ) -> bool {
        let end = nesting.end_in(&text.buffer);
        let arguments = text.drain(end.unwrap_or(text.buffer.len()));
        calls.more(arguments, emit);
        self.state = match (end, self.format) {
            (None, _) => State::Arguments(nesting),
            (Some(_), ToolFormat::Spelled | ToolFormat::Sectioned(_)) => State::After,
            (Some(_), _) => State::Tail,
        };
        end.is_some()
    }

    fn tail(&mut self, text: &mut Prose) -> bool {
        let mut cursor = Cursor::new(&text.buffer);
        let end = match cursor.tail() {
            Ok(()) => cursor.at,
            Err(Stop::More) => return false,
            // A brace is missing; what comes instead is looked at as what follows a call.
            Err(Stop::Not) => 0,
        };
        text.drain(end);
        self.state = State::After;
        true
    }

    /// Swallows what ends a call, and finds the next one where no mark is in front of it.
    fn after(&mut self, text: &mut Prose) -> bool {
        let rest = text.buffer.trim_start();
        let spaces = text.buffer.len() - rest.len();
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
                    (State::Head, text.buffer.len() - next.len())
                } else {
                    (State::Text, 0)
                }
            }
            ToolFormat::Bare if rest.starts_with('{') => (State::Head, spaces),
            ToolFormat::Sectioned(section) => match after_section(rest, section) {
                Ok((next, left)) => (next, text.buffer.len() - left),
                Err(Stop::More) => return false,
                Err(Stop::Not) => (State::Text, 0),
            },
            _ => (State::Text, 0),
        };
        text.drain(skipped);
        self.state = next;
        true
    }
}

impl Syntax for Objects {
    fn advance(&mut self, text: &mut Prose, calls: &mut Calls, emit: &mut dyn FnMut(Event)) -> bool {
        match self.state {
            State::Text => self.text(text, emit),
            State::Hidden => self.hidden(text),
            State::Head => self.head(text, calls, emit),
            State::Arguments(nesting) => self.arguments(nesting, text, calls, emit),
            State::Tail => self.tail(text),
            State::After => self.after(text),
        }
    }

    fn ends_in_text(&self) -> bool {
        match self.state {
            State::Text => true,
            State::Head => self.format == ToolFormat::Bare,
            _ => false,
        }
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

/// The beginning of a call that is a name, maybe an id behind a mark, a mark and an object.
fn spelled(text: &str) -> Result<Head, Stop> {
    let Some((head, arguments)) = text.split_once(ARGS) else {
        let cut = overlap(text, ARGS).max(overlap(text, CALL_ID));
        let head = text.get(..text.len() - cut).unwrap_or_default();
        let possible = head.splitn(2, CALL_ID).all(|part| part.trim().chars().all(is_name));
        return Err(if possible { Stop::More } else { Stop::Not });
    };
    let mut cursor = Cursor::new(arguments);
    let name = head.split(CALL_ID).next().unwrap_or_default().trim();
    if name.is_empty() || !name.chars().all(is_name) || cursor.peek()? != '{' {
        return Err(Stop::Not);
    }
    let at = text.len() - arguments.len() + cursor.at;
    Ok(Head { name: name.to_owned(), arguments: Arguments::At(at) })
}

/// The beginning of a call in a section: its own mark, which the section's may stand for; a name or the word `function`,
/// a mark, and an object, in front of which there are then the name and a fence.
fn sectioned(text: &str, section: &Section) -> Result<Head, Stop> {
    let rest = text.trim_start();
    let rest = match rest.strip_prefix(section.call) {
        Some(rest) => rest,
        None if might_be(rest, &[section.call]) => return Err(Stop::More),
        None => rest,
    };
    let is_part = |char: char| is_name(char) || char == ':' || char.is_whitespace();
    let Some((kind, behind)) = rest.split_once(section.separator) else {
        let seen = rest.get(..rest.len() - overlap(rest, section.separator)).unwrap_or_default();
        return Err(if seen.chars().all(is_part) { Stop::More } else { Stop::Not });
    };
    let mut cursor = Cursor::new(behind);
    let name = if cursor.peek()? == '{' {
        kind
    } else {
        let (name, fenced) = behind.trim_start().split_once('\n').ok_or(Stop::More)?;
        let fenced = fenced.trim_start();
        let Some(object) = fenced.strip_prefix(FENCE) else {
            return Err(if might_be(fenced, &[FENCE]) { Stop::More } else { Stop::Not });
        };
        cursor.at = behind.len() - object.len();
        if cursor.peek()? != '{' {
            return Err(Stop::Not);
        }
        name
    };
    let name = section.name_of(name.trim());
    if name.is_empty() || !name.chars().all(is_name) {
        return Err(Stop::Not);
    }
    let at = text.len() - behind.len() + cursor.at;
    Ok(Head { name: name.to_owned(), arguments: Arguments::At(at) })
}

/// Begins a block of JSON in Markdown.
const FENCE: &str = "```json";
const FENCE_END: &str = "```";

/// What follows a call in a section, and how much of the text is left then.
fn after_section(rest: &str, section: &Section) -> Result<(State, usize), Stop> {
    if might_be(rest, &[FENCE_END, section.end]) {
        return Err(Stop::More);
    }
    let rest = rest.strip_prefix(FENCE_END).unwrap_or(rest).trim_start();
    let Some(rest) = rest.strip_prefix(section.end) else {
        return Err(if might_be(rest, &[section.end]) { Stop::More } else { Stop::Not });
    };
    let next = rest.trim_start();
    if next.starts_with(section.call) {
        Ok((State::Head, next.len()))
    } else if let Some(left) = next.strip_prefix(section.close) {
        Ok((State::Text, left.len()))
    } else if might_be(next, &[section.call, section.close]) {
        Err(Stop::More)
    } else {
        Ok((State::Text, rest.len()))
    }
}
