//! Just enough JSON to find the name and the arguments of a call before all of it is there.

use super::prose::Stop;

/// The beginning of a call.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) name: String,
    pub(super) arguments: Arguments,
}

/// Where the arguments of a call are.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Arguments {
    /// An object begins at this byte.
    At(usize),
    /// They were written in another way and are these; the call's object goes on at this byte.
    Whole(String, usize),
}

/// A place in a text.
pub(super) struct Cursor<'a> {
    text: &'a str,
    pub(super) at: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// The next character behind white space.
    pub(super) fn peek(&mut self) -> Result<char, Stop> {
        let rest = self.rest();
        let trimmed = rest.trim_start();
        self.at += rest.len() - trimmed.len();
        trimmed.chars().next().ok_or(Stop::More)
    }

    fn expect(&mut self, wanted: char) -> Result<(), Stop> {
        if self.peek()? != wanted {
            return Err(Stop::Not);
        }
        self.at += wanted.len_utf8();
        Ok(())
    }

    /// A string, with its escapes resolved.
    fn string(&mut self) -> Result<String, Stop> {
        if self.peek()? != '"' {
            return Err(Stop::Not);
        }
        let value = self.skip()?;
        serde_json::from_str(value).map_err(|_| Stop::Not)
    }

    /// Any value; returns its text.
    pub(super) fn skip(&mut self) -> Result<&'a str, Stop> {
        let first = self.peek()?;
        let rest = self.rest();
        let length = match first {
            '{' | '[' | '"' => {
                let mut nesting = Nesting::default();
                nesting.end_in(rest).ok_or(Stop::More)?
            }
            _ => {
                let end = rest.find([',', '}', ']']).ok_or(Stop::More)?;
                let value = rest.get(..end).unwrap_or_default().trim_end();
                if !value.starts_with(|char: char| char.is_ascii_alphanumeric() || char == '-') {
                    return Err(Stop::Not);
                }
                value.len()
            }
        };
        self.at += length;
        Ok(rest.get(..length).unwrap_or_default())
    }

    /// The beginning of an object that calls a tool.
    pub(super) fn head(&mut self) -> Result<Head, Stop> {
        let (mut name, mut early) = (None, None);
        self.expect('{')?;
        loop {
            if self.peek()? == '}' {
                let name = name.ok_or(Stop::Not)?;
                let arguments = Arguments::Whole(early.unwrap_or_else(|| "{}".to_owned()), self.at);
                return Ok(Head { name, arguments });
            }
            let key = self.string()?;
            self.expect(':')?;
            match (key.as_str(), self.peek()?) {
                ("name" | "function" | "tool_name", '"') if name.is_none() => name = Some(self.string()?),
                ("arguments" | "parameters", '{') => match name.take() {
                    Some(name) => return Ok(Head { name, arguments: Arguments::At(self.at) }),
                    None => early = Some(self.skip()?.to_owned()),
                },
                ("arguments" | "parameters", '"') => {
                    let text = self.string()?;
                    let object = serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(&text);
                    early = Some(object.map(|_| text).map_err(|_| Stop::Not)?);
                }
                ("arguments" | "parameters", 'n') => {
                    self.skip()?;
                }
                ("arguments" | "parameters", _) => return Err(Stop::Not),
                _ => {
                    self.skip()?;
                }
            }
            match self.peek()? {
                ',' => self.at += 1,
                '}' => {}
                _ => return Err(Stop::Not),
            }
        }
    }

    /// The rest of a call's object behind its arguments.
    pub(super) fn tail(&mut self) -> Result<(), Stop> {
        while self.peek()? == ',' {
            self.at += 1;
            self.string()?;
            self.expect(':')?;
            self.skip()?;
        }
        self.expect('}')
    }
}

/// Finds the end of an object, a list or a string.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Nesting {
    depth: usize,
    quoted: bool,
    escaped: bool,
}

impl Nesting {
    /// Takes a text; where it ends, if it does.
    pub(super) fn end_in(&mut self, text: &str) -> Option<usize> {
        text.char_indices().find_map(|(at, char)| self.ends(char).then_some(at + char.len_utf8()))
    }

    /// Takes a character; true: it was the last one.
    fn ends(&mut self, char: char) -> bool {
        if self.quoted {
            match char {
                _ if self.escaped => self.escaped = false,
                '\\' => self.escaped = true,
                '"' => {
                    self.quoted = false;
                    return self.depth == 0;
                }
                _ => {}
            }
            return false;
        }
        match char {
            '"' => self.quoted = true,
            '{' | '[' => self.depth += 1,
            '}' | ']' => {
                self.depth = self.depth.saturating_sub(1);
                return self.depth == 0;
            }
            _ => {}
        }
        false
    }
}
