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
