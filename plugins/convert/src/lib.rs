//! Conversion of models: between Hugging Face folders, GGUF, safetensors and ONNX.
//!
//! A route makes a [`plan`] of what it finds: which files come out, and where each number in them comes from. One engine
//! carries out every plan, piece by piece, so that memory does not grow with the model.

mod args;
mod check;
mod conversion;
mod converter;
mod engine;
mod fault;
mod gguf;
mod given;
pub mod hf;
pub mod onnx;
mod options;
pub mod plan;
mod progress;
pub mod quant;
mod routes;
mod shards;
mod tensors;
mod verb;

use std::io::Write as _;

use clap::Parser as _;
use inferno_sdk::command::{Command, Failure};

use crate::args::Arguments;
use crate::converter::Converter;

/// `inferno convert`.
struct Convert;

inferno_sdk::export_command!(Convert);
inferno_sdk::export_converter!(Converter);

impl Command for Convert {
    async fn run() -> Result<(), Failure> {
        let arguments = match Arguments::try_parse() {
            Ok(arguments) => arguments,
            Err(words) => {
                words.print()?;
                return if words.use_stderr() { Err("".into()) } else { Ok(()) };
            }
        };
        match verb::perform(&arguments.verb).await {
            Ok(true) => Ok(()),
            // It was told.
            Ok(false) => Err("".into()),
            Err(error) => {
                let _unheard = writeln!(std::io::stderr(), "error: {error}");
                Err("".into())
            }
        }
    }
}
