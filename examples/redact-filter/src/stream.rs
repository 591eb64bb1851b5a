//! Streamed answers: events wait until it is known what their text is part of.

use std::collections::VecDeque;
use std::ops::Range;

use inferno_sdk::filter::sse::{Event, Events};
use inferno_sdk::{Error, ErrorKind};

use crate::address::{Scanner, mask};
use crate::json::{self, Malformed, Part, Value};

/// The most bytes of events that wait.
const WAITING: usize = 1024 * 1024;

/// The fields of a choice whose text goes on from event to event.
const GROWING: [&str; 6] = ["content", "text", "reasoning_content", "reasoning", "refusal", "arguments"];

/// A streamed answer.
#[derive(Default)]
pub(crate) struct Stream {
    events: Events,
    answer: Answer,
}

impl Stream {
    /// Takes what arrived and returns what may go on.
    pub(crate) fn chunk(&mut self, data: &[u8], last: bool) -> Result<Vec<u8>, Error> {
        let mut out = Vec::with_capacity(data.len());
        self.events.push(data, |event| self.answer.take(event, &mut out))?;
        if last {
            self.events.finish(|event| self.answer.take(event, &mut out))?;
            self.answer.end();
            self.answer.release(&mut out)?;
        }
        Ok(out)
    }
}

#[derive(Default)]
struct Answer {
    texts: Vec<Text>,
    waiting: VecDeque<Waiting>,
}

/// A text that goes on from event to event.
struct Text {
    choice: usize,
    /// Which of the choice's texts it is.
    name: String,
    scanner: Scanner,
    /// The event at hand has some of it.
    goes_on: bool,
}

/// An event that cannot go on yet.
struct Waiting {
    event: Event<'static>,
    pieces: Vec<Piece>,
    /// Strings to replace besides the pieces.
    edits: Vec<(Range<usize>, String)>,
}

/// A piece of a text in the data of an event.
struct Piece {
    range: Range<usize>,
    /// Which of the answer's texts.
    of: usize,
    /// Where it begins in that text.
    from: usize,
    text: String,
}

