//! Four numbers at a time. In WebAssembly these are its vectors; elsewhere they are arrays, and either gives the same bits,
//! since every operation is one that IEEE 754 defines to the last digit.

#[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
mod arrays;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
mod vectors;

#[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
pub(super) use arrays::{Bytes, F32x4, I32x4, Mask};
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
pub(super) use vectors::{Bytes, F32x4, I32x4, Mask};

/// Twice the number from which on single precision holds no fractions: a sum with it has the nearest whole number, the even
/// one of two, in its lower digits.
const ROUNDING: f32 = 12_582_912.0;

impl F32x4 {
    /// Four numbers in a row.
    pub(super) fn load(values: &[f32; 4]) -> Self {
        Self::new(*values)
    }

    /// The nearest whole numbers by ggml's way, which for a number of eight digits and more gives neither an error nor that
    /// number, but what its bits happen to mean.
    pub(super) fn nearest(self) -> I32x4 {
        (self + Self::splat(ROUNDING)).bits().and(0x007f_ffff).minus(0x0040_0000)
    }

    /// Cut to whole numbers, for numbers of up to six digits.
    pub(super) fn cut(self) -> I32x4 {
        (self.trunc() + Self::splat(ROUNDING)).bits().minus(ROUNDING.to_bits() as i32)
    }
}

/// [`F32x4::nearest`] of one number.
pub(super) fn nearest(value: f32) -> i32 {
    ((value + ROUNDING).to_bits() & 0x007f_ffff) as i32 - 0x0040_0000
}

/// Number `at` of each of four neighbouring groups of `N`.
pub(super) fn across<const N: usize>(values: &[f32], at: usize) -> F32x4 {
    F32x4::new([values[at], values[N + at], values[2 * N + at], values[3 * N + at]])
}
