//! From GGUF to GGUF: other encodings, other metadata, one file into several or several into one. What is not asked for
//! stays as it is.

use std::path::Path;

use inferno_formats::gguf::{self, Contents, Head, Keep, Kind, Metadata, Tensor, TensorType, Value};
use inferno_sdk::Error;

use crate::fault::{internal, invalid, io};
use crate::given::Given;
use crate::options::Wish;
use crate::plan::{Change, Encoding, Input, Order, Output, Part, Plan, Source, Target};
use crate::quant::mix;
use crate::shards;

/// What a file of several says of itself.
const SPLIT: [&str; 3] = mix::REMOVED;

/// A tensor, the file that it is in and where it lies there.
struct Found {
    tensor: Tensor,
    input: usize,
    at: u64,
}

/// A model, in one file or several.
pub(crate) struct Model {
    pub(crate) inputs: Vec<Input>,
    /// That of the first file.
    pub(crate) first: Contents,
    found: Vec<Found>,
}

impl Model {
    /// Reads the headers of all files of a model.
    pub(crate) fn open(given: &Given) -> Result<Self, Error> {
        let names = given.files()?;
        let (mut inputs, mut found, mut first) = (Vec::new(), Vec::new(), None);
        for (input, name) in names.into_iter().enumerate() {
            let path = given.folder.join(&name);
            let contents = read(&path)?;
            let bytes = std::fs::metadata(&path).map_err(|error| io("read", &path, &error))?.len();
            for tensor in &contents.tensors {
                let at = contents.data + tensor.offset;
                found.push(Found { tensor: tensor.clone(), input, at });
            }
            inputs.push(Input { path: name, bytes });
            first.get_or_insert(contents);
        }
        let first = first.ok_or_else(|| internal("a model without a file"))?;
        Ok(Self { inputs, first, found })
    }

    /// Each tensor, which of the inputs it is in, and where in that file its numbers begin.
    pub(crate) fn tensors(&self) -> impl Iterator<Item = (&Tensor, usize, u64)> {
        self.found.iter().map(|found| (&found.tensor, found.input, found.at))
    }
}

pub(crate) fn read(path: &Path) -> Result<Contents, Error> {
    gguf::open(path, Keep::All).map_err(|error| invalid(format!("{}: {error}", path.display())))
}

/// The plan; `name` is what the result is called, or what its files are called after.
pub(crate) fn plan(given: &Given, wish: &Wish, name: &str) -> Result<Plan, Error> {
    let model = Model::open(given)?;
    let chosen = encodings(&model, wish)?;
    let head = |tensors: &[(usize, TensorType)]| -> Result<Head, Error> {
        let mut head = Head::new();
        for (place, kind) in tensors {
            let tensor =
                &model.found.get(*place).ok_or_else(|| internal("a tensor that is not there"))?.tensor;
            head.add(&tensor.name, &tensor.shape, *kind).map_err(invalid)?;
        }
        Ok(head)
    };
    let whole = head(&chosen)?;
    let dealt = match wish.split {
        Some(most) => shards::deal(whole.tensors(), most),
        None => vec![chosen.len()],
    };
    let stem = name.strip_suffix(".gguf").unwrap_or(name);
    let names =
        if wish.split.is_some() { shards::names(stem, dealt.len() as u64) } else { vec![name.to_owned()] };
    let (mut outputs, mut rest) = (Vec::new(), chosen.as_slice());
    for (number, (count, path)) in dealt.iter().zip(names).enumerate() {
        let (tensors, after) = rest.split_at(*count);
        rest = after;
        let mut head = head(tensors)?;
        if number == 0 {
            describe(&mut head, &model.first.metadata, wish)?;
        }
        if wish.split.is_some() {
            let count = u16::try_from(dealt.len()).map_err(|_| {
                invalid(format!("{} files are too many", dealt.len())).with_hint("choose a larger --split")
            })?;
            let all = i32::try_from(chosen.len()).map_err(|_| invalid("the model has too many tensors"))?;
            let values = [Value::U16(number as u16), Value::U16(count), Value::I32(all)];
            for (key, value) in SPLIT.into_iter().zip(values) {
                head.set(key, value);
            }
        }
        outputs.push(output(path, &head, tensors, &model)?);
    }
    Ok(Plan { inputs: model.inputs, outputs })
}

/// Which tensors come in what order, and how they are packed.
fn encodings(model: &Model, wish: &Wish) -> Result<Vec<(usize, TensorType)>, Error> {
    let stored: Vec<_> = model.found.iter().map(|found| found.tensor.kind).collect();
    let Some(file_type) = wish.file_type else { return Ok(stored.into_iter().enumerate().collect()) };
    let tensors: Vec<_> = model
        .found
        .iter()
        .map(|found| mix::Tensor {
            name: &found.tensor.name,
            shape: &found.tensor.shape,
            stored: found.tensor.kind.number,
        })
        .collect();
    let planned =
        mix::plan(file_type, facts(&model.first.metadata)?, &tensors, &wish.wishes).map_err(|trouble| {
            let words = invalid(trouble.to_string());
            match trouble {
                mix::Trouble::Quantized { .. } => {
                    words.with_hint("with --requantize it is done all the same")
                }
                _ => words,
            }
        })?;
    let kind = |(place, encoding): (usize, Option<crate::quant::Encoding>)| {
        let kind = match encoding {
            Some(encoding) => TensorType::from_number(encoding.number()),
            None => stored.get(place).copied(),
        };
        kind.map(|kind| (place, kind)).ok_or_else(|| internal("a mixture has a type that files do not"))
    };
    planned.into_iter().map(kind).collect()
}

