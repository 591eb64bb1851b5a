//! The model file.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use inferno_backend::{Error, ErrorKind};
use serde::{Deserialize, Serialize};

/// The first line of a model file.
const MAGIC: &str = "inferno-echo";
/// No honest file is longer.
const MAX_BYTES: u64 = 64 * 1024;
/// The slowest and the fastest rates at which the time between two tokens can be told.
const MIN_RATE: f64 = 0.001;
const MAX_RATE: f64 = 1e6;
/// The largest vector that it makes.
const MAX_EMBEDDING: u32 = 65_536;

/// What a model file says, as JSON after a first line of `inferno-echo`; everything may be absent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Tokens that each request gets in a second; 0: as fast as possible.
    pub tokens_per_second: f64,
    /// Tokens of prompt and answer together.
    pub context: u32,
    /// Length of the vectors; absent: it makes none.
    pub embedding: Option<u32>,
    /// It takes images, and echoes how many bytes each has at its place.
    pub vision: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self { tokens_per_second: 0.0, context: 4096, embedding: None, vision: false }
    }
}

impl Settings {
    /// Reads a model file.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let place = path.display();
        let unreadable = |error| Error::new(ErrorKind::NotFound, format!("cannot read {place}: {error}"));
        let mut bytes = Vec::new();
        let file = File::open(path).map_err(unreadable)?;
        file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(unreadable)?;
        if bytes.len() as u64 > MAX_BYTES {
            return Err(Error::invalid(format!(
                "{place} is longer than {MAX_BYTES} bytes, so it is no echo model"
            )));
        }
        Self::parse(&bytes).map_err(|reason| Error::invalid(format!("{place} is no echo model: {reason}")))
    }

    fn parse(bytes: &[u8]) -> Result<Self, String> {
        let text = std::str::from_utf8(bytes).map_err(|_| "it is not UTF-8")?;
        let (first, rest) = text.split_once('\n').unwrap_or((text, ""));
        if first.trim_end() != MAGIC {
            return Err(format!("its first line is not `{MAGIC}`"));
        }
        if rest.trim().is_empty() {
            return Ok(Self::default());
        }
        let settings: Self = serde_json::from_str(rest).map_err(|error| error.to_string())?;
        let rate = settings.tokens_per_second;
        if rate != 0.0 && !(MIN_RATE..=MAX_RATE).contains(&rate) {
            return Err(format!("`tokens_per_second` is neither 0 nor between {MIN_RATE} and {MAX_RATE}"));
        }
        if settings.context < 2 {
            return Err("`context` is under 2, so that nothing fits".into());
        }
        if settings.embedding.is_some_and(|length| !(1..=MAX_EMBEDDING).contains(&length)) {
            return Err(format!("`embedding` is not between 1 and {MAX_EMBEDDING}"));
        }
        Ok(settings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_documents() {
        let parse = |text: &str| Settings::parse(text.as_bytes());
        assert_eq!(parse("inferno-echo"), Ok(Settings::default()));
        assert_eq!(parse("inferno-echo\r\n{}\n"), Ok(Settings::default()));
        assert_eq!(
            parse(
                "inferno-echo\n{\"tokens_per_second\": 20, \"context\": 64, \"embedding\": 8, \"vision\": true}"
            ),
            Ok(Settings { tokens_per_second: 20.0, context: 64, embedding: Some(8), vision: true })
        );
    }

    #[test]
    fn says_what_is_wrong() {
        let check = |text: &str, part: &str| {
            let reason = Settings::parse(text.as_bytes()).unwrap_err();
            assert!(reason.contains(part), "{text:?} gave {reason:?}, which lacks {part:?}");
        };
        check("", "first line");
        check("inferno-echoes\n{}", "first line");
        check("inferno-echo\n{\"tokens\": 1}", "unknown field `tokens`");
        check("inferno-echo\n{\"tokens_per_second\": -1}", "tokens_per_second");
        check("inferno-echo\n{\"context\": 1}", "context");
        check("inferno-echo\n{\"context\": 4294967296}", "u32");
        check("inferno-echo\n{\"embedding\": 0}", "embedding");
        check("inferno-echo\n{", "EOF");
    }
}
