//! Keeps what the messages of a chat say from being read as control tokens.
//!
//! Templates may trim, split and join messages, so that nobody can say which part of a rendered prompt came from
//! where. Therefore the few messages that spell a control token get a mark in front of it: a private character that
//! occurs nowhere else. The rendered prompt is cut at the marks, and what follows one is tokenised as plain text.

use std::borrow::Cow;

/// The texts of a model's control tokens.
#[derive(Debug, Default)]
pub struct Controls {
    /// By first byte, the longest first.
    by_first: std::collections::BTreeMap<u8, Vec<String>>,
}

/// A piece of a prompt.
#[derive(Debug, PartialEq, Eq)]
pub struct Piece<'a> {
    /// What it says.
    pub text: &'a str,
    /// Control tokens in it are meant.
    pub parse: bool,
}

impl Controls {
    /// Control tokens with these texts.
    pub fn new(texts: impl IntoIterator<Item = String>) -> Self {
        let mut controls = Self::default();
        for text in texts {
            if let Some(&first) = text.as_bytes().first() {
                controls.by_first.entry(first).or_default().push(text);
            }
        }
        for texts in controls.by_first.values_mut() {
            texts.sort_by_key(|text| std::cmp::Reverse(text.len()));
        }
        controls
    }

    /// A character to mark with that none of the texts has; `None` when no text spells a control token.
    pub fn mark(&self, texts: &[&str]) -> Option<char> {
        if !texts.iter().any(|text| self.find(text).is_some()) {
            return None;
        }
        ('\u{e000}'..='\u{f8ff}').find(|&mark| !texts.iter().any(|text| text.contains(mark)))
    }

    /// The text with the mark in front of each control token.
    pub fn marked<'a>(&self, text: &'a str, mark: char) -> Cow<'a, str> {
        let Some(mut next) = self.find(text) else { return Cow::Borrowed(text) };
        let mut out = String::with_capacity(text.len() + 16);
        let mut rest = text;
        loop {
            let (before, token_on) = rest.split_at(next.0);
            let (token, after) = token_on.split_at(next.1);
            out.push_str(before);
            out.push(mark);
            out.push_str(token);
            rest = after;
            match self.find(rest) {
                Some(found) => next = found,
                None => break,
            }
        }
        out.push_str(rest);
        Cow::Owned(out)
    }

    /// Cuts a rendered prompt at the marks.
    pub fn pieces<'a>(&self, prompt: &'a str, mark: char) -> Vec<Piece<'a>> {
        let mut parts = prompt.split(mark);
        let mut pieces = vec![Piece { text: parts.next().unwrap_or_default(), parse: true }];
        for part in parts {
            let (plain, rest) = part.split_at(self.at_start(part).unwrap_or(0));
            pieces.push(Piece { text: plain, parse: false });
            pieces.push(Piece { text: rest, parse: true });
        }
        pieces.retain(|piece| !piece.text.is_empty());
        pieces
    }

    /// Where the first control token is and how long.
    fn find(&self, text: &str) -> Option<(usize, usize)> {
        let bytes = text.as_bytes();
        (0..bytes.len())
            .filter(|&at| text.is_char_boundary(at))
            .find_map(|at| self.at_start(text.get(at..)?).map(|length| (at, length)))
    }

    /// The length of the longest control token that the text begins with.
    fn at_start(&self, text: &str) -> Option<usize> {
        let candidates = self.by_first.get(text.as_bytes().first()?)?;
        candidates.iter().find(|token| text.starts_with(token.as_str())).map(String::len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn controls() -> Controls {
        Controls::new(["<|im_end|>", "<|im_start|>", "<|im_start|>x", "</s>"].map(String::from))
    }

    #[test]
    fn ordinary_text_is_left_alone() {
        assert_eq!(controls().mark(&["1 < 2 <|im", "é</S>"]), None);
        assert_eq!(controls().marked("a < b", '\u{e000}'), "a < b");
    }

    #[test]
    fn control_tokens_in_messages_become_plain_pieces() {
        let controls = controls();
        let message = "<|im_start|>x é</s>";
        let mark = controls.mark(&[message, "\u{e000}"]).unwrap();
        assert_eq!(mark, '\u{e001}', "the first is taken");
        let prompt = format!("<|im_start|>user\n{}<|im_end|>\n", controls.marked(message, mark));
        let expect = [
            ("<|im_start|>user\n", true),
            ("<|im_start|>x", false),
            (" é", true),
            ("</s>", false),
            ("<|im_end|>\n", true),
        ];
        let pieces = controls.pieces(&prompt, mark);
        assert_eq!(pieces, expect.map(|(text, parse)| Piece { text, parse }));
    }

    #[test]
    fn a_token_put_together_from_others_stays_apart() {
        let controls = controls();
        let message = controls.marked("<|im_<|im_end|>end|>", '\u{e000}').into_owned();
        let pieces = controls.pieces(&message, '\u{e000}');
        let expect = [("<|im_", true), ("<|im_end|>", false), ("end|>", true)];
        assert_eq!(pieces, expect.map(|(text, parse)| Piece { text, parse }));
    }
}
