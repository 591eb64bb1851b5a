//! Low-rank adapters. llama.cpp applies them to all that is computed together, so requests with different ones are
//! computed one after the other.

use std::collections::BTreeMap;
use std::path::PathBuf;

use inferno_backend::{Error, ErrorKind};
use llama_cpp_2::model::{LlamaLoraAdapter, LlamaModel};

use crate::native::{self, Context};

/// Which adapter is applied, and the bits of how strongly.
pub(crate) type Applied = Option<(u16, u32)>;

/// The adapters of a model.
pub(crate) struct Adapters {
    names: Vec<String>,
    loaded: Vec<LlamaLoraAdapter>,
    /// What the context applies now.
    current: Applied,
}

impl Adapters {
    /// Reads the files.
    pub(crate) fn load(model: &mut LlamaModel, files: &BTreeMap<String, PathBuf>) -> Result<Self, Error> {
        let (mut names, mut loaded) = (Vec::new(), Vec::new());
        for (name, path) in files {
            if !path.exists() {
                let message = format!("the adapter {name} is not there: {}", path.display());
                return Err(Error::new(ErrorKind::NotFound, message));
            }
            let (adapter, log) = native::collect_errors(|| model.lora_adapter_init(path));
            loaded.push(adapter.map_err(|error| {
                let reason = log.lines().find_map(|line| line.split_once("lora adapter: "));
                let reason = reason.map_or_else(|| error.to_string(), |(_, reason)| reason.to_owned());
                Error::invalid(format!("the adapter {name} cannot be used with this model: {reason}"))
                    .hint(format!("check that {} was made for this model", path.display()))
            })?);
            names.push(name.clone());
        }
        Ok(Self { names, loaded, current: None })
    }

    /// There is at least one.
    pub(crate) fn any(&self) -> bool {
        !self.names.is_empty()
    }

    /// What a request asks for.
    pub(crate) fn find(&self, wanted: &[(String, f32)]) -> Result<Applied, Error> {
        let mut found = None;
        for (name, scale) in wanted {
            let index = self.names.iter().position(|known| known == name).ok_or_else(|| {
                let known = if self.any() { self.names.join(", ") } else { "none".into() };
                Error::new(ErrorKind::NotFound, format!("the model was loaded without an adapter {name}"))
                    .hint(format!("it has: {known}"))
            })?;
            if !(-100.0..=100.0).contains(scale) {
                return Err(Error::invalid(format!(
                    "the scale of the adapter {name} is {scale}, but must be between -100 and 100"
                )));
            }
            if *scale == 0.0 {
                continue;
            }
            if found.is_some() {
                return Err(Error::invalid("a request can apply one adapter only")
                    .hint("merge them into one, or give all but one the scale 0"));
            }
            found = Some((u16::try_from(index).unwrap_or(u16::MAX), scale.to_bits()));
        }
        Ok(found)
    }

    /// Makes the context apply this and nothing else.
    pub(crate) fn apply(&mut self, wanted: Applied, context: &mut Context) -> Result<(), Error> {
        if wanted == self.current {
            return Ok(());
        }
        let failed = |error: String| Error::internal(format!("llama.cpp cannot change adapters: {error}"));
        match wanted {
            Some((index, scale)) => {
                let adapter = self.loaded.get_mut(usize::from(index));
                let adapter = adapter.ok_or_else(|| failed("there is none of that number".into()))?;
                context
                    .lora_adapter_set(adapter, f32::from_bits(scale))
                    .map_err(|error| failed(error.to_string()))?;
            }
            None => {
                if let Some(any) = self.loaded.first_mut() {
                    context.lora_adapter_remove(any).map_err(|error| failed(error.to_string()))?;
                }
            }
        }
        self.current = wanted;
        Ok(())
    }
}
