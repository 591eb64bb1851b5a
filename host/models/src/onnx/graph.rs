//! What a graph says about itself.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Component, Path, PathBuf},
};

use super::message::{Content, Field, Messages};

/// More tensors, inputs or files than any graph has.
const MOST: usize = 1_000_000;
const MOST_FILES: usize = 10_000;
const MOST_DIMENSIONS: usize = 64;

/// Types of tensors by their numbers in ONNX.
const PRECISIONS: &[(u64, &str)] = &[
    (1, "F32"),
    (2, "U8"),
    (3, "I8"),
    (4, "U16"),
    (5, "I16"),
    (6, "I32"),
    (7, "I64"),
    (9, "BOOL"),
    (10, "F16"),
    (11, "F64"),
    (12, "U32"),
    (13, "U64"),
    (16, "BF16"),
    (17, "F8_E4M3"),
    (19, "F8_E5M2"),
    (21, "U4"),
    (22, "I4"),
];

/// A graph without its weights.
#[derive(Debug, Default)]
pub(super) struct Graph {
    pub(super) inputs: Vec<String>,
    pub(super) outputs: Vec<String>,
    /// Numbers in all tensors together.
    pub(super) parameters: u64,
    pub(super) tensors: u64,
    pub(super) metadata: u64,
    /// Files beside it that hold weights, as paths from its folder.
    pub(super) locations: BTreeSet<PathBuf>,
    by_type: BTreeMap<u64, u64>,
}

/// One tensor.
#[derive(Default)]
struct Tensor {
    dimensions: Vec<u64>,
    kind: u64,
    location: Option<String>,
}

impl Graph {
    /// Reads the graph in this file.
    pub(super) fn read(path: &Path) -> Result<Self, String> {
        let mut messages = Messages::open(path)?;
        let mut graph = Self::default();
        let (end, mut seen) = (messages.end(), false);
        while let Some(field) = messages.field(end)? {
            match field {
                Field { number: 7, content: Content::Bytes(length) } => {
                    seen = true;
                    graph.graph(&mut messages, length)?;
                }
                Field { number: 14, content: Content::Bytes(_) } => {
                    graph.metadata += 1;
                    messages.pass(field, end)?;
                }
                other => messages.pass(other, end)?,
            }
        }
        if !seen {
            return Err("this is no ONNX model: there is no graph in it".to_owned());
        }
        Ok(graph)
    }

    /// The type that most of its numbers have.
    pub(super) fn precision(&self) -> &'static str {
        let most = self.by_type.iter().max_by_key(|&(_, elements)| elements);
        let named = most.and_then(|(kind, _)| PRECISIONS.iter().find(|(known, _)| known == kind));
        named.map_or("none", |(_, name)| name)
    }

    fn graph(&mut self, messages: &mut Messages, length: u64) -> Result<(), String> {
        let end = messages.message(length);
        while let Some(field) = messages.field(end)? {
            match field {
                Field { number: 5, content: Content::Bytes(length) } => {
                    let tensor = Tensor::read(messages, length)?;
                    self.add(tensor)?;
                }
                Field { number: 11, content: Content::Bytes(length) } => {
                    self.inputs.push(name(messages, length)?);
                }
                Field { number: 12, content: Content::Bytes(length) } => {
                    self.outputs.push(name(messages, length)?);
                }
                other => messages.pass(other, end)?,
            }
            if self.inputs.len().max(self.outputs.len()) > MOST {
                return Err(format!(
                    "this is no ONNX model that can be read: it has more than {MOST} inputs"
                ));
            }
        }
        Ok(())
    }

    fn add(&mut self, tensor: Tensor) -> Result<(), String> {
        let elements = tensor.dimensions.iter().fold(1, |product: u64, &size| product.saturating_mul(size));
        self.tensors += 1;
        self.parameters = self.parameters.saturating_add(elements);
        let of_type = self.by_type.entry(tensor.kind).or_default();
        *of_type = of_type.saturating_add(elements);
        if let Some(location) = tensor.location {
            let path = PathBuf::from(&location);
            let plain =
                !location.is_empty() && path.components().all(|part| matches!(part, Component::Normal(_)));
            if !plain {
                return Err(format!(
                    "its weights are said to lie in {location:?}, which is not beside it: such a model is not opened"
                ));
            }
            self.locations.insert(path);
        }
        if self.by_type.len() > MOST_FILES || self.locations.len() > MOST_FILES {
            return Err(format!(
                "this is no ONNX model that can be read: its weights lie in more than {MOST_FILES} files"
            ));
        }
        Ok(())
    }
}

