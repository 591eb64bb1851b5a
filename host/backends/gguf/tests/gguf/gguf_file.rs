//! Writes small GGUF files.

use std::fs;
use std::path::Path;

/// The metadata and tensors of a GGUF file under construction.
#[derive(Default)]
pub(crate) struct File {
    keys: u64,
    metadata: Vec<u8>,
    tensors: u64,
    table: Vec<u8>,
    data: Vec<u8>,
    /// Which numbers at random come next.
    pub(crate) random: u64,
    /// How great numbers at random are.
    size: f32,
}

impl File {
    /// With numbers at random of this size.
    pub(crate) fn new(size: f32) -> Self {
        Self { size, ..Self::default() }
    }

    pub(crate) fn key(&mut self, key: &str, kind: u32, value: &[u8]) {
        self.keys += 1;
        self.metadata.extend(text(key));
        self.metadata.extend(kind.to_le_bytes());
        self.metadata.extend(value);
    }

    pub(crate) fn number(&mut self, key: &str, value: u32) {
        self.key(key, 4, &value.to_le_bytes());
    }

    pub(crate) fn float(&mut self, key: &str, value: f32) {
        self.key(key, 6, &value.to_le_bytes());
    }

    pub(crate) fn text(&mut self, key: &str, value: &str) {
        self.key(key, 8, &text(value));
    }

    /// A tensor of 32-bit floats: ones for `.weight` of norms, else small numbers at random.
    pub(crate) fn tensor(&mut self, name: &str, shape: &[u64]) {
        self.tensors += 1;
        self.table.extend(text(name));
        self.table.extend((shape.len() as u32).to_le_bytes());
        shape.iter().for_each(|size| self.table.extend(size.to_le_bytes()));
        self.table.extend(0_u32.to_le_bytes());
        self.table.extend((self.data.len() as u64).to_le_bytes());
        for _ in 0..shape.iter().product() {
            self.random =
                self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let noise = (self.random >> 40) as f32 / (1 << 24) as f32 - 0.5;
            let value = if name.ends_with("norm.weight") { 1.0 } else { noise * self.size };
            self.data.extend(value.to_le_bytes());
        }
        self.data.resize(self.data.len().next_multiple_of(32), 0);
    }

    pub(crate) fn write(self, path: &Path) {
        let mut bytes = b"GGUF\x03\0\0\0".to_vec();
        bytes.extend(self.tensors.to_le_bytes());
        bytes.extend(self.keys.to_le_bytes());
        bytes.extend(self.metadata);
        bytes.extend(self.table);
        bytes.resize(bytes.len().next_multiple_of(32), 0);
        bytes.extend(self.data);
        fs::write(path, bytes).unwrap();
    }
}

/// A list of values of one type.
pub(crate) fn list(kind: u32, values: impl IntoIterator<Item = Vec<u8>>) -> Vec<u8> {
    let values: Vec<_> = values.into_iter().collect();
    let mut bytes = kind.to_le_bytes().to_vec();
    bytes.extend((values.len() as u64).to_le_bytes());
    bytes.extend(values.concat());
    bytes
}

pub(crate) fn text(text: &str) -> Vec<u8> {
    [&(text.len() as u64).to_le_bytes(), text.as_bytes()].concat()
}
