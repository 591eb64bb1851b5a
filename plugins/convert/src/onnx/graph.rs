//! A graph that is being put together, node by node.

use std::collections::HashMap;

use super::proto::{self, Attribute, Dimension, Elements};

/// The version of the operators. 18 is the first in which all that are used here have their present form, and so the one
/// that the most runtimes know.
const OPSET: i64 = 18;
/// The version of the file format that came with it.
const IR_VERSION: i64 = 8;

/// What a node reads: the name of a value.
pub(super) type Value = String;

/// A dimension of what goes in or comes out.
#[derive(Clone, Copy, Debug)]
pub(super) enum Side<'a> {
    /// Always this.
    Fixed(u64),
    /// As the caller chooses; the same wherever the name is the same.
    Named(&'a str),
}

/// Nodes, constants, and what goes in and comes out.
#[derive(Debug, Default)]
pub(super) struct Graph {
    parts: proto::Graph,
    /// Constants that are there already, by type and bytes and shape.
    constants: HashMap<(i32, Vec<i64>, Vec<u8>), Value>,
    scope: String,
}

impl Graph {
    /// Says which part of the model the nodes that follow belong to; it is in their names.
    pub(super) fn scope(&mut self, scope: impl Into<String>) {
        self.scope = scope.into();
    }

    /// Something that goes in.
    pub(super) fn input(&mut self, name: &str, elements: Elements, shape: &[Side<'_>]) -> Value {
        self.parts.input.push(value_info(name, elements, shape));
        name.to_owned()
    }

    /// Something that comes out, which a node gives this name to.
    pub(super) fn output(&mut self, name: &str, shape: &[Side<'_>]) {
        self.parts.output.push(value_info(name, Elements::F32, shape));
    }

    /// A node; what comes out of it gets a name of its own.
    pub(super) fn node(&mut self, operator: &str, inputs: &[&str], attributes: &[Attribute]) -> Value {
        let name = format!("{}/{operator}.{}", self.scope, self.parts.node.len());
        self.named(&name, operator, inputs, attributes)
    }

    /// A node; what comes out of it is called `name`.
    pub(super) fn named(
        &mut self,
        name: &str,
        operator: &str,
        inputs: &[&str],
        attributes: &[Attribute],
    ) -> Value {
        self.parts.node.push(proto::Node {
            input: inputs.iter().map(|&input| input.to_owned()).collect(),
            output: vec![name.to_owned()],
            name: name.to_owned(),
            op_type: operator.to_owned(),
            attribute: attributes.to_vec(),
        });
        name.to_owned()
    }

    /// The two halves of the last dimension.
    pub(super) fn halves(&mut self, value: &str) -> (Value, Value) {
        let first =
            self.node("Split", &[value], &[Attribute::int("axis", -1), Attribute::int("num_outputs", 2)]);
        let second = format!("{first}.second");
        if let Some(split) = self.parts.node.last_mut() {
            split.output.push(second.clone());
        }
        (first, second)
    }

    /// A list of whole numbers, such as a shape or axes.
    pub(super) fn numbers(&mut self, numbers: &[i64]) -> Value {
        let bytes = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        self.constant(Elements::I64, vec![numbers.len() as i64], bytes)
    }

    /// One whole number.
    pub(super) fn whole(&mut self, number: i64) -> Value {
        self.constant(Elements::I64, Vec::new(), number.to_le_bytes().to_vec())
    }

    /// One number with a point.
    pub(super) fn float(&mut self, number: f32) -> Value {
        self.constant(Elements::F32, Vec::new(), number.to_le_bytes().to_vec())
    }

    /// A list of numbers with a point.
    pub(super) fn floats(&mut self, numbers: &[f32]) -> Value {
        let bytes = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        self.constant(Elements::F32, vec![numbers.len() as i64], bytes)
    }

    fn constant(&mut self, elements: Elements, dims: Vec<i64>, bytes: Vec<u8>) -> Value {
        let next = self.constants.len();
        let key = (elements as i32, dims, bytes);
        if let Some(name) = self.constants.get(&key) {
            return name.clone();
        }
        let name = format!("constant.{next}");
        self.parts.initializer.push(proto::Tensor {
            dims: key.1.clone(),
            data_type: key.0,
            name: name.clone(),
            raw_data: Some(key.2.clone()),
            ..proto::Tensor::default()
        });
        self.constants.insert(key, name.clone());
        name
    }

    /// A tensor whose numbers are in another file.
    pub(super) fn external(&mut self, tensor: proto::Tensor) {
        self.parts.initializer.push(tensor);
    }

    /// The file.
    pub(super) fn into_bytes(mut self, name: &str) -> Vec<u8> {
        self.parts.name = name.to_owned();
        let model = proto::Model {
            ir_version: IR_VERSION,
            producer_name: "inferno convert".to_owned(),
            producer_version: env!("CARGO_PKG_VERSION").to_owned(),
            graph: Some(self.parts),
            opset_import: vec![proto::Opset { domain: String::new(), version: OPSET }],
        };
        prost::Message::encode_to_vec(&model)
    }
}

fn value_info(name: &str, elements: Elements, shape: &[Side<'_>]) -> proto::ValueInfo {
    let dim = shape
        .iter()
        .map(|side| match *side {
            // Whoever calls has held it against the size of a file.
            Side::Fixed(number) => Dimension { value: Some(number as i64), name: None },
            Side::Named(name) => Dimension { value: None, name: Some(name.to_owned()) },
        })
        .collect();
    let tensor = proto::TensorKind { elements: elements as i32, shape: Some(proto::Shape { dim }) };
    proto::ValueInfo { name: name.to_owned(), kind: Some(proto::Kind { tensor: Some(tensor) }) }
}
