//! Numbers to blocks, to the bytes that ggml's reference functions give.

mod large;
mod small;

use super::Encoding;
use super::half;

/// Writes `values` into `out`, which has to be as long as [`Encoding::bytes`] says.
///
/// Numbers are taken to be finite; where some are too large for a scale in half precision [`super::check`] finds the scale.
///
/// # Errors
/// Where the lengths do not fit each other, or nothing is packed so any more.
pub fn encode(encoding: Encoding, values: &[f32], out: &mut [u8]) -> Result<(), Misfit> {
    if encoding.bytes(values.len()) != Some(out.len()) || encoding == Encoding::F64 {
        return Err(Misfit { encoding, numbers: values.len(), bytes: out.len() });
    }
    match encoding {
        Encoding::F32 => each(values, out, f32::to_le_bytes),
        Encoding::F16 => each(values, out, |value| half::to_f16(value).to_le_bytes()),
        Encoding::BF16 => each(values, out, |value| half::to_bf16(value).to_le_bytes()),
        Encoding::F64 => {}
        Encoding::Q4_0 => blocks(values, out, small::q4_0),
        Encoding::Q4_1 => blocks(values, out, small::q4_1),
        Encoding::Q5_0 => blocks(values, out, small::q5_0),
        Encoding::Q5_1 => blocks(values, out, small::q5_1),
        Encoding::Q8_0 => blocks(values, out, small::q8_0),
        Encoding::Q2K => blocks(values, out, large::q2_k),
        Encoding::Q3K => blocks(values, out, large::q3_k),
        Encoding::Q4K => blocks(values, out, large::q4_k),
        Encoding::Q5K => blocks(values, out, large::q5_k),
        Encoding::Q6K => blocks(values, out, large::q6_k),
    }
    Ok(())
}

/// Numbers and bytes that do not fit each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Misfit {
    /// The encoding.
    pub encoding: Encoding,
    /// How many numbers there are.
    pub numbers: usize,
    /// How many bytes there are.
    pub bytes: usize,
}

impl std::fmt::Display for Misfit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { encoding, numbers, bytes } = self;
        let name = encoding.name();
        match encoding.bytes(*numbers) {
            Some(right) if right == *bytes => {
                write!(f, "{name} is read only: choose another encoding to write")
            }
            Some(right) => write!(f, "{numbers} numbers of {name} take {right} bytes, and there are {bytes}"),
            None => {
                write!(f, "{numbers} numbers are no whole number of {name}'s blocks of {}", encoding.block())
            }
        }
    }
}

impl std::error::Error for Misfit {}

fn each<const BYTES: usize>(values: &[f32], out: &mut [u8], bytes: impl Fn(f32) -> [u8; BYTES]) {
    for (value, out) in values.iter().zip(out.as_chunks_mut().0) {
        *out = bytes(*value);
    }
}

fn blocks<const NUMBERS: usize, const BYTES: usize>(
    values: &[f32],
    out: &mut [u8],
    block: impl Fn(&[f32; NUMBERS], &mut [u8; BYTES]),
) {
    for (values, out) in values.as_chunks().0.iter().zip(out.as_chunks_mut().0) {
        block(values, out);
    }
}
