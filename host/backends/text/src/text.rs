//! From the bytes of tokens to text that may be shown.

use inferno_backend::{StopMatcher, Utf8Assembler};

/// The text of one answer.
pub struct Text {
    characters: Utf8Assembler,
    /// Absent where there is nothing to look for.
    stops: Option<StopMatcher>,
}

impl Text {
    /// Ends at the first of these texts.
    pub fn new(stops: Vec<String>) -> Self {
        let stops = stops.iter().any(|stop| !stop.is_empty()).then(|| StopMatcher::new(stops));
        Self { characters: Utf8Assembler::default(), stops }
    }

    /// Takes a token's bytes; returns what may be shown, and which stop text ended the answer, if one did.
    pub fn push(&mut self, bytes: &[u8]) -> (String, Option<u32>) {
        let text = self.characters.push(bytes);
        match &mut self.stops {
            None => (text, None),
            Some(_) if text.is_empty() => (text, None),
            Some(stops) => {
                let stop = stops.push(&text);
                (stop.emit, stop.stopped)
            }
        }
    }

    /// What was held back when the answer ends otherwise, and which stop text came up in it, if one did.
    pub fn finish(&mut self) -> (String, Option<u32>) {
        let text = self.characters.finish();
        match &mut self.stops {
            None => (text, None),
            Some(stops) => {
                let stop = stops.push(&text);
                let rest = if stop.stopped.is_some() { String::new() } else { stops.finish() };
                (stop.emit + &rest, stop.stopped)
            }
        }
    }
}
