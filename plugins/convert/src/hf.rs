//! Models as Hugging Face keeps them: a folder with a configuration, safetensors and a tokenizer.
//!
//! One route leads from such a folder to GGUF, with the keys and the names of tensors that llama.cpp loads, and one back. Both
//! read nothing but headers and small files, and each of those is checked: what does not fit together is an error that says
//! the file, the key, and what was expected.

mod back;
mod error;
mod family;
mod folder;
mod keys;
mod layout;
mod object;
mod rope;
mod tensors;
mod tokenizer;
mod weights;

#[cfg(test)]
mod tests;

use std::path::Path;

use inferno_formats::gguf::{Head, TensorType, Value};
use inferno_formats::safetensors::Dtype;

use family::Model;
use folder::Folder;
use keys::Keys;
use tensors::{Draft, Packing};
use weights::Weights;

use crate::plan::{Encoding, Output, Plan, Target};

pub(crate) use back::tokenizer_files;
pub use back::{BackOptions, back};
pub use error::Error;

/// What somebody wants of a GGUF file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The path of the file, below `/out`.
    pub output: String,
    /// How the numbers of matrices are packed.
    pub packing: Outtype,
    /// What the model is called; without it, what its configuration says.
    pub name: Option<String>,
    /// Keys of metadata, and what they are set to.
    pub metadata: Vec<(String, String)>,
}

/// How the numbers of matrices are packed. All others are floats of 32 bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "they are named as the types that matrices get")]
pub enum Outtype {
    /// As they are in the model's own files.
    #[default]
    Auto,
    F32,
    F16,
    BF16,
    Q8_0,
}

impl Outtype {
    /// The one of this name, in capitals or not.
    pub fn from_name(name: &str) -> Option<Self> {
        let all = [
            ("auto", Self::Auto),
            ("f32", Self::F32),
            ("f16", Self::F16),
            ("bf16", Self::BF16),
            ("q8_0", Self::Q8_0),
        ];
        all.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, outtype)| outtype)
    }
}

/// What it takes to make a GGUF file of the model in `folder`. The plan's inputs are named as they lie in that folder.
pub fn plan(folder: &Path, options: &Options) -> Result<Plan, Error> {
    let folder = Folder::new(folder);
    let config = folder.need_object("config.json")?;
    let mut keys = Keys::new(&options.metadata);
    let model = Model::read(&folder, &config)?;
    let weights = Weights::open(&folder)?;
    let (packing, file_type) = packing(options.packing, &weights)?;
    keys.text("general.architecture", model.arch);
    keys.text("general.type", "model");
    let own = config.text("_name_or_path")?.map(|path| path.trim_end_matches('/'));
    let own = own.and_then(|path| path.rsplit('/').next()).filter(|name| !name.is_empty() && *name != ".");
    if let Some(name) = options.name.as_deref().or(own) {
        keys.text("general.name", name);
    }
    keys.count("general.file_type", file_type);
    keys.count("general.quantization_version", 2);
    keys.extend(model.keys.clone());
    let inputs = weights.inputs.clone();
    // Before the tokens, so that there are as many of them as the configuration says.
    let drafts = tensors::place(&model, weights, packing)?;
    tokenizer::tell(&folder, &config, model.arch, model.lengths.vocabulary, &mut keys)?;
    let output = assemble(&options.output, keys.finish()?, drafts)?;
    Ok(Plan { inputs, outputs: vec![output] })
}

/// How tensors are packed, and GGUF's number for that.
fn packing(outtype: Outtype, weights: &Weights) -> Result<(Packing, u32), Error> {
    let outtype = match outtype {
        Outtype::Auto => {
            let matrices = weights.tensors.values().filter(|weight| weight.shape.len() > 1);
            match matrices.map(|weight| weight.dtype).next() {
                Some(Dtype::F16) => Outtype::F16,
                Some(Dtype::BF16) => Outtype::BF16,
                _ => Outtype::F32,
            }
        }
        chosen => chosen,
    };
    let (matrices, otherwise, file_type) = match outtype {
        Outtype::F16 => ("F16", "F16", 1),
        Outtype::BF16 => ("BF16", "BF16", 32),
        Outtype::Q8_0 => ("Q8_0", "F16", 7),
        Outtype::F32 | Outtype::Auto => ("F32", "F32", 0),
    };
    let packing =
        Packing { matrices: known(matrices)?, otherwise: known(otherwise)?, vectors: known("F32")? };
    Ok((packing, file_type))
}

fn known(name: &str) -> Result<TensorType, Error> {
    TensorType::from_name(name).ok_or_else(|| Error::new("GGUF", format!("it has no type {name}")))
}

/// A GGUF file of these keys and tensors.
fn assemble(path: &str, keys: Vec<(String, Value)>, drafts: Vec<Draft>) -> Result<Output, Error> {
    let wrong = |message: String| Error::new(path, message);
    let mut head = Head::new();
    for (key, value) in keys {
        head.set(key, value);
    }
    for draft in &drafts {
        head.add(draft.name.as_str(), &draft.shape, draft.kind).map_err(wrong)?;
    }
    let bytes = head.to_bytes().map_err(wrong)?;
    let start = bytes.len() as u64;
    let place = |(draft, tensor): (Draft, &inferno_formats::gguf::Tensor)| Target {
        name: draft.name,
        offset: start + tensor.offset,
        rows: draft.rows,
        columns: draft.columns,
        encoding: Encoding::Ggml(draft.kind),
        source: draft.source,
    };
    let tensors = drafts.into_iter().zip(head.tensors()).map(place).collect();
    let end = start
        .checked_add(head.data_bytes())
        .ok_or_else(|| wrong("it would be larger than every file".to_owned()))?;
    Ok(Output { path: path.to_owned(), head: bytes, tensors, bytes: end })
}
