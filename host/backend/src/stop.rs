//! Texts that end an answer.

use std::cmp::Reverse;

/// What may be shown after a piece of text was seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stop {
    /// Text that cannot be part of a stop text any more.
    pub emit: String,
    /// The stop text of this number, from 0, is complete: the answer ends here.
    pub stopped: Option<u32>,
}

/// Looks for stop texts in text that comes in pieces. What might become a stop text is held back until that is
/// decided, so that no part of one is ever shown. How the text is cut into pieces changes nothing: the stop text that
/// is complete first ends the answer, and of those that are complete at once, the longest; of equal ones the first.
#[derive(Debug)]
pub struct StopMatcher {
    needles: Vec<Needle>,
    /// The end of the text so far that is the beginning of some stop text.
    held: String,
    stopped: Option<u32>,
}

/// One stop text, as the automaton of Knuth, Morris and Pratt: constant time for each byte on average, whatever the
/// stop text looks like.
#[derive(Debug)]
struct Needle {
    /// Which of the stop texts it is.
    number: u32,
    text: Vec<u8>,
    /// For each length of a matched beginning: the longest shorter beginning that also ends there.
    shorter: Vec<usize>,
    /// Length of the longest beginning that ends where the text ends.
    matched: usize,
}

impl StopMatcher {
    /// Looks for any of `stops`; empty ones are ignored.
    pub fn new(stops: Vec<String>) -> Self {
        let needles = (0..).zip(stops).filter(|(_, stop)| !stop.is_empty());
        let needles = needles.map(|(number, stop)| Needle::new(number, stop)).collect();
        Self { needles, held: String::new(), stopped: None }
    }

    /// Takes more text. After a stop, text is swallowed.
    pub fn push(&mut self, text: &str) -> Stop {
        if self.stopped.is_some() {
            return Stop { emit: String::new(), stopped: self.stopped };
        }
        let before = self.held.len();
        self.held.push_str(text);
        for (index, byte) in text.bytes().enumerate() {
            let complete = self.needles.iter_mut().filter_map(|needle| {
                let length = needle.advance(byte)?;
                Some((length, Reverse(needle.number)))
            });
            if let Some((length, Reverse(number))) = complete.max() {
                self.stopped = Some(number);
                let mut emit = std::mem::take(&mut self.held);
                emit.truncate(before + index + 1 - length);
                return Stop { emit, stopped: self.stopped };
            }
        }
        // Text and stop texts are whole characters, so no beginning starts inside a character.
        let undecided = self.needles.iter().map(|needle| needle.matched).max().unwrap_or(0);
        let held = self.held.split_off(self.held.len() - undecided);
        Stop { emit: std::mem::replace(&mut self.held, held), stopped: None }
    }

    /// Ends the text: what was held back is no stop text after all.
    pub fn finish(&mut self) -> String {
        self.needles.iter_mut().for_each(|needle| needle.matched = 0);
        std::mem::take(&mut self.held)
    }
}

