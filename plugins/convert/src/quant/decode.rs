//! Blocks to numbers, as ggml reads them.

mod large;
mod small;

use super::encode::Misfit;
use super::{Encoding, half};

/// Reads numbers from `bytes`, which have to be as many as [`Encoding::bytes`] says for so many numbers.
///
/// # Errors
/// Where the lengths do not fit each other.
pub fn decode(encoding: Encoding, bytes: &[u8], out: &mut [f32]) -> Result<(), Misfit> {
    if encoding.bytes(out.len()) != Some(bytes.len()) {
        return Err(Misfit { encoding, numbers: out.len(), bytes: bytes.len() });
    }
    match encoding {
        Encoding::F32 => each(bytes, out, f32::from_le_bytes),
        Encoding::F16 => each(bytes, out, |bytes| half::from_f16(u16::from_le_bytes(bytes))),
        Encoding::BF16 => each(bytes, out, |bytes| half::from_bf16(u16::from_le_bytes(bytes))),
        Encoding::F64 => each(bytes, out, |bytes| f64::from_le_bytes(bytes) as f32),
        Encoding::Q4_0 => blocks(bytes, out, small::q4_0),
        Encoding::Q4_1 => blocks(bytes, out, small::q4_1),
        Encoding::Q5_0 => blocks(bytes, out, small::q5_0),
        Encoding::Q5_1 => blocks(bytes, out, small::q5_1),
        Encoding::Q8_0 => blocks(bytes, out, small::q8_0),
        Encoding::Q2K => blocks(bytes, out, large::q2_k),
        Encoding::Q3K => blocks(bytes, out, large::q3_k),
        Encoding::Q4K => blocks(bytes, out, large::q4_k),
        Encoding::Q5K => blocks(bytes, out, large::q5_k),
        Encoding::Q6K => blocks(bytes, out, large::q6_k),
    }
    Ok(())
}

fn each<const BYTES: usize>(bytes: &[u8], out: &mut [f32], number: impl Fn([u8; BYTES]) -> f32) {
    for (bytes, out) in bytes.as_chunks().0.iter().zip(out) {
        *out = number(*bytes);
    }
}

fn blocks<const NUMBERS: usize, const BYTES: usize>(
    bytes: &[u8],
    out: &mut [f32],
    block: impl Fn(&[u8; BYTES], &mut [f32; NUMBERS]),
) {
    for (bytes, out) in bytes.as_chunks().0.iter().zip(out.as_chunks_mut().0) {
        block(bytes, out);
    }
}
