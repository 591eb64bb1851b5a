//! The backend: finds the runtime, opens graphs and what stands beside them.

use std::fs::{self, File};
use std::io::{ErrorKind as IoKind, Read};
use std::path::{Path, PathBuf};

use inferno_backend::{Backend, Device, Error, ErrorKind, LoadOptions, Model};
use ort::session::Session;
use ort::session::builder::GraphOptimizationLevel;

use crate::config::{Beside, Config};
use crate::graph::{self, Purpose};
use crate::model::{OnnxModel, Parts};
use crate::tokenizer::Tokenizer;
use crate::{facts, providers, runtime, settings, texts};

/// Runs ONNX models with ONNX Runtime.
#[derive(Clone, Copy, Debug, Default)]
pub struct Onnx;

impl Backend for Onnx {
    fn name(&self) -> &'static str {
        "onnx"
    }

    fn version(&self) -> String {
        env!("CARGO_PKG_VERSION").to_owned()
    }

    fn formats(&self) -> &'static [&'static str] {
        &["onnx"]
    }

    fn reads(&self) -> Vec<PathBuf> {
        // The runtime opens its providers late, from its own folder.
        let folder = runtime::path().ok().and_then(|path| path.parent().map(Path::to_owned));
        folder.into_iter().collect()
    }

    fn devices(&self) -> Vec<Device> {
        runtime::open().map(providers::devices).unwrap_or_default()
    }

    fn load(&self, options: &LoadOptions, progress: &mut dyn FnMut(f32)) -> Result<Box<dyn Model>, Error> {
        facts::check(options)?;
        let path = &*options.path;
        check_file(path)?;
        let named = |error: Error| Error {
            message: format!("cannot use {}: {}", path.display(), error.message),
            ..error
        };
        let beside = Beside::new(options);
        let config = Config::read(&beside).map_err(named)?;
        let tokenizer = match beside.tokenizer().map_err(named)? {
            Some(json) => Some(Tokenizer::new(&json, &config).map_err(named)?),
            None => None,
        };
        let bytes = weights(options);
        let (session, device) = open(path, facts::threads(options, bytes))?;
        progress(1.0);
        let (inputs, outputs) = graph::ports(&session).map_err(named)?;
        let purpose = Purpose::of(&inputs, &outputs, &config, tokenizer.is_some()).map_err(named)?;
        let context = facts::context(options, &config);
        let sequences = options.sequences;
        let parts = Parts { session, inputs, purpose, config, tokenizer, context, sequences, device, bytes };
        Ok(Box::new(OnnxModel::new(parts)))
    }
}

/// Bytes of the graph and of the tensors that lie beside it.
fn weights(options: &LoadOptions) -> u64 {
    let all = options.files.iter().chain([&options.path]);
    all.filter_map(|path| fs::metadata(path).ok()).map(|metadata| metadata.len()).sum()
}

/// Tells a file that is missing or something else altogether from one that the runtime should judge.
fn check_file(path: &Path) -> Result<(), Error> {
    let unreadable = |error: std::io::Error| {
        let kind = if error.kind() == IoKind::NotFound { ErrorKind::NotFound } else { ErrorKind::Invalid };
        Error::new(kind, format!("cannot read {}: {error}", path.display()))
    };
    let mut start = Vec::new();
    File::open(path).map_err(unreadable)?.take(2).read_to_end(&mut start).map_err(unreadable)?;
    // A message of Protocol Buffers that begins with a small version.
    if matches!(start[..], [0x08, 1..=64]) {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "{} is not an ONNX file: it does not begin with a version of the format",
        path.display()
    )))
}

/// Lets the runtime read the graph.
fn open(path: &Path, threads: usize) -> Result<(Session, String), Error> {
    let environment = runtime::environment()?;
    let (providers, device) = providers::chosen(&settings::get().providers)?;
    let starting = |error: ort::Error| {
        Error::internal(format!("ONNX Runtime does not start: {}", texts::line(&error.to_string())))
    };
    let builder = || -> ort::Result<_> {
        let builder = Session::builder(environment)?
            .with_optimization_level(GraphOptimizationLevel::All)?
            .with_intra_threads(threads)?
            .with_inter_threads(1)?
            // On a busy machine, threads that spin take the cores from those that have work.
            .with_intra_op_spinning(false)?
            // Shapes differ with every token, so a pattern would never be met again.
            .with_memory_pattern(false)?;
        Ok(builder.with_execution_providers(providers)?)
    };
    let mut builder = builder().map_err(starting)?;
    let session = builder.commit_from_file(path).map_err(|error| {
        Error::invalid(format!(
            "ONNX Runtime cannot load {}: {}",
            path.display(),
            texts::line(&error.to_string())
        ))
        .hint("if the file was copied or downloaded, check that it is complete, with the data beside it")
    })?;
    Ok((session, device))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_graph_is_told_before_a_runtime_is_needed() {
        let error = Onnx.load(&LoadOptions::new("/nowhere/model.onnx"), &mut |_| {}).err().unwrap();
        assert_eq!(error.kind, ErrorKind::NotFound);
        let file = tempfile::NamedTempFile::new().unwrap();
        for content in ["", "\x08", "GGUF"] {
            fs::write(file.path(), content).unwrap();
            let error = Onnx.load(&LoadOptions::new(file.path()), &mut |_| {}).err().unwrap();
            assert!(error.message.contains("is not an ONNX file"), "{error}");
        }
    }
}
