//! Tensors of the GGUF file on their way into the file beside the graph.

use std::collections::{HashMap, HashSet};

use inferno_formats::gguf::{Tensor, TensorType};

use super::graph::{Graph, Value};
use super::proto::{self, Attribute, Elements};
use super::{Precision, Stored};
use crate::plan::{Change, Encoding, Order, Output, Part, Source, Target};

/// Beside the graph, under the name that the graph looks for.
pub(super) const DATA_FILE: &str = "model.onnx_data";
/// What a tensor's place is a multiple of: a page, so that runtimes can map the file.
const ALIGNMENT: u64 = 4096;
const F32: Encoding = Encoding::Ggml(TensorType { number: 0, name: "F32", block: 1, bytes: 4 });
const F16: Encoding = Encoding::Ggml(TensorType { number: 1, name: "F16", block: 1, bytes: 2 });

/// What was taken, and what is there to take.
pub(super) struct Weights<'a> {
    precision: Precision,
    there: HashMap<&'a str, Stored<'a>>,
    taken: HashSet<String>,
    targets: Vec<Target>,
    end: u64,
}

impl<'a> Weights<'a> {
    pub(super) fn new(tensors: impl IntoIterator<Item = Stored<'a>>, precision: Precision) -> Self {
        Self {
            precision,
            there: tensors.into_iter().map(|stored| (stored.tensor.name.as_str(), stored)).collect(),
            taken: HashSet::new(),
            targets: Vec::new(),
            end: 0,
        }
    }

    /// Whether the file has a tensor of this name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.there.contains_key(name)
    }

    /// The lengths of a matrix: how many rows there are, and how many numbers in one.
    pub(super) fn size(&self, name: &str) -> Result<(u64, u64), String> {
        let tensor = self.find(name)?.tensor;
        match *lengths(tensor) {
            [columns, rows] if columns > 0 && rows > 0 => Ok((rows, columns)),
            _ => Err(format!("tensor {name} has the shape {:?}, but a matrix is wanted", tensor.shape)),
        }
    }

    fn find(&self, name: &str) -> Result<Stored<'a>, String> {
        self.there.get(name).copied().ok_or_else(|| {
            format!("the file has no tensor {name}, which a model of this architecture must have")
        })
    }

    /// A matrix as numbers of 32 bits.
    pub(super) fn matrix(
        &mut self,
        graph: &mut Graph,
        name: &str,
        (rows, columns): (u64, u64),
        order: Order,
    ) -> Result<Value, String> {
        let stored = self.stored(graph, name, (rows, columns), order)?;
        Ok(self.widened(graph, &stored))
    }

    /// A matrix as it is kept. One that is taken twice is kept once.
    pub(super) fn stored(
        &mut self,
        graph: &mut Graph,
        name: &str,
        (rows, columns): (u64, u64),
        order: Order,
    ) -> Result<Value, String> {
        let found = self.find(name)?;
        expect_shape(found.tensor, &[columns, rows])?;
        let encoding = match self.precision {
            Precision::Full => F32,
            Precision::Half => F16,
        };
        self.take(graph, found, &[rows, columns], encoding, order)?;
        Ok(name.to_owned())
    }

    /// What is kept as numbers of 16 bits, as numbers of 32: everything is computed with those, since few processors can do
    /// better, and runtimes widen a constant once, when they load the model.
    pub(super) fn widened(&self, graph: &mut Graph, stored: &str) -> Value {
        match self.precision {
            Precision::Full => stored.to_owned(),
            Precision::Half => graph.node("Cast", &[stored], &[Attribute::int("to", Elements::F32 as i64)]),
        }
    }

    /// A list of numbers. It is kept with 32 bits always, since it is short and much depends on it.
    pub(super) fn vector(
        &mut self,
        graph: &mut Graph,
        name: &str,
        length: u64,
        order: Order,
    ) -> Result<Value, String> {
        let found = self.find(name)?;
        expect_shape(found.tensor, &[length])?;
        self.take(graph, found, &[length], F32, order)?;
        Ok(name.to_owned())
    }

    /// Plans the way of a tensor whose shape was checked; `dims` has the rows first.
    fn take(
        &mut self,
        graph: &mut Graph,
        found: Stored<'_>,
        dims: &[u64],
        encoding: Encoding,
        order: Order,
    ) -> Result<(), String> {
        let Stored { tensor, input, offset } = found;
        if !self.taken.insert(tensor.name.clone()) {
            return Ok(());
        }
        let (rows, columns) = match (dims, order) {
            (&[rows, columns], _) => (rows, columns),
            // Numbers that change places are rows of one.
            (&[length], Order::Straight) => (1, length),
            _ => (tensor.elements, 1),
        };
        let source = Encoding::Ggml(tensor.kind);
        if source.row_bytes(columns).is_none() {
            return Err(format!(
                "the numbers of {} must change places, which numbers packed as {} cannot",
                tensor.name, tensor.kind.name
            ));
        }
        let part = Part { input, offset, rows, encoding: source, order, change: Change::None };
        let target = Target {
            name: tensor.name.clone(),
            offset: self.end,
            rows,
            columns,
            encoding,
            source: Source::Parts { parts: vec![part] },
        };
        let too_large = || format!("tensor {} is larger than every file", tensor.name);
        let bytes = target.bytes().ok_or_else(too_large)?;
        let end = target.offset.checked_add(bytes).and_then(|end| end.checked_next_multiple_of(ALIGNMENT));
        self.end = end.ok_or_else(too_large)?;
        graph.external(external(&target, dims, bytes));
        self.targets.push(target);
        Ok(())
    }

    /// The file with everything that was taken. What was not would be missing from the graph, so that is an error; `ignored`
    /// are those that no computation needs.
    pub(super) fn finish(self, ignored: &[&str]) -> Result<Output, String> {
        let mut left: Vec<&str> = self
            .there
            .keys()
            .copied()
            .filter(|name| !self.taken.contains(*name) && !ignored.contains(name))
            .collect();
        left.sort_unstable();
        if let Some(first) = left.first() {
            return Err(format!(
                "the file has {} tensors that have no place in a plain model of its architecture, {first} among them: it \
                 computes something else than what is written here",
                left.len()
            ));
        }
        Ok(Output { path: DATA_FILE.to_owned(), head: Vec::new(), tensors: self.targets, bytes: self.end })
    }
}

