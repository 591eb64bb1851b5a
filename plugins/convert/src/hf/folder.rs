//! The folder that a model lies in.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use super::Error;
use super::object::Object;

/// Configurations have some KiB.
const MAX_CONFIG: u64 = 4 << 20;

/// Where the files of a model are read from. Each of them is held against a size before it is read.
#[derive(Debug)]
pub(super) struct Folder {
    root: PathBuf,
}

impl Folder {
    pub(super) fn new(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    /// A file and its size; absent where there is none.
    pub(super) fn open(&self, name: &str) -> Result<Option<(File, u64)>, Error> {
        let opened = File::open(self.root.join(name)).and_then(|file| Ok((file.metadata()?, file)));
        match opened {
            Ok((what, file)) if what.is_file() => Ok(Some((file, what.len()))),
            Ok(_) => Err(Error::new(name, "it is no file")),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::new(name, format!("it cannot be opened: {error}"))),
        }
    }

    /// The bytes of a file that may not be larger than `most`; absent where there is none.
    pub(super) fn bytes(&self, name: &str, most: u64) -> Result<Option<Vec<u8>>, Error> {
        let Some((file, size)) = self.open(name)? else { return Ok(None) };
        let too_large = || Error::new(name, format!("it has more than the {most} bytes that are allowed"));
        if size > most {
            return Err(too_large());
        }
        let mut bytes = Vec::new();
        file.take(most + 1)
            .read_to_end(&mut bytes)
            .map_err(|error| Error::new(name, format!("it cannot be read: {error}")))?;
        if bytes.len() as u64 > most { Err(too_large()) } else { Ok(Some(bytes)) }
    }

    /// A text; absent where there is no such file.
    pub(super) fn text(&self, name: &str) -> Result<Option<String>, Error> {
        let Some(bytes) = self.bytes(name, MAX_CONFIG)? else { return Ok(None) };
        String::from_utf8(bytes).map(Some).map_err(|_| Error::new(name, "it is not UTF-8"))
    }

    /// An object; absent where there is no such file.
    pub(super) fn object(&self, name: &str) -> Result<Option<Object>, Error> {
        let Some(bytes) = self.bytes(name, MAX_CONFIG)? else { return Ok(None) };
        Object::new(name, json(name, &bytes)?).map(Some)
    }

    /// An object that has to be there.
    pub(super) fn need_object(&self, name: &str) -> Result<Object, Error> {
        self.object(name)?.ok_or_else(|| missing(name))
    }

    /// A list of objects; empty where there is no such file.
    pub(super) fn objects(&self, name: &str) -> Result<Vec<Object>, Error> {
        let Some(bytes) = self.bytes(name, MAX_CONFIG)? else { return Ok(Vec::new()) };
        let list: Vec<serde_json::Value> = json(name, &bytes)?;
        list.into_iter().map(|value| Object::new(name, value)).collect()
    }
}

pub(super) fn missing(name: &str) -> Error {
    Error::new(
        name,
        "it is not there, so this is no whole model from Hugging Face; download the folder again",
    )
}

/// What a file of JSON says.
pub(super) fn json<'a, T: serde::Deserialize<'a>>(name: &str, bytes: &'a [u8]) -> Result<T, Error> {
    serde_json::from_slice(bytes)
        .map_err(|error| Error::new(name, format!("it is not what it should be: {error}")))
}
