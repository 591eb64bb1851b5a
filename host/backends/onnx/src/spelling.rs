//! The bytes that tokens stand for, one by one, so that text can be shown while it is written.

use std::collections::HashMap;

use inferno_backend_text::{Token, Vocabulary};
use serde_json::Value;

/// How a tokenizer writes bytes as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Writing {
    /// Each byte is a character of its own (GPT-2).
    Bytes,
    /// `▁` is a space, `<0x0A>` a byte (SentencePiece).
    Pieces,
    /// `##` continues a word (BERT).
    Words,
    /// As it is.
    Plain,
}

/// All tokens of a vocabulary.
#[derive(Debug, Default)]
pub(crate) struct Spelling {
    tokens: Vec<Box<[u8]>>,
    /// Control tokens, which have no text in an answer.
    silent: Vec<bool>,
}

impl Spelling {
    /// For tokens and their texts, as `tokenizer` (the content of a `tokenizer.json`) writes them. `added` says which ones
    /// are written as they are, and which of those are control tokens.
    pub(crate) fn new(
        tokenizer: &Value,
        vocabulary: impl IntoIterator<Item = (u32, String)>,
        added: &HashMap<u32, bool>,
    ) -> Self {
        let writing = Writing::of(tokenizer);
        let bytes = byte_letters();
        let mut spelling = Self::default();
        for (token, text) in vocabulary {
            let at = token as usize;
            if spelling.tokens.len() <= at {
                spelling.tokens.resize(at + 1, Box::default());
                spelling.silent.resize(at + 1, false);
            }
            let control = added.get(&token);
            spelling.silent[at] = control.copied().unwrap_or(false);
            let plain = control.is_some();
            spelling.tokens[at] = if plain { text.into_bytes() } else { writing.bytes(&text, &bytes) }.into();
        }
        spelling
    }

    /// How many tokens there are.
    pub(crate) fn len(&self) -> u32 {
        u32::try_from(self.tokens.len()).unwrap_or(u32::MAX)
    }
}

impl Vocabulary for Spelling {
    fn spell(&self, token: Token, shown: bool, piece: &mut Vec<u8>) {
        let Ok(at) = usize::try_from(token.0) else { return };
        if !shown && self.silent.get(at) == Some(&true) {
            return;
        }
        piece.extend(self.tokens.get(at).into_iter().flatten());
    }
}

impl Writing {
    fn of(tokenizer: &Value) -> Self {
        let kinds = kinds(tokenizer.get("decoder"));
        let any = |kind: &str| kinds.contains(&kind);
        if any("ByteLevel") {
            Self::Bytes
        } else if any("ByteFallback") || any("Metaspace") {
            Self::Pieces
        } else if any("WordPiece") {
            Self::Words
        } else {
            Self::Plain
        }
    }

    fn bytes(self, text: &str, letters: &HashMap<char, u8>) -> Vec<u8> {
        match self {
            Self::Bytes => {
                let all: Option<Vec<u8>> = text.chars().map(|char| letters.get(&char).copied()).collect();
                all.unwrap_or_else(|| text.as_bytes().to_vec())
            }
            Self::Pieces => match byte_piece(text) {
                Some(byte) => vec![byte],
                None => text.replace('▁', " ").into_bytes(),
            },
            Self::Words => match text.strip_prefix("##") {
                Some(rest) => rest.as_bytes().to_vec(),
                None => format!(" {text}").into_bytes(),
            },
            Self::Plain => text.as_bytes().to_vec(),
        }
    }
}

/// The types of a decoder and of those in it.
fn kinds(decoder: Option<&Value>) -> Vec<&str> {
    let Some(decoder) = decoder else { return Vec::new() };
    let own = decoder.get("type").and_then(Value::as_str);
    let inner = decoder.get("decoders").and_then(Value::as_array).into_iter().flatten();
    own.into_iter().chain(inner.filter_map(|inner| inner.get("type")?.as_str())).collect()
}

/// `<0x0A>`.
fn byte_piece(text: &str) -> Option<u8> {
    let digits = text.strip_prefix("<0x")?.strip_suffix('>')?;
    (digits.len() == 2).then(|| u8::from_str_radix(digits, 16).ok())?
}

/// The letters that stand for bytes in GPT-2's vocabulary: printable ones for themselves, the others in order from U+0100.
fn byte_letters() -> HashMap<char, u8> {
    let mut next = 0x100;
    (0..=u8::MAX)
        .map(|byte| {
            if matches!(byte, b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff) {
                return (char::from(byte), byte);
            }
            let letter = char::from_u32(next).unwrap_or_default();
            next += 1;
            (letter, byte)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn spelt(decoder: Value, text: &str) -> Vec<u8> {
        let spelling = Spelling::new(&json!({"decoder": decoder}), [(1, text.to_owned())], &HashMap::new());
        let mut piece = Vec::new();
        spelling.spell(Token(1), false, &mut piece);
        piece
    }

    #[test]
    fn each_way_of_writing_is_undone() {
        assert_eq!(spelt(json!({"type": "ByteLevel"}), "Ġaé"), [b' ', b'a', 0xe9]);
        assert_eq!(spelt(json!({"type": "ByteLevel"}), "ĊÃ"), [b'\n', 0xc3]);
        let pieces = json!({"type": "Sequence", "decoders": [{"type": "Replace"}, {"type": "ByteFallback"}]});
        assert_eq!(spelt(pieces.clone(), "▁a"), b" a");
        assert_eq!(spelt(pieces.clone(), "<0xE2>"), [0xe2]);
        assert_eq!(spelt(pieces, "<0x1>"), b"<0x1>");
        assert_eq!(spelt(json!({"type": "WordPiece"}), "##ing"), b"ing");
        assert_eq!(spelt(json!({"type": "WordPiece"}), "go"), b" go");
        assert_eq!(spelt(Value::Null, "go"), b"go");
    }

    #[test]
    fn control_tokens_are_silent_unless_shown() {
        let added = HashMap::from([(0, true), (2, false)]);
        let vocabulary = [(0, "<s>".to_owned()), (2, "Ġ".to_owned())];
        let spelling = Spelling::new(&json!({"decoder": {"type": "ByteLevel"}}), vocabulary, &added);
        let spell = |token, shown| {
            let mut piece = Vec::new();
            spelling.spell(Token(token), shown, &mut piece);
            String::from_utf8(piece).unwrap()
        };
        assert_eq!((spell(0, false), spell(0, true)), (String::new(), "<s>".to_owned()));
        assert_eq!(spell(2, false), "Ġ", "what was added is written as it is");
        assert_eq!((spell(1, true), spell(9, true), spell(-1, true)), Default::default());
        assert_eq!(spelling.len(), 3);
    }

    #[test]
    fn all_bytes_have_letters() {
        let letters = byte_letters();
        assert_eq!(letters.len(), 256);
        assert_eq!((letters[&'Ġ'], letters[&'Ń']), (b' ', 0xad));
    }
}
