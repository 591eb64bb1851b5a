//! Blocks of 256 numbers in 8 or 16 sub-blocks, whose scales are numbers of a few bits themselves.

use super::small::half;

pub(super) fn q2_k(bytes: &[u8; 84], out: &mut [f32; 256]) {
    let (scale, min) = (half(bytes, 80), half(bytes, 82));
    for (part, out) in out.as_chunks_mut::<16>().0.iter_mut().enumerate() {
        let (scale, min) = (scale * f32::from(bytes[part] & 15), min * f32::from(bytes[part] >> 4));
        let (levels, shift) = two_bits(&bytes[16..80], part);
        for (out, level) in out.iter_mut().zip(levels) {
            *out = scale * f32::from(level >> shift & 3) - min;
        }
    }
}

pub(super) fn q3_k(bytes: &[u8; 110], out: &mut [f32; 256]) {
    let (masks, scales) = (&bytes[..32], &bytes[96..108]);
    let scale = half(bytes, 108);
    for (part, out) in out.as_chunks_mut::<16>().0.iter_mut().enumerate() {
        let lower = scales[part % 8] >> (4 * (part / 8)) & 15;
        let upper = scales[8 + part % 4] >> (2 * (part / 4)) & 3;
        let scale = scale * f32::from((lower | upper << 4) as i8 - 32);
        let (levels, shift) = two_bits(&bytes[32..96], part);
        let masks = &masks[16 * (part % 2)..];
        for (out, (level, mask)) in out.iter_mut().zip(levels.iter().zip(masks)) {
            let level = level >> shift & 3 | (mask >> (part / 2) & 1) << 2;
            *out = scale * f32::from(level as i8 - 4);
        }
    }
}

pub(super) fn q4_k(bytes: &[u8; 144], out: &mut [f32; 256]) {
    with_minima(&bytes[..16], &[0; 32], &bytes[16..], out);
}

pub(super) fn q5_k(bytes: &[u8; 176], out: &mut [f32; 256]) {
    with_minima(&bytes[..16], &bytes[16..48], &bytes[48..], out);
}

pub(super) fn q6_k(bytes: &[u8; 210], out: &mut [f32; 256]) {
    let scale = half(bytes, 208);
    for (part, out) in out.as_chunks_mut::<16>().0.iter_mut().enumerate() {
        let scale = scale * f32::from(bytes[192 + part] as i8);
        // Of each 128 numbers, the second 64 have the upper halves of the bytes.
        let lower = &bytes[64 * (part / 8) + 16 * (part % 4)..];
        let lower_shift = 4 * (part / 4 % 2);
        let (upper, upper_shift) = two_bits(&bytes[128..192], part);
        for (out, (lower, upper)) in out.iter_mut().zip(lower.iter().zip(upper)) {
            let level = lower >> lower_shift & 15 | (upper >> upper_shift & 3) << 4;
            *out = scale * f32::from(level as i8 - 32);
        }
    }
}

/// Where the levels of two bits of these 16 numbers are: in which bytes, and from which bit on.
fn two_bits(bytes: &[u8], part: usize) -> (&[u8], usize) {
    (&bytes[32 * (part / 8) + 16 * (part % 2)..], 2 * (part / 2 % 4))
}

/// What Q4_K and Q5_K have in common; levels have a fifth bit in `fifth`.
fn with_minima(head: &[u8], fifth: &[u8], nibbles: &[u8], out: &mut [f32; 256]) {
    let (scale, min) = (half(head, 0), half(head, 2));
    let scales = &head[4..];
    for (part, out) in out.as_chunks_mut::<32>().0.iter_mut().enumerate() {
        let (of_scale, of_min) = if part < 4 {
            (scales[part] & 63, scales[part + 4] & 63)
        } else {
            let lower = scales[part + 4];
            (lower & 15 | scales[part - 4] >> 6 << 4, lower >> 4 | scales[part] >> 6 << 4)
        };
        let (scale, min) = (scale * f32::from(of_scale), min * f32::from(of_min));
        let nibbles = &nibbles[32 * (part / 2)..];
        for (out, (nibble, fifth)) in out.iter_mut().zip(nibbles.iter().zip(fifth)) {
            let level = nibble >> (4 * (part % 2)) & 15 | (fifth >> part & 1) << 4;
            *out = scale * f32::from(level) - min;
        }
    }
}
