//! The memory of steps as bytes: pieces with their lengths in front.

use std::io::{self, Read};

use crate::error::Error;
use crate::record::Record;

/// Adds a piece.
pub(super) fn put(into: &mut Vec<u8>, piece: &[u8]) {
    into.extend((piece.len() as u64).to_le_bytes());
    into.extend(piece);
}

/// Adds a record.
pub(super) fn put_record(into: &mut Vec<u8>, record: &Record) {
    put(into, record.id.as_bytes());
    put(into, record.text().as_bytes());
}

/// Adds a number.
pub(super) fn put_number(into: &mut Vec<u8>, number: u64) {
    put(into, &number.to_le_bytes());
}

/// The next piece; `None`: there is no more.
pub(super) fn next(from: &mut impl Read) -> io::Result<Option<Vec<u8>>> {
    let mut length = [0; 8];
    let mut filled = 0;
    while filled < length.len() {
        match from.read(&mut length[filled..])? {
            0 if filled == 0 => return Ok(None),
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            more => filled += more,
        }
    }
    let length = u64::from_le_bytes(length);
    let mut piece = Vec::new();
    from.take(length).read_to_end(&mut piece)?;
    if piece.len() as u64 != length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(Some(piece))
}

/// The next piece, which must be there.
pub(super) fn piece(from: &mut impl Read) -> io::Result<Vec<u8>> {
    next(from)?.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
}

/// The next piece, as text.
pub(super) fn text(from: &mut impl Read) -> io::Result<String> {
    String::from_utf8(piece(from)?).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

/// The next piece, as a number.
pub(super) fn number(from: &mut impl Read) -> io::Result<u64> {
    let piece = piece(from)?;
    let bytes = piece.try_into().map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?;
    Ok(u64::from_le_bytes(bytes))
}

/// The next record; `None`: there is no more.
pub(super) fn record(from: &mut impl Read) -> io::Result<Option<Record>> {
    let Some(id) = next(from)? else { return Ok(None) };
    let id = String::from_utf8(id).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
    Ok(Some(Record::from_text(id, text(from)?)))
}

/// What to say about a memory that cannot be read.
pub(super) fn unreadable(error: impl std::fmt::Display) -> Error {
    Error::new(format!("what the step kept is unreadable: {error}")).hint("begin again with `--fresh`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_put_comes_back_and_a_torn_end_is_told() {
        let mut bytes = Vec::new();
        put_number(&mut bytes, 7);
        put_record(&mut bytes, &Record::from_text("a", "{}".to_owned()));
        let mut from = bytes.as_slice();
        assert_eq!(number(&mut from).unwrap(), 7);
        let got = record(&mut from).unwrap().unwrap();
        assert_eq!(got.into_parts(), ("a".to_owned(), "{}".to_owned()));
        assert!(record(&mut from).unwrap().is_none());
        for torn in 1..16 {
            assert!(next(&mut &bytes[..torn]).is_err(), "{torn}");
        }
    }
}