impl Needle {
    fn new(number: u32, text: String) -> Self {
        let text = text.into_bytes();
        let mut shorter = vec![0; text.len()];
        for end in 1..text.len() {
            let mut length = shorter[end - 1];
            while length > 0 && text[length] != text[end] {
                length = shorter[length - 1];
            }
            shorter[end] = length + usize::from(text[length] == text[end]);
        }
        Self { number, text, shorter, matched: 0 }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn matcher(stops: &[&str]) -> StopMatcher {
        StopMatcher::new(stops.iter().map(|&stop| stop.to_owned()).collect())
    }

    /// What each push shows, then `|` where a stop came, else what the end shows.
    fn shown(stops: &[&str], pieces: &[&str]) -> Vec<String> {
        let mut matcher = matcher(stops);
        let mut shown = Vec::new();
        for piece in pieces {
            let stop = matcher.push(piece);
            shown.push(stop.emit);
            if stop.stopped.is_some() {
                shown.push("|".into());
                assert_eq!(matcher.push("more"), Stop { emit: String::new(), stopped: stop.stopped });
                assert_eq!(matcher.finish(), "");
                return shown;
            }
        }
        shown.push(matcher.finish());
        shown
    }

    #[test]
    fn without_stop_texts_all_is_shown_at_once() {
        assert_eq!(shown(&[], &["a", "b"]), ["a", "b", ""]);
        assert_eq!(shown(&[""], &["a", "b"]), ["a", "b", ""]);
    }

    #[test]
    fn ends_before_a_stop_text() {
        assert_eq!(shown(&["STOP"], &["go STOP on"]), ["go ", "|"]);
        assert_eq!(shown(&["\n"], &["\n"]), ["", "|"]);
    }

    #[test]
    fn holds_back_what_may_become_a_stop_text() {
        assert_eq!(shown(&["STOP"], &["go S", "TO", "P on"]), ["go ", "", "", "|"]);
        assert_eq!(shown(&["STOP"], &["go S", "TO", "RE"]), ["go ", "", "STORE", ""]);
        assert_eq!(shown(&["STOP"], &["go S", "TO"]), ["go ", "", "STO"]);
        assert_eq!(shown(&["</s>", "User:"], &["yes <", "User", ":"]), ["yes ", "<", "", "|"]);
    }

    #[test]
    fn finds_a_stop_text_that_begins_inside_a_false_start() {
        assert_eq!(shown(&["aab"], &["aa", "a", "b"]), ["", "a", "", "|"]);
        assert_eq!(shown(&["abcabd", "cabc"], &["abcab", "c"]), ["", "ab", "|"]);
    }

    #[test]
    fn the_first_to_be_complete_ends_the_answer_and_of_several_the_longest() {
        assert_eq!(shown(&["abcd", "bc"], &["abcd"]), ["a", "|"]);
        assert_eq!(shown(&["c", "abc"], &["xabc"]), ["x", "|"]);
    }

    #[test]
    fn the_stop_text_is_named_by_its_place() {
        for (stops, text, number) in
            [(&["", "b", "a"][..], "xa", 2), (&["bc", "abc"], "abc", 1), (&["a", "a"], "a", 0)]
        {
            assert_eq!(matcher(stops).push(text).stopped, Some(number), "{stops:?}");
        }
    }

    #[test]
    fn characters_stay_whole() {
        // `ö` and `ü` share their first byte, as do the two faces their first three.
        assert_eq!(shown(&["ö"], &["ü", "ö"]), ["ü", "", "|"]);
        assert_eq!(
            shown(&["\u{1f600}!"], &["\u{1f601}", "\u{1f600}", "?"]),
            ["\u{1f601}", "", "\u{1f600}?", ""]
        );
    }

    #[test]
    fn a_long_stop_text_costs_no_more_than_linear_time() {
        let stop = "a".repeat(1 << 20) + "b";
        let mut matcher = matcher(&[&stop]);
        let text = "a".repeat(1 << 10);
        let emitted: usize = (0..2 << 10).map(|_| matcher.push(&text).emit.len()).sum();
        assert_eq!(emitted, 1 << 20);
        assert_eq!(matcher.push("b"), Stop { emit: String::new(), stopped: Some(0) });
    }

    /// Against the definition, spelt out: for every short text over three letters, cut in every way.
    #[test]
    fn agrees_with_the_definition_however_the_text_is_cut() {
        const STOPS: &[&[&str]] = &[
            &["a"],
            &["ab"],
            &["aa"],
            &["aba"],
            &["abé", "b"],
            &["aab", "ba"],
            &["é", "aé"],
            &["abab", "bb", "éa"],
        ];
        let letters = ['a', 'b', 'é'];
        for length in 0..6_u32 {
            for number in 0..3_usize.pow(length) {
                let text: Vec<char> =
                    (0..length).map(|place| letters[number / 3_usize.pow(place) % 3]).collect();
                for stops in STOPS {
                    for cuts in 0..1_u32 << length {
                        check(stops, &text, cuts);
                    }
                }
            }
        }
    }

    fn check(stops: &[&str], text: &[char], cuts: u32) {
        let mut matcher = matcher(stops);
        let (mut seen, mut shown, mut piece) = (String::new(), String::new(), String::new());
        let mut end = None;
        for (index, character) in text.iter().enumerate() {
            piece.push(*character);
            seen.push(*character);
            let complete = (0..).zip(stops).filter(|(_, stop)| seen.ends_with(*stop));
            let complete = complete.max_by_key(|(_, stop)| stop.len());
            end = end.or(complete.map(|(number, stop)| (seen.len() - stop.len(), number)));
            if cuts & 1 << index == 0 {
                continue;
            }
            let stop = matcher.push(&std::mem::take(&mut piece));
            shown.push_str(&stop.emit);
            let context = format!("{stops:?} in {seen:?}, cut at {cuts:b}");
            assert_eq!(stop.stopped, end.map(|(_, number)| number), "{context}");
            let held = stops.iter().flat_map(|stop| stop.char_indices().map(|(at, _)| &stop[..at]));
            let held = held.filter(|start| seen.ends_with(start)).map(str::len).max().unwrap_or(0);
            assert_eq!(shown, seen[..end.map_or(seen.len() - held, |(at, _)| at)], "{context}");
        }
    }
}
