//! Projectors: what lets a model see is a file of its own, beside the model.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use crate::{Format, Header, inspect, inspect::Content, inspect::Files};

/// Words of names that say nothing about which model a projector is for.
const COMMON: &[&str] = &[
    "bf16",
    "chat",
    "clip",
    "f16",
    "f32",
    "fp16",
    "fp32",
    "gguf",
    "instruct",
    "it",
    "mmproj",
    "model",
    "projector",
    "q4",
    "q5",
    "q6",
    "q8",
    "vision",
];

/// What turns images into what a model reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Projector {
    /// The file to open, by its canonical path.
    pub path: PathBuf,
    /// Bytes on disk.
    pub size: u64,
    pub(crate) files: Files,
}

/// A projector, and where it was found.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) path: PathBuf,
    /// The length of the vectors that it makes; a model's own are as long.
    pub(crate) width: u32,
    pub(crate) projector: Projector,
}

/// By its name, a file is a projector.
pub(crate) fn is_named(path: &Path) -> bool {
    stem(path).contains("mmproj")
}

impl Projector {
    /// Reads the head of a file that somebody says is a projector.
    pub(crate) fn open(path: &Path) -> Result<Found, String> {
        let files = Files::find(path)?;
        match inspect::read(&files, &[])? {
            Content::Projector(width) => Ok(Found { path: path.to_owned(), width, projector: files.into() }),
            _ => Err("this is no projector for images".to_owned()),
        }
    }

    /// The projector in the folder of a model's file that is the model's.
    pub(crate) fn beside(path: &Path, format: &Format, header: &Header) -> Option<Self> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let paths = fs::read_dir(folder).ok()?.flatten().map(|entry| folder.join(entry.file_name()));
        let gguf =
            |path: &PathBuf| path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("gguf"));
        let mut found: Vec<_> = paths
            .filter(|path| gguf(path) && is_named(path))
            .filter_map(|path| Self::open(&path).ok())
            .collect();
        found.sort_by(|a, b| a.path.cmp(&b.path));
        choose(&[path], format, header, &found)
    }

    /// Makes sure that it fits this model.
    pub(crate) fn for_model(found: Found, header: &Header) -> Result<Self, String> {
        match header.embedding_length {
            Some(length) if length != found.width => Err(format!(
                "this projector makes vectors of {} numbers, but the model's have {length}: it is for another model",
                found.width
            )),
            _ => Ok(found.projector),
        }
    }
}

impl From<Files> for Projector {
    fn from(files: Files) -> Self {
        Self { path: files.path.clone(), size: files.size(), files }
    }
}

/// The one among these that belongs to the model that is at these paths: it lies in the same folder and makes what the
/// model reads; a name that names some model must name this one.
pub(crate) fn choose(
    paths: &[&Path],
    format: &Format,
    header: &Header,
    found: &[Found],
) -> Option<Projector> {
    if *format != Format::Gguf || !header.generates() {
        return None;
    }
    let wanted: BTreeSet<String> = paths.iter().flat_map(|path| words(path)).collect();
    let fitting = found.iter().filter_map(|found| {
        let beside = paths.iter().any(|path| path.parent() == found.path.parent());
        let words = words(&found.path);
        let shared = words.intersection(&wanted).count();
        let named = words.is_empty() || shared > 0;
        (beside && named && header.embedding_length == Some(found.width)).then_some((shared, found))
    });
    let most = fitting.fold(None::<(usize, &Found)>, |best, next| match best {
        Some(best) if best.0 >= next.0 => Some(best),
        _ => Some(next),
    });
    most.map(|(_, found)| found.projector.clone())
}

/// The telling words of a file's name: neither common ones nor sizes such as `7b`.
fn words(path: &Path) -> BTreeSet<String> {
    let stem = stem(path);
    let words = stem.split(|char: char| !char.is_alphanumeric()).filter(|word| word.len() > 1);
    let telling = words.filter(|word| word.starts_with(char::is_alphabetic) && !COMMON.contains(word));
    telling.map(str::to_owned).collect()
}

fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().to_lowercase()
}
