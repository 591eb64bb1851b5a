//! Text from tokens that may end inside a character.

/// Joins pieces of UTF-8 and hands out whole characters only. What can never become a character turns into U+FFFD,
/// exactly where [`String::from_utf8_lossy`] would put it in the whole text.
#[derive(Debug, Default)]
pub struct Utf8Assembler {
    /// The beginning of a character: at most three bytes.
    pending: Vec<u8>,
}

impl Utf8Assembler {
    /// Takes more bytes and returns the characters that they complete.
    pub fn push(&mut self, bytes: &[u8]) -> String {
        self.pending.extend_from_slice(bytes);
        let mut text = String::with_capacity(self.pending.len());
        let mut rest = self.pending.as_slice();
        while !rest.is_empty() {
            match std::str::from_utf8(rest) {
                Ok(valid) => {
                    text.push_str(valid);
                    rest = &[];
                }
                Err(error) => {
                    let (valid, after) = rest.split_at(error.valid_up_to());
                    text.push_str(&String::from_utf8_lossy(valid));
                    rest = after;
                    let Some(invalid) = error.error_len() else { break };
                    text.push(char::REPLACEMENT_CHARACTER);
                    rest = &rest[invalid..];
                }
            }
        }
        let consumed = self.pending.len() - rest.len();
        self.pending.drain(..consumed);
        text
    }

    /// Ends the text: the beginning of a character that never came becomes U+FFFD.
    pub fn finish(&mut self) -> String {
        let pending = std::mem::take(&mut self.pending);
        String::from_utf8_lossy(&pending).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_wait_for_their_last_byte() {
        let mut assembler = Utf8Assembler::default();
        let shown: Vec<_> = "a\u{1f525}ü".bytes().map(|byte| assembler.push(&[byte])).collect();
        assert_eq!(shown, ["a", "", "", "", "\u{1f525}", "", "ü"]);
        assert_eq!(assembler.finish(), "");
    }

    #[test]
    fn what_cannot_become_a_character_is_replaced() {
        let mut assembler = Utf8Assembler::default();
        assert_eq!(assembler.push(b"a\xffb\xf0\x9f"), "a\u{fffd}b");
        assert_eq!(assembler.push(b"c\xc3"), "\u{fffd}c");
        assert_eq!(assembler.finish(), "\u{fffd}");
        assert_eq!(assembler.push(b"d"), "d");
    }

    /// All texts of four of these bytes, cut in every way, come out as they would in one piece.
    #[test]
    fn agrees_with_the_standard_library_however_the_bytes_are_cut() {
        let bytes = [b'a', 0x80, 0xc3, 0xa9, 0xed, 0xa0, 0xf0, 0x9f, 0xff];
        const LENGTH: u32 = 4;
        for number in 0..bytes.len().pow(LENGTH) {
            let text: Vec<u8> =
                (0..LENGTH).map(|place| bytes[number / bytes.len().pow(place) % bytes.len()]).collect();
            let whole = String::from_utf8_lossy(&text);
            for cuts in 0..1_u32 << (LENGTH - 1) {
                let mut assembler = Utf8Assembler::default();
                let mut shown = String::new();
                let mut begin = 0;
                for end in 1..=text.len() {
                    if end == text.len() || cuts & 1 << (end - 1) != 0 {
                        shown.push_str(&assembler.push(&text[begin..end]));
                        begin = end;
                    }
                }
                shown.push_str(&assembler.finish());
                assert_eq!(shown, whole, "{text:x?} cut at {cuts:b}");
            }
        }
    }
}
