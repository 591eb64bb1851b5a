//! Blocks of 256 numbers in 8 or 16 sub-blocks, whose scales are numbers of a few bits themselves.
//!
//! In each of them the scales of sub-blocks are searched first, then rounded to multiples of one scale for the block, and
//! levels are taken anew by what was rounded. Where a sub-block's rounded scale is zero, those that the search had found stay.

use crate::quant::half::{from_f16, to_f16};
use crate::quant::lanes::{F32x4, across, nearest};
use crate::quant::scales::{Affine, Error, Grids, Linear, Moved, ZERO, linear, moved};

type Values = [f32; 256];
type Levels = [u8; 256];

const Q2: Grids = Grids { top: 3, first: -0.5, step: 0.1, steps: 15, error: Error::Absolute };
const Q4: Grids = Grids { top: 15, first: -1.0, step: 0.1, steps: 20, error: Error::Squared };
const Q5: Grids = Grids { top: 31, first: -0.5, step: 0.1, steps: 15, error: Error::Squared };

pub(super) fn q2_k(values: &Values, out: &mut [u8; 84]) {
    let found: [Affine; 4] = std::array::from_fn(|four| {
        let x: [F32x4; 16] = std::array::from_fn(|at| across::<16>(&values[64 * four..], at));
        Q2.search(&x, &x.map(F32x4::abs))
    });
    let (max_scale, max_min) = largest(&found);
    let inverse = |largest: f32| if largest > 0.0 { 15.0 / largest } else { 0.0 };
    let (to_scale, to_min) = (inverse(max_scale), inverse(max_min));
    let (d, dmin) = (to_f16(max_scale / 15.0), to_f16(max_min / 15.0));
    let mut levels = [0; 256];
    for (part, (x, levels)) in values.as_chunks::<16>().0.iter().zip(levels.as_chunks_mut().0).enumerate() {
        let (found, lane) = (&found[part / 4], part % 4);
        let scale = nearest(to_scale * found.scale[lane]) as u8;
        let min = nearest(to_min * found.min[lane]) as u8;
        out[part] = scale | min << 4;
        let scale = from_f16(d) * f32::from(out[part] & 15);
        let min = from_f16(dmin) * f32::from(out[part] >> 4);
        *levels = affine_levels(x, scale, min, Q2.top, |x| found.level(lane, x, Q2.top));
    }
    out[16..80].copy_from_slice(&two_bits(&levels));
    out[80..82].copy_from_slice(&d.to_le_bytes());
    out[82..].copy_from_slice(&dmin.to_le_bytes());
}

pub(super) fn q3_k(values: &Values, out: &mut [u8; 110]) {
    let found: [Moved; 4] = std::array::from_fn(|four| {
        let x: [F32x4; 16] = std::array::from_fn(|at| across::<16>(&values[64 * four..], at));
        moved(&x)
    });
    let max_scale = farthest(found.iter().flat_map(|four| four.scale));
    let to_scale = if max_scale == 0.0 { 0.0 } else { -32.0 / max_scale };
    let d = if max_scale == 0.0 { 0 } else { to_f16(1.0 / to_scale) };
    let mut scales = [0u8; 12];
    let mut levels = [0; 256];
    for (part, (x, levels)) in values.as_chunks::<16>().0.iter().zip(levels.as_chunks_mut().0).enumerate() {
        let (found, lane) = (&found[part / 4], part % 4);
        let mut scale = 0;
        if max_scale != 0.0 {
            // ggml takes the lowest byte before it looks for what is too large.
            scale = (nearest(to_scale * found.scale[lane]) as i8).clamp(-32, 31) + 32;
            scales[part % 8] |= (scale as u8 & 15) << (4 * (part / 8));
            scales[8 + part % 4] |= (scale as u8 >> 4) << (2 * (part / 4));
        }
        let scale = from_f16(d) * f32::from(scale - 32);
        *levels = linear_levels(x, scale, 4, |at| found.levels[at][lane] as u8);
    }
    for (mask, at) in out[..32].iter_mut().zip(0..) {
        *mask = (0..8).fold(0, |mask, bit| mask | (levels[32 * bit + at] >> 2) << bit);
    }
    let lower = levels.map(|level| level & 3);
    out[32..96].copy_from_slice(&two_bits(&lower));
    out[96..108].copy_from_slice(&scales);
    out[108..].copy_from_slice(&d.to_le_bytes());
}

pub(super) fn q4_k(values: &Values, out: &mut [u8; 144]) {
    let (head, levels) = with_minima(values, &Q4);
    out[..16].copy_from_slice(&head);
    out[16..].copy_from_slice(&nibbles(&levels));
}

pub(super) fn q5_k(values: &Values, out: &mut [u8; 176]) {
    let (head, levels) = with_minima(values, &Q5);
    out[..16].copy_from_slice(&head);
    for (bits, at) in out[16..48].iter_mut().zip(0..) {
        *bits = (0..8).fold(0, |bits, part| bits | (levels[32 * part + at] >> 4) << part);
    }
    let lower = levels.map(|level| level & 15);
    out[48..].copy_from_slice(&nibbles(&lower));
}

