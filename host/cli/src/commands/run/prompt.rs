//! Where the prompt of `inferno run` comes from.

use std::io::{IsTerminal, Read, Stdin};

use crate::failure::Failure;

/// More than any context holds; a mistaken `inferno run < film.mkv` ends early.
const INPUT_LIMIT: u64 = 16 << 20;

/// The prompt, or nothing where a chat should open.
pub(super) fn find(typed: Option<&str>, stdin: Stdin) -> Result<Option<String>, Failure> {
    if stdin.is_terminal() {
        return Ok(typed.map(str::to_owned));
    }
    let input = read(stdin.lock())?;
    match (typed, input.is_empty()) {
        (Some(prompt), true) => Ok(Some(prompt.to_owned())),
        (Some(prompt), false) => Ok(Some(format!("{prompt}\n\n{input}"))),
        (None, false) => Ok(Some(input)),
        (None, true) => Err(Failure::usage("there is no prompt")
            .hint("give one with --prompt or on standard input, or start a chat from a terminal")),
    }
}

/// Without the line break at the end that shells and editors add.
fn read(input: impl Read) -> Result<String, Failure> {
    let mut bytes = Vec::new();
    input
        .take(INPUT_LIMIT + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| Failure::new(format!("cannot read standard input: {error}")))?;
    if bytes.len() as u64 > INPUT_LIMIT {
        return Err(Failure::new(format!("standard input is longer than {INPUT_LIMIT} bytes")));
    }
    let mut text = String::from_utf8(bytes)
        .map_err(|error| Failure::new(format!("standard input is not text (UTF-8): {error}")))?;
    text.truncate(text.trim_end_matches(['\r', '\n']).len());
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn input_loses_only_its_last_line_break() {
        assert_eq!(read(&b" a\nb \r\n"[..]).unwrap(), " a\nb ");
    }

    #[test]
    fn input_that_is_no_prompt_is_refused() {
        assert!(read(&b"\xff\xfe"[..]).unwrap_err().message.contains("UTF-8"));
        assert!(read(std::io::repeat(b'a')).unwrap_err().message.contains("longer than"));
    }
}
