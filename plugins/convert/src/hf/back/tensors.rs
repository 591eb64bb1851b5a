//! Which tensor of a GGUF file becomes which one of a folder.

use std::collections::HashMap;

use inferno_formats::gguf::Tensor;

use super::super::Error;
use super::super::layout::{Name, Need, Role, numbered};
use super::config::Model;
use super::facts::Facts;
use crate::plan::{Change, Encoding, Order, Part, Source};

/// A tensor, the file that it is in, and where it lies there.
pub(super) struct Found {
    pub(super) tensor: Tensor,
    pub(super) input: usize,
    pub(super) offset: u64,
}

/// A tensor before it has its place in the file.
pub(super) struct Draft {
    pub(super) name: String,
    /// The dimension that lies closest together last.
    pub(super) shape: Vec<u64>,
    pub(super) rows: u64,
    pub(super) columns: u64,
    pub(super) source: Source,
}

/// Finds each tensor that the model must have, and refuses those that have no place in it.
pub(super) fn place(facts: &Facts<'_>, model: &Model, found: Vec<Found>) -> Result<Vec<Draft>, Error> {
    let mut found: HashMap<String, Found> =
        found.into_iter().map(|found| (found.tensor.name.clone(), found)).collect();
    if model.stretched {
        found.remove("rope_freqs.weight");
    }
    let mut drafts = Vec::new();
    for name in model.names.iter().filter(|name| !name.in_layers()) {
        take(facts, model, name, None, &mut found, &mut drafts)?;
    }
    for layer in 0..model.lengths.layers {
        for name in model.names.iter().filter(|name| name.in_layers()) {
            take(facts, model, name, Some(layer), &mut found, &mut drafts)?;
        }
    }
    match found.keys().min() {
        Some(name) => {
            Err(facts.wrong(format!("tensor {name:?} has no place in a {} of Hugging Face", facts.arch)))
        }
        None => Ok(drafts),
    }
}

fn take(
    facts: &Facts<'_>,
    model: &Model,
    name: &Name,
    layer: Option<u32>,
    found: &mut HashMap<String, Found>,
    drafts: &mut Vec<Draft>,
) -> Result<(), Error> {
    let in_layer = |name: &str| layer.map_or_else(|| name.to_owned(), |layer| numbered(name, layer));
    for (suffix, needed) in
        [(".weight", name.need != Need::Untied || !model.tied), (".bias", name.need == Need::Both)]
    {
        let from = format!("{}{suffix}", in_layer(name.gguf));
        let Some(tensor) = found.remove(&from) else {
            if needed {
                return Err(facts.wrong(format!("tensor {from:?} is missing")));
            }
            continue;
        };
        let whole: Vec<u64> = name.shape.iter().map(|dim| model.lengths.of(*dim)).collect();
        let shape = if suffix == ".bias" { whole[..1].to_vec() } else { whole };
        if !tensor.tensor.shape.iter().rev().eq(&shape) {
            let message = format!(
                "tensor {from:?} has the shape {:?}, but must have {shape:?} from behind",
                tensor.tensor.shape
            );
            return Err(facts.wrong(message));
        }
        let to = format!("{}{suffix}", in_layer(name.hf));
        drafts.push(draft(model, name.role, to, shape, &tensor));
    }
    Ok(())
}

fn draft(model: &Model, role: Role, name: String, shape: Vec<u64>, found: &Found) -> Draft {
    let order = match role {
        Role::Query => Order::Deinterleaved { heads: model.lengths.heads.into() },
        Role::Key => Order::Deinterleaved { heads: model.lengths.key_heads.into() },
        Role::Plain | Role::Norm | Role::Position => Order::Straight,
    };
    let (rows, columns) = match *shape.as_slice() {
        [rows, columns] => (rows, columns),
        [numbers] if order != Order::Straight => (numbers, 1),
        _ => (1, shape.iter().product()),
    };
    let part = Part {
        input: found.input,
        offset: found.offset,
        rows,
        encoding: Encoding::Ggml(found.tensor.kind),
        order,
        change: if role == Role::Norm { Change::Add(-1.0) } else { Change::None },
    };
    Draft { name, shape, rows, columns, source: Source::Parts { parts: vec![part] } }
}
