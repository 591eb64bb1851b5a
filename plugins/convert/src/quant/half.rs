//! Half precision and brain floats, from and to single precision.

/// Half precision to single, which holds each of its values.
pub(super) fn from_f16(bits: u16) -> f32 {
    let magnitude = u32::from(bits & 0x7fff);
    // Exponents differ by 112: twice that is added, where infinity is infinity again, and one taken away.
    let normal = f32::from_bits((magnitude << 13) + 0x7000_0000) * f32::from_bits(0x0780_0000);
    // A denormal number counts the last digits of one half.
    let small = f32::from_bits(magnitude | 0x3f00_0000) - 0.5;
    let value = if magnitude < 0x0400 { small } else { normal };
    f32::from_bits(value.to_bits() | u32::from(bits & 0x8000) << 16)
}

/// Single precision to half: the nearest, and of two the even one.
pub(super) fn to_f16(value: f32) -> u16 {
    let bits = value.to_bits();
    let twice = bits << 1;
    // Multiplied beyond infinity and back, numbers that half precision cannot hold stay infinite.
    let scaled = value.abs() * f32::from_bits(0x7780_0000) * f32::from_bits(0x0880_0000);
    // Adding a number whose last digit is the last one of the result rounds to it.
    let rounding = ((twice & 0xff00_0000).max(0x7100_0000) >> 1) + 0x0780_0000;
    let rounded = (f32::from_bits(rounding) + scaled).to_bits();
    let magnitude = ((rounded >> 13) & 0x7c00) + (rounded & 0x0fff);
    let magnitude = if twice > 0xff00_0000 { 0x7e00 } else { magnitude };
    ((bits >> 16) & 0x8000 | magnitude) as u16
}

/// A brain float to single precision, whose upper half it is.
pub(super) fn from_bf16(bits: u16) -> f32 {
    f32::from_bits(u32::from(bits) << 16)
}

/// Single precision to a brain float: the nearest, and of two the even one.
pub(super) fn to_bf16(value: f32) -> u16 {
    let bits = value.to_bits();
    let rounded = bits.wrapping_add(0x7fff + ((bits >> 16) & 1));
    // What is no number stays none, and quiet.
    let rounded = if bits & 0x7fff_ffff > 0x7f80_0000 { bits | 0x0040_0000 } else { rounded };
    (rounded >> 16) as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By its definition: a sign, five bits of exponent, ten of fraction.
    fn slowly(bits: u16) -> f64 {
        let sign = if bits & 0x8000 == 0 { 1.0 } else { -1.0 };
        let (exponent, fraction) = (i32::from(bits >> 10 & 31), f64::from(bits & 1023));
        match exponent {
            31 if fraction == 0.0 => sign * f64::INFINITY,
            31 => f64::NAN,
            0 => sign * fraction * 2f64.powi(-24),
            _ => sign * (1024.0 + fraction) * 2f64.powi(exponent - 25),
        }
    }

    #[test]
    fn every_half_is_read_and_written_back() {
        for bits in 0..=u16::MAX {
            let (value, expected) = (from_f16(bits), slowly(bits));
            assert!(f64::from(value) == expected || value.is_nan() && expected.is_nan(), "{bits:#x}");
            assert_eq!(value.is_sign_negative(), bits & 0x8000 != 0);
            assert!(value.is_nan() || to_f16(value) == bits, "{bits:#x}");
        }
    }

    #[test]
    fn between_two_halves_the_nearest_is_taken_and_the_even_one_of_two() {
        for bits in 0..0x7bff_u16 {
            let (low, high) = (from_f16(bits), from_f16(bits + 1));
            let middle = low + (high - low) / 2.0;
            assert_eq!(to_f16(middle), bits + (bits & 1), "{bits:#x}");
            assert_eq!(to_f16(middle.next_down()), bits, "{bits:#x}");
            assert_eq!(to_f16(-middle.next_up()), 0x8000 | (bits + 1), "{bits:#x}");
        }
        assert_eq!(
            [65519.0, 65520.0, f32::MAX, f32::NEG_INFINITY].map(to_f16),
            [0x7bff, 0x7c00, 0x7c00, 0xfc00]
        );
        assert_eq!(to_f16(f32::NAN), 0x7e00);
    }

    #[test]
    fn brain_floats_round_to_the_nearest_and_the_even_one_of_two() {
        for upper in [0u32, 1, 2, 0x3f80, 0x3f81, 0x7f7e, 0x8000, 0xff7e] {
            let at = |lower: u32| to_bf16(f32::from_bits(upper << 16 | lower));
            let upper = upper as u16;
            assert_eq!([at(0), at(0x7fff), at(0x8001), at(0xffff)], [upper, upper, upper + 1, upper + 1]);
            assert_eq!(at(0x8000), upper + (upper & 1));
            assert_eq!(from_bf16(upper).to_bits(), u32::from(upper) << 16);
        }
        assert_eq!(to_bf16(f32::from_bits(0x7f80_0001)), 0x7fc0);
    }
}
