//! What there is to convert: where it lies, and in which format.

use std::fs;
use std::path::{Path, PathBuf};

use inferno_sdk::{Error, ErrorKind};

use crate::fault::{internal, invalid, io};
use crate::shards::Shard;

/// A model to convert.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Given {
    /// The folder that converters see.
    pub(crate) folder: PathBuf,
    /// The file in it, where it is one file or begins with one.
    pub(crate) file: Option<String>,
    /// As routes call it.
    pub(crate) format: String,
}

impl Given {
    /// Looks at what a user named.
    pub(crate) fn at(path: &Path) -> Result<Self, Error> {
        let about = fs::metadata(path).map_err(|error| io("read", path, &error))?;
        if about.is_dir() { Self::folder(path) } else { Self::file(path) }
    }

    /// Takes a user's word for the format.
    pub(crate) fn said(path: &Path, format: &str) -> Result<Self, Error> {
        let about = fs::metadata(path).map_err(|error| io("read", path, &error))?;
        if about.is_dir() {
            return match Self::folder(path) {
                Ok(given) if given.format == format => Ok(given),
                _ => Ok(Self { folder: path.to_owned(), file: None, format: format.to_owned() }),
            };
        }
        let (folder, name) = parts(path)?;
        Ok(Self { folder, file: Some(name), format: format.to_owned() })
    }

    /// The files of a model that is one file, or several that are called after one another.
    pub(crate) fn files(&self) -> Result<Vec<String>, Error> {
        let file = self.file.clone().ok_or_else(|| internal("a model without a file"))?;
        Ok(match Shard::of(&file) {
            Some(shard) if shard.count > 1 => shard.all(),
            _ => vec![file],
        })
    }

    fn file(path: &Path) -> Result<Self, Error> {
        let (folder, name) = parts(path)?;
        let format = format_of(path)?;
        if format == "hf" {
            return Self::folder(&folder);
        }
        Ok(Self { folder, file: Some(name), format })
    }

    fn folder(path: &Path) -> Result<Self, Error> {
        let of = |format: &str, file: Option<String>| Self {
            folder: path.to_owned(),
            file,
            format: format.to_owned(),
        };
        let names = names(path)?;
        let has = |name: &str| names.iter().any(|found| found == name);
        let ending = |end: &str| names.iter().filter(|name| name.ends_with(end)).cloned().collect::<Vec<_>>();
        let (gguf, onnx) = (ending(".gguf"), ending(".onnx"));
        if has("config.json") && !ending(".safetensors").is_empty() {
            return Ok(of("hf", None));
        }
        // Of a model in several files the first one stands for all.
        let firsts: Vec<_> =
            gguf.iter().filter(|name| Shard::of(name).is_none_or(|shard| shard.number == 1)).collect();
        match (&firsts[..], &onnx[..]) {
            ([one], _) => Ok(of("gguf", Some((*one).clone()))),
            ([_, _, ..], _) => {
                Err(invalid(format!("{} holds several models", path.display())).with_hint(format!(
                    "name one of them: {}",
                    firsts.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(", ")
                )))
            }
            ([], [one, ..]) => Ok(of("onnx", Some(one.clone()))),
            ([], []) => Err(invalid(format!("{} holds no model that is known", path.display())).with_hint(
                "name a GGUF file, or a folder with config.json, tokenizer.json and safetensors files",
            )),
        }
    }
}

/// The folder that a file is in, and its name there.
fn parts(path: &Path) -> Result<(PathBuf, String), Error> {
    let name = path.file_name().and_then(|name| name.to_str());
    let name = name.ok_or_else(|| invalid(format!("{} has no name in UTF-8", path.display())))?;
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    };
    Ok((folder, name.to_owned()))
}

fn names(path: &Path) -> Result<Vec<String>, Error> {
    let listed = fs::read_dir(path).map_err(|error| io("list", path, &error))?;
    let mut names: Vec<String> =
        listed.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort();
    Ok(names)
}

/// What a file is, by its first bytes where these tell.
fn format_of(path: &Path) -> Result<String, Error> {
    use std::io::Read as _;
    let mut start = Vec::new();
    let read = fs::File::open(path).and_then(|file| file.take(4).read_to_end(&mut start));
    read.map_err(|error| io("read", path, &error))?;
    let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default().to_ascii_lowercase();
    let format = match (start.as_slice(), ending.as_str()) {
        (b"GGUF", _) => "gguf",
        (_, "safetensors") => "hf",
        (_, "onnx") => "onnx",
        (_, "gguf") => {
            return Err(invalid(format!("{} is no GGUF file: it does not begin as one", path.display())));
        }
        _ => {
            return Err(Error::new(
                ErrorKind::Invalid,
                format!("{} is in no format that is known", path.display()),
            )
            .with_hint("say its format with --from, for the converter of a plugin"));
        }
    };
    Ok(format.to_owned())
}