impl Tensor {
    fn read(messages: &mut Messages, length: u64) -> Result<Self, String> {
        let end = messages.message(length);
        let mut tensor = Self::default();
        while let Some(field) = messages.field(end)? {
            match field {
                Field { number: 1, content: Content::Number(size) } => tensor.dimensions.push(size),
                // Packed.
                Field { number: 1, content: Content::Bytes(length) } => {
                    let until = messages.message(length);
                    while messages.here() < until {
                        tensor.dimensions.push(messages.number(until)?);
                        tensor.check()?;
                    }
                }
                Field { number: 2, content: Content::Number(kind) } => tensor.kind = kind,
                Field { number: 13, content: Content::Bytes(length) } => tensor.external(messages, length)?,
                other => messages.pass(other, end)?,
            }
            tensor.check()?;
        }
        Ok(tensor)
    }

    fn check(&self) -> Result<(), String> {
        if self.dimensions.len() > MOST_DIMENSIONS {
            return Err(format!(
                "this is no ONNX model that can be read: a tensor in it has more than {MOST_DIMENSIONS} dimensions"
            ));
        }
        Ok(())
    }

    /// A pair of key and value.
    fn external(&mut self, messages: &mut Messages, length: u64) -> Result<(), String> {
        let end = messages.message(length);
        let (mut key, mut value) = (String::new(), String::new());
        while let Some(field) = messages.field(end)? {
            match field {
                Field { number: 1, content: Content::Bytes(length) } => key = messages.text(length)?,
                Field { number: 2, content: Content::Bytes(length) } => value = messages.text(length)?,
                other => messages.pass(other, end)?,
            }
        }
        if key == "location" {
            self.location = Some(value);
        }
        Ok(())
    }
}

/// The name of an input or an output.
fn name(messages: &mut Messages, length: u64) -> Result<String, String> {
    let end = messages.message(length);
    let mut name = String::new();
    while let Some(field) = messages.field(end)? {
        match field {
            Field { number: 1, content: Content::Bytes(length) } => name = messages.text(length)?,
            other => messages.pass(other, end)?,
        }
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(number: u8, content: &[u8]) -> Vec<u8> {
        let mut field = vec![number << 3 | 2];
        let mut length = content.len();
        while length > 0x7f {
            field.push((length & 0x7f) as u8 | 0x80);
            length >>= 7;
        }
        field.push(length as u8);
        field.extend(content);
        field
    }

    fn tensor(location: &str) -> Vec<u8> {
        let external = [bytes(1, b"location"), bytes(2, location.as_bytes())].concat();
        [bytes(1, &[2, 3]), vec![0x10, 10], bytes(8, b"w"), bytes(13, &external)].concat()
    }

    fn model(location: &str) -> Vec<u8> {
        let graph = [
            bytes(2, b"name"),
            bytes(5, &tensor(location)),
            bytes(5, &[vec![0x08, 4, 0x10, 1], bytes(9, &[0; 16])].concat()),
            bytes(11, &bytes(1, b"input_ids")),
            bytes(12, &bytes(1, b"logits")),
        ]
        .concat();
        [vec![0x08, 9], bytes(2, b"test"), bytes(7, &graph), bytes(14, b"")].concat()
    }

    fn read(content: &[u8]) -> Result<Graph, String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), content).unwrap();
        Graph::read(file.path())
    }

    #[test]
    fn what_is_wanted_is_read() {
        let graph = read(&model("model.onnx_data")).unwrap();
        assert_eq!((graph.parameters, graph.tensors, graph.metadata), (10, 2, 1));
        assert_eq!(graph.precision(), "F16");
        assert_eq!((graph.inputs, graph.outputs), (vec!["input_ids".to_owned()], vec!["logits".to_owned()]));
        assert_eq!(graph.locations, [PathBuf::from("model.onnx_data")].into());
    }

    #[test]
    fn weights_lie_beside_the_graph_only() {
        for location in ["../secret", "/etc/passwd", "a/../../b", "", "./a"] {
            let error = read(&model(location)).unwrap_err();
            assert!(error.contains("not beside it"), "{location}: {error}");
        }
        assert!(read(&model("parts/a")).is_ok());
    }

    #[test]
    fn broken_graphs_are_errors_wherever_they_break() {
        let whole = model("data");
        for length in 0..whole.len() {
            // A message may end between two fields, but not before its graph is whole.
            let outcome = read(&whole[..length]);
            assert_eq!(outcome.is_ok(), length == whole.len() - 2, "cut at {length}: {outcome:?}");
        }
        for at in 0..whole.len() {
            for value in [0, 1, 7, 0x7f, 0x80, 0xff] {
                let mut broken = whole.clone();
                broken[at] = value;
                // Whatever comes of it comes as a value.
                let _ = read(&broken);
            }
        }
        let many = bytes(7, &bytes(5, &bytes(1, &[1; 100])));
        assert!(read(&many).unwrap_err().contains("dimensions"));
        assert!(
            read(&[0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01])
                .unwrap_err()
                .contains("never ends")
        );
        assert!(read(&[0x0b]).unwrap_err().contains("kind 3"));
        let long = bytes(7, &bytes(11, &bytes(1, &[b'a'; 70_000])));
        assert!(read(&long).unwrap_err().contains("70000 bytes"));
    }
}
