//! From GGUF to ONNX: a graph of plain operators, and beside it a file with the numbers.
//!
//! Decoders have the inputs and outputs that most runtimes of such models expect: `input_ids`, `attention_mask`,
//! `position_ids` and `past_key_values.N.key` and `.value`; `logits` and `present.N.key` and `.value`. Encoders take
//! `input_ids`, `attention_mask` and `token_type_ids` and give `last_hidden_state`.
//!
//! What a graph computes is what llama.cpp computes for the same file, whatever its numbers are packed as. A model that
//! computes anything else is refused: one of another architecture, and one with a tensor that has no place in the graph.

mod beside;
mod decoder;
mod encoder;
mod facts;
mod graph;
mod model;
mod proto;
mod rope;
mod route;
mod weights;

#[cfg(test)]
mod tests;

use inferno_formats::gguf::{Metadata, Tensor};

use crate::plan::Output;
use facts::Facts;
pub(crate) use route::plan;

/// How weights are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precision {
    /// 32 bits.
    Full,
    /// 16 bits for matrices: half the file. Everything is computed with 32.
    Half,
}

/// A tensor that is there, and where its numbers are.
#[derive(Clone, Copy, Debug)]
pub struct Stored<'a> {
    /// What the header says of it.
    pub tensor: &'a Tensor,
    /// Which of the plan's inputs it is in.
    pub input: usize,
    /// Where in that file it begins.
    pub offset: u64,
}

/// The graph and the file with its numbers, for the model of this metadata and these tensors; or why there are none.
pub fn outputs<'a>(
    metadata: &Metadata,
    tensors: impl IntoIterator<Item = Stored<'a>>,
    precision: Precision,
) -> Result<Vec<Output>, String> {
    let facts = Facts::new(metadata)?;
    facts.refuse_extras()?;
    if facts.architecture == "bert" {
        return encoder::outputs(&facts, tensors, precision);
    }
    let kind = decoder::Kind::of(facts.architecture).ok_or_else(|| {
        format!(
            "models of the architecture {:?} cannot be written as ONNX; those that can are bert, {}",
            facts.architecture,
            decoder::ARCHITECTURES.join(", ")
        )
    })?;
    decoder::outputs(&facts, kind, tensors, precision)
}
