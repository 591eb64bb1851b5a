//! Writing a header.

use std::collections::HashSet;

use serde_json::{Map, Value, json};

use super::{Dtype, Tensor};

/// A header that is being put together. Tensors lie one after the other in the order in which they are added, with nothing
/// between them.
#[derive(Debug, Default)]
pub struct Head {
    metadata: Map<String, Value>,
    tensors: Vec<Tensor>,
    names: HashSet<String>,
    end: u64,
}

impl Head {
    /// One with nothing in it.
    pub fn new() -> Self {
        Self::default()
    }

    /// Has the file say something about itself.
    pub fn say(&mut self, key: impl Into<String>, text: impl Into<String>) {
        self.metadata.insert(key.into(), Value::String(text.into()));
    }

    /// Adds a tensor after those that are there; `shape` has the dimension that lies closest together last.
    pub fn add(&mut self, name: impl Into<String>, dtype: Dtype, shape: &[u64]) -> Result<(), String> {
        let name = name.into();
        if name == "__metadata__" || !self.names.insert(name.clone()) {
            return Err(format!("there is a tensor {name:?} already"));
        }
        let bytes = shape.iter().try_fold(dtype.bytes(), |all, &n| all.checked_mul(n));
        let bytes = bytes.filter(|bytes| self.end.checked_add(*bytes).is_some());
        let bytes = bytes.ok_or_else(|| format!("{name} of shape {shape:?} leads past every file"))?;
        self.tensors.push(Tensor { name, dtype, shape: shape.to_vec(), offset: self.end, bytes });
        self.end += bytes;
        Ok(())
    }

    /// Those that were added, with their offsets from the start of the data.
    pub fn tensors(&self) -> &[Tensor] {
        &self.tensors
    }

    /// Bytes of all tensors.
    pub fn data_bytes(&self) -> u64 {
        self.end
    }

    /// The length and the header, filled up with spaces so that the data is aligned to 8 bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut header = Map::new();
        if !self.metadata.is_empty() {
            header.insert("__metadata__".to_owned(), Value::Object(self.metadata.clone()));
        }
        for tensor in &self.tensors {
            let entry = json!({
                "dtype": tensor.dtype.name(),
                "shape": tensor.shape,
                "data_offsets": [tensor.offset, tensor.offset + tensor.bytes],
            });
            header.insert(tensor.name.clone(), entry);
        }
        let mut json = Value::Object(header).to_string().into_bytes();
        json.resize(json.len().next_multiple_of(8), b' ');
        let mut out = (json.len() as u64).to_le_bytes().to_vec();
        out.extend(json);
        out
    }
}
