//! The lines of a tape, each a JSON object of its own: first the head, then calls and what came of them, then the end.

use std::borrow::Cow;
use std::fmt::Write as _;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use serde_json::Value;

/// The version of the format.
pub(super) const VERSION: u32 = 1;

/// A line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub(super) enum Line {
    Tape(Head),
    Call(Call),
    Part(Part),
    Done(Done),
    End(End),
}

/// What a tape is of.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Head {
    /// The version of the tape's format.
    pub format: u32,
    /// The plugin's name.
    pub plugin: String,
    /// Its version.
    pub version: String,
    /// The digest of its package.
    pub digest: String,
    /// The version of the interface that it was written for.
    pub wit: String,
    /// When the tape was made, in seconds since 1970.
    pub created: u64,
    /// The role that it played.
    pub role: String,
    /// The arguments of a command.
    pub arguments: Vec<String>,
    /// What it was given: JSON; for a command the text of its standard input.
    pub input: Value,
    /// The folders that it saw under these names. Their files are not on the tape.
    pub folders: Vec<String>,
    /// What the prints of secrets are made with.
    pub salt: String,
}

impl Head {
    /// The head of a tape that begins now.
    pub fn now(
        plugin: &crate::Plugin,
        role: impl Into<String>,
        arguments: Vec<String>,
        input: Value,
    ) -> Self {
        let about = &plugin.manifest().plugin;
        let role = role.into();
        let created = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Self {
            format: VERSION,
            plugin: about.name.clone(),
            version: about.version.clone(),
            digest: plugin.digest().to_owned(),
            wit: about.wit.clone(),
            created: created.as_secs(),
            folders: plugin.folders(&role),
            role,
            arguments,
            input,
            salt: format!("{:016x}", super::seed()),
        }
    }
}

/// A call begins.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Call {
    pub(super) number: u64,
    pub(super) name: String,
    pub(super) args: Value,
}

/// A part of what comes of a call.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Part {
    pub(super) number: u64,
    pub(super) value: Value,
}

/// A call has ended.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Done {
    pub(super) number: u64,
    pub(super) result: Value,
    /// For people; a replay looks at the prints of secrets alone.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub(super) note: Value,
}

/// The run has ended.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct End {
    pub(super) calls: u64,
    pub(super) outcome: Value,
}

/// Bytes that are shown as text where they are text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Bytes(pub(crate) Vec<u8>);

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Shown<'a> {
    Text(Cow<'a, str>),
    Hex(String),
}

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match std::str::from_utf8(&self.0) {
            Ok(text) => Shown::Text(text.into()),
            Err(_) => Shown::Hex(hex(&self.0)),
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes = match Shown::deserialize(deserializer)? {
            Shown::Text(text) => text.into_owned().into_bytes(),
            Shown::Hex(text) => {
                unhex(&text).ok_or_else(|| D::Error::custom("these are no hexadecimal digits"))?
            }
        };
        Ok(Self(bytes))
    }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let digit = |digit: u8| char::from(digit).to_digit(16);
    let byte = |[high, low]: &[u8; 2]| u8::try_from(digit(*high)? * 16 + digit(*low)?).ok();
    if rest.is_empty() { pairs.iter().map(byte).collect() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_text_where_they_can_be() {
        for (bytes, json) in [
            (&b"a \xc3\xa9\n"[..], r#"{"text":"a é\n"}"#),
            (&b"\xff\x00"[..], r#"{"hex":"ff00"}"#),
            (b"", r#"{"text":""}"#),
        ] {
            let bytes = Bytes(bytes.to_vec());
            assert_eq!(serde_json::to_string(&bytes).unwrap(), json);
            assert_eq!(serde_json::from_str::<Bytes>(json).unwrap(), bytes);
        }
        for wrong in [r#"{"hex":"f"}"#, r#"{"hex":"zz"}"#, r#"{"base64":"AA"}"#, "[1]"] {
            assert!(serde_json::from_str::<Bytes>(wrong).is_err(), "{wrong}");
        }
    }
}
