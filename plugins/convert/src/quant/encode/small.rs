//! Blocks of 32 numbers, each with a scale of its own.
//!
//! Where a scale is so small that one divided by it is infinite, every level is zero: that is what ggml's conversions of
//! infinities to bytes come to on x86-64.

use crate::quant::half::to_f16;
use crate::quant::lanes::{Bytes, F32x4, I32x4};

/// Eight times four numbers.
type Block = [F32x4; 8];

pub(super) fn q8_0(values: &[f32; 32], out: &mut [u8; 34]) {
    let x = lanes(values);
    let peak = fold(&x.map(F32x4::abs), F32x4::max).highest();
    let scale = peak / 127.0;
    out[..2].copy_from_slice(&to_f16(scale).to_le_bytes());
    let (first, second) = levels(&x, scale, |number| {
        // To the nearest whole number, and away from zero where there are two: the largest number below one half is added.
        (number + F32x4::splat(0.5_f32.next_down()).signed_as(number)).cut()
    });
    out[2..18].copy_from_slice(&first.array());
    out[18..].copy_from_slice(&second.array());
}

pub(super) fn q4_0(values: &[f32; 32], out: &mut [u8; 18]) {
    let x = lanes(values);
    let scale = farthest(values, &x) / -8.0;
    out[..2].copy_from_slice(&to_f16(scale).to_le_bytes());
    let (first, second) = levels(&x, scale, |number| (number + F32x4::splat(8.5)).cut().at_most(15));
    out[2..].copy_from_slice(&first.nibbles(second).array());
}

pub(super) fn q4_1(values: &[f32; 32], out: &mut [u8; 20]) {
    let x = lanes(values);
    let (min, range) = range(values, &x);
    let scale = range / 15.0;
    out[..2].copy_from_slice(&to_f16(scale).to_le_bytes());
    out[2..4].copy_from_slice(&to_f16(min).to_le_bytes());
    let (first, second) =
        levels(&above(&x, min), scale, |number| (number + F32x4::splat(0.5)).cut().at_most(15));
    out[4..].copy_from_slice(&first.nibbles(second).array());
}

pub(super) fn q5_0(values: &[f32; 32], out: &mut [u8; 22]) {
    let x = lanes(values);
    let scale = farthest(values, &x) / -16.0;
    out[..2].copy_from_slice(&to_f16(scale).to_le_bytes());
    let (first, second) = levels(&x, scale, |number| (number + F32x4::splat(16.5)).cut().at_most(31));
    out[2..6].copy_from_slice(&fifth_bits(first, second));
    out[6..].copy_from_slice(&first.nibbles(second).array());
}

pub(super) fn q5_1(values: &[f32; 32], out: &mut [u8; 24]) {
    let x = lanes(values);
    let (min, range) = range(values, &x);
    let scale = range / 31.0;
    out[..2].copy_from_slice(&to_f16(scale).to_le_bytes());
    out[2..4].copy_from_slice(&to_f16(min).to_le_bytes());
    let (first, second) =
        levels(&above(&x, min), scale, |number| (number + F32x4::splat(0.5)).cut().at_most(31));
    out[4..8].copy_from_slice(&fifth_bits(first, second));
    out[8..].copy_from_slice(&first.nibbles(second).array());
}

fn lanes(values: &[f32; 32]) -> Block {
    let fours = values.as_chunks().0;
    std::array::from_fn(|at| F32x4::load(&fours[at]))
}

/// Four numbers of 32, by a function for which order does not matter.
fn fold(x: &Block, by: impl Fn(F32x4, F32x4) -> F32x4) -> F32x4 {
    by(by(by(x[0], x[1]), by(x[2], x[3])), by(by(x[4], x[5]), by(x[6], x[7])))
}

/// The number that is farthest from zero: the first of those that are.
fn farthest(values: &[f32; 32], x: &Block) -> f32 {
    let max = fold(x, F32x4::max).highest();
    let min = fold(x, F32x4::min).lowest();
    if max == 0.0 && min == 0.0 {
        0.0
    } else if max == -min {
        values.iter().copied().find(|value| value.abs() == max).unwrap_or(max)
    } else if max > -min {
        max
    } else {
        min
    }
}

/// The lowest number and how far the highest is from it. Of zeros with signs the first one counts.
fn range(values: &[f32; 32], x: &Block) -> (f32, f32) {
    let max = fold(x, F32x4::max).highest();
    let min = fold(x, F32x4::min).lowest();
    let min =
        if min == 0.0 { values.iter().copied().find(|value| *value == 0.0).unwrap_or(min) } else { min };
    (min, (max - min).abs())
}

fn above(x: &Block, min: f32) -> Block {
    let min = F32x4::splat(min);
    x.map(|number| number - min)
}

/// The levels of the first half of numbers, and of the second.
fn levels(x: &Block, scale: f32, level: impl Fn(F32x4) -> I32x4) -> (Bytes, Bytes) {
    let inverse = if scale == 0.0 { 0.0 } else { 1.0 / scale };
    if inverse.is_infinite() {
        let zeros = Bytes::lowest([F32x4::splat(0.0).cut(); 4]);
        return (zeros, zeros);
    }
    let inverse = F32x4::splat(inverse);
    let [a, b, c, d, e, f, g, h] = x.map(|number| level(number * inverse));
    (Bytes::lowest([a, b, c, d]), Bytes::lowest([e, f, g, h]))
}

fn fifth_bits(first: Bytes, second: Bytes) -> [u8; 4] {
    (u32::from(first.fifth_bits()) | u32::from(second.fifth_bits()) << 16).to_le_bytes()
}
