//! Tensors as JSON: `{"name": {"dtype": "f32", "shape": [2], "data": [0.5, 1.5]}}`.

use std::borrow::Cow;
use std::fmt::{Debug, Display, Write};

use half::{bf16, f16};
use inferno_backend::{Emit, Error, Event, Finish, Tensors, Usage};
use ort::session::{Session, SessionInputValue};
use ort::value::{DynValue, PrimitiveTensorElementType, Tensor, TensorElementType as Kind};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::graph::Port;
use crate::texts::computing;

/// Numbers that all outputs may have together: as JSON they take ten bytes and more each.
const MOST_NUMBERS: usize = 16 << 20;
/// Bytes of text in one event.
const PIECE: usize = 1 << 20;

/// Types by name; the other names are NumPy's.
const KINDS: &[(&str, &str, Kind)] = &[
    ("f32", "float32", Kind::Float32),
    ("f16", "float16", Kind::Float16),
    ("bf16", "bfloat16", Kind::Bfloat16),
    ("f64", "float64", Kind::Float64),
    ("i8", "int8", Kind::Int8),
    ("i16", "int16", Kind::Int16),
    ("i32", "int32", Kind::Int32),
    ("i64", "int64", Kind::Int64),
    ("u8", "uint8", Kind::Uint8),
    ("u16", "uint16", Kind::Uint16),
    ("u32", "uint32", Kind::Uint32),
    ("u64", "uint64", Kind::Uint64),
    ("bool", "bool", Kind::Bool),
    ("string", "str", Kind::String),
];

/// One input as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    dtype: String,
    shape: Vec<usize>,
    data: Value,
}

/// Requests that wait for the next step.
#[derive(Default)]
pub(crate) struct Computer {
    waiting: Vec<(u64, Vec<(String, DynValue)>)>,
    cancelled: Vec<u64>,
}

impl Computer {
    /// Takes a request in, if its tensors are those of the graph.
    pub(crate) fn submit(&mut self, id: u64, work: &Tensors, ports: &[Port]) -> Result<(), Error> {
        self.waiting.push((id, read(&work.inputs, ports)?));
        Ok(())
    }

    /// Ends a request that was not computed yet.
    pub(crate) fn cancel(&mut self, id: u64) {
        let before = self.waiting.len();
        self.waiting.retain(|(waiting, _)| *waiting != id);
        if self.waiting.len() < before {
            self.cancelled.push(id);
        }
    }

    /// Computes one request. False: there is nothing left to do.
    pub(crate) fn step(&mut self, session: &mut Session, emit: Emit<'_>) -> bool {
        let usage = Usage::new(0, 0);
        for id in self.cancelled.drain(..) {
            emit(id, Event::Done { finish: Finish::Cancelled, usage });
        }
        if self.waiting.is_empty() {
            return false;
        }
        let (id, inputs) = self.waiting.remove(0);
        emit(id, Event::Started { prompt_tokens: 0 });
        match compute(session, inputs) {
            Ok(text) => {
                let mut rest = text.as_str();
                while !rest.is_empty() {
                    let (piece, after) = rest.split_at(rest.floor_char_boundary(PIECE));
                    emit(id, Event::Text(piece.to_owned()));
                    rest = after;
                }
                emit(id, Event::Done { finish: Finish::Stop, usage });
            }
            Err(error) => emit(id, Event::Failed(error)),
        }
        !self.waiting.is_empty()
    }
}

/// A port in words: `x: f32 [1, any]`.
fn described(port: &Port) -> String {
    let sizes: Vec<String> =
        port.shape.iter().map(|&size| if size < 0 { "any".to_owned() } else { size.to_string() }).collect();
    format!("{}: {} [{}]", port.name, name(port.kind), sizes.join(", "))
}

fn name(kind: Kind) -> String {
    let known = KINDS.iter().find(|(.., known)| *known == kind);
    known.map_or_else(|| kind.to_string(), |(name, ..)| (*name).to_owned())
}

