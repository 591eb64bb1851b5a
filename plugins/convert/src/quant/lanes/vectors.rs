//! Lanes as WebAssembly's vectors.

use std::arch::wasm32::*;
use std::ops::{Add, Div, Mul, Sub};

/// Four floats.
#[derive(Clone, Copy)]
pub(in super::super) struct F32x4(v128);

/// Four whole numbers.
#[derive(Clone, Copy)]
pub(in super::super) struct I32x4(v128);

/// Sixteen bytes.
#[derive(Clone, Copy)]
pub(in super::super) struct Bytes(v128);

/// Four answers.
#[derive(Clone, Copy)]
pub(in super::super) struct Mask(v128);

macro_rules! lane_by_lane {
    ($($operator:ident $name:ident $instruction:ident),+) => {$(
        impl $operator for F32x4 {
            type Output = Self;

            #[inline(always)]
            fn $name(self, other: Self) -> Self {
                Self($instruction(self.0, other.0))
            }
        }
    )+};
}

lane_by_lane!(Add add f32x4_add, Sub sub f32x4_sub, Mul mul f32x4_mul, Div div f32x4_div);

impl F32x4 {
    #[inline(always)]
    pub(in super::super) fn new([a, b, c, d]: [f32; 4]) -> Self {
        Self(f32x4(a, b, c, d))
    }

    #[inline(always)]
    pub(in super::super) fn splat(value: f32) -> Self {
        Self(f32x4_splat(value))
    }

    #[inline(always)]
    pub(in super::super) fn array(self) -> [f32; 4] {
        [
            f32x4_extract_lane::<0>(self.0),
            f32x4_extract_lane::<1>(self.0),
            f32x4_extract_lane::<2>(self.0),
            f32x4_extract_lane::<3>(self.0),
        ]
    }

    #[inline(always)]
    pub(super) fn bits(self) -> I32x4 {
        I32x4(self.0)
    }

    #[inline(always)]
    pub(super) fn trunc(self) -> Self {
        Self(f32x4_trunc(self.0))
    }

    #[inline(always)]
    pub(in super::super) fn abs(self) -> Self {
        Self(f32x4_abs(self.0))
    }

    #[inline(always)]
    pub(in super::super) fn sqrt(self) -> Self {
        Self(f32x4_sqrt(self.0))
    }

    /// This number with the sign of `other`.
    #[inline(always)]
    pub(in super::super) fn signed_as(self, other: Self) -> Self {
        Self(v128_bitselect(other.0, self.0, i32x4_splat(i32::MIN)))
    }

    /// `other` where it is less, else this.
    #[inline(always)]
    pub(in super::super) fn min(self, other: Self) -> Self {
        Self(f32x4_pmin(self.0, other.0))
    }

    /// `other` where it is more, else this.
    #[inline(always)]
    pub(in super::super) fn max(self, other: Self) -> Self {
        Self(f32x4_pmax(self.0, other.0))
    }

    /// The least of the four.
    #[inline(always)]
    pub(in super::super) fn lowest(self) -> f32 {
        let two = f32x4_pmin(self.0, i32x4_shuffle::<2, 3, 0, 1>(self.0, self.0));
        f32x4_extract_lane::<0>(f32x4_pmin(two, i32x4_shuffle::<1, 0, 3, 2>(two, two)))
    }

    /// The most of the four.
    #[inline(always)]
    pub(in super::super) fn highest(self) -> f32 {
        let two = f32x4_pmax(self.0, i32x4_shuffle::<2, 3, 0, 1>(self.0, self.0));
        f32x4_extract_lane::<0>(f32x4_pmax(two, i32x4_shuffle::<1, 0, 3, 2>(two, two)))
    }

    #[inline(always)]
    pub(in super::super) fn less(self, other: Self) -> Mask {
        Mask(f32x4_lt(self.0, other.0))
    }

    #[inline(always)]
    pub(in super::super) fn equal(self, other: Self) -> Mask {
        Mask(f32x4_eq(self.0, other.0))
    }
}

impl I32x4 {
    #[inline(always)]
    pub(super) fn and(self, other: i32) -> Self {
        Self(v128_and(self.0, i32x4_splat(other)))
    }

    #[inline(always)]
    pub(super) fn minus(self, other: i32) -> Self {
        Self(i32x4_sub(self.0, i32x4_splat(other)))
    }

    #[inline(always)]
    pub(in super::super) fn clamp(self, low: i32, high: i32) -> Self {
        Self(i32x4_max(i32x4_min(self.0, i32x4_splat(high)), i32x4_splat(low)))
    }

    #[inline(always)]
    pub(in super::super) fn float(self) -> F32x4 {
        F32x4(f32x4_convert_i32x4(self.0))
    }

    #[inline(always)]
    pub(in super::super) fn array(self) -> [i32; 4] {
        [
            i32x4_extract_lane::<0>(self.0),
            i32x4_extract_lane::<1>(self.0),
            i32x4_extract_lane::<2>(self.0),
            i32x4_extract_lane::<3>(self.0),
        ]
    }

    #[inline(always)]
    pub(in super::super) fn at_most(self, high: i32) -> Self {
        Self(i32x4_min(self.0, i32x4_splat(high)))
    }
}

impl Bytes {
    /// The lowest byte of each number of four times four, in order.
    #[inline(always)]
    pub(in super::super) fn lowest(four: [I32x4; 4]) -> Self {
        let [a, b, c, d] = four.map(|number| v128_and(number.0, i32x4_splat(255)));
        Self(u8x16_narrow_i16x8(i16x8_narrow_i32x4(a, b), i16x8_narrow_i32x4(c, d)))
    }

    #[inline(always)]
    pub(in super::super) fn array(self) -> [u8; 16] {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&u64x2_extract_lane::<0>(self.0).to_le_bytes());
        bytes[8..].copy_from_slice(&u64x2_extract_lane::<1>(self.0).to_le_bytes());
        bytes
    }

    /// The lower four bits of each, and above them those of `other`.
    #[inline(always)]
    pub(in super::super) fn nibbles(self, other: Self) -> Self {
        Self(v128_or(v128_and(self.0, u8x16_splat(15)), u8x16_shl(other.0, 4)))
    }

    /// The fifth bit of each.
    #[inline(always)]
    pub(in super::super) fn fifth_bits(self) -> u16 {
        u8x16_bitmask(u8x16_shl(self.0, 3))
    }
}

impl Mask {
    #[inline(always)]
    pub(in super::super) fn and(self, other: Self) -> Self {
        Self(v128_and(self.0, other.0))
    }

    #[inline(always)]
    pub(in super::super) fn not(self) -> Self {
        Self(v128_not(self.0))
    }

    #[inline(always)]
    pub(in super::super) fn any(self) -> bool {
        v128_any_true(self.0)
    }

    /// `yes` where the answer is yes, else `no`.
    #[inline(always)]
    pub(in super::super) fn pick(self, yes: F32x4, no: F32x4) -> F32x4 {
        F32x4(v128_bitselect(yes.0, no.0, self.0))
    }
}
