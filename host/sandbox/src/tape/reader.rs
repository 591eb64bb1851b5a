//! Reads a tape. A file of tapes is as untrusted as any: lines and the whole are bounded, and what makes no sense is an
//! error that names the line.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;

use serde_json::Value;

use super::lines::{Call, Done, End, Head, Line, Part, VERSION};
use super::player::Recorded;
use crate::error::{Error, ErrorKind};

/// The longest line.
pub(super) const MAX_LINE: u64 = 64 << 20;
/// The largest tape.
const MAX_TAPE: u64 = 512 << 20;

/// A tape that was read.
pub struct Recording {
    pub(super) head: Head,
    pub(super) calls: Vec<Recorded>,
    pub(super) outcome: Value,
}

impl Recording {
    /// Reads a tape. Blocks.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let failed = |what: &dyn std::fmt::Display| {
            Error::new(ErrorKind::Tape, format!("cannot read the tape {}: {what}", path.display()))
                .with_hint("`inferno plugin record` makes a tape")
        };
        let file = File::open(path).map_err(|error| failed(&error))?;
        Self::read(BufReader::new(file)).map_err(|what| failed(&what))
    }

    /// What it is of.
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// How many calls are on it.
    pub fn calls(&self) -> usize {
        self.calls.len()
    }

    fn read(file: impl std::io::BufRead) -> Result<Self, String> {
        let mut file = file.take(MAX_TAPE + 1);
        let (mut head, mut calls) = (None, Vec::new());
        let mut text = Vec::new();
        for number in 1.. {
            text.clear();
            let room = file.limit();
            let read = file.by_ref().take(MAX_LINE + 1).read_until(b'\n', &mut text);
            let read = read.map_err(|error| format!("line {number}: {error}"))? as u64;
            if read == 0 {
                return Err(format!("it breaks off after line {}", number - 1));
            }
            if read > room.min(MAX_TAPE) {
                return Err(format!("it is larger than {MAX_TAPE} bytes"));
            }
            if read > MAX_LINE {
                return Err(format!("line {number} is longer than {MAX_LINE} bytes"));
            }
            if text.pop() != Some(b'\n') {
                return Err(format!("it breaks off in line {number}"));
            }
            let line = line(&text, number == 1).map_err(|what| format!("line {number}: {what}"))?;
            let strange = |what: &str| format!("line {number}: {what}");
            match (line, &mut head) {
                (Line::Tape(found), none @ None) => *none = Some(found),
                (_, None) => return Err(strange("a tape begins with its head")),
                (Line::Tape(_), Some(_)) => return Err(strange("there is a second head")),
                (Line::Call(call), Some(_)) => {
                    began(&mut calls, call, number).map_err(|what| strange(&what))?
                }
                (Line::Part(part), Some(_)) => came(&mut calls, part).map_err(|what| strange(&what))?,
                (Line::Done(done), Some(_)) => {
                    ended(&mut calls, done, number).map_err(|what| strange(&what))?
                }
                (Line::End(End { calls: count, outcome }), Some(head)) => {
                    if count != calls.len() as u64 {
                        return Err(strange(&format!(
                            "it tells of {count} calls, and {} are on the tape",
                            calls.len()
                        )));
                    }
                    let head = head.clone();
                    let mut more = [0];
                    return match file.read(&mut more) {
                        Ok(0) => Ok(Self { head, calls, outcome }),
                        _ => Err(format!("there is more after its end in line {number}")),
                    };
                }
            }
        }
        Err("it has no end".to_owned())
    }
}

fn line(text: &[u8], first: bool) -> Result<Line, String> {
    let wrong = |error: serde_json::Error| match first {
        true => format!("this is no tape: {error}"),
        false => error.to_string(),
    };
    let value: Value = serde_json::from_slice(text).map_err(wrong)?;
    // A later version may have another head.
    let format = value.get("tape").and_then(|head| head.get("format")).and_then(Value::as_u64);
    match format {
        Some(format) if format != u64::from(VERSION) => Err(format!(
            "the tape has the format {format}, and this version of Inferno plays format {VERSION}"
        )),
        _ => serde_json::from_value(value).map_err(wrong),
    }
}

fn began(calls: &mut Vec<Recorded>, call: Call, line: usize) -> Result<(), String> {
    let Call { number, name, args } = call;
    if number != calls.len() as u64 + 1 {
        return Err(format!("call {number} follows call {}", calls.len()));
    }
    calls.push(Recorded { name, args, began: line, ..Recorded::default() });
    Ok(())
}

fn came(calls: &mut [Recorded], part: Part) -> Result<(), String> {
    under_way(calls, part.number)?.parts.push(part.value);
    Ok(())
}

fn ended(calls: &mut [Recorded], done: Done, line: usize) -> Result<(), String> {
    let call = under_way(calls, done.number)?;
    call.result = Some(done.result);
    call.ended = Some(line);
    Ok(())
}

fn under_way(calls: &mut [Recorded], number: u64) -> Result<&mut Recorded, String> {
    let index = usize::try_from(number).ok().and_then(|number| number.checked_sub(1));
    let call = index.and_then(|index| calls.get_mut(index));
    call.filter(|call| call.ended.is_none()).ok_or_else(|| format!("call {number} is not under way"))
}
