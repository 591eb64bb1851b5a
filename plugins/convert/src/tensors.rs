//! The tensors of a model, wherever they lie, for those who only look.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use inferno_formats::safetensors;
use inferno_sdk::Error;

use crate::fault::{invalid, io};
use crate::gguf;
use crate::given::Given;
use crate::plan::Encoding;

/// A tensor in a file.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Found {
    pub(crate) name: String,
    /// The dimension that lies closest together first.
    pub(crate) shape: Vec<u64>,
    pub(crate) encoding: Encoding,
    pub(crate) file: PathBuf,
    pub(crate) at: u64,
}

impl Found {
    /// How many numbers it has.
    pub(crate) fn numbers(&self) -> u64 {
        self.shape.iter().product()
    }

    /// Bytes that it takes; its header was checked.
    pub(crate) fn bytes(&self) -> u64 {
        self.encoding.row_bytes(self.numbers()).unwrap_or(0)
    }

    /// Reads some of its bytes, whole blocks from this number on.
    pub(crate) fn read(
        &self,
        file: &mut File,
        first: u64,
        count: u64,
        bytes: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let size = |numbers| {
            self.encoding
                .row_bytes(numbers)
                .ok_or_else(|| invalid(format!("{} is no whole number of blocks", self.name)))
        };
        bytes.resize(size(count)? as usize, 0);
        let read = file.seek(SeekFrom::Start(self.at + size(first)?)).and_then(|_| file.read_exact(bytes));
        read.map_err(|error| io("read", &self.file, &error))
    }
}

/// All of a model, in the order of its files.
pub(crate) fn of(given: &Given) -> Result<Vec<Found>, Error> {
    match given.format.as_str() {
        "gguf" => {
            let model = gguf::Model::open(given)?;
            let found = model.tensors().map(|(tensor, input, at)| {
                let file =
                    model.inputs.get(input).map(|input| given.folder.join(&input.path)).unwrap_or_default();
                let encoding = Encoding::Ggml(tensor.kind);
                Found { name: tensor.name.clone(), shape: tensor.shape.clone(), encoding, file, at }
            });
            Ok(found.collect())
        }
        "hf" => {
            let mut found = Vec::new();
            for path in weights(&given.folder)? {
                let contents = header(&path)?;
                found.extend(contents.tensors.into_iter().map(|tensor| Found {
                    name: tensor.name,
                    shape: tensor.shape.into_iter().rev().collect(),
                    encoding: Encoding::of_dtype(tensor.dtype),
                    file: path.clone(),
                    at: tensor.offset,
                }));
            }
            Ok(found)
        }
        other => Err(invalid(format!("the tensors of {other} cannot be looked at"))
            .with_hint("those of GGUF and safetensors can")),
    }
}

/// The files with the weights of a folder.
pub(crate) fn weights(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let listed = std::fs::read_dir(folder).map_err(|error| io("list", folder, &error))?;
    let mut paths: Vec<_> = listed.flatten().map(|entry| entry.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|ending| ending == "safetensors"));
    paths.sort();
    Ok(paths)
}

/// The header of a file of safetensors.
pub(crate) fn header(path: &Path) -> Result<safetensors::Contents, Error> {
    let opened = File::open(path).and_then(|file| Ok((file.metadata()?.len(), file)));
    let (size, file) = opened.map_err(|error| io("open", path, &error))?;
    safetensors::read(file, size).map_err(|error| invalid(format!("{}: {error}", path.display())))
}
