//! From a path to a header: which files a model has, and what they say together.

use std::{
    fs::{self, File},
    io::Read,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::SystemTime,
};

use inferno_formats::gguf::Contents;

use crate::{Foreign, Format, Header, echo, format::DETECT_BYTES, gguf, onnx, summary::summary};

/// A generous bound for the parts of a split model.
const MAX_PARTS: u32 = 1024;

/// What makes a file on disk this file with this content, as far as the system tells.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Stamp {
    pub(crate) device: u64,
    pub(crate) inode: u64,
    pub(crate) size: u64,
    pub(crate) modified: SystemTime,
}

impl Stamp {
    /// The stamp of the file that `path` leads to. Only regular files have one, so that nobody waits for a pipe.
    pub(crate) fn of(path: &Path) -> Result<Self, String> {
        let metadata = fs::metadata(path).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound if path.is_symlink() => {
                "this link leads to a file that is not there: download the model again".to_owned()
            }
            _ => format!("cannot be opened: {error}"),
        })?;
        if metadata.is_dir() {
            return Err("this is a directory: name one of the files in it".to_owned());
        }
        if !metadata.is_file() {
            return Err("this is not a regular file".to_owned());
        }
        let modified =
            metadata.modified().map_err(|error| format!("has no time of modification: {error}"))?;
        Ok(Self { device: metadata.dev(), inode: metadata.ino(), size: metadata.len(), modified })
    }
}

/// The files of one model: one, or the parts of a split one in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Files {
    /// As the backend opens it: canonical, but where the model is split only its folder is, since the other parts
    /// are found by the first one's name.
    pub(crate) path: PathBuf,
    /// Canonical paths of all parts; those of files beside a graph have their own names, by which they are known.
    pub(crate) parts: Vec<PathBuf>,
    pub(crate) stamps: Vec<Stamp>,
}

impl Files {
    /// Finds the files of the model that begins at `path`.
    pub(crate) fn find(path: &Path) -> Result<Self, String> {
        let stamp = Stamp::of(path)?;
        let canonical = canonical(path)?;
        if onnx::is_named(path) && detect(path, &[]).is_ok_and(|format| format == Format::Onnx) {
            return Self::with_others(path, stamp);
        }
        let Some(shard) = Shard::of(path).filter(|shard| shard.count > 1) else {
            return Ok(Self { path: canonical.clone(), parts: vec![canonical], stamps: vec![stamp] });
        };
        let mut files = Self { path: shard.path(1)?, parts: Vec::new(), stamps: Vec::new() };
        if shard.number != 1 {
            let first = files.path.display();
            return Err(format!(
                "this is part {} of {} of a split model, which is opened by its first part: {first}",
                shard.number, shard.count
            ));
        }
        for number in 1..=shard.count {
            let part = shard.path(number)?;
            let missing =
                |why| format!("part {number} of {} is missing: {}: {why}", shard.count, part.display());
            files.stamps.push(Stamp::of(&part).map_err(missing)?);
            files.parts.push(self::canonical(&part)?);
        }
        Ok(files)
    }

    /// A graph with what belongs to it. It keeps its own name, since the others are found by it.
    fn with_others(path: &Path, stamp: Stamp) -> Result<Self, String> {
        let folder = path.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new("."));
        let path = self::canonical(folder)?.join(path.file_name().unwrap_or_default());
        let mut files = Self { path: path.clone(), parts: vec![canonical(&path)?], stamps: vec![stamp] };
        for other in onnx::other_files(&path)? {
            files.stamps.push(Stamp::of(&other)?);
            files.parts.push(other);
        }
        Ok(files)
    }

    pub(crate) fn size(&self) -> u64 {
        self.stamps.iter().map(|stamp| stamp.size).sum()
    }

    pub(crate) fn modified(&self) -> SystemTime {
        self.stamps.iter().map(|stamp| stamp.modified).max().unwrap_or(SystemTime::UNIX_EPOCH)
    }

    /// Whether the files are still those that were found.
    pub(crate) fn unchanged(&self) -> bool {
        self.parts
            .iter()
            .zip(&self.stamps)
            .all(|(path, stamp)| Stamp::of(path).is_ok_and(|now| now == *stamp))
    }
}

/// What a file is good for.
#[derive(Clone, Debug)]
pub(crate) enum Content {
    Model(Format, Box<Header>),
    /// A low-rank adapter for models of this architecture.
    Adapter(String),
    /// It makes vectors of this length from images, for a model that reads them.
    Projector(u32),
    /// It belongs to a model (a projector for sounds, a matrix of importances), but is none.
    Accessory,
}

/// Reads the headers of a model's files.
pub(crate) fn read(files: &Files, foreign: &[Foreign]) -> Result<Content, String> {
    let Some(first) = files.parts.first() else { return Ok(Content::Accessory) };
    match detect(first, foreign)? {
        // What is in it only its backend can tell.
        format @ Format::Foreign(_) => Ok(Content::Model(format, Box::default())),
        Format::Echo => Ok(Content::Model(Format::Echo, Box::new(echo::read(first)?))),
        Format::Onnx => Ok(Content::Model(Format::Onnx, Box::new(onnx::header(&files.path)?))),
        Format::Gguf => read_gguf(files),
    }
}

