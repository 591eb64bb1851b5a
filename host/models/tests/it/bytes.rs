//! Writes GGUF files byte by byte, right ones and wrong ones, and reads them as if they were larger.

use std::io::{self, Read, Seek, SeekFrom};

/// The numbers of value types.
pub(crate) const U32: u32 = 4;
pub(crate) const TEXT: u32 = 8;
pub(crate) const ARRAY: u32 = 9;
pub(crate) const U64: u32 = 10;

/// A file in the making. Counts are written as they are given, not as they are.
#[derive(Clone)]
pub(crate) struct Gguf(pub(crate) Vec<u8>);

impl Gguf {
    pub(crate) fn start(tensors: u64, metadata: u64) -> Self {
        Self(b"GGUF".to_vec()).u32(3).u64(tensors).u64(metadata)
    }

    pub(crate) fn u32(mut self, number: u32) -> Self {
        self.0.extend(number.to_le_bytes());
        self
    }

    pub(crate) fn u64(mut self, number: u64) -> Self {
        self.0.extend(number.to_le_bytes());
        self
    }

    pub(crate) fn string(self, text: &str) -> Self {
        let mut this = self.u64(text.len() as u64);
        this.0.extend(text.as_bytes());
        this
    }

    pub(crate) fn text(self, key: &str, text: &str) -> Self {
        self.string(key).u32(TEXT).string(text)
    }

    pub(crate) fn number(self, key: &str, number: u32) -> Self {
        self.string(key).u32(U32).u32(number)
    }

    /// A tensor of type F32.
    pub(crate) fn tensor(self, name: &str, shape: &[u64], offset: u64) -> Self {
        self.tensor_of(name, shape, 0, offset)
    }

    pub(crate) fn tensor_of(self, name: &str, shape: &[u64], kind: u32, offset: u64) -> Self {
        let mut this = self.string(name).u32(shape.len() as u32);
        for &dimension in shape {
            this = this.u64(dimension);
        }
        this.u32(kind).u64(offset)
    }

    /// Ends the header and adds `bytes` of data.
    pub(crate) fn data(mut self, bytes: usize) -> Vec<u8> {
        self.0.resize(self.0.len().next_multiple_of(32) + bytes, 7);
        self.0
    }

    /// A small right model.
    pub(crate) fn model(name: &str) -> Vec<u8> {
        Self::start(1, 4)
            .text("general.architecture", "llama")
            .text("general.name", name)
            .text("tokenizer.chat_template", "{{ messages }}")
            .number("llama.context_length", 512)
            .tensor("w", &[8], 0)
            .data(32)
    }
}

/// A file that has zeros after its first bytes, up to any size, and remembers how much was read of it.
pub(crate) struct Sparse {
    start: Vec<u8>,
    size: u64,
    at: u64,
    pub(crate) read: u64,
}

impl Sparse {
    pub(crate) fn new(start: Vec<u8>, size: u64) -> Self {
        Self { start, size, at: 0, read: 0 }
    }
}

impl Read for Sparse {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = (buffer.len() as u64).min(self.size.saturating_sub(self.at)) as usize;
        let from = self.start.get(self.at as usize..).unwrap_or_default();
        let real = from.len().min(length);
        buffer[..real].copy_from_slice(&from[..real]);
        buffer[real..length].fill(0);
        self.at += length as u64;
        self.read += length as u64;
        Ok(length)
    }
}

impl Seek for Sparse {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::Current(step) => self.at.checked_add_signed(step),
            SeekFrom::End(step) => self.size.checked_add_signed(step),
        };
        self.at = at.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}