fn facts(metadata: &Metadata) -> Result<mix::Facts<'_>, Error> {
    let architecture = metadata.text("general.architecture").ok_or_else(|| {
        invalid("the model does not say its architecture, on which it depends what tensors are packed as")
    })?;
    let first = |key: &str| -> Option<u64> {
        let whole = match metadata.get(&format!("{architecture}.{key}"))? {
            Value::Array(array) => array.whole().next()?,
            value => value.whole()?,
        };
        u64::try_from(whole).ok()
    };
    let heads = first("attention.head_count").unwrap_or(0);
    Ok(mix::Facts {
        architecture,
        layers: first("block_count").unwrap_or(0),
        heads,
        heads_kv: first("attention.head_count_kv").unwrap_or(heads),
        experts: first("expert_count").unwrap_or(0),
    })
}

/// The metadata: as it was, but for what changes.
fn describe(head: &mut Head, metadata: &Metadata, wish: &Wish) -> Result<(), Error> {
    for (key, value) in metadata.iter().filter(|(key, _)| !SPLIT.contains(key)) {
        head.set(key, value.clone());
    }
    for (key, number) in wish.file_type.map(mix::metadata).into_iter().flatten() {
        head.remove(key);
        head.set(key, Value::U32(number));
    }
    for (key, text) in &wish.metadata {
        if SPLIT.contains(&key.as_str()) || key == "general.alignment" {
            return Err(invalid(format!("metadata {key} follows from the file and cannot be chosen")));
        }
        head.set(key, value(key, text, metadata.get(key))?);
    }
    Ok(())
}

/// A value of the kind that the key has, or a text.
fn value(key: &str, text: &str, known: Option<&Value>) -> Result<Value, Error> {
    let wrong = |kind: &str| invalid(format!("metadata {key} is {kind}, and {text:?} is not"));
    fn read<T: std::str::FromStr>(text: &str, of: fn(T) -> Value) -> Option<Value> {
        text.parse().ok().map(of)
    }
    let (read, kind) = match known {
        None | Some(Value::Text(_)) => return Ok(Value::Text(text.to_owned())),
        Some(Value::U8(_)) => (read(text, Value::U8), "a number from 0 to 255"),
        Some(Value::I8(_)) => (read(text, Value::I8), "a number from -128 to 127"),
        Some(Value::U16(_)) => (read(text, Value::U16), "a number from 0 to 65535"),
        Some(Value::I16(_)) => (read(text, Value::I16), "a number of 16 bits"),
        Some(Value::U32(_)) => (read(text, Value::U32), "a number of 32 bits without a sign"),
        Some(Value::I32(_)) => (read(text, Value::I32), "a number of 32 bits"),
        Some(Value::U64(_)) => (read(text, Value::U64), "a number of 64 bits without a sign"),
        Some(Value::I64(_)) => (read(text, Value::I64), "a number of 64 bits"),
        Some(Value::F32(_)) => (read(text, Value::F32), "a number"),
        Some(Value::F64(_)) => (read(text, Value::F64), "a number"),
        Some(Value::Bool(_)) => (read(text, Value::Bool), "true or false"),
        Some(Value::Array(_) | Value::Skipped) => {
            return Err(invalid(format!("metadata {key} is a list and cannot be set")));
        }
    };
    read.ok_or_else(|| wrong(kind))
}

fn output(
    path: String,
    head: &Head,
    tensors: &[(usize, TensorType)],
    model: &Model,
) -> Result<Output, Error> {
    let bytes = head.to_bytes().map_err(invalid)?;
    let start = bytes.len() as u64;
    let mut targets = Vec::new();
    for (written, (place, kind)) in head.tensors().iter().zip(tensors) {
        let found = model.found.get(*place).ok_or_else(|| internal("a tensor that is not there"))?;
        let columns = written.shape.first().copied().unwrap_or(1);
        let rows = written.elements.checked_div(columns).unwrap_or(0);
        let part = Part {
            input: found.input,
            offset: found.at,
            rows,
            encoding: Encoding::Ggml(found.tensor.kind),
            order: Order::Straight,
            change: Change::None,
        };
        targets.push(Target {
            name: written.name.clone(),
            offset: start + written.offset,
            rows,
            columns,
            encoding: Encoding::Ggml(*kind),
            source: Source::Parts { parts: vec![part] },
        });
    }
    Ok(Output { path, head: bytes, tensors: targets, bytes: start + head.data_bytes() })
}

/// What a value is called.
pub(crate) fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::U8 => "u8",
        Kind::I8 => "i8",
        Kind::U16 => "u16",
        Kind::I16 => "i16",
        Kind::U32 => "u32",
        Kind::I32 => "i32",
        Kind::F32 => "f32",
        Kind::Bool => "bool",
        Kind::Text => "text",
        Kind::Array => "array",
        Kind::U64 => "u64",
        Kind::I64 => "i64",
        Kind::F64 => "f64",
    }
}
