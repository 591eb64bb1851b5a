//! From the bytes of a right file to metadata and tensors.

use std::io;

use super::{ALIGNMENT, ARRAY, BOOL, F32_VALUE, Gguf, Info, Kind, TEXT, Tensor, U32, Value, wrong};

/// Walks over the bytes of a file.
pub(super) struct Reader<'a> {
    all: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn read_file(all: &'a [u8]) -> io::Result<Gguf> {
        let mut reader = Self { all, at: 0 };
        if reader.take(4)? != b"GGUF" || reader.u32()? != 3 {
            return Err(wrong("no GGUF file of version 3"));
        }
        let (tensors, metadata) = (reader.u64()?, reader.u64()?);
        let metadata = (0..metadata).map(|_| reader.entry()).collect::<io::Result<Vec<_>>>()?;
        let infos = (0..tensors).map(|_| reader.info()).collect::<io::Result<Vec<_>>>()?;
        let start = reader.at.next_multiple_of(ALIGNMENT as usize);
        let tensors = infos.into_iter().map(|(mut tensor, offset)| {
            reader.at = start + offset as usize;
            tensor.data = reader.take(Info::of(&tensor).bytes())?.to_vec();
            Ok(tensor)
        });
        Ok(Gguf { metadata, tensors: tensors.collect::<io::Result<_>>()? })
    }

    fn entry(&mut self) -> io::Result<(String, Value)> {
        let key = self.text()?;
        let kind = self.u32()?;
        let start = self.at;
        self.skip(kind)?;
        Ok((key, Value { kind, bytes: self.all[start..self.at].to_vec() }))
    }

    fn info(&mut self) -> io::Result<(Tensor, u64)> {
        let name = self.text()?;
        let dimensions = self.u32()?;
        let shape = (0..dimensions).map(|_| self.u64()).collect::<io::Result<_>>()?;
        let kind = Kind::from_number(self.u32()?)?;
        Ok((Tensor { name, shape, kind, data: Vec::new() }, self.u64()?))
    }

    fn skip(&mut self, kind: u32) -> io::Result<()> {
        match kind {
            0 | 1 | BOOL => self.take(1).map(drop),
            2 | 3 => self.take(2).map(drop),
            U32 | 5 | F32_VALUE => self.take(4).map(drop),
            10..=12 => self.take(8).map(drop),
            TEXT => self.text().map(drop),
            ARRAY => {
                let (kind, count) = (self.u32()?, self.u64()?);
                (0..count).try_for_each(|_| self.skip(kind))
            }
            kind => Err(wrong(format!("a value of type {kind}"))),
        }
    }

    fn text(&mut self) -> io::Result<String> {
        let length = self.u64()?;
        String::from_utf8(self.take(length)?.to_vec()).map_err(wrong)
    }

    fn u32(&mut self) -> io::Result<u32> {
        self.take(4)?.try_into().map(u32::from_le_bytes).map_err(wrong)
    }

    fn u64(&mut self) -> io::Result<u64> {
        self.take(8)?.try_into().map(u64::from_le_bytes).map_err(wrong)
    }

    fn take(&mut self, bytes: u64) -> io::Result<&'a [u8]> {
        let end = self.at.saturating_add(bytes as usize);
        let taken = self.all.get(self.at..end).ok_or_else(|| wrong("it ends too early"))?;
        self.at = end;
        Ok(taken)
    }
}
