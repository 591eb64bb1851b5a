//! Tokens: words with the white space before them.

/// The tokens of `text`; joined, they are `text` again. White space at the end belongs to the last word, and a text of
/// nothing else is one token.
pub(crate) fn split(text: &str) -> Vec<&str> {
    let mut tokens = Vec::new();
    let mut start = 0;
    let mut in_word = false;
    for (index, character) in text.char_indices() {
        let blank = character.is_whitespace();
        if blank && in_word {
            tokens.push(&text[start..index]);
            start = index;
        }
        in_word = !blank;
    }
    match tokens.pop() {
        Some(last) if !in_word => tokens.push(&text[start - last.len()..]),
        Some(last) => tokens.extend([last, &text[start..]]),
        None if text.is_empty() => {}
        None => tokens.push(text),
    }
    tokens
}

/// How many tokens `text` has.
pub(crate) fn count(text: &str) -> u32 {
    u32::try_from(split(text).len()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_before_white_space() {
        assert_eq!(split(""), [""; 0]);
        assert_eq!(split(" \n"), [" \n"]);
        assert_eq!(split("one"), ["one"]);
        assert_eq!(split("one "), ["one "]);
        assert_eq!(split("one two"), ["one", " two"]);
        assert_eq!(split(" one  two\n\nthree \u{a0}"), [" one", "  two", "\n\nthree \u{a0}"]);
        assert_eq!(split("ein Käse\u{2003}für uns"), ["ein", " Käse", "\u{2003}für", " uns"]);
    }
}
