//! Whether numbers are numbers: files are refused, as ggml does, that hold infinities or what is no number at all.

use super::Encoding;

/// Where something is infinite or no number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotFinite {
    /// The encoding.
    pub encoding: Encoding,
    /// The first number of the block.
    pub number: usize,
}

impl std::fmt::Display for NotFinite {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { encoding, number } = self;
        match encoding.block() {
            1 => write!(f, "number {number} is infinite or no number"),
            block => write!(
                f,
                "the scale of numbers {number} to {} is too large for {}, infinite or no number",
                number + block - 1,
                encoding.name()
            ),
        }
    }
}

impl std::error::Error for NotFinite {}

/// Looks at every number of `bytes`, or at the scales where numbers are multiples of them.
///
/// # Errors
/// At the first that is infinite or no number.
pub fn finite(encoding: Encoding, bytes: &[u8]) -> Result<(), NotFinite> {
    let found = match encoding {
        Encoding::F32 => find(bytes, |number| u32::from_le_bytes(*number) << 1 >= 0xff00_0000),
        Encoding::F16 => find::<2>(bytes, |number| infinite(number, 0)),
        Encoding::BF16 => find(bytes, |number| u16::from_le_bytes(*number) << 1 >= 0xff00),
        Encoding::F64 => find(bytes, |number| !f64::from_le_bytes(*number).is_finite()),
        Encoding::Q4_0 => find::<18>(bytes, |block| infinite(block, 0)),
        Encoding::Q5_0 => find::<22>(bytes, |block| infinite(block, 0)),
        Encoding::Q8_0 => find::<34>(bytes, |block| infinite(block, 0)),
        Encoding::Q4_1 => find::<20>(bytes, |block| infinite(block, 0) || infinite(block, 2)),
        Encoding::Q5_1 => find::<24>(bytes, |block| infinite(block, 0) || infinite(block, 2)),
        Encoding::Q2K => find::<84>(bytes, |block| infinite(block, 80) || infinite(block, 82)),
        Encoding::Q3K => find::<110>(bytes, |block| infinite(block, 108)),
        Encoding::Q4K => find::<144>(bytes, |block| infinite(block, 0) || infinite(block, 2)),
        Encoding::Q5K => find::<176>(bytes, |block| infinite(block, 0) || infinite(block, 2)),
        Encoding::Q6K => find::<210>(bytes, |block| infinite(block, 208)),
    };
    match found {
        Some(block) => Err(NotFinite { encoding, number: block * encoding.block() }),
        None => Ok(()),
    }
}

/// Blocks are looked at by the thousand, so that the usual ones, where nothing is found, take no decision each.
fn find<const BYTES: usize>(bytes: &[u8], wrong: impl Fn(&[u8; BYTES]) -> bool) -> Option<usize> {
    let blocks = bytes.as_chunks::<BYTES>().0;
    for (thousand, some) in blocks.chunks(1024).enumerate() {
        if some.iter().fold(false, |found, block| found | wrong(block)) {
            return some.iter().position(&wrong).map(|at| 1024 * thousand + at);
        }
    }
    None
}

/// Whether the number in half precision that stands there is infinite or none.
fn infinite(bytes: &[u8], at: usize) -> bool {
    u16::from_le_bytes([bytes[at], bytes[at + 1]]) & 0x7c00 == 0x7c00
}
