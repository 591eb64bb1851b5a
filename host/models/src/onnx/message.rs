//! Messages of Protocol Buffers in a file, field by field. No length is believed: each field must lie in its message.

use std::{
    fs::File,
    io::{BufReader, Read, Seek, SeekFrom},
    path::Path,
};

/// Fields of all messages together: ten times what the largest graphs have.
const MOST_FIELDS: u32 = 20_000_000;
/// Names and the like are at most this long.
const MOST_TEXT: u64 = 64 << 10;

/// A file that is one message.
pub(super) struct Messages {
    file: BufReader<File>,
    at: u64,
    length: u64,
    fields: u32,
}

/// A field's number and what it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Field {
    pub(super) number: u64,
    pub(super) content: Content,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    Number(u64),
    /// Bytes, a text or a message of this length, where the file now is.
    Bytes(u64),
    /// Four or eight bytes, which were skipped.
    Fixed,
}

impl Messages {
    pub(super) fn open(path: &Path) -> Result<Self, String> {
        let broken = |error: std::io::Error| format!("cannot be read: {error}");
        let file = File::open(path).map_err(broken)?;
        let length = file.metadata().map_err(broken)?.len();
        Ok(Self { file: BufReader::new(file), at: 0, length, fields: 0 })
    }

    /// Where the file ends.
    pub(super) fn end(&self) -> u64 {
        self.length
    }

    /// Where a message of this length ends that begins here.
    pub(super) fn message(&self, length: u64) -> u64 {
        // Checked where the length was read.
        self.at.saturating_add(length)
    }

    /// The next field of a message that ends at `end`, if there is one.
    pub(super) fn field(&mut self, end: u64) -> Result<Option<Field>, String> {
        if self.at >= end {
            return Ok(None);
        }
        self.fields += 1;
        if self.fields > MOST_FIELDS {
            return Err(format!(
                "this is no ONNX model that can be read: it has more than {MOST_FIELDS} fields"
            ));
        }
        let key = self.number(end)?;
        let content = match key & 7 {
            0 => Content::Number(self.number(end)?),
            1 => self.skip(8, end).map(|()| Content::Fixed)?,
            2 => {
                let length = self.number(end)?;
                if length > end - self.at {
                    return Err(cut());
                }
                Content::Bytes(length)
            }
            5 => self.skip(4, end).map(|()| Content::Fixed)?,
            other => {
                return Err(format!(
                    "this is no ONNX model that can be read: it has a field of the kind {other}"
                ));
            }
        };
        Ok(Some(Field { number: key >> 3, content }))
    }

    /// A text of a length that was just read.
    pub(super) fn text(&mut self, length: u64) -> Result<String, String> {
        if length > MOST_TEXT {
            return Err(format!("this is no ONNX model that can be read: a name in it has {length} bytes"));
        }
        let mut bytes = vec![0; length as usize];
        self.file.read_exact(&mut bytes).map_err(|_| cut())?;
        self.at += length;
        String::from_utf8(bytes)
            .map_err(|_| "this is no ONNX model that can be read: a name in it is no text".to_owned())
    }

    /// Leaves out what a field holds.
    pub(super) fn pass(&mut self, field: Field, end: u64) -> Result<(), String> {
        match field.content {
            Content::Bytes(length) => self.skip(length, end),
            Content::Number(_) | Content::Fixed => Ok(()),
        }
    }

    fn skip(&mut self, length: u64, end: u64) -> Result<(), String> {
        if length > end.saturating_sub(self.at) {
            return Err(cut());
        }
        self.at += length;
        match i64::try_from(length) {
            Ok(length) => self.file.seek_relative(length).map_err(|_| cut()),
            Err(_) => self.file.seek(SeekFrom::Start(self.at)).map(drop).map_err(|_| cut()),
        }
    }

    /// Seven bits in each byte, the lowest first.
    pub(super) fn number(&mut self, end: u64) -> Result<u64, String> {
        let mut number: u64 = 0;
        for shift in (0..64).step_by(7) {
            let mut byte = [0];
            if self.at >= end {
                return Err(cut());
            }
            self.file.read_exact(&mut byte).map_err(|_| cut())?;
            self.at += 1;
            number |= u64::from(byte[0] & 0x7f) << shift;
            if byte[0] & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err("this is no ONNX model that can be read: a number in it never ends".to_owned())
    }

    /// Where the file is now.
    pub(super) fn here(&self) -> u64 {
        self.at
    }
}

fn cut() -> String {
    "this is no whole ONNX model: a part of it ends before its end, so download or copy it again".to_owned()
}
