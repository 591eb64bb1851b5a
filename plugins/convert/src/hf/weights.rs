//! The tensors of a folder, whichever shard they lie in.

use std::collections::{BTreeMap, BTreeSet};

use inferno_formats::safetensors::{self, Dtype};
use serde_json::Value;

use super::Error;
use super::folder::{Folder, missing};
use crate::plan::Input;

const ONE: &str = "model.safetensors";
const INDEX: &str = "model.safetensors.index.json";
/// The largest models have some hundreds.
const MAX_SHARDS: usize = 4096;
const MAX_INDEX: u64 = 64 << 20;

/// One tensor, and where it is.
#[derive(Clone, Debug)]
pub(super) struct Weight {
    /// Which of the inputs it is in.
    pub(super) input: usize,
    pub(super) dtype: Dtype,
    /// The dimension that lies closest together last.
    pub(super) shape: Vec<u64>,
    pub(super) offset: u64,
}

/// All of them, by their names.
#[derive(Debug, Default)]
pub(super) struct Weights {
    pub(super) inputs: Vec<Input>,
    pub(super) tensors: BTreeMap<String, Weight>,
}

impl Weights {
    /// Reads the headers of the files that hold the weights.
    pub(super) fn open(folder: &Folder) -> Result<Self, Error> {
        let mut weights = Self::default();
        let Some(index) = folder.bytes(INDEX, MAX_INDEX)? else {
            if folder.open(ONE)?.is_none() {
                return Err(none(folder)?);
            }
            weights.add(folder, ONE)?;
            return Ok(weights);
        };
        let (files, names) = read_index(&index)?;
        for file in files {
            weights.add(folder, &file)?;
        }
        match names.iter().find(|name| !weights.tensors.contains_key(*name)) {
            Some(name) => Err(Error::new(INDEX, format!("it names the tensor {name:?}, which no shard has"))),
            None => Ok(weights),
        }
    }

    fn add(&mut self, folder: &Folder, name: &str) -> Result<(), Error> {
        let Some((file, bytes)) = folder.open(name)? else { return Err(missing(name)) };
        let contents = safetensors::read(std::io::BufReader::new(file), bytes)
            .map_err(|error| Error::new(name, error.to_string()))?;
        let input = self.inputs.len();
        for tensor in contents.tensors {
            let weight = Weight { input, dtype: tensor.dtype, shape: tensor.shape, offset: tensor.offset };
            if self.tensors.insert(tensor.name.clone(), weight).is_some() {
                return Err(Error::new(name, format!("tensor {:?} is in another shard too", tensor.name)));
            }
        }
        self.inputs.push(Input { path: name.to_owned(), bytes });
        Ok(())
    }
}

/// The shards that an index names, in order, and the tensors.
fn read_index(bytes: &[u8]) -> Result<(BTreeSet<String>, Vec<String>), Error> {
    let index: Value = super::folder::json(INDEX, bytes)?;
    let Some(Value::Object(map)) = index.get("weight_map") else {
        return Err(Error::new(INDEX, "weight_map must be an object with the shard of each tensor"));
    };
    let mut files = BTreeSet::new();
    let mut names = Vec::with_capacity(map.len());
    for (name, file) in map {
        let plain =
            file.as_str().filter(|file| file.ends_with(".safetensors") && !file.contains(['/', '\\']));
        let Some(file) = plain else {
            let message = format!(
                "weight_map.{name} is {file}, but must be the name of a safetensors file in the folder"
            );
            return Err(Error::new(INDEX, message));
        };
        files.insert(file.to_owned());
        if files.len() > MAX_SHARDS {
            return Err(Error::new(INDEX, format!("there are more than {MAX_SHARDS} shards")));
        }
        names.push(name.clone());
    }
    Ok((files, names))
}

/// What to say where no weights were found.
fn none(folder: &Folder) -> Result<Error, Error> {
    for pickled in ["pytorch_model.bin", "pytorch_model.bin.index.json"] {
        if folder.open(pickled)?.is_some() {
            let message = "weights in pickles are programs, which are not run here; save the model as safetensors, \
                           with save_pretrained(..., safe_serialization=True)";
            return Ok(Error::new(pickled, message));
        }
    }
    Ok(missing(ONE))
}
