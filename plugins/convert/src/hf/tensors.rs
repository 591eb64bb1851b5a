//! Which tensor of a folder becomes which one of a GGUF file.

use std::collections::BTreeMap;

use inferno_formats::gguf::TensorType;
use inferno_formats::safetensors::Dtype;

use super::Error;
use super::family::Model;
use super::layout::{Name, Need, Role, numbered};
use super::weights::{Weight, Weights};
use crate::plan::{Change, Encoding, Order, Part, Source};

/// Where errors about tensors point to, whichever shard they are in.
const FILE: &str = "model.safetensors";

/// A tensor before it has its place in the file.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) name: String,
    /// The dimension that lies closest together first, as GGUF has it.
    pub(super) shape: Vec<u64>,
    pub(super) kind: TensorType,
    /// Rows as they are worked on; a vector that changes its order has rows of one number.
    pub(super) rows: u64,
    pub(super) columns: u64,
    pub(super) source: Source,
}

/// How the numbers of matrices are packed. All else are floats of 32 bits, as llama.cpp wants it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Packing {
    pub(super) matrices: TensorType,
    /// What those take whose rows are no whole number of blocks.
    pub(super) otherwise: TensorType,
    pub(super) vectors: TensorType,
}

/// Finds each tensor that the model must have, and refuses those that have no place in it.
pub(super) fn place(model: &Model, weights: Weights, packing: Packing) -> Result<Vec<Draft>, Error> {
    let mut found = by_name(model, weights)?;
    let mut drafts = Vec::new();
    for (name, numbers) in &model.made {
        drafts.push(made(name, numbers, packing));
    }
    for name in model.names.iter().filter(|name| !name.in_layers()) {
        take(model, name, None, &mut found, packing, &mut drafts)?;
    }
    for layer in 0..model.lengths.layers {
        for name in model.names.iter().filter(|name| name.in_layers()) {
            take(model, name, Some(layer), &mut found, packing, &mut drafts)?;
        }
    }
    match found.keys().next() {
        Some(name) => Err(Error::new(
            FILE,
            format!("tensor {name:?} has no place in a {} of {} layers", model.arch, model.lengths.layers),
        )),
        None => Ok(drafts),
    }
}

/// The tensors by the names that the tables have, without those that are left out.
fn by_name(model: &Model, weights: Weights) -> Result<BTreeMap<String, Weight>, Error> {
    let mut found = BTreeMap::new();
    let bare =
        !weights.tensors.keys().any(|name| name.starts_with("model.") || name.starts_with("language_model."));
    for (name, weight) in weights.tensors {
        let left_out = |prefix: &&str| {
            name.starts_with(*prefix) || (prefix.starts_with("rotary") && name.contains(*prefix))
        };
        if model.left_out.iter().any(left_out) {
            continue;
        }
        let mut known =
            model.prefixes.iter().find_map(|prefix| name.strip_prefix(prefix)).unwrap_or(&name).to_owned();
        // Older BERTs name the numbers of their norms otherwise.
        for (old, new) in [(".gamma", ".weight"), (".beta", ".bias")] {
            if let Some(stem) = known.strip_suffix(old) {
                known = format!("{stem}{new}");
            }
        }
        let in_model = model.names.iter().any(|name| name.hf.starts_with("model."));
        let inner =
            in_model && (bare || name.starts_with("model.language_model.")) && !known.starts_with("lm_head.");
        if inner && !known.starts_with("model.") {
            known = format!("model.{known}");
        }
        if model.left_out.iter().any(|prefix| known.starts_with(prefix))
            || (model.tied && known.starts_with("lm_head."))
        {
            continue;
        }
        if found.insert(known.clone(), weight).is_some() {
            return Err(Error::new(FILE, format!("there are two tensors for {known:?}")));
        }
    }
    Ok(found)
}

