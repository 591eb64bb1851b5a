//! How the files of a format are told from others, where the host does not know the format itself.

use serde::{Deserialize, Serialize};

/// The most bytes of magic: the host looks at no more of a file.
const MAX_MAGIC: usize = 64;

/// How the files of one format look from outside. A file that the host knows as something else stays that.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Detect {
    /// One of the backend's formats.
    pub format: String,
    /// How the names of its files end: letters and digits, without a dot.
    pub extension: String,
    /// How each of its files begins: a character for each byte, up to U+00FF. Empty: in any way.
    #[serde(default)]
    pub magic: String,
}

impl Detect {
    /// The magic as it stands in a file; `None` where a character stands for no byte.
    pub fn magic_bytes(&self) -> Option<Vec<u8>> {
        self.magic.chars().map(|character| u8::try_from(u32::from(character)).ok()).collect()
    }

    /// What is wrong with it, in a backend of these formats.
    pub(crate) fn problem(&self, formats: &[String]) -> Option<String> {
        let Self { format, extension, .. } = self;
        if !formats.contains(format) {
            return Some(format!("it tells files of the format {format:?}, which it does not run"));
        }
        if extension.is_empty() || !extension.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Some(format!(
                "it tells files by the extension {extension:?}, which is no letters and digits"
            ));
        }
        match self.magic_bytes() {
            Some(magic) if magic.len() <= MAX_MAGIC => None,
            Some(_) => Some(format!("the magic of its format {format:?} has more than {MAX_MAGIC} bytes")),
            None => Some(format!("the magic of its format {format:?} has a character beyond U+00FF")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn detect(format: &str, extension: &str, magic: &str) -> Detect {
        Detect { format: format.into(), extension: extension.into(), magic: magic.into() }
    }

    #[test]
    fn magic_is_bytes() {
        assert_eq!(detect("a", "a", "A\0ÿ").magic_bytes(), Some(vec![b'A', 0, 255]));
        assert_eq!(detect("a", "a", "Ā").magic_bytes(), None);
    }

    #[test]
    fn what_could_never_be_told_is_refused() {
        let formats = ["tiny".to_owned()];
        assert_eq!(detect("tiny", "tiny", "TINY").problem(&formats), None);
        for (wrong, part) in [
            (detect("huge", "tiny", ""), "\"huge\", which it does not run"),
            (detect("tiny", ".tiny", ""), "\".tiny\""),
            (detect("tiny", "", ""), "no letters"),
            (detect("tiny", "tiny", &"x".repeat(65)), "more than 64"),
            (detect("tiny", "tiny", "Ā"), "U+00FF"),
        ] {
            let problem = wrong.problem(&formats).unwrap();
            assert!(problem.contains(part), "{problem}");
        }
    }
}
