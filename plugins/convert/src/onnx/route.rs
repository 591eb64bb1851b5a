//! The way from GGUF to ONNX, as people ask for it.

use inferno_sdk::Error;

use super::{Precision, Stored, beside, outputs};
use crate::fault::invalid;
use crate::gguf::Model;
use crate::given::Given;
use crate::options::Wish;
use crate::plan::{Output, Plan};
use crate::quant::mix::FileType;

/// The plan for a folder with the graph, its numbers, and what else a runtime wants to know of the model.
pub(crate) fn plan(given: &Given, wish: &Wish, _name: &str) -> Result<Plan, Error> {
    let precision = precision(wish)?;
    let model = Model::open(given)?;
    let outputs = folder(&model, precision)
        .map_err(|why| invalid(format!("the model cannot be written as ONNX: {why}")))?;
    Ok(Plan { inputs: model.inputs, outputs })
}

fn folder(model: &Model, precision: Precision) -> Result<Vec<Output>, String> {
    let metadata = &model.first.metadata;
    let tensors = model.tensors().map(|(tensor, input, offset)| Stored { tensor, input, offset });
    let mut outputs = outputs(metadata, tensors, precision)?;
    let mut shapes = model.tensors().map(|(tensor, ..)| tensor);
    let embedding = shapes.find(|tensor| tensor.name == "token_embd.weight");
    let vocabulary = embedding.and_then(|tensor| tensor.shape.get(1)).copied().unwrap_or(0);
    let name = model.inputs.first().map_or("GGUF", |input| input.path.as_str());
    outputs.extend(beside::files(name, metadata, vocabulary)?);
    Ok(outputs)
}

/// How weights are kept; an error where something is asked for that an ONNX folder does not have.
fn precision(wish: &Wish) -> Result<Precision, Error> {
    if wish.split.is_some() {
        return Err(invalid(
            "--split is for GGUF: all numbers of an ONNX model are in one file beside its graph",
        ));
    }
    if !wish.metadata.is_empty() {
        return Err(invalid("--metadata is for GGUF: an ONNX model has none"));
    }
    if !wish.wishes.tensors.is_empty() || wish.wishes.pure || wish.wishes.keep_output {
        return Err(invalid("the tensors of an ONNX model are all kept alike")
            .with_hint("leave out what chooses a type for some of them"));
    }
    match wish.file_type {
        None | Some(FileType::F32) => Ok(Precision::Full),
        Some(FileType::F16) => Ok(Precision::Half),
        Some(other) => {
            Err(invalid(format!("ONNX models are kept as F32 or F16, and not as {}", other.name())))
        }
    }
}
