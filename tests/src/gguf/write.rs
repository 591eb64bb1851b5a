//! From metadata and tensors to the bytes of a file.

use std::{
    fs::File,
    io::{self, BufWriter, Write},
    path::Path,
};

use super::{ALIGNMENT, Kind, Tensor, Value};

/// What the list of tensors says of one.
#[derive(Clone, Copy)]
pub(super) struct Info<'a> {
    pub(super) name: &'a str,
    pub(super) shape: &'a [u64],
    pub(super) kind: Kind,
}

impl<'a> Info<'a> {
    pub(super) fn of(tensor: &'a Tensor) -> Self {
        Self { name: &tensor.name, shape: &tensor.shape, kind: tensor.kind }
    }

    pub(super) fn elements(&self) -> u64 {
        self.shape.iter().product()
    }

    pub(super) fn bytes(&self) -> u64 {
        self.kind.bytes(self.elements())
    }
}

/// Writes a file; `data` writes the data of the tensor with the index that it is given.
pub(super) fn write_file(
    out: &Path,
    metadata: &[(String, Value)],
    tensors: &[Info<'_>],
    mut data: impl FnMut(usize, &mut dyn Write) -> io::Result<()>,
) -> io::Result<()> {
    let mut header = b"GGUF".to_vec();
    header.extend(3_u32.to_le_bytes());
    header.extend((tensors.len() as u64).to_le_bytes());
    header.extend((metadata.len() as u64).to_le_bytes());
    for (key, value) in metadata {
        push_text(&mut header, key);
        header.extend(value.kind.to_le_bytes());
        header.extend(&value.bytes);
    }
    let mut offset = 0_u64;
    for tensor in tensors {
        push_text(&mut header, tensor.name);
        header.extend((tensor.shape.len() as u32).to_le_bytes());
        tensor.shape.iter().for_each(|length| header.extend(length.to_le_bytes()));
        header.extend(tensor.kind.number().to_le_bytes());
        header.extend(offset.to_le_bytes());
        offset += tensor.bytes().next_multiple_of(ALIGNMENT);
    }
    let mut file = BufWriter::with_capacity(1 << 20, File::create(out)?);
    file.write_all(&header)?;
    pad(&mut file, header.len() as u64)?;
    for (index, tensor) in tensors.iter().enumerate() {
        data(index, &mut file)?;
        pad(&mut file, tensor.bytes())?;
    }
    file.into_inner()?.sync_data()
}

fn pad(file: &mut impl Write, written: u64) -> io::Result<()> {
    let rest = written.next_multiple_of(ALIGNMENT) - written;
    file.write_all(&[0; ALIGNMENT as usize][..rest as usize])
}

pub(super) fn push_text(bytes: &mut Vec<u8>, text: &str) {
    bytes.extend((text.len() as u64).to_le_bytes());
    bytes.extend(text.as_bytes());
}