/// Tells the format of a file from its first bytes, and from its name where it is one that is not read here.
pub(crate) fn detect(path: &Path, foreign: &[Foreign]) -> Result<Format, String> {
    let mut start = Vec::new();
    File::open(path)
        .and_then(|file| file.take(DETECT_BYTES).read_to_end(&mut start))
        .map_err(|error| format!("cannot be read: {error}"))?;
    Format::detect(&start).or_else(|error| {
        let fitting = foreign.iter().find(|foreign| foreign.fits(path, &start));
        fitting.map(|foreign| Format::Foreign(foreign.format.clone())).ok_or_else(|| error.to_string())
    })
}

fn read_gguf(files: &Files) -> Result<Content, String> {
    let mut contents = Vec::new();
    for (index, path) in files.parts.iter().enumerate() {
        let read = gguf::contents_of(path).map_err(|error| match files.parts.len() {
            1 => error.to_string(),
            count => format!("part {} of {count}: {error}", index + 1),
        })?;
        contents.push(read);
    }
    check_split(contents.first(), files.parts.len())?;
    if let Some(first) = contents.first() {
        let kind = first.metadata.text("general.type");
        let architecture = first.metadata.text("general.architecture");
        if kind == Some("adapter") {
            return Ok(Content::Adapter(architecture.unwrap_or("unknown").to_owned()));
        }
        if matches!(kind, Some("mmproj" | "imatrix")) || architecture == Some("clip") {
            let width = first.metadata.number("clip.vision.projection_dim");
            let width = width.map_err(|error| error.to_string())?;
            return Ok(width.map_or(Content::Accessory, Content::Projector));
        }
    }
    let header = summary(&contents).map_err(|error| error.to_string())?;
    Ok(Content::Model(Format::Gguf, Box::new(header)))
}

/// A split model whose file was renamed would load with half of its tensors missing.
pub(crate) fn check_split(first: Option<&Contents>, parts: usize) -> Result<(), String> {
    let declared = first.map_or(Ok(None), |first| first.metadata.number("split.count"));
    let declared = declared.map_err(|error| error.to_string())?.unwrap_or(0).max(1);
    if declared as usize == parts {
        return Ok(());
    }
    Err(format!(
        "the header says that the model has {declared} parts, but by the file's name it has {parts}: \
         give the parts their names back, such as name-00001-of-{declared:05}.gguf"
    ))
}

/// The name of one part of a split model: `name-00002-of-00005.gguf`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Shard {
    folder: PathBuf,
    pub(crate) base: String,
    extension: String,
    pub(crate) number: u32,
    pub(crate) count: u32,
}

impl Shard {
    pub(crate) fn of(path: &Path) -> Option<Self> {
        let stem = path.file_stem()?.to_str()?;
        let extension = path.extension()?.to_str()?.to_owned();
        let (rest, count) = split_digits(stem)?;
        let (base, number) = split_digits(rest.strip_suffix("-of-")?)?;
        let base = base.strip_suffix('-')?.to_owned();
        if !(1..=MAX_PARTS).contains(&count) || !(1..=count).contains(&number) {
            return None;
        }
        Some(Self { folder: path.parent()?.to_owned(), base, extension, number, count })
    }

    /// Where another part of the same model is, with the folder made canonical.
    pub(crate) fn path(&self, number: u32) -> Result<PathBuf, String> {
        let folder = match self.folder.as_os_str().is_empty() {
            true => canonical(Path::new("."))?,
            false => canonical(&self.folder)?,
        };
        Ok(folder.join(format!("{}-{number:05}-of-{:05}.{}", self.base, self.count, self.extension)))
    }
}

/// Splits five digits off the end.
fn split_digits(text: &str) -> Option<(&str, u32)> {
    let (rest, digits) = text.split_at_checked(text.len().checked_sub(5)?)?;
    digits.bytes().all(|byte| byte.is_ascii_digit()).then_some(())?;
    Some((rest, digits.parse().ok()?))
}

fn canonical(path: &Path) -> Result<PathBuf, String> {
    fs::canonicalize(path).map_err(|error| format!("cannot be opened: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_told_by_their_names() {
        let shard = Shard::of(Path::new("/m/big-Q4-00002-of-00003.gguf")).expect("a part");
        assert_eq!((shard.base.as_str(), shard.number, shard.count), ("big-Q4", 2, 3));
        for other in [
            "x.gguf",
            "x-00004-of-00003.gguf",
            "x-00000-of-00003.gguf",
            "x-1-of-3.gguf",
            "-of-00001.gguf",
            "é.gguf",
        ] {
            assert_eq!(Shard::of(Path::new(other)), None, "{other}");
        }
    }
}
