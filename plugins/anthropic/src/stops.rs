//! Finds which of the texts that end an answer came up. The host would end it too, but says only that it has ended,
//! while this dialect says by which text.

/// Looks for texts in a stream of pieces.
#[derive(Debug, Default)]
pub(crate) struct Stops {
    texts: Vec<String>,
    /// What was not shown yet, since a text that ends the answer may have begun in it.
    held: String,
}

/// What became of a piece.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Found {
    /// What may be shown.
    pub(crate) text: String,
    /// Which text ended the answer.
    pub(crate) stop: Option<String>,
}

impl Stops {
    pub(crate) fn new(texts: Vec<String>) -> Self {
        Self { texts, held: String::new() }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.texts.is_empty()
    }

    /// Takes more of the answer.
    pub(crate) fn push(&mut self, piece: &str) -> Found {
        let mut text = std::mem::take(&mut self.held);
        text.push_str(piece);
        let places = self.texts.iter().filter_map(|stop| Some((text.find(stop)?, stop)));
        // The one that came up first; of several at one place the longest.
        let first = places.min_by_key(|(at, stop)| (*at, std::cmp::Reverse(stop.len())));
        if let Some((at, stop)) = first {
            let stop = Some(stop.clone());
            text.truncate(at);
            return Found { text, stop };
        }
        self.held = text.split_off(self.begun(&text));
        Found { text, stop: None }
    }

    /// What was held back when the answer ended by itself.
    pub(crate) fn finish(&mut self) -> String {
        std::mem::take(&mut self.held)
    }

    /// Where the end of the text begins that is the beginning of one that ends the answer.
    fn begun(&self, text: &str) -> usize {
        let begins = |at: &usize| self.texts.iter().any(|stop| stop.starts_with(&text[*at..]));
        text.char_indices().map(|(at, _)| at).find(begins).unwrap_or(text.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What was shown, and which text ended it.
    fn shown(stops: &[&str], pieces: &[&str]) -> (String, Option<String>) {
        let mut stops = Stops::new(stops.iter().map(|stop| (*stop).to_owned()).collect());
        let mut shown = String::new();
        for piece in pieces {
            let found = stops.push(piece);
            shown.push_str(&found.text);
            if found.stop.is_some() {
                return (shown, found.stop);
            }
        }
        (shown + &stops.finish(), None)
    }

    #[test]
    fn a_text_is_found_wherever_it_is_cut() {
        let check = |pieces: &[&str]| {
            assert_eq!(
                shown(&["END", "stop"], pieces),
                ("a b ".to_owned(), Some("END".to_owned())),
                "{pieces:?}"
            );
        };
        check(&["a b END c stop"]);
        check(&["a ", "b E", "N", "D c"]);
        check(&["a b ", "END"]);
    }

    #[test]
    fn what_only_looked_like_one_is_shown() {
        assert_eq!(shown(&["END"], &["a EN", "E", "N", " ä"]), ("a ENEN ä".to_owned(), None));
        assert_eq!(shown(&["END"], &["EN"]), ("EN".to_owned(), None));
        assert_eq!(shown(&["aab"], &["aa", "ab"]), ("a".to_owned(), Some("aab".to_owned())));
    }

    #[test]
    fn the_first_one_counts_and_then_the_longest() {
        assert_eq!(shown(&["c", "b"], &["abc"]), ("a".to_owned(), Some("b".to_owned())));
        assert_eq!(shown(&["b", "bc"], &["abc"]), ("a".to_owned(), Some("bc".to_owned())));
    }

    #[test]
    fn nothing_is_held_back_without_need() {
        let mut stops = Stops::new(vec!["END".to_owned()]);
        assert_eq!(stops.push("a E").text, "a ");
        assert_eq!(stops.push("x E").text, "Ex ");
        assert!(Stops::default().is_empty() && !stops.is_empty());
    }
}
