//! Low-rank adapters. llama.cpp applies them to all that is computed together, so requests with different ones, or with
//! the same ones in another strength, are computed one after the other.

use std::collections::BTreeMap;
use std::path::PathBuf;

use inferno_backend::{Error, ErrorKind};
use llama_cpp_2::model::{LlamaLoraAdapter, LlamaModel};

use crate::native::{self, Context};

/// Adapters that a request can apply at once.
const MOST: usize = 8;

/// Which adapters are applied; absent: none.
pub(crate) type Applied = Option<Mix>;

/// Adapters that are applied together, and the bits of how strongly. Equal mixes are the same model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Mix([Option<(u16, u32)>; MOST]);

impl Mix {
    /// Of these, each of which is named once; none: no mix.
    pub(crate) fn of(parts: &[(u16, u32)]) -> Applied {
        let mut mix = [None; MOST];
        for (place, part) in mix.iter_mut().zip(parts) {
            *place = Some(*part);
        }
        // In whatever order they were named.
        mix.sort_unstable_by_key(|part| (part.is_none(), *part));
        (!parts.is_empty()).then_some(Self(mix))
    }

    fn parts(self) -> impl Iterator<Item = (usize, f32)> {
        self.0.into_iter().flatten().map(|(index, scale)| (usize::from(index), f32::from_bits(scale)))
    }
}

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
        let mut found = Vec::new();
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
            let index = u16::try_from(index).unwrap_or(u16::MAX);
            if found.iter().any(|&(other, _)| other == index) {
                return Err(Error::invalid(format!("the adapter {name} is named twice"))
                    .hint("name it once, with the sum of the scales"));
            }
            found.push((index, scale.to_bits()));
        }
        found.retain(|&(_, scale)| f32::from_bits(scale) != 0.0);
        if found.len() > MOST {
            return Err(Error::invalid(format!("a request can apply {MOST} adapters at most"))
                .hint("merge some of them into one"));
        }
        Ok(Mix::of(&found))
    }

    /// Makes the context apply these and nothing else.
    pub(crate) fn apply(&mut self, wanted: Applied, context: &mut Context) -> Result<(), Error> {
        if wanted == self.current {
            return Ok(());
        }
        let parts: Vec<_> = wanted.into_iter().flat_map(Mix::parts).collect();
        let adapters: Vec<_> =
            parts.iter().filter_map(|&(index, scale)| Some((self.loaded.get(index)?, scale))).collect();
        if !context.set_adapters(&adapters) {
            return Err(Error::internal("llama.cpp cannot change adapters"));
        }
        self.current = wanted;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mix_is_the_same_in_any_order() {
        let one = 1.0_f32.to_bits();
        assert_eq!(Mix::of(&[]), None);
        assert_eq!(Mix::of(&[(2, one), (0, 0)]), Mix::of(&[(0, 0), (2, one)]));
        assert_ne!(Mix::of(&[(2, one)]), Mix::of(&[(0, one), (2, one)]));
        let parts: Vec<_> = Mix::of(&[(2, one), (0, one)]).unwrap().parts().collect();
        assert_eq!(parts, [(0, 1.0), (2, 1.0)]);
    }
}
