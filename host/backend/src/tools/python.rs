//! Calls as Python writes them: `[get(city="Rome", days=3), put()]`.

use serde_json::Value;

use super::format::{PYTHON, PYTHON_END, PYTHON_LIST, PYTHON_LIST_END, PYTHON_START};
use super::parser::Syntax;
use super::prose::{Calls, Prose, Stop, is_name};
use crate::{Event, Tool};

/// Values within values at most.
const DEEPEST: u8 = 64;

/// Where the text is.
#[derive(Debug)]
enum State {
    /// In what is no call.
    Text,
    /// In front of a call's name; the first one has a bracket in front of it.
    Name { first: bool },
    /// Behind a name or an argument.
    Argument {
        /// How much of the buffer was looked at and found wanting.
        seen: usize,
    },
    /// Behind a call.
    After,
}

/// A parser of lists of calls.
#[derive(Debug)]
pub(super) struct Pythonic {
    /// What begins a list; empty: the answer may be one as it is.
    mark: &'static str,
    tools: Vec<String>,
    state: State,
    /// The call has an argument.
    any: bool,
}

impl Pythonic {
    pub(super) fn new(mark: &'static str, tools: Vec<Tool>) -> Self {
        let tools = tools.into_iter().map(|tool| tool.name).collect();
        Self { mark, tools, state: State::Text, any: false }
    }

    fn text(&mut self, text: &mut Prose, emit: &mut dyn FnMut(Event)) -> bool {
        let marks: &[_] = match self.mark {
            PYTHON_LIST => &[PYTHON_LIST, PYTHON_LIST_END],
            _ => &[PYTHON_START, PYTHON_END, PYTHON],
        };
        if self.mark.is_empty() && text.begins_with('[') {
            self.state = State::Name { first: true };
            return true;
        }
        match text.until(marks, emit) {
            None => return false,
            Some(PYTHON_END | PYTHON_LIST_END) => text.forget(),
            Some(_) => self.state = State::Name { first: true },
        }
        true
    }

    fn name(
        &mut self,
        first: bool,
        text: &mut Prose,
        calls: &mut Calls,
        emit: &mut dyn FnMut(Event),
    ) -> bool {
        let known = |name: &&str| self.tools.iter().any(|tool| tool == name);
        match name(&text.buffer, first).map_err(|stop| stop.within(text.buffer.len())) {
            Ok((found, at)) if known(&found) => {
                let found = found.to_owned();
                text.forget();
                text.drain(at);
                calls.begin(found, String::new(), emit);
                self.any = false;
                self.state = State::Argument { seen: 0 };
                true
            }
            Err(Stop::More) => false,
            Ok(_) | Err(Stop::Not) => {
                self.state = State::Text;
                text.restore(emit);
                true
            }
        }
    }

    fn argument(
        &mut self,
        seen: usize,
        text: &mut Prose,
        calls: &Calls,
        emit: &mut dyn FnMut(Event),
    ) -> bool {
        // An argument is whole where one of these follows it, so that there is no need to look before.
        if !text.buffer.get(seen..).is_some_and(|new| new.contains([',', ')'])) {
            return false;
        }
        let mut cursor = Literal::new(&text.buffer);
        if cursor.peek() == Ok(')') {
            let at = cursor.at + 1;
            text.drain(at);
            calls.more(if self.any { "}" } else { "{}" }.into(), emit);
            self.state = State::After;
            return true;
        }
        match cursor.argument() {
            Ok((key, value)) => {
                let at = cursor.at;
                let begin = if self.any { ", " } else { "{" };
                calls.more(format!("{begin}{}: {value}", Value::from(key)), emit);
                self.any = true;
                text.drain(at);
                self.state = State::Argument { seen: 0 };
                true
            }
            Err(Stop::More) => {
                self.state = State::Argument { seen: text.buffer.len() };
                false
            }
            Err(Stop::Not) => {
                calls.more(if self.any { "}" } else { "{}" }.into(), emit);
                self.state = State::Text;
                true
            }
        }
    }

    fn after(&mut self, text: &mut Prose) -> bool {
        let mut cursor = Literal::new(&text.buffer);
        let (next, at) = match cursor.peek() {
            Ok(',') => (State::Name { first: false }, cursor.at + 1),
            Ok(']') => (State::Text, cursor.at + 1),
            Ok(_) => (State::Text, 0),
            Err(_) => return false,
        };
        text.drain(at);
        self.state = next;
        true
    }
}