/// Takes the weight and the bias of one name out of those that were found.
fn take(
    model: &Model,
    name: &Name,
    layer: Option<u32>,
    found: &mut BTreeMap<String, Weight>,
    packing: Packing,
    drafts: &mut Vec<Draft>,
) -> Result<(), Error> {
    let in_layer = |name: &str| layer.map_or_else(|| name.to_owned(), |layer| numbered(name, layer));
    let (from, to) = (in_layer(name.hf), in_layer(name.gguf));
    for (suffix, needed) in
        [(".weight", name.need != Need::Untied || !model.tied), (".bias", name.need == Need::Both)]
    {
        let from = format!("{from}{suffix}");
        let to = format!("{to}{suffix}");
        let Some(weight) = found.remove(&from) else {
            if needed {
                return Err(Error::new(FILE, format!("tensor {from:?} is missing")));
            }
            continue;
        };
        let whole: Vec<u64> = name.shape.iter().map(|dim| model.lengths.of(*dim)).collect();
        let expected = if suffix == ".bias" { &whole[..1] } else { &whole[..] };
        if weight.shape != expected {
            let message = format!(
                "tensor {from:?} has the shape {:?}, but by config.json it must have {expected:?}",
                weight.shape
            );
            return Err(Error::new(FILE, message));
        }
        drafts.push(
            draft(model, name.role, to, weight, packing)
                .map_err(|why| Error::new(FILE, format!("tensor {from:?} {why}")))?,
        );
    }
    Ok(())
}

fn draft(model: &Model, role: Role, name: String, weight: Weight, packing: Packing) -> Result<Draft, String> {
    let Some(encoding) = number(weight.dtype) else {
        return Err(format!(
            "holds {}, but only F64, F32, F16 and BF16 are numbers of a model",
            weight.dtype.name()
        ));
    };
    let vector = weight.shape.len() == 1;
    let order = match role {
        Role::Query => Order::Interleaved { heads: model.lengths.heads.into() },
        Role::Key => Order::Interleaved { heads: model.lengths.key_heads.into() },
        Role::Plain | Role::Norm | Role::Position => Order::Straight,
    };
    let (all_rows, columns) = match *weight.shape.as_slice() {
        [numbers] if order == Order::Straight => (1, numbers),
        // The order is one of rows, so each number of a vector is one.
        [numbers] => (numbers, 1),
        [rows, columns] => (rows, columns),
        _ => return Err(format!("has {} dimensions", weight.shape.len())),
    };
    let skipped = if role == Role::Position { u64::from(model.lengths.skipped) } else { 0 };
    let rows = all_rows.saturating_sub(skipped);
    let row_bytes = encoding.row_bytes(columns).ok_or("is larger than every file")?;
    let part = Part {
        input: weight.input,
        offset: weight.offset + skipped * row_bytes,
        rows,
        encoding,
        order,
        change: if role == Role::Norm { Change::Add(1.0) } else { Change::None },
    };
    Ok(Draft {
        kind: kind(&name, vector, columns, packing),
        shape: if vector { vec![rows * columns] } else { vec![columns, rows] },
        name,
        rows,
        columns,
        source: Source::Parts { parts: vec![part] },
    })
}

fn made(name: &str, numbers: &[f32], packing: Packing) -> Draft {
    let columns = numbers.len() as u64;
    let source = Source::Numbers { numbers: numbers.to_vec() };
    Draft { name: name.to_owned(), shape: vec![columns], kind: packing.vectors, rows: 1, columns, source }
}

/// How a tensor is packed in GGUF.
fn kind(name: &str, vector: bool, columns: u64, packing: Packing) -> TensorType {
    let small = ["position_embd.weight", "token_types.weight"].contains(&name);
    if vector || small || name.ends_with("_norm.weight") || !name.ends_with(".weight") {
        packing.vectors
    } else if packing.matrices.row_bytes(columns).is_some() {
        packing.matrices
    } else {
        packing.otherwise
    }
}

/// How the numbers of a type lie, where they are numbers with a point.
fn number(dtype: Dtype) -> Option<Encoding> {
    matches!(dtype, Dtype::F64 | Dtype::F32 | Dtype::F16 | Dtype::BF16).then(|| Encoding::of_dtype(dtype))
}
