//! The list of tensors, and whether their data is where the list says.

use std::{
    collections::HashSet,
    io::{Read, Seek},
};

use super::{Fault, GgufError, cursor::Cursor, types::TensorType};

/// llama.cpp keeps names in 64 bytes with a zero at the end.
const MAX_NAME: u64 = 63;
const MAX_DIMENSIONS: u32 = 4;

/// One tensor; its place is relative to the start of the data.
#[derive(Clone, Debug)]
pub struct Tensor {
    /// Unique in its file, at most 63 bytes long.
    pub name: String,
    /// Elements in each dimension, the one that lies closest together (a row) first: 1 to 4, as the file says.
    pub shape: Vec<u64>,
    /// How its numbers are packed.
    pub kind: TensorType,
    /// All elements.
    pub elements: u64,
    /// Where its data begins, in bytes from the start of all data.
    pub offset: u64,
    /// Bytes that its data takes.
    pub bytes: u64,
    /// Where the list names it, for errors.
    entry: u64,
}

impl Tensor {
    /// A tensor that is to be written at `offset`, or why there can be none of that shape.
    pub fn new(
        name: impl Into<String>,
        shape: &[u64],
        kind: TensorType,
        offset: u64,
    ) -> Result<Self, String> {
        let name = name.into();
        if name.len() as u64 > MAX_NAME {
            return Err(format!("the name {name:?} has more than {MAX_NAME} bytes"));
        }
        let mut whole = [1; MAX_DIMENSIONS as usize];
        let Some(start) = whole.get_mut(..shape.len()) else {
            return Err(format!(
                "{name} has {} dimensions, but at most {MAX_DIMENSIONS} are allowed",
                shape.len()
            ));
        };
        start.copy_from_slice(shape);
        let (elements, bytes) = extent(whole, kind).map_err(|message| format!("{name}: {message}"))?;
        Ok(Self { name, shape: shape.to_vec(), kind, elements, offset, bytes, entry: 0 })
    }
}

pub(super) fn read<R: Read + Seek>(
    cursor: &mut Cursor<R>,
    count: u64,
    alignment: u64,
) -> Result<Vec<Tensor>, GgufError> {
    let mut tensors = Vec::new();
    let mut names = HashSet::new();
    for number in 1..=count {
        let entry = cursor.at();
        let name = cursor
            .string("the name", MAX_NAME)
            .map_err(|error| error.about(format_args!("tensor {number} of {count}")))?;
        let name = String::from_utf8_lossy(&name).into_owned();
        if !names.insert(name.clone()) {
            return Err(GgufError::invalid(entry, format!("tensor {name:?} is there twice")));
        }
        let tensor = read_one(cursor, name.clone(), entry, alignment)
            .map_err(|error| error.about(format_args!("tensor {name:?}")))?;
        tensors.push(tensor);
    }
    Ok(tensors)
}

fn read_one<R: Read + Seek>(
    cursor: &mut Cursor<R>,
    name: String,
    entry: u64,
    alignment: u64,
) -> Result<Tensor, GgufError> {
    let at = cursor.at();
    let dimensions = cursor.u32("the number of dimensions")?;
    if dimensions > MAX_DIMENSIONS {
        let message = format!("it has {dimensions} dimensions, but at most {MAX_DIMENSIONS} are allowed");
        return Err(GgufError::invalid(at, message));
    }
    let shape_at = cursor.at();
    let mut shape = [1; MAX_DIMENSIONS as usize];
    for dimension in shape.iter_mut().take(dimensions as usize) {
        *dimension = cursor.u64("a dimension")?;
    }
    let at = cursor.at();
    let number = cursor.u32("the type")?;
    let kind = TensorType::from_number(number).ok_or_else(|| {
        GgufError::new(
            Fault::Unsupported,
            at,
            format!("its type has the number {number}, which is not known"),
        )
    })?;
    let (elements, bytes) = extent(shape, kind).map_err(|message| GgufError::invalid(shape_at, message))?;
    let at = cursor.at();
    let offset = cursor.u64("the offset")?;
    if !offset.is_multiple_of(alignment) {
        let message = format!("its offset is {offset}, which is not a multiple of {alignment}");
        return Err(GgufError::invalid(at, message));
    }
    let shape = shape[..dimensions as usize].to_vec();
    Ok(Tensor { name, shape, kind, elements, offset, bytes, entry })
}

/// Elements and bytes of a shape, where both exist.
fn extent(shape: [u64; MAX_DIMENSIONS as usize], kind: TensorType) -> Result<(u64, u64), String> {
    let overflow = || format!("its shape {shape:?} has more elements than there are numbers");
    // A zero must not hide the other dimensions, so they are multiplied as ones.
    shape.iter().try_fold(1, |all: u64, &n| all.checked_mul(n.max(1))).ok_or_else(overflow)?;
    let elements: u64 = shape.iter().product();
    if !shape[0].is_multiple_of(kind.block) {
        return Err(format!(
            "its rows have {} elements, but {} comes in blocks of {}",
            shape[0], kind.name, kind.block
        ));
    }
    let bytes = (elements / kind.block).checked_mul(kind.bytes).ok_or_else(overflow)?;
    Ok((elements, bytes))
}

/// Where the data begins, for a list that ends at `end`.
pub(super) fn data_start(end: u64, alignment: u64) -> Result<u64, GgufError> {
    end.checked_next_multiple_of(alignment)
        .ok_or_else(|| GgufError::invalid(end, format!("an alignment of {alignment} leads past every file")))
}

/// Checks that the tensors' data lies inside the file and that no two share a byte.
pub(super) fn check_data(tensors: &[Tensor], data: u64, size: u64) -> Result<(), GgufError> {
    let mut order: Vec<&Tensor> = tensors.iter().collect();
    order.sort_by_key(|tensor| (tensor.offset, tensor.bytes));
    let mut before: Option<(&Tensor, u64)> = None;
    for tensor in order {
        let end = tensor.offset.checked_add(tensor.bytes).and_then(|end| end.checked_add(data));
        match end {
            Some(end) if end <= size => {}
            _ => return Err(outside(tensor, data, size)),
        }
        if let Some((other, end)) = before
            && tensor.offset < end
        {
            let message = format!(
                "tensor {:?} starts at {} of the data, inside tensor {:?}, which ends at {end}",
                tensor.name, tensor.offset, other.name
            );
            return Err(GgufError::invalid(tensor.entry, message));
        }
        if tensor.bytes > 0 {
            before = Some((tensor, tensor.offset + tensor.bytes));
        }
    }
    Ok(())
}

fn outside(tensor: &Tensor, data: u64, size: u64) -> GgufError {
    // Added up wide, since the offset may be any number.
    let start = u128::from(data) + u128::from(tensor.offset);
    let message = format!(
        "tensor {:?} ends at byte {}, but the file has only {size}",
        tensor.name,
        start + u128::from(tensor.bytes)
    );
    GgufError::new(Fault::Truncated, u64::try_from(start).unwrap_or(u64::MAX), message)
}