pub(super) fn q6_k(values: &Values, out: &mut [u8; 210]) {
    let found: [Linear; 4] = std::array::from_fn(|four| {
        let x: [F32x4; 16] = std::array::from_fn(|at| across::<16>(&values[64 * four..], at));
        linear(&x, 32)
    });
    let max_scale = farthest(found.iter().flat_map(|four| four.scale));
    if max_scale.abs() < ZERO {
        out.fill(0);
        return;
    }
    let to_scale = -128.0 / max_scale;
    let d = to_f16(1.0 / to_scale);
    let mut levels = [0; 256];
    for (part, (x, levels)) in values.as_chunks::<16>().0.iter().zip(levels.as_chunks_mut().0).enumerate() {
        let (found, lane) = (&found[part / 4], part % 4);
        let scale = nearest(to_scale * found.scale[lane]).min(127) as i8;
        out[192 + part] = scale as u8;
        let scale = from_f16(d) * f32::from(scale);
        *levels = linear_levels(x, scale, 32, |at| found.level(lane, x[at], 32));
    }
    let (lower, upper) = (levels.map(|level| level & 15), levels.map(|level| level >> 4));
    for half in 0..2 {
        for at in 0..64 {
            let from = 128 * half + at;
            out[64 * half + at] = lower[from] | lower[from + 64] << 4;
        }
    }
    out[128..192].copy_from_slice(&two_bits(&upper));
    out[208..].copy_from_slice(&d.to_le_bytes());
}

/// What Q4_K and Q5_K have in common: the scales and minima of eight sub-blocks, as 16 bytes, and levels.
fn with_minima(values: &Values, grids: &Grids) -> ([u8; 16], Levels) {
    let found: [Affine; 2] = std::array::from_fn(|four| {
        let x: [F32x4; 32] = std::array::from_fn(|at| across::<32>(&values[128 * four..], at));
        let mut squares = F32x4::splat(0.0);
        for number in &x {
            squares = squares + *number * *number;
        }
        let average = (squares / F32x4::splat(32.0)).sqrt();
        grids.search(&x, &x.map(|number| average + number.abs()))
    });
    let (max_scale, max_min) = largest(&found);
    let inverse = |largest: f32| if largest > 0.0 { 63.0 / largest } else { 0.0 };
    let (to_scale, to_min) = (inverse(max_scale), inverse(max_min));
    let (d, dmin) = (to_f16(max_scale / 63.0), to_f16(max_min / 63.0));
    let mut head = [0; 16];
    head[..2].copy_from_slice(&d.to_le_bytes());
    head[2..4].copy_from_slice(&dmin.to_le_bytes());
    let mut levels = [0; 256];
    for (part, (x, levels)) in values.as_chunks::<32>().0.iter().zip(levels.as_chunks_mut().0).enumerate() {
        let (found, lane) = (&found[part / 4], part % 4);
        let scale = (nearest(to_scale * found.scale[lane]) as u8).min(63);
        let min = (nearest(to_min * found.min[lane]) as u8).min(63);
        if part < 4 {
            head[4 + part] = scale;
            head[8 + part] = min;
        } else {
            head[8 + part] = scale & 15 | (min & 15) << 4;
            head[part] |= scale >> 4 << 6;
            head[4 + part] |= min >> 4 << 6;
        }
        let scale = from_f16(d) * f32::from(scale);
        let min = from_f16(dmin) * f32::from(min);
        *levels = affine_levels(x, scale, min, grids.top, |x| found.level(lane, x, grids.top));
    }
    (head, levels)
}

/// The largest scale and the largest minimum, if above zero.
fn largest(found: &[Affine]) -> (f32, f32) {
    let max = |largest: f32, number: f32| if number > largest { number } else { largest };
    let scale = found.iter().flat_map(|four| four.scale).fold(0.0, max);
    (scale, found.iter().flat_map(|four| four.min).fold(0.0, max))
}

/// The first number of those that are farthest from zero.
fn farthest(numbers: impl Iterator<Item = f32>) -> f32 {
    numbers.fold(0.0, |farthest, number| if number.abs() > farthest.abs() { number } else { farthest })
}

fn affine_levels<const N: usize>(
    x: &[f32; N],
    scale: f32,
    min: f32,
    top: i32,
    found: impl Fn(f32) -> u8,
) -> [u8; N] {
    if scale == 0.0 {
        return x.map(found);
    }
    x.map(|x| nearest((x + min) / scale).clamp(0, top) as u8)
}

fn linear_levels(x: &[f32; 16], scale: f32, half: i32, found: impl Fn(usize) -> u8) -> [u8; 16] {
    if scale == 0.0 {
        return std::array::from_fn(found);
    }
    x.map(|x| (nearest(x / scale).clamp(-half, half - 1) + half) as u8)
}

/// Levels of two bits, four in a byte: those that are 32 apart.
fn two_bits(levels: &Levels) -> [u8; 64] {
    std::array::from_fn(|at| {
        let first = 128 * (at / 32) + at % 32;
        levels[first] | levels[first + 32] << 2 | levels[first + 64] << 4 | levels[first + 96] << 6
    })
}

/// Levels of four bits, two in a byte: those that are 32 apart.
fn nibbles(levels: &Levels) -> [u8; 128] {
    std::array::from_fn(|at| {
        let first = 64 * (at / 32) + at % 32;
        levels[first] | levels[first + 32] << 4
    })
}
