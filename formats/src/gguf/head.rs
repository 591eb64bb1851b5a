//! Writing a header.

use std::collections::HashSet;

use super::value::{Value, put_text};
use super::{ALIGNMENT, Tensor, TensorType};

/// A header that is being put together. Tensors lie one after the other in the order in which they are added.
#[derive(Debug, Default)]
pub struct Head {
    entries: Vec<(String, Value)>,
    tensors: Vec<Tensor>,
    end: u64,
}

impl Head {
    /// One with nothing in it.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets what a key stands for, in the place of the key where it is there.
    pub fn set(&mut self, key: impl Into<String>, value: Value) {
        let key = key.into();
        match self.entries.iter_mut().find(|(known, _)| *known == key) {
            Some((_, old)) => *old = value,
            None => self.entries.push((key, value)),
        }
    }

    /// Takes a key out.
    pub fn remove(&mut self, key: &str) {
        self.entries.retain(|(known, _)| known != key);
    }

    /// Adds a tensor after those that are there; `shape` has the dimension that lies closest together first.
    pub fn add(&mut self, name: impl Into<String>, shape: &[u64], kind: TensorType) -> Result<(), String> {
        let tensor = Tensor::new(name, shape, kind, self.end)?;
        let end =
            tensor.offset.checked_add(tensor.bytes).and_then(|end| end.checked_next_multiple_of(ALIGNMENT));
        self.end = end.ok_or_else(|| format!("{} leads past every file", tensor.name))?;
        self.tensors.push(tensor);
        Ok(())
    }

    /// Those that were added, with their offsets from the start of the data.
    pub fn tensors(&self) -> &[Tensor] {
        &self.tensors
    }

    /// Bytes of all tensors, each with what fills it up to the alignment.
    pub fn data_bytes(&self) -> u64 {
        self.end
    }

    /// The header (version 3), filled up to where the data begins.
    pub fn to_bytes(&self) -> Result<Vec<u8>, String> {
        let mut out = b"GGUF".to_vec();
        out.extend(3_u32.to_le_bytes());
        out.extend((self.tensors.len() as u64).to_le_bytes());
        let entries = self.entries.iter().filter(|(key, _)| key != "general.alignment");
        out.extend((entries.clone().count() as u64).to_le_bytes());
        for (key, value) in entries {
            put_text(key.as_bytes(), &mut out);
            value.write(&mut out).map_err(|why| format!("metadata {key:?}: {why}"))?;
        }
        let mut names = HashSet::new();
        for tensor in &self.tensors {
            if !names.insert(&tensor.name) {
                return Err(format!("tensor {:?} is there twice", tensor.name));
            }
            put_text(tensor.name.as_bytes(), &mut out);
            out.extend((tensor.shape.len() as u32).to_le_bytes());
            for dimension in &tensor.shape {
                out.extend(dimension.to_le_bytes());
            }
            out.extend(tensor.kind.number.to_le_bytes());
            out.extend(tensor.offset.to_le_bytes());
        }
        out.resize(out.len().next_multiple_of(ALIGNMENT as usize), 0);
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;
    use crate::gguf::{Array, Keep, read};

    #[test]
    fn what_is_written_is_read() {
        let mut head = Head::new();
        let values = [
            Value::U8(200),
            Value::I8(-3),
            Value::U16(60_000),
            Value::I16(-300),
            Value::U32(1 << 31),
            Value::I32(-5),
            Value::F32(1.5),
            Value::Bool(true),
            Value::Text("näh".to_owned()),
            Value::Array(Array::of_texts(["a", "", "bc"])),
            Value::Array(Array::of_i32([1, -1])),
            Value::Array(Array::of_f32([0.25])),
            Value::U64(1 << 60),
            Value::I64(-1),
            Value::F64(0.1),
        ];
        for (number, value) in values.iter().enumerate() {
            head.set(format!("key.{number}"), value.clone());
        }
        head.set("gone", Value::U8(0));
        head.remove("gone");
        let q8 = TensorType::from_name("q8_0").unwrap();
        let f32 = TensorType::from_name("F32").unwrap();
        head.add("one", &[64, 3], q8).unwrap();
        head.add("two", &[5], f32).unwrap();
        assert_eq!(head.data_bytes(), 224 + 32);
        let mut file = head.to_bytes().unwrap();
        let start = file.len() as u64;
        file.resize(file.len() + head.data_bytes() as usize, 0);
        let back = read(Cursor::new(&file), file.len() as u64, Keep::All).unwrap();
        assert_eq!(back.data, start);
        let read: Vec<_> = back.metadata.iter().map(|(_, value)| value.clone()).collect();
        assert_eq!(read, values);
        let told: Vec<_> = back
            .tensors
            .iter()
            .map(|t| (t.name.as_str(), t.shape.clone(), t.kind, t.offset, t.bytes))
            .collect();
        assert_eq!(told, [("one", vec![64, 3], q8, 0, 204), ("two", vec![5], f32, 224, 20)]);
        let Some(Value::Array(array)) = back.metadata.get("key.9") else { panic!("no array") };
        assert_eq!(array.texts().collect::<Vec<_>>(), [b"a".as_slice(), b"", b"bc"]);
    }

    #[test]
    fn what_cannot_be_read_back_is_not_written() {
        let kind = TensorType::from_name("Q4_K").unwrap();
        let mut head = Head::new();
        assert!(head.add("short", &[100], kind).unwrap_err().contains("blocks of 256"));
        assert!(head.add("x".repeat(64), &[256], kind).unwrap_err().contains("more than 63 bytes"));
        assert!(head.add("deep", &[256, 1, 1, 1, 1], kind).unwrap_err().contains("5 dimensions"));
        head.add("same", &[256], kind).unwrap();
        head.add("same", &[256], kind).unwrap();
        assert!(head.to_bytes().unwrap_err().contains("twice"));
        let mut head = Head::new();
        head.set("text", Value::Skipped);
        assert!(head.to_bytes().unwrap_err().contains("\"text\": a text that was not kept"));
    }
}
