//! Blocks of 32 numbers, each with a scale of its own.

use crate::quant::half::from_f16;

pub(super) fn q8_0(bytes: &[u8; 34], out: &mut [f32; 32]) {
    let scale = half(bytes, 0);
    for (out, level) in out.iter_mut().zip(&bytes[2..]) {
        *out = f32::from(*level as i8) * scale;
    }
}

pub(super) fn q4_0(bytes: &[u8; 18], out: &mut [f32; 32]) {
    let scale = half(bytes, 0);
    halves(&bytes[2..], [0; 4], out, |level| f32::from(level as i8 - 8) * scale);
}

pub(super) fn q4_1(bytes: &[u8; 20], out: &mut [f32; 32]) {
    let (scale, min) = (half(bytes, 0), half(bytes, 2));
    halves(&bytes[4..], [0; 4], out, |level| f32::from(level) * scale + min);
}

pub(super) fn q5_0(bytes: &[u8; 22], out: &mut [f32; 32]) {
    let scale = half(bytes, 0);
    let fifth = [bytes[2], bytes[3], bytes[4], bytes[5]];
    halves(&bytes[6..], fifth, out, |level| f32::from(level as i8 - 16) * scale);
}

pub(super) fn q5_1(bytes: &[u8; 24], out: &mut [f32; 32]) {
    let (scale, min) = (half(bytes, 0), half(bytes, 2));
    let fifth = [bytes[4], bytes[5], bytes[6], bytes[7]];
    halves(&bytes[8..], fifth, out, |level| f32::from(level) * scale + min);
}

/// The number in half precision that stands there.
pub(super) fn half(bytes: &[u8], at: usize) -> f32 {
    from_f16(u16::from_le_bytes([bytes[at], bytes[at + 1]]))
}

/// Levels of four bits, two in a byte, of which the first half of numbers has the lower, with a fifth bit elsewhere.
fn halves(nibbles: &[u8], fifth: [u8; 4], out: &mut [f32; 32], number: impl Fn(u8) -> f32) {
    let fifth = u32::from_le_bytes(fifth);
    let (first, second) = out.split_at_mut(16);
    for (at, nibbles) in nibbles.iter().enumerate() {
        let bit = |place: usize| ((fifth >> place) as u8 & 1) << 4;
        first[at] = number(nibbles & 15 | bit(at));
        second[at] = number(nibbles >> 4 | bit(at + 16));
    }
}
