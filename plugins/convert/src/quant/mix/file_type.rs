//! What a file can be quantized to as a whole.

use crate::quant::Encoding;

/// A mixture of encodings that has a name; S, M and L stand for small, medium and large.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are all there is to say")]
pub enum FileType {
    F32,
    F16,
    BF16,
    Q4_0,
    Q4_1,
    Q5_0,
    Q5_1,
    Q8_0,
    Q2K,
    Q2KS,
    Q3KS,
    Q3KM,
    Q3KL,
    Q4KS,
    Q4KM,
    Q5KS,
    Q5KM,
    Q6K,
}

/// A file type, its number and name in files, and the encoding that most of its tensors have.
type Row = (FileType, u32, &'static str, Encoding);

const ROWS: [Row; 18] = [
    (FileType::F32, 0, "F32", Encoding::F32),
    (FileType::F16, 1, "F16", Encoding::F16),
    (FileType::BF16, 32, "BF16", Encoding::BF16),
    (FileType::Q4_0, 2, "Q4_0", Encoding::Q4_0),
    (FileType::Q4_1, 3, "Q4_1", Encoding::Q4_1),
    (FileType::Q5_0, 8, "Q5_0", Encoding::Q5_0),
    (FileType::Q5_1, 9, "Q5_1", Encoding::Q5_1),
    (FileType::Q8_0, 7, "Q8_0", Encoding::Q8_0),
    (FileType::Q2K, 10, "Q2_K", Encoding::Q2K),
    (FileType::Q2KS, 21, "Q2_K_S", Encoding::Q2K),
    (FileType::Q3KS, 11, "Q3_K_S", Encoding::Q3K),
    (FileType::Q3KM, 12, "Q3_K_M", Encoding::Q3K),
    (FileType::Q3KL, 13, "Q3_K_L", Encoding::Q3K),
    (FileType::Q4KS, 14, "Q4_K_S", Encoding::Q4K),
    (FileType::Q4KM, 15, "Q4_K_M", Encoding::Q4K),
    (FileType::Q5KS, 16, "Q5_K_S", Encoding::Q5K),
    (FileType::Q5KM, 17, "Q5_K_M", Encoding::Q5K),
    (FileType::Q6K, 18, "Q6_K", Encoding::Q6K),
];

impl FileType {
    /// Every file type.
    pub fn all() -> impl Iterator<Item = Self> {
        ROWS.iter().map(|row| row.0)
    }

    /// The file type of this name, in capitals or not; `Q3_K`, `Q4_K` and `Q5_K` are the medium ones.
    pub fn from_name(name: &str) -> Option<Self> {
        let medium = ["Q3_K", "Q4_K", "Q5_K"].iter().any(|short| short.eq_ignore_ascii_case(name));
        let full = if medium { format!("{name}_M") } else { name.to_owned() };
        ROWS.iter().find(|row| row.2.eq_ignore_ascii_case(&full)).map(|row| row.0)
    }

    /// What `general.file_type` says.
    pub const fn number(self) -> u32 {
        ROWS[self as usize].1
    }

    /// As people say it, such as `Q4_K_M`.
    pub const fn name(self) -> &'static str {
        ROWS[self as usize].2
    }

    /// The encoding of most tensors.
    pub const fn usual(self) -> Encoding {
        ROWS[self as usize].3
    }
}
