use std::fmt;

use serde::{Serialize, Serializer};

/// A format that some backend runs. The content decides; the file's name has a say only in formats that are not read
/// here.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// GGUF, the format of llama.cpp.
    Gguf,
    /// ONNX, the format of ONNX Runtime.
    Onnx,
    /// A script for the deterministic `echo` backend, for tests and benchmarks.
    Echo,
    /// One that is not read here, under the name that backends list it by.
    Foreign(String),
}

/// What a file is instead of a model that could be run, in words for its user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotAModel(&'static str);

/// How many bytes of a file [`Format::detect`] wants to see.
pub(crate) const DETECT_BYTES: u64 = 64;

impl Format {
    /// Tells a format that is read here from the first bytes of a file (64 are enough).
    pub fn detect(start: &[u8]) -> Result<Self, NotAModel> {
        if start.starts_with(b"GGUF") {
            return Ok(Self::Gguf);
        }
        // The magic is a whole line.
        if let Some(rest) = start.strip_prefix(crate::echo::MAGIC)
            && matches!(rest.first(), None | Some(b'\n' | b'\r'))
        {
            return Ok(Self::Echo);
        }
        if is_onnx(start) {
            return Ok(Self::Onnx);
        }
        Err(NotAModel(describe(start)))
    }

    /// The name under which backends list it.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Gguf => "gguf",
            Self::Onnx => "onnx",
            Self::Echo => "echo",
            Self::Foreign(name) => name,
        }
    }
}

impl Serialize for Format {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What else people hand to a model runner, and what they can do about it.
fn describe(start: &[u8]) -> &'static str {
    const STARTS: &[(&[u8], &str)] = &[
        (
            b"version https://git-lfs",
            "this is a Git LFS pointer, not the file itself: fetch it with `git lfs pull`",
        ),
        (b"<", "this is a web page, not a model: the download failed or needs a login, so download it again"),
        (
            b"PK\x03\x04",
            "this is a zip archive (perhaps a PyTorch checkpoint), which is not supported by any backend: convert it to GGUF",
        ),
        (b"lmgg", OLD),
        (b"fmgg", OLD),
        (b"tjgg", OLD),
        (b"algg", OLD),
    ];
    const OLD: &str =
        "this is a GGML file from before GGUF, which is not supported by any backend: convert it to GGUF";
    if start.is_empty() {
        return "the file is empty: download or copy it again";
    }
    if let Some((_, text)) = STARTS.iter().find(|(magic, _)| start.starts_with(magic)) {
        return text;
    }
    if is_safetensors(start) {
        return "this is a safetensors file, which is not supported by any backend: convert it to GGUF";
    }
    "this is not a model file: it starts neither with `GGUF` nor with anything else that is known"
}

/// A little-endian length of a JSON header, then that header.
fn is_safetensors(start: &[u8]) -> bool {
    let Some((length, rest)) = start.split_first_chunk::<8>() else { return false };
    (2..=100_000_000).contains(&u64::from_le_bytes(*length)) && rest.first() == Some(&b'{')
}

/// A protobuf message whose first field is a small `ir_version` and whose second is one that ONNX knows.
fn is_onnx(start: &[u8]) -> bool {
    matches!(start, [0x08, 1..=64, 0x12 | 0x1a | 0x22 | 0x28 | 0x32 | 0x3a | 0x42, ..])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(start: &[u8]) -> String {
        Format::detect(start).expect_err("refused").to_string()
    }

    #[test]
    fn the_content_decides() {
        assert_eq!(Format::detect(b"GGUF\x03\0\0\0"), Ok(Format::Gguf));
        assert_eq!(Format::detect(b"inferno-echo\n{}"), Ok(Format::Echo));
        assert_eq!(Format::detect(b"inferno-echo"), Ok(Format::Echo));
        assert_eq!(Format::detect(b"\x08\x09\x12\x07pytorch"), Ok(Format::Onnx));
        assert!(Format::detect(b"inferno-echoes\n{}").is_err());
    }

    #[test]
    fn other_formats_are_refused_by_name() {
        assert!(refusal(b"\x10\0\0\0\0\0\0\0{\"__metadata__\"").contains("safetensors"));
        assert!(refusal(b"PK\x03\x04").contains("zip archive"));
        assert!(refusal(b"<!DOCTYPE html>").contains("web page"));
        assert!(refusal(b"version https://git-lfs.github.com/spec/v1").contains("git lfs pull"));
        assert!(refusal(b"tjgg").contains("before GGUF"));
        assert!(refusal(b"").contains("empty"));
        assert!(refusal(b"hello").contains("not a model"));
        // Neither of these is long enough to be what it resembles.
        assert!(refusal(b"\x10\0\0").contains("not a model"));
        assert!(refusal(b"\x08").contains("not a model"));
    }
}
