//! Formats that this crate cannot read and some backend runs.

use std::path::Path;

/// How the files of such a format are told apart, by what its backend says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Foreign {
    /// The name under which backends list it.
    pub format: String,
    /// How the names of its files end, without the dot. Case does not count.
    pub extension: String,
    /// How each of its files begins; empty where nothing is said about that.
    pub magic: Vec<u8>,
}

impl Foreign {
    /// Whether a file is called so.
    pub(crate) fn names(&self, path: &Path) -> bool {
        path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case(&self.extension))
    }

    /// Whether a file that begins so is of this format.
    pub(crate) fn fits(&self, path: &Path, start: &[u8]) -> bool {
        self.names(path) && start.starts_with(&self.magic)
    }
}
