//! From GGUF to a folder as Hugging Face has it: safetensors, the configuration and the tokenizer.

mod config;
mod facts;
mod tensors;
mod tokenizer;
mod words;

use std::fs::File;
use std::path::Path;

use inferno_formats::gguf::{self, Contents, Keep, Metadata};
use inferno_formats::safetensors::{Dtype, Head};

use super::{Error, Outtype};
use crate::plan::{Encoding, Input, Output, Plan, Target};
use facts::Facts;
use tensors::{Draft, Found};

/// What somebody wants of a folder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BackOptions {
    /// What stands before the names of the files below `/out`: nothing, or a folder with a slash behind it.
    pub output: String,
    /// How all numbers are packed. As they are in the file means its matrices; 16 bits where those are quantized.
    pub packing: Outtype,
}

/// What it takes to make a folder of the model in `files`, which lie in `folder`: one, or those of a model in several, in
/// order.
pub fn back(folder: &Path, files: &[String], options: &BackOptions) -> Result<Plan, Error> {
    let (mut inputs, mut first, mut found) = (Vec::new(), None, Vec::new());
    for (input, name) in files.iter().enumerate() {
        let (contents, bytes) = read(folder, name)?;
        for tensor in &contents.tensors {
            let offset = contents.data + tensor.offset;
            found.push(Found { tensor: tensor.clone(), input, offset });
        }
        inputs.push(Input { path: name.clone(), bytes });
        first.get_or_insert((name, contents));
    }
    let (name, contents) = first.ok_or_else(|| Error::new("GGUF", "there is no file"))?;
    let facts = Facts::new(name, &contents.metadata)?;
    let dtype = dtype(options.packing, &found)?;
    let model = config::read(&facts, &found, folder, files)?;
    let drafts = tensors::place(&facts, &model, found)?;
    let mut outputs = vec![weights(&format!("{}model.safetensors", options.output), dtype, drafts)?];
    let mut small = vec![("config.json".to_owned(), model.config(dtype))];
    small.extend(tokenizer::files(&facts, model.lengths.vocabulary, model.context)?);
    for (name, value) in small {
        let mut head =
            serde_json::to_vec_pretty(&value).map_err(|error| Error::new(&name, error.to_string()))?;
        head.push(b'\n');
        let bytes = head.len() as u64;
        outputs.push(Output { path: format!("{}{name}", options.output), head, tensors: Vec::new(), bytes });
    }
    Ok(Plan { inputs, outputs })
}

/// The files that describe the tokenizer of a GGUF file (`name`, for errors), by their names: for folders with something else
/// than safetensors in them. `vocabulary` is how many tokens the model has, `context` the most that it was made for.
pub(crate) fn tokenizer_files(
    name: &str,
    metadata: &Metadata,
    vocabulary: u32,
    context: u32,
) -> Result<Vec<(String, serde_json::Value)>, Error> {
    tokenizer::files(&Facts::new(name, metadata)?, vocabulary, context)
}

fn read(folder: &Path, name: &str) -> Result<(Contents, u64), Error> {
    let wrong = |error: String| Error::new(name, error);
    let file =
        File::open(folder.join(name)).map_err(|error| wrong(format!("it cannot be opened: {error}")))?;
    let bytes = file.metadata().map_err(|error| wrong(format!("it cannot be read: {error}")))?.len();
    let contents = gguf::read(std::io::BufReader::new(file), bytes, Keep::All)
        .map_err(|error| wrong(error.to_string()))?;
    Ok((contents, bytes))
}

/// How all numbers come out.
fn dtype(packing: Outtype, found: &[Found]) -> Result<Dtype, Error> {
    Ok(match packing {
        Outtype::F32 => Dtype::F32,
        Outtype::F16 => Dtype::F16,
        Outtype::BF16 => Dtype::BF16,
        Outtype::Q8_0 => return Err(Error::new("model.safetensors", "it has F32, F16 or BF16, but no Q8_0")),
        Outtype::Auto => {
            let mut matrices = found.iter().filter(|found| found.tensor.shape.len() > 1);
            match matrices
                .find(|found| found.tensor.name.starts_with("blk."))
                .map(|found| found.tensor.kind.name)
            {
                Some("F32") => Dtype::F32,
                Some("BF16") => Dtype::BF16,
                _ => Dtype::F16,
            }
        }
    })
}

/// A file of safetensors.
fn weights(path: &str, dtype: Dtype, drafts: Vec<Draft>) -> Result<Output, Error> {
    let wrong = |message: String| Error::new(path, message);
    let mut head = Head::new();
    head.say("format", "pt");
    for draft in &drafts {
        head.add(draft.name.as_str(), dtype, &draft.shape).map_err(wrong)?;
    }
    let bytes = head.to_bytes();
    let start = bytes.len() as u64;
    let place = |(draft, tensor): (Draft, &inferno_formats::safetensors::Tensor)| Target {
        name: draft.name,
        offset: start + tensor.offset,
        rows: draft.rows,
        columns: draft.columns,
        encoding: Encoding::of_dtype(dtype),
        source: draft.source,
    };
    let tensors = drafts.into_iter().zip(head.tensors()).map(place).collect();
    let end = start
        .checked_add(head.data_bytes())
        .ok_or_else(|| wrong("it would be larger than every file".to_owned()))?;
    Ok(Output { path: path.to_owned(), head: bytes, tensors, bytes: end })
}
