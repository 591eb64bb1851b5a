//! What can be typed.

use std::num::NonZero;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::options::Choices;

/// Converts models from one format or encoding into another.
///
/// The work is done in sandboxes that see what they read and what they write, and nothing else. Memory does not grow with
/// the model. A conversion that was stopped goes on where it stopped when the same command is run again; the result has its
/// name only when it is whole.
#[derive(Debug, Parser)]
#[command(name = "inferno convert", bin_name = "inferno convert", version, max_term_width = 100)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Converts a model
    Model(Model),
    /// Packs the numbers of a GGUF model otherwise: `quantize big.gguf small.gguf Q4_K_M`
    Quantize(Quantize),
    /// Shows what is in a model file
    Inspect(Inspect),
    /// Shows what a conversion would do, and does nothing
    Plan(Model),
    /// Compares two models, tensor by tensor; fails where they have other tensors or too different numbers
    Verify(Verify),
    /// Converts many models
    Batch(Batch),
    /// Lists what can be converted into what
    Routes {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Model {
    /// The model: a file, or a folder with several
    #[arg(value_name = "IN")]
    pub(crate) input: PathBuf,
    /// The result: a file, or a folder for formats of several files
    #[arg(value_name = "OUT")]
    pub(crate) output: PathBuf,
    #[command(flatten)]
    pub(crate) formats: Formats,
    #[command(flatten)]
    pub(crate) how: How,
}

#[derive(Debug, Args)]
pub(crate) struct Formats {
    /// The format of the result: gguf, safetensors, onnx, or one that a plugin knows
    #[arg(long, value_name = "FORMAT", default_value = "gguf")]
    pub(crate) format: String,
    /// The format of the model, where it does not tell by itself
    #[arg(long, value_name = "FORMAT")]
    pub(crate) from: Option<String>,
    /// What the converter of another plugin is told, as its documentation says
    #[arg(long, value_name = "JSON")]
    pub(crate) options: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Quantize {
    /// The model
    #[arg(value_name = "IN")]
    pub(crate) input: PathBuf,
    /// The result
    #[arg(value_name = "OUT")]
    pub(crate) output: PathBuf,
    /// The type, such as Q8_0 or Q4_K_M
    #[arg(value_name = "TYPE")]
    pub(crate) file_type: String,
    #[command(flatten)]
    pub(crate) how: How,
}

#[derive(Debug, Args)]
pub(crate) struct Batch {
    /// The models, such as 'models/*.gguf'
    #[arg(long, value_name = "GLOB")]
    pub(crate) pattern: String,
    /// The folder for the results, which have the names of the models
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    #[command(flatten)]
    pub(crate) formats: Formats,
    #[command(flatten)]
    pub(crate) how: How,
}

/// How to convert.
#[derive(Clone, Debug, Args)]
pub(crate) struct How {
    /// Packs the numbers so, such as F16, Q8_0 or Q4_K_M
    #[arg(long, value_name = "TYPE")]
    pub(crate) quantize: Option<String>,
    /// Packs tensors in whose names REGEX is found otherwise; the first of several counts
    #[arg(long = "tensor-type", value_name = "REGEX=TYPE")]
    pub(crate) tensor_types: Vec<String>,
    /// Packs the output layer so
    #[arg(long, value_name = "TYPE")]
    pub(crate) output_tensor_type: Option<String>,
    /// Packs the vectors of the tokens so
    #[arg(long, value_name = "TYPE")]
    pub(crate) token_embedding_type: Option<String>,
    /// Packs every tensor alike, where a type is a mixture
    #[arg(long)]
    pub(crate) pure: bool,
    /// Leaves the output layer as it is
    #[arg(long)]
    pub(crate) keep_output: bool,
    /// Packs what has lost precision already once more
    #[arg(long)]
    pub(crate) requantize: bool,
    /// Sets what the model says of itself
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) metadata: Vec<String>,
    /// Writes several files of at most so many bytes of numbers each, such as 4GB
    #[arg(long, value_name = "SIZE")]
    pub(crate) split: Option<String>,
    /// Sandboxes at work at once
    #[arg(long, value_name = "N", default_value = "8")]
    pub(crate) jobs: NonZero<usize>,
    /// Replaces what is there
    #[arg(long)]
    pub(crate) force: bool,
    /// Begins anew where an earlier run was stopped
    #[arg(long)]
    pub(crate) restart: bool,
    /// Tells what came of it as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

impl How {
    pub(crate) fn choices(&self) -> Choices {
        Choices {
            quantize: self.quantize.clone(),
            tensor_types: self.tensor_types.clone(),
            output_tensor_type: self.output_tensor_type.clone(),
            token_embedding_type: self.token_embedding_type.clone(),
            metadata: self.metadata.clone(),
            split: self.split.clone(),
            pure: self.pure,
            keep_output: self.keep_output,
            requantize: self.requantize,
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct Inspect {
    /// The file, or a folder with a model
    pub(crate) file: PathBuf,
    /// As JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// The one
    #[arg(value_name = "A")]
    pub(crate) one: PathBuf,
    /// The other
    #[arg(value_name = "B")]
    pub(crate) other: PathBuf,
    /// How different numbers may be: the root of their mean squared difference, as a part of the mean size of those of A
    #[arg(long, value_name = "PART", default_value_t = 0.0)]
    pub(crate) tolerance: f64,
    /// As JSON
    #[arg(long)]
    pub(crate) json: bool,
}
