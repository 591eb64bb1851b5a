//! Ways to pack numbers.

/// How the numbers of a tensor are packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// Single precision.
    F32,
    /// Half precision.
    F16,
    /// The upper half of single precision.
    BF16,
    /// Double precision: read, and never written.
    F64,
    /// 4 bits, and a scale for every 32.
    Q4_0,
    /// 4 bits, and a scale and a minimum for every 32.
    Q4_1,
    /// 5 bits, and a scale for every 32.
    Q5_0,
    /// 5 bits, and a scale and a minimum for every 32.
    Q5_1,
    /// 8 bits, and a scale for every 32.
    Q8_0,
    /// 2 bits in blocks of 256, with scales and minima of 4 bits for every 16.
    Q2K,
    /// 3 bits in blocks of 256, with scales of 6 bits for every 16.
    Q3K,
    /// 4 bits in blocks of 256, with scales and minima of 6 bits for every 32.
    Q4K,
    /// 5 bits in blocks of 256, with scales and minima of 6 bits for every 32.
    Q5K,
    /// 6 bits in blocks of 256, with scales of 8 bits for every 16.
    Q6K,
}

/// An encoding, the number and the name that files and people have for it, and its block: so many numbers in so many bytes.
type Row = (Encoding, u32, &'static str, usize, usize);

const ROWS: [Row; 14] = [
    (Encoding::F32, 0, "F32", 1, 4),
    (Encoding::F16, 1, "F16", 1, 2),
    (Encoding::BF16, 30, "BF16", 1, 2),
    (Encoding::F64, 28, "F64", 1, 8),
    (Encoding::Q4_0, 2, "Q4_0", 32, 18),
    (Encoding::Q4_1, 3, "Q4_1", 32, 20),
    (Encoding::Q5_0, 6, "Q5_0", 32, 22),
    (Encoding::Q5_1, 7, "Q5_1", 32, 24),
    (Encoding::Q8_0, 8, "Q8_0", 32, 34),
    (Encoding::Q2K, 10, "Q2_K", 256, 84),
    (Encoding::Q3K, 11, "Q3_K", 256, 110),
    (Encoding::Q4K, 12, "Q4_K", 256, 144),
    (Encoding::Q5K, 13, "Q5_K", 256, 176),
    (Encoding::Q6K, 14, "Q6_K", 256, 210),
];

impl Encoding {
    /// Every encoding.
    pub fn all() -> impl Iterator<Item = Self> {
        ROWS.iter().map(|row| row.0)
    }

    /// The encoding that a GGUF file calls by this number.
    pub fn from_number(number: u32) -> Option<Self> {
        ROWS.iter().find(|row| row.1 == number).map(|row| row.0)
    }

    /// The encoding of this name, in capitals or not.
    pub fn from_name(name: &str) -> Option<Self> {
        ROWS.iter().find(|row| row.2.eq_ignore_ascii_case(name)).map(|row| row.0)
    }

    /// As GGUF files say it.
    pub const fn number(self) -> u32 {
        ROWS[self as usize].1
    }

    /// As people say it, such as `Q4_K`.
    pub const fn name(self) -> &'static str {
        ROWS[self as usize].2
    }

    /// Numbers in a block: a row of a tensor is a whole number of blocks.
    pub const fn block(self) -> usize {
        ROWS[self as usize].3
    }

    /// Bytes that a block takes.
    pub const fn block_bytes(self) -> usize {
        ROWS[self as usize].4
    }

    /// Bytes that so many numbers take; absent where they are no whole number of blocks.
    pub const fn bytes(self, numbers: usize) -> Option<usize> {
        if !numbers.is_multiple_of(self.block()) {
            return None;
        }
        (numbers / self.block()).checked_mul(self.block_bytes())
    }

    /// Whether numbers lose precision in groups that share a scale, which is worth doing once only.
    pub const fn is_quantized(self) -> bool {
        self.block() > 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_encoding_is_in_the_row_of_its_own() {
        for (place, encoding) in Encoding::all().enumerate() {
            assert_eq!(encoding as usize, place);
            assert_eq!(Encoding::from_number(encoding.number()), Some(encoding));
            assert_eq!(Encoding::from_name(&encoding.name().to_lowercase()), Some(encoding));
        }
    }

    #[test]
    fn a_row_is_a_whole_number_of_blocks() {
        assert_eq!(Encoding::Q4K.bytes(512), Some(288));
        assert_eq!(Encoding::Q4K.bytes(257), None);
        assert_eq!(Encoding::F16.bytes(3), Some(6));
        assert_eq!(Encoding::F64.bytes(usize::MAX), None);
    }
}
