//! The letters that stand for bytes in the vocabularies of GPT-2 and what came after it: printable ones for themselves, the
//! others for the next free ones from 256 on.

/// The letter of a byte.
pub(in super::super) fn letter(byte: u8) -> char {
    if printable(byte) {
        return char::from(byte);
    }
    let before = (0..byte).filter(|other| !printable(*other)).count() as u32;
    char::from_u32(256 + before).unwrap_or(' ')
}

/// The byte of a letter.
pub(in super::super) fn byte_of(letter: char) -> Option<u8> {
    if let Ok(byte) = u8::try_from(u32::from(letter)) {
        return printable(byte).then_some(byte);
    }
    let place = usize::try_from(u32::from(letter).checked_sub(256)?).ok()?;
    (0..=u8::MAX).filter(|byte| !printable(*byte)).nth(place)
}

fn printable(byte: u8) -> bool {
    matches!(byte, b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_byte_has_a_letter_of_its_own() {
        assert_eq!(
            (letter(b'a'), letter(b' '), letter(b'\n'), letter(0xad)),
            ('a', '\u{120}', '\u{10a}', '\u{143}')
        );
        for byte in 0..=u8::MAX {
            assert_eq!(byte_of(letter(byte)), Some(byte));
        }
        assert_eq!((byte_of(' '), byte_of('\u{144}')), (None, None));
    }
}