fn read(inputs: &Map<String, Value>, ports: &[Port]) -> Result<Vec<(String, DynValue)>, Error> {
    let wants = || {
        let all: Vec<String> = ports.iter().map(described).collect();
        format!("the graph takes {}", all.join("; "))
    };
    if let Some(other) = inputs.keys().find(|name| !ports.iter().any(|port| port.name == **name)) {
        return Err(Error::invalid(format!("the graph has no input {other:?}")).hint(wants()));
    }
    let mut tensors = Vec::with_capacity(ports.len());
    for port in ports {
        let value = inputs
            .get(&port.name)
            .ok_or_else(|| Error::invalid(format!("the input {:?} is missing", port.name)).hint(wants()))?;
        let tensor = tensor(value, port).map_err(|why| {
            Error::invalid(format!("the input {:?} cannot be used: {why}", port.name)).hint(wants())
        })?;
        tensors.push((port.name.clone(), tensor));
    }
    Ok(tensors)
}

fn tensor(value: &Value, port: &Port) -> Result<DynValue, String> {
    let Written { dtype, shape, data } = Written::deserialize(value).map_err(|error| error.to_string())?;
    let kind =
        KINDS.iter().find(|(ours, numpys, _)| *ours == dtype || *numpys == dtype).map(|(.., kind)| *kind);
    let kind = kind.ok_or_else(|| {
        let names: Vec<&str> = KINDS.iter().map(|(name, ..)| *name).collect();
        format!("there is no type {dtype:?}, only {}", names.join(", "))
    })?;
    if kind != port.kind {
        return Err(format!("it is {dtype}, but the graph wants {}", name(port.kind)));
    }
    let fits = |(&size, &wanted): (&usize, &i64)| wanted < 0 || usize::try_from(wanted) == Ok(size);
    if shape.len() != port.shape.len() || !shape.iter().zip(&port.shape).all(fits) {
        return Err(format!("its shape is {shape:?}"));
    }
    let count = shape.iter().try_fold(1_usize, |product, &size| product.checked_mul(size));
    let mut flat = Vec::new();
    flatten(&data, &mut flat);
    if count != Some(flat.len()) {
        return Err(format!("its shape is {shape:?}, but it has {} values", flat.len()));
    }
    match kind {
        Kind::Float32 => made(shape, &flat, |value| Some(value.as_f64()? as f32)),
        Kind::Float16 => made(shape, &flat, |value| Some(f16::from_f64(value.as_f64()?))),
        Kind::Bfloat16 => made(shape, &flat, |value| Some(bf16::from_f64(value.as_f64()?))),
        Kind::Float64 => made(shape, &flat, Value::as_f64),
        Kind::Int8 => made(shape, &flat, |value| i8::try_from(value.as_i64()?).ok()),
        Kind::Int16 => made(shape, &flat, |value| i16::try_from(value.as_i64()?).ok()),
        Kind::Int32 => made(shape, &flat, |value| i32::try_from(value.as_i64()?).ok()),
        Kind::Int64 => made(shape, &flat, Value::as_i64),
        Kind::Uint8 => made(shape, &flat, |value| u8::try_from(value.as_u64()?).ok()),
        Kind::Uint16 => made(shape, &flat, |value| u16::try_from(value.as_u64()?).ok()),
        Kind::Uint32 => made(shape, &flat, |value| u32::try_from(value.as_u64()?).ok()),
        Kind::Uint64 => made(shape, &flat, Value::as_u64),
        Kind::Bool => made(shape, &flat, Value::as_bool),
        _ => {
            let texts: Option<Vec<String>> =
                flat.iter().map(|value| value.as_str().map(str::to_owned)).collect();
            let texts = texts.ok_or("one of its values is no text")?;
            let tensor = Tensor::from_string_array((shape, texts.as_slice()));
            tensor.map(|tensor| tensor.into_dyn()).map_err(|error| error.to_string())
        }
    }
}

fn made<T: PrimitiveTensorElementType + Debug + Clone + 'static>(
    shape: Vec<usize>,
    values: &[&Value],
    number: impl Fn(&Value) -> Option<T>,
) -> Result<DynValue, String> {
    let mut numbers = Vec::with_capacity(values.len());
    for value in values {
        numbers.push(number(value).ok_or_else(|| format!("{value} is no value of its type"))?);
    }
    Tensor::from_array((shape, numbers)).map(|tensor| tensor.into_dyn()).map_err(|error| error.to_string())
}

