//! The files that a pattern stands for.

use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use glob::{MatchOptions, Pattern};
use toml::Spanned;

use crate::error::Error;
use crate::node::Context;

/// Hidden files are only those that are asked for, and `*` stays within its folder.
const OPTIONS: MatchOptions =
    MatchOptions { case_sensitive: true, require_literal_separator: true, require_literal_leading_dot: true };

/// A pattern such as `docs/**/*.txt`.
pub(super) struct Globs {
    folder: PathBuf,
    /// With the folder, as it is looked for.
    pattern: String,
    /// As the pipeline file has it.
    shown: String,
}

/// A file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// Relative to the folder of the pipeline file, with `/` between folders.
    pub(super) name: String,
    pub(super) path: PathBuf,
    pub(super) state: State,
}

/// What tells whether a file has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct State {
    pub(super) size: u64,
    /// In milliseconds since 1970.
    pub(super) modified: u64,
}

impl Globs {
    /// An error says where it is in the file. That there are no such files is one too, unless they may come later.
    pub(super) fn open(pattern: &Spanned<String>, context: &Context) -> Result<Self, Error> {
        let shown = pattern.get_ref().clone();
        let folder = context.folder.clone();
        let whole = if Path::new(&shown).is_absolute() || folder.as_os_str().is_empty() {
            shown.clone()
        } else {
            format!("{}/{shown}", Pattern::escape(&folder.to_string_lossy()))
        };
        let globs = Self { folder, pattern: whole, shown };
        if let Err(error) = Pattern::new(&globs.shown) {
            let start = pattern.span().start + 1 + error.pos;
            return Err(Error::new(format!("this pattern is wrong: {}", error.msg))
                .hint("`*` stands for any part of a name, `**` for any folders, `?` for a character, `[ab]` for one of them")
                .at(start..start + 1));
        }
        if !context.watch && globs.find().map_err(|error| error.at(pattern.span()))?.is_empty() {
            return Err(Error::new(format!("there is no file `{}`", globs.shown))
                .hint("paths are relative to the folder of the pipeline file")
                .at(pattern.span()));
        }
        Ok(globs)
    }

    /// The files that there are, sorted by their names.
    pub(super) fn find(&self) -> Result<Vec<Found>, Error> {
        let wrong = |error: &dyn std::fmt::Display| {
            Error::new(format!("cannot look for the files `{}`: {error}", self.shown))
        };
        let mut found = Vec::new();
        for path in glob::glob_with(&self.pattern, OPTIONS).map_err(|error| wrong(&error))? {
            let path = path.map_err(|error| wrong(&error))?;
            // A link to nowhere, or a file that has just gone, is none.
            let Ok(metadata) = path.metadata() else { continue };
            if metadata.is_file() {
                found.push(Found { name: self.name(&path), state: State::of(&metadata), path });
            }
        }
        found.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(found)
    }

    fn name(&self, path: &Path) -> String {
        let within = path.strip_prefix(&self.folder).unwrap_or(path);
        within.to_string_lossy().replace('\\', "/")
    }
}

impl State {
    fn of(metadata: &std::fs::Metadata) -> Self {
        let modified = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        let modified = modified.map_or(0, |time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
        Self { size: metadata.len(), modified }
    }
}