impl Syntax for Pythonic {
    fn advance(&mut self, text: &mut Prose, calls: &mut Calls, emit: &mut dyn FnMut(Event)) -> bool {
        match self.state {
            State::Text => self.text(text, emit),
            State::Name { first } => self.name(first, text, calls, emit),
            State::Argument { seen } => self.argument(seen, text, calls, emit),
            State::After => self.after(text),
        }
    }

    fn ends_in_text(&self) -> bool {
        match self.state {
            State::Text => true,
            State::Name { first } => first && self.mark.is_empty(),
            _ => false,
        }
    }
}

/// The name in front of a parenthesis, and where its arguments begin.
fn name(buffer: &str, first: bool) -> Result<(&str, usize), Stop> {
    let mut rest = buffer.trim_start();
    if first {
        rest = match rest.strip_prefix('[') {
            Some(rest) => rest.trim_start(),
            None if rest.is_empty() => return Err(Stop::More),
            None => return Err(Stop::Not),
        };
    }
    let length = rest.find(|char| !is_name(char)).ok_or(Stop::More)?;
    let (name, behind) = rest.split_at(length);
    if name.is_empty() || !behind.starts_with('(') {
        return Err(Stop::Not);
    }
    Ok((name, buffer.len() - behind.len() + 1))
}

/// A text that is one value of Python, as JSON.
pub(super) fn whole(text: &str) -> Option<String> {
    // What ends a word or a number must be there.
    let closed = format!("{text})");
    let mut cursor = Literal::new(&closed);
    let json = cursor.value(DEEPEST).ok()?;
    (cursor.at == text.len()).then_some(json)
}