/// What an event's data has.
#[derive(Default)]
struct Found<'a> {
    pieces: Vec<(Vec<Part<'a>>, Range<usize>, String)>,
    /// The number that an element of an array has in its field `index`, and the way to that element.
    numbers: Vec<(Vec<Part<'a>>, usize)>,
    /// Choices that have ended, by their place.
    ended: Vec<usize>,
    edits: Vec<(Range<usize>, String)>,
}

impl Answer {
    fn take(&mut self, event: Event<'_>, out: &mut Vec<u8>) -> Result<(), Error> {
        let Some(data) = event.data() else {
            // Nobody is to wait for a sign of life.
            out.extend_from_slice(event.raw());
            return Ok(());
        };
        let found = match find(&data) {
            Ok(found) => found,
            Err(Malformed) => {
                // Such as `[DONE]`: no text goes on over it.
                self.end();
                self.release(out)?;
                match mask(&data) {
                    Some(masked) => event.write_with(&masked, out),
                    None => out.extend_from_slice(event.raw()),
                }
                return Ok(());
            }
        };
        let pieces = self.feed(&found);
        let edits = found.edits;
        drop(data);
        self.waiting.push_back(Waiting { pieces, edits, event: event.into_owned() });
        self.release(out)
    }

    /// Adds the pieces to their texts.
    fn feed(&mut self, found: &Found<'_>) -> Vec<Piece> {
        let mut choices = Vec::new();
        let mut pieces = Vec::with_capacity(found.pieces.len());
        for (path, range, text) in &found.pieces {
            let (choice, name) = found.name(path);
            let known = self.texts.iter().position(|text| text.choice == choice && text.name == name);
            let of = known.unwrap_or_else(|| {
                self.texts.push(Text { choice, name, scanner: Scanner::default(), goes_on: false });
                self.texts.len() - 1
            });
            let scanner = &mut self.texts[of].scanner;
            pieces.push(Piece { range: range.clone(), of, from: scanner.position(), text: text.clone() });
            scanner.feed(text);
            self.texts[of].goes_on = true;
            choices.push(choice);
        }
        let ended: Vec<_> = found.ended.iter().map(|place| found.number(*place)).collect();
        for text in &mut self.texts {
            // Where another text of the choice has begun, this one is not waited for.
            let left = !std::mem::take(&mut text.goes_on) && choices.contains(&text.choice);
            if left || ended.contains(&text.choice) {
                text.scanner.finish();
            }
        }
        pieces
    }

    fn end(&mut self) {
        self.texts.iter_mut().for_each(|text| text.scanner.finish());
    }

    /// Writes the events at the front that are decided.
    fn release(&mut self, out: &mut Vec<u8>) -> Result<(), Error> {
        let texts = &mut self.texts;
        let decided = |piece: &Piece| texts[piece.of].scanner.settled() >= piece.from + piece.text.len();
        let count = self.waiting.iter().take_while(|waiting| waiting.pieces.iter().all(decided)).count();
        for Waiting { event, pieces, mut edits } in self.waiting.drain(..count) {
            let mut masked = Vec::new();
            for Piece { range, of, from, text } in pieces {
                let scanner = &mut texts[of].scanner;
                masked.extend(scanner.apply(from, &text).map(|text| (range, text)));
                scanner.forget(from + text.len());
            }
            if masked.is_empty() && edits.is_empty() {
                out.extend_from_slice(event.raw());
                continue;
            }
            let data = event.data().unwrap_or_default();
            edits.extend(masked.into_iter().map(|(range, text)| {
                let text = json::encode(&text, &data[range.clone()]);
                (range, text)
            }));
            edits.sort_by_key(|(range, _)| range.start);
            event.write_with(&json::replace(&data, &edits), out);
        }
        if self.waiting.iter().map(|waiting| waiting.event.raw().len()).sum::<usize>() > WAITING {
            return Err(Error::new(
                ErrorKind::Invalid,
                "more of the answer than can be held back has no text that decides what it is part of",
            ));
        }
        Ok(())
    }
}

impl Found<'_> {
    /// The choice and the name of the text at the end of a path. Elements of arrays are told apart by their numbers.
    fn name(&self, path: &[Part<'_>]) -> (usize, String) {
        let mut name = String::new();
        let mut choice = None;
        for (depth, part) in path.iter().enumerate() {
            match part {
                Part::Key(key) => name.push_str(key),
                Part::Index(place) => {
                    let element = &path[..=depth];
                    let number = self.numbers.iter().find(|(path, _)| path == element);
                    let number = number.map_or(*place, |(_, number)| *number);
                    choice.get_or_insert(number);
                    name.push_str(&number.to_string());
                }
            }
            name.push('/');
        }
        (choice.unwrap_or_default(), name)
    }

    /// The number of the choice in this place.
    fn number(&self, place: usize) -> usize {
        self.name(&[Part::Key("choices"), Part::Index(place)]).0
    }
}

fn find(data: &str) -> Result<Found<'_>, Malformed> {
    let mut found = Found::default();
    json::walk(data, |path, value| {
        match (path, value) {
            ([Part::Key("choices"), Part::Index(place), Part::Key("finish_reason")], Value::Text(_)) => {
                found.ended.push(*place);
            }
            ([Part::Key("choices"), .., Part::Key(name)], Value::Text(range)) if GROWING.contains(name) => {
                let text = json::decode(&data[range.clone()])?.into_owned();
                if !text.is_empty() {
                    found.pieces.push((path.to_vec(), range, text));
                }
            }
            ([Part::Key("choices"), element @ .., Part::Key("index")], Value::Other(range)) => {
                if let Ok(number) = data[range].parse() {
                    found.numbers.push((path[..=element.len()].to_vec(), number));
                }
            }
            (_, Value::Text(range)) => {
                if let Some(masked) = super::masked(path, &data[range.clone()])? {
                    found.edits.push((range, masked));
                }
            }
            _ => {}
        }
        Ok(())
    })?;
    Ok(found)
}
