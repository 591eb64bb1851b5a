//! The outermost sections of a component: as much of the binary format as packing needs, and no more.

use std::ops::Range;

use crate::error::{Error, ErrorKind};

/// `\0asm`, then version 13 and layer 1: a component. Layer 0 is a core module.
const HEADER: [u8; 8] = [0x00, 0x61, 0x73, 0x6d, 0x0d, 0x00, 0x01, 0x00];
const MODULE: [u8; 8] = [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00];
/// More than any tool writes, and few enough to walk in a moment.
const MAX_SECTIONS: usize = 1 << 16;
/// Longer names are nobody's; what is not read need not be checked.
const MAX_NAME: usize = 100;

/// The numbers of the sections that are read here.
pub(crate) const CUSTOM: u8 = 0;
pub(crate) const IMPORTS: u8 = 10;
pub(crate) const EXPORTS: u8 = 11;

/// One section.
#[derive(Debug)]
pub(crate) struct Section<'a> {
    pub(crate) id: u8,
    /// Where it stands in the file, its number and length included.
    pub(crate) range: Range<usize>,
    /// The name of a custom section, if it is text of a usual length.
    pub(crate) name: Option<&'a str>,
    /// Its content, behind the name where it has one.
    pub(crate) data: &'a [u8],
}

/// The sections of a file, in order.
#[derive(Debug)]
pub(crate) struct Sections<'a> {
    bytes: &'a [u8],
    at: usize,
    count: usize,
}

impl<'a> Sections<'a> {
    /// Checks that these bytes begin as a component does.
    pub(crate) fn new(bytes: &'a [u8]) -> Result<Self, Error> {
        let wrong = |what: &str, hint: &str| Err(Error::new(ErrorKind::Package, what).with_hint(hint));
        match bytes.get(..HEADER.len()) {
            Some(header) if header == HEADER => Ok(Self { bytes, at: HEADER.len(), count: 0 }),
            Some(header) if header == MODULE => wrong(
                "the file is a WebAssembly module, but a plugin is a component",
                "cargo builds a component for the target wasm32-wasip2; `wasm-tools component new` makes one of a module",
            ),
            _ => wrong("the file is not WebAssembly", "a packed plugin is what `inferno plugin pack` wrote"),
        }
    }

    fn section(&mut self) -> Result<Section<'a>, Error> {
        let start = self.at;
        let broken = |what: String| Error::new(ErrorKind::Package, what);
        self.count += 1;
        if self.count > MAX_SECTIONS {
            return Err(broken(format!("the file has more than {MAX_SECTIONS} sections")));
        }
        let cut = || broken(format!("the file is cut off or damaged in the section at byte {start}"));
        let mut cursor = Cursor { bytes: self.bytes, at: start };
        let id = cursor.byte().ok_or_else(cut)?;
        let length = cursor.number().ok_or_else(cut)?;
        let data = cursor.take(length).ok_or_else(cut)?;
        self.at = cursor.at;
        let (name, data) = if id == CUSTOM {
            let mut inner = Cursor { bytes: data, at: 0 };
            let name = inner.number().and_then(|length| inner.take(length)).ok_or_else(cut)?;
            let name = std::str::from_utf8(name).map_err(|_| cut())?;
            ((name.len() <= MAX_NAME).then_some(name), data.get(inner.at..).unwrap_or_default())
        } else {
            (None, data)
        };
        Ok(Section { id, range: start..self.at, name, data })
    }
}

impl<'a> Iterator for Sections<'a> {
    type Item = Result<Section<'a>, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.at >= self.bytes.len() {
            return None;
        }
        let section = self.section();
        if section.is_err() {
            self.at = self.bytes.len();
        }
        Some(section)
    }
}

struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    fn byte(&mut self) -> Option<u8> {
        let byte = *self.bytes.get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let end = self.at.checked_add(length)?;
        let taken = self.bytes.get(self.at..end)?;
        self.at = end;
        Some(taken)
    }

    /// An unsigned LEB128 number of at most 32 bits.
    fn number(&mut self) -> Option<usize> {
        let mut value = 0_u32;
        for shift in [0, 7, 14, 21, 28] {
            let byte = self.byte()?;
            let bits = u32::from(byte & 0x7f);
            if shift == 28 && bits > 0x0f {
                return None;
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return usize::try_from(value).ok();
            }
        }
        None
    }
}

/// Writes a custom section, in the only way in which this crate reads its own sections back.
pub(crate) fn write_custom(out: &mut Vec<u8>, name: &str, data: &[u8]) -> Result<(), Error> {
    let mut body = Vec::with_capacity(name.len() + 5 + data.len());
    write_number(&mut body, name.len())?;
    body.extend_from_slice(name.as_bytes());
    body.extend_from_slice(data);
    out.push(CUSTOM);
    write_number(out, body.len())?;
    out.extend_from_slice(&body);
    Ok(())
}

fn write_number(out: &mut Vec<u8>, value: usize) -> Result<(), Error> {
    let mut rest = u32::try_from(value)
        .map_err(|_| Error::new(ErrorKind::Package, format!("a section of {value} bytes is too long")))?;
    loop {
        let low = rest.to_le_bytes()[0] & 0x7f;
        rest >>= 7;
        if rest == 0 {
            out.push(low);
            return Ok(());
        }
        out.push(low | 0x80);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_survive() {
        for value in [0, 1, 127, 128, 300, 16_383, 16_384, u32::MAX as usize] {
            let mut bytes = Vec::new();
            write_number(&mut bytes, value).unwrap();
            let mut cursor = Cursor { bytes: &bytes, at: 0 };
            assert_eq!((cursor.number(), cursor.at), (Some(value), bytes.len()));
        }
        for wrong in [&[0x80_u8][..], &[0xff, 0xff, 0xff, 0xff, 0x10], &[0x80, 0x80, 0x80, 0x80, 0x80, 0]] {
            assert_eq!(Cursor { bytes: wrong, at: 0 }.number(), None);
        }
    }

    #[test]
    fn sections_end_where_they_say() {
        let mut bytes = HEADER.to_vec();
        write_custom(&mut bytes, "a", b"xyz").unwrap();
        bytes.extend([7, 0]);
        let sections: Vec<_> = Sections::new(&bytes).unwrap().collect::<Result<_, _>>().unwrap();
        assert_eq!((sections[0].name, sections[0].data), (Some("a"), &b"xyz"[..]));
        assert_eq!((sections[1].id, sections[1].range.clone()), (7, 15..17));
        for end in 9..bytes.len() {
            let walked: Result<Vec<_>, _> = Sections::new(&bytes[..end]).unwrap().collect();
            assert_eq!(walked.is_ok(), end == 15, "{end}");
        }
        // A name that is longer than its section.
        let long_name = [&HEADER[..], &[0, 1, 5]].concat();
        let walked: Result<Vec<_>, _> = Sections::new(&long_name).unwrap().collect();
        walked.unwrap_err();
    }

    #[test]
    fn a_flood_of_sections_is_refused() {
        let mut bytes = HEADER.to_vec();
        bytes.extend([7, 0].repeat(MAX_SECTIONS));
        assert_eq!(Sections::new(&bytes).unwrap().filter(Result::is_err).count(), 0);
        bytes.extend([7, 0]);
        let error = Sections::new(&bytes).unwrap().find_map(Result::err).unwrap();
        assert!(error.to_string().contains("more than 65536 sections"), "{error}");
    }
}
