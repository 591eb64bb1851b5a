//! Models of the `echo` backend: one line of magic, then JSON.

use std::{fs::File, io::Read, path::Path};

use serde::Deserialize;

use crate::Header;

pub(crate) const MAGIC: &[u8] = b"inferno-echo";

/// An echo model is a few dozen bytes; one that is larger than this is something else.
const MAX_BYTES: u64 = 64 * 1024;

/// What the header shows; the backend reads the rest.
#[derive(Default, Deserialize)]
struct Settings {
    context: Option<u32>,
    embedding: Option<u32>,
}

/// Reads an echo model, or says what is wrong with it.
pub(crate) fn read(path: &Path) -> Result<Header, String> {
    let file = File::open(path).map_err(|error| format!("cannot be opened: {error}"))?;
    let mut text = String::new();
    file.take(MAX_BYTES + 1)
        .read_to_string(&mut text)
        .map_err(|error| format!("cannot be read as text: {error}"))?;
    parse(&text)
}

fn parse(text: &str) -> Result<Header, String> {
    if text.len() as u64 > MAX_BYTES {
        return Err(format!("an echo model has at most {MAX_BYTES} bytes, but this file has more"));
    }
    let (_, json) = text.split_once('\n').unwrap_or((text, ""));
    let settings: Settings = match json.trim() {
        "" => Settings::default(),
        json => serde_json::from_str(json).map_err(|error| {
            format!("the JSON after the first line of this echo model is not right: {error}")
        })?,
    };
    Ok(Header {
        architecture: "echo".to_owned(),
        quantization: "none".to_owned(),
        context_length: settings.context,
        embedding_length: settings.embedding,
        ..Header::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_context() {
        let header = parse("inferno-echo\n{\"tokens_per_second\": 50, \"context\": 256}\n").expect("a model");
        assert_eq!(header.context_length, Some(256));
        assert_eq!(parse("inferno-echo").expect("a model").context_length, None);
    }

    #[test]
    fn wrong_settings_are_refused() {
        let error = parse("inferno-echo\n{\"context\": -1}").expect_err("refused");
        assert!(error.contains("JSON"), "{error}");
        assert!(parse(&format!("inferno-echo\n{}", " ".repeat(70_000))).is_err());
    }
}
