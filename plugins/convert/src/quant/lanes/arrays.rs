//! Lanes as arrays, which compilers make vectors of where they can.

use std::array::from_fn;
use std::ops::{Add, Div, Mul, Sub};

/// Four floats.
#[derive(Clone, Copy)]
pub(in super::super) struct F32x4([f32; 4]);

/// Four whole numbers.
#[derive(Clone, Copy)]
pub(in super::super) struct I32x4([i32; 4]);

/// Sixteen bytes.
#[derive(Clone, Copy)]
pub(in super::super) struct Bytes([u8; 16]);

/// Four answers.
#[derive(Clone, Copy)]
pub(in super::super) struct Mask([bool; 4]);

macro_rules! lane_by_lane {
    ($($operator:ident $name:ident),+) => {$(
        impl $operator for F32x4 {
            type Output = Self;

            fn $name(self, other: Self) -> Self {
                Self(from_fn(|lane| self.0[lane].$name(other.0[lane])))
            }
        }
    )+};
}

lane_by_lane!(Add add, Sub sub, Mul mul, Div div);

impl F32x4 {
    pub(in super::super) fn new(values: [f32; 4]) -> Self {
        Self(values)
    }

    pub(in super::super) fn splat(value: f32) -> Self {
        Self([value; 4])
    }

    pub(in super::super) fn array(self) -> [f32; 4] {
        self.0
    }

    pub(super) fn bits(self) -> I32x4 {
        I32x4(self.0.map(|lane| lane.to_bits() as i32))
    }

    pub(super) fn trunc(self) -> Self {
        Self(self.0.map(f32::trunc))
    }

    pub(in super::super) fn abs(self) -> Self {
        Self(self.0.map(f32::abs))
    }

    pub(in super::super) fn sqrt(self) -> Self {
        Self(self.0.map(f32::sqrt))
    }

    /// This number with the sign of `other`.
    pub(in super::super) fn signed_as(self, other: Self) -> Self {
        Self(from_fn(|lane| self.0[lane].copysign(other.0[lane])))
    }

    /// `other` where it is less, else this.
    pub(in super::super) fn min(self, other: Self) -> Self {
        Self(from_fn(|lane| if other.0[lane] < self.0[lane] { other.0[lane] } else { self.0[lane] }))
    }

    /// `other` where it is more, else this.
    pub(in super::super) fn max(self, other: Self) -> Self {
        Self(from_fn(|lane| if self.0[lane] < other.0[lane] { other.0[lane] } else { self.0[lane] }))
    }

    /// The least of the four.
    pub(in super::super) fn lowest(self) -> f32 {
        let [a, b, c, d] = self.0;
        a.min(b).min(c.min(d))
    }

    /// The most of the four.
    pub(in super::super) fn highest(self) -> f32 {
        let [a, b, c, d] = self.0;
        a.max(b).max(c.max(d))
    }

    pub(in super::super) fn less(self, other: Self) -> Mask {
        Mask(from_fn(|lane| self.0[lane] < other.0[lane]))
    }

    pub(in super::super) fn equal(self, other: Self) -> Mask {
        Mask(from_fn(|lane| self.0[lane] == other.0[lane]))
    }
}

impl I32x4 {
    pub(super) fn and(self, other: i32) -> Self {
        Self(self.0.map(|lane| lane & other))
    }

    pub(super) fn minus(self, other: i32) -> Self {
        Self(self.0.map(|lane| lane.wrapping_sub(other)))
    }

    pub(in super::super) fn clamp(self, low: i32, high: i32) -> Self {
        Self(self.0.map(|lane| lane.min(high).max(low)))
    }

    pub(in super::super) fn float(self) -> F32x4 {
        F32x4(self.0.map(|lane| lane as f32))
    }

    pub(in super::super) fn array(self) -> [i32; 4] {
        self.0
    }

    pub(in super::super) fn at_most(self, high: i32) -> Self {
        Self(self.0.map(|lane| lane.min(high)))
    }
}

impl Bytes {
    /// The lowest byte of each number of four times four, in order.
    pub(in super::super) fn lowest(four: [I32x4; 4]) -> Self {
        Self(from_fn(|at| four[at / 4].0[at % 4] as u8))
    }

    pub(in super::super) fn array(self) -> [u8; 16] {
        self.0
    }

    /// The lower four bits of each, and above them those of `other`.
    pub(in super::super) fn nibbles(self, other: Self) -> Self {
        Self(from_fn(|at| self.0[at] & 15 | other.0[at] << 4))
    }

    /// The fifth bit of each.
    pub(in super::super) fn fifth_bits(self) -> u16 {
        (0..16).fold(0, |bits, at| bits | u16::from(self.0[at] >> 4 & 1) << at)
    }
}

impl Mask {
    pub(in super::super) fn and(self, other: Self) -> Self {
        Self(from_fn(|lane| self.0[lane] && other.0[lane]))
    }

    pub(in super::super) fn not(self) -> Self {
        Self(self.0.map(|lane| !lane))
    }

    pub(in super::super) fn any(self) -> bool {
        self.0.contains(&true)
    }

    /// `yes` where the answer is yes, else `no`.
    pub(in super::super) fn pick(self, yes: F32x4, no: F32x4) -> F32x4 {
        F32x4(from_fn(|lane| if self.0[lane] { yes.0[lane] } else { no.0[lane] }))
    }
}