/// What the graph says of a tensor in the other file.
fn external(target: &Target, dims: &[u64], bytes: u64) -> proto::Tensor {
    let elements = if target.encoding == F16 { Elements::F16 } else { Elements::F32 };
    let entry = |key: &str, value: String| proto::Entry { key: key.to_owned(), value };
    proto::Tensor {
        dims: dims.iter().map(|&dim| dim as i64).collect(),
        data_type: elements as i32,
        name: target.name.clone(),
        raw_data: None,
        external_data: vec![
            entry("location", DATA_FILE.to_owned()),
            entry("offset", target.offset.to_string()),
            entry("length", bytes.to_string()),
        ],
        data_location: Some(proto::EXTERNAL),
    }
}

/// The shape without the ones at its end, which say nothing.
fn lengths(tensor: &Tensor) -> &[u64] {
    let mut shape = tensor.shape.as_slice();
    while let [rest @ .., 1] = shape
        && !rest.is_empty()
    {
        shape = rest;
    }
    shape
}

fn expect_shape(tensor: &Tensor, wanted: &[u64]) -> Result<(), String> {
    let mut wanted = wanted;
    while let [rest @ .., 1] = wanted
        && !rest.is_empty()
    {
        wanted = rest;
    }
    if lengths(tensor) == wanted && !wanted.contains(&0) {
        return Ok(());
    }
    Err(format!(
        "tensor {} has the shape {:?}, but by the file's metadata it must be {wanted:?}",
        tensor.name, tensor.shape
    ))
}