/// The values of lists in lists, in order.
fn flatten<'a>(value: &'a Value, flat: &mut Vec<&'a Value>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| flatten(item, flat)),
        value => flat.push(value),
    }
}

fn compute(session: &mut Session, inputs: Vec<(String, DynValue)>) -> Result<String, Error> {
    let inputs: Vec<(Cow<'_, str>, SessionInputValue<'_>)> =
        inputs.into_iter().map(|(name, value)| (Cow::Owned(name), value.into())).collect();
    let outputs = session.run(inputs).map_err(computing)?;
    let mut text = String::from("{");
    let mut count = 0_usize;
    for (name, value) in outputs.iter() {
        let shape = value.dtype().tensor_shape().cloned();
        let shape = shape.ok_or_else(|| Error::invalid(format!("the output {name:?} is no tensor")))?;
        count = count.saturating_add(shape.num_elements());
        if count > MOST_NUMBERS {
            return Err(Error::invalid(format!("the outputs have more than {MOST_NUMBERS} values together")));
        }
        if text.len() > 1 {
            text.push(',');
        }
        write(&mut text, name, &value)?;
    }
    text.push_str("}\n");
    Ok(text)
}

fn write(text: &mut String, output: &str, value: &DynValue) -> Result<(), Error> {
    let (kind, shape) = value
        .dtype()
        .tensor_type()
        .zip(value.dtype().tensor_shape())
        .ok_or_else(|| Error::invalid(format!("the output {output:?} is no tensor")))?;
    let _ = write!(
        text,
        "{}:{{\"dtype\":\"{}\",\"shape\":{:?},\"data\":[",
        Value::from(output),
        name(kind),
        &**shape
    );
    match kind {
        Kind::Float32 => floats(text, extract::<f32>(value)?, |number| f64::from(*number)),
        Kind::Float16 => floats(text, extract::<f16>(value)?, |number| number.to_f64()),
        Kind::Bfloat16 => floats(text, extract::<bf16>(value)?, |number| number.to_f64()),
        Kind::Float64 => floats(text, extract::<f64>(value)?, |number| *number),
        Kind::Int8 => list(text, extract::<i8>(value)?),
        Kind::Int16 => list(text, extract::<i16>(value)?),
        Kind::Int32 => list(text, extract::<i32>(value)?),
        Kind::Int64 => list(text, extract::<i64>(value)?),
        Kind::Uint8 => list(text, extract::<u8>(value)?),
        Kind::Uint16 => list(text, extract::<u16>(value)?),
        Kind::Uint32 => list(text, extract::<u32>(value)?),
        Kind::Uint64 => list(text, extract::<u64>(value)?),
        Kind::Bool => list(text, extract::<bool>(value)?),
        Kind::String => {
            let (_, strings) = value.try_extract_strings().map_err(computing)?;
            list(text, &strings.into_iter().map(Value::from).collect::<Vec<_>>());
        }
        other => {
            return Err(Error::invalid(format!(
                "the output {output:?} has the type {other}, which JSON does not hold"
            )));
        }
    }
    text.push_str("]}");
    Ok(())
}

fn extract<T: PrimitiveTensorElementType>(value: &DynValue) -> Result<&[T], Error> {
    value.try_extract_tensor::<T>().map(|(_, data)| data).map_err(computing)
}

fn list<T: Display>(text: &mut String, values: &[T]) {
    for (at, value) in values.iter().enumerate() {
        let _ = write!(text, "{}{value}", if at > 0 { "," } else { "" });
    }
}

/// Numbers as short as they can be told apart; what is no number is `null`, since JSON has none such.
fn floats<T: Debug>(text: &mut String, values: &[T], number: impl Fn(&T) -> f64) {
    for (at, value) in values.iter().enumerate() {
        text.push_str(if at > 0 { "," } else { "" });
        if number(value).is_finite() {
            let _ = write!(text, "{value:?}");
        } else {
            text.push_str("null");
        }
    }
}