/// A place in Python's text.
struct Literal<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Literal<'a> {
    fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// The next character behind white space.
    fn peek(&mut self) -> Result<char, Stop> {
        let trimmed = self.rest().trim_start();
        self.at = self.text.len() - trimmed.len();
        trimmed.chars().next().ok_or(Stop::More)
    }

    fn take(&mut self) -> Result<char, Stop> {
        let char = self.rest().chars().next().ok_or(Stop::More)?;
        self.at += char.len_utf8();
        Ok(char)
    }

    /// `name=value`, with what follows it: the comma is swallowed, the parenthesis is not.
    fn argument(&mut self) -> Result<(&'a str, String), Stop> {
        let key = self.word()?;
        if key.is_empty() || self.peek()? != '=' {
            return Err(Stop::Not);
        }
        self.at += 1;
        let value = self.value(DEEPEST)?;
        match self.peek()? {
            ',' => self.at += 1,
            ')' => {}
            _ => return Err(Stop::Not),
        }
        Ok((key, value))
    }

    fn word(&mut self) -> Result<&'a str, Stop> {
        self.peek()?;
        let rest = self.rest();
        let length = rest.find(|char| !is_name(char)).ok_or(Stop::More)?;
        self.at += length;
        Ok(rest.get(..length).unwrap_or_default())
    }

    /// A value, as JSON.
    fn value(&mut self, depth: u8) -> Result<String, Stop> {
        let depth = depth.checked_sub(1).ok_or(Stop::Not)?;
        match self.peek()? {
            '"' | '\'' => Ok(Value::from(self.string()?).to_string()),
            '[' => Ok(format!("[{}]", self.items(']', &mut |cursor| cursor.value(depth))?)),
            '(' => Ok(format!("[{}]", self.items(')', &mut |cursor| cursor.value(depth))?)),
            '{' => Ok(format!("{{{}}}", self.items('}', &mut |cursor| cursor.pair(depth))?)),
            char if char.is_ascii_alphabetic() => match self.word()? {
                "True" | "true" => Ok("true".into()),
                "False" | "false" => Ok("false".into()),
                "None" | "null" => Ok("null".into()),
                _ => Err(Stop::Not),
            },
            _ => self.number(),
        }
    }

    fn pair(&mut self, depth: u8) -> Result<String, Stop> {
        if !matches!(self.peek()?, '"' | '\'') {
            return Err(Stop::Not);
        }
        let key = Value::from(self.string()?);
        if self.peek()? != ':' {
            return Err(Stop::Not);
        }
        self.at += 1;
        Ok(format!("{key}: {}", self.value(depth)?))
    }

    /// Items with commas between them, and maybe one behind the last, up to `close`.
    fn items(
        &mut self,
        close: char,
        item: &mut dyn FnMut(&mut Self) -> Result<String, Stop>,
    ) -> Result<String, Stop> {
        self.at += 1;
        let mut items = Vec::new();
        loop {
            if self.peek()? == close {
                self.at += 1;
                return Ok(items.join(", "));
            }
            items.push(item(self)?);
            match self.peek()? {
                ',' => self.at += 1,
                char if char == close => {}
                _ => return Err(Stop::Not),
            }
        }
    }

    fn number(&mut self) -> Result<String, Stop> {
        let rest = self.rest();
        let is_part = |char: char| char.is_ascii_alphanumeric() || matches!(char, '.' | '+' | '-' | '_');
        let length = rest.find(|char| !is_part(char)).ok_or(Stop::More)?;
        self.at += length;
        let number = rest.get(..length).unwrap_or_default().replace('_', "");
        if serde_json::from_str::<serde_json::Number>(&number).is_ok() {
            return Ok(number);
        }
        // Such as `+1`, `.5` and `5.`.
        let value: f64 = number.parse().map_err(|_| Stop::Not)?;
        serde_json::Number::from_f64(value).map(|number| number.to_string()).ok_or(Stop::Not)
    }

    fn string(&mut self) -> Result<String, Stop> {
        let quote = self.take()?;
        let mut out = String::new();
        loop {
            match self.take()? {
                char if char == quote => return Ok(out),
                '\\' => self.escape(&mut out)?,
                char => out.push(char),
            }
        }
    }

    fn escape(&mut self, out: &mut String) -> Result<(), Stop> {
        match self.take()? {
            'n' => out.push('\n'),
            't' => out.push('\t'),
            'r' => out.push('\r'),
            'b' => out.push('\u{8}'),
            'f' => out.push('\u{c}'),
            '\n' => {}
            char @ ('\\' | '\'' | '"' | '/') => out.push(char),
            'x' => out.push(self.code(2)?),
            'u' => out.push(self.code(4)?),
            'U' => out.push(self.code(8)?),
            other => out.extend(['\\', other]),
        }
        Ok(())
    }

    /// A character by its number; what JSON writes as two halves becomes one again.
    fn code(&mut self, digits: usize) -> Result<char, Stop> {
        let code = self.hex(digits)?;
        if !(0xd800..0xdc00).contains(&code) {
            return Ok(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
        }
        if self.rest().len() < 2 && r"\u".starts_with(self.rest()) {
            return Err(Stop::More);
        }
        if !self.rest().starts_with(r"\u") {
            return Ok(char::REPLACEMENT_CHARACTER);
        }
        self.at += 2;
        let low = self.hex(4)?;
        let both = 0x10000 + ((code - 0xd800) << 10) + (low.wrapping_sub(0xdc00) & 0x3ff);
        Ok(char::from_u32(both).unwrap_or(char::REPLACEMENT_CHARACTER))
    }

    fn hex(&mut self, digits: usize) -> Result<u32, Stop> {
        let mut code = 0_u32;
        for _ in 0..digits {
            let digit = self.take()?.to_digit(16).ok_or(Stop::Not)?;
            code = code.wrapping_shl(4) | digit;
        }
        Ok(code)
    }
}

#[cfg(test)]
mod tests {
    use super::whole;

    #[test]
    fn values_of_python_become_json() {
        for (python, json) in [
            ("1", "1"),
            ("-1_000.5e3", "-1000.5e3"),
            ("+.5", "0.5"),
            ("True", "true"),
            ("None", "null"),
            (r#"'it''s'"#, ""),
            (r"'it\'s \x41\u00e9\U0001f600'", "\"it's Aé😀\""),
            (r#""\ud83d\ude00\/\d""#, r#""😀/\\d""#),
            ("[1, 'a', (2,), {'k': [None]},]", r#"[1, "a", [2], {"k": [null]}]"#),
            ("{}", "{}"),
            ("{1: 2}", ""),
            ("{1, 2}", ""),
            ("print", ""),
            ("1 2", ""),
            ("0x10", ""),
            ("'open", ""),
            ("", ""),
        ] {
            assert_eq!(whole(python), (!json.is_empty()).then(|| json.to_owned()), "{python}");
        }
        assert_eq!(whole(&"[".repeat(100)), None);
    }
}
