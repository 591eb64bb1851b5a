//! Texts that end an answer.

/// What may be shown after a piece of text was seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stop {
    /// Text that cannot be part of a stop text any more.
    pub emit: String,
    /// A stop text is complete: the answer ends here.
    pub stopped: bool,
}

/// Looks for stop texts in text that comes in pieces. What might become a stop text is held back until that is
/// decided, so that no part of one is ever shown. How the text is cut into pieces changes nothing: the stop text that
/// is complete first ends the answer, and of those that are complete at once, the longest.
#[derive(Debug)]
pub struct StopMatcher {
    needles: Vec<Needle>,
    /// The end of the text so far that is the beginning of some stop text.
    held: String,
    stopped: bool,
}

/// One stop text, as the automaton of Knuth, Morris and Pratt: constant time for each byte on average, whatever the
/// stop text looks like.
#[derive(Debug)]
struct Needle {
    text: Vec<u8>,
    /// For each length of a matched beginning: the longest shorter beginning that also ends there.
    shorter: Vec<usize>,
    /// Length of the longest beginning that ends where the text ends.
    matched: usize,
}

impl StopMatcher {
    /// Looks for any of `stops`; empty ones are ignored.
    pub fn new(stops: Vec<String>) -> Self {
        let needles = stops.into_iter().filter(|stop| !stop.is_empty()).map(Needle::new).collect();
        Self { needles, held: String::new(), stopped: false }
    }

    /// Takes more text. After a stop, text is swallowed.
    pub fn push(&mut self, text: &str) -> Stop {
        if self.stopped {
            return Stop { emit: String::new(), stopped: true };
        }
        let before = self.held.len();
        self.held.push_str(text);
        for (index, byte) in text.bytes().enumerate() {
            let complete = self.needles.iter_mut().filter_map(|needle| needle.advance(byte)).max();
            if let Some(length) = complete {
                self.stopped = true;
                let mut emit = std::mem::take(&mut self.held);
                emit.truncate(before + index + 1 - length);
                return Stop { emit, stopped: true };
            }
        }
        // Text and stop texts are whole characters, so no beginning starts inside a character.
        let undecided = self.needles.iter().map(|needle| needle.matched).max().unwrap_or(0);
        let held = self.held.split_off(self.held.len() - undecided);
        Stop { emit: std::mem::replace(&mut self.held, held), stopped: false }
    }

    /// Ends the text: what was held back is no stop text after all.
    pub fn finish(&mut self) -> String {
        self.needles.iter_mut().for_each(|needle| needle.matched = 0);
        std::mem::take(&mut self.held)
    }
}

impl Needle {
    fn new(text: String) -> Self {
        let text = text.into_bytes();
        let mut shorter = vec![0; text.len()];
        for end in 1..text.len() {
            let mut length = shorter[end - 1];
            while length > 0 && text[length] != text[end] {
                length = shorter[length - 1];
            }
            shorter[end] = length + usize::from(text[length] == text[end]);
        }
        Self { text, shorter, matched: 0 }
    }

    /// Takes one byte; returns the stop text's length when it is complete.
    fn advance(&mut self, byte: u8) -> Option<usize> {
        while self.matched > 0 && self.text[self.matched] != byte {
            self.matched = self.shorter[self.matched - 1];
        }
        self.matched += usize::from(self.text[self.matched] == byte);
        (self.matched == self.text.len()).then_some(self.matched)
    }
}
