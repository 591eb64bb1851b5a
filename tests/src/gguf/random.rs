//! Models of any size with random weights.

use std::{io, path::Path};

use super::{Gguf, Info, Kind, Value, write_file, wrong};

/// The size of a llama model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Length of a token's vector; a multiple of 32 and of `heads`.
    pub dim: u32,
    /// Blocks.
    pub layers: u32,
    /// Attention heads; a multiple of `kv_heads`.
    pub heads: u32,
    /// Heads of keys and values.
    pub kv_heads: u32,
    /// Width of the feed-forward network; a multiple of 32.
    pub ffn: u32,
    /// Tokens of context.
    pub context: u32,
}

impl Shape {
    /// About 100 million parameters.
    pub const HUNDRED_MILLION: Self =
        Self { dim: 768, layers: 14, heads: 12, kv_heads: 4, ffn: 2304, context: 2048 };

    fn check(&self) -> io::Result<()> {
        let Self { dim, layers, heads, kv_heads, ffn, context } = *self;
        let right = [dim, layers, heads, kv_heads, ffn, context].iter().all(|&number| number > 0)
            && dim.is_multiple_of(32)
            && ffn.is_multiple_of(32)
            && dim.is_multiple_of(2 * heads)
            && heads.is_multiple_of(kv_heads);
        if right { Ok(()) } else { Err(wrong(format!("no model can have this shape: {self:?}"))) }
    }

    /// Names and shapes of all tensors but the embedding.
    fn tensors(&self) -> Vec<(String, Vec<u64>)> {
        let [dim, ffn] = [self.dim, self.ffn].map(u64::from);
        let kv = dim / u64::from(self.heads) * u64::from(self.kv_heads);
        let mut tensors = vec![("output_norm.weight".to_owned(), vec![dim])];
        for layer in 0..self.layers {
            let parts = [
                ("attn_norm", vec![dim]),
                ("attn_q", vec![dim, dim]),
                ("attn_k", vec![dim, kv]),
                ("attn_v", vec![dim, kv]),
                ("attn_output", vec![dim, dim]),
                ("ffn_norm", vec![dim]),
                ("ffn_gate", vec![dim, ffn]),
                ("ffn_up", vec![dim, ffn]),
                ("ffn_down", vec![ffn, dim]),
            ];
            tensors
                .extend(parts.into_iter().map(|(part, shape)| (format!("blk.{layer}.{part}.weight"), shape)));
        }
        tensors
    }
}

/// Writes a llama model with random weights and the tokenizer of `tokenizer` (such as the demo model), the same for
/// the same seed, and returns the number of its parameters. Control tokens, the end of the answer among them, have
/// the vector 0 and so are never among the likeliest: answers run to the limit that was asked for.
pub fn random_model(tokenizer: &Path, out: &Path, shape: Shape, kind: Kind, seed: u64) -> io::Result<u64> {
    shape.check()?;
    let mut source = Gguf::read(tokenizer)?;
    source.tensors.clear();
    let controls = controls(&source)?;
    let name = format!("random {}x{} {kind:?}", shape.dim, shape.layers);
    source.set("general.name", Value::text(&name));
    source.set("general.file_type", Value::number(kind.file_type()));
    for (key, number) in [
        ("context_length", shape.context),
        ("embedding_length", shape.dim),
        ("block_count", shape.layers),
        ("feed_forward_length", shape.ffn),
        ("attention.head_count", shape.heads),
        ("attention.head_count_kv", shape.kv_heads),
        ("rope.dimension_count", shape.dim / shape.heads),
    ] {
        source.set(&format!("llama.{key}"), Value::number(number));
    }
    let mut tensors =
        vec![("token_embd.weight".to_owned(), vec![u64::from(shape.dim), controls.len() as u64])];
    tensors.extend(shape.tensors());
    let infos: Vec<Info<'_>> = tensors
        .iter()
        .map(|(name, shape)| Info { name, shape, kind: if shape.len() == 1 { Kind::F32 } else { kind } })
        .collect();
    let mut random = Random(seed);
    write_file(out, &source.metadata, &infos, |index, file| {
        let Info { shape, kind, .. } = infos[index];
        let rows = shape.get(1).copied().unwrap_or(1);
        for row in 0..rows {
            let zero = index == 0 && controls[row as usize];
            let bytes = match (shape.len(), zero) {
                (1, _) => 1_f32.to_le_bytes().repeat(shape[0] as usize),
                (_, true) => vec![0; kind.bytes(shape[0]) as usize],
                (_, false) => random.row(shape[0], kind),
            };
            file.write_all(&bytes)?;
        }
        Ok(())
    })?;
    Ok(infos.iter().map(Info::elements).sum())
}

/// Which tokens are control tokens.
fn controls(gguf: &Gguf) -> io::Result<Vec<bool>> {
    const CONTROL: [u8; 4] = 3_u32.to_le_bytes();
    let types = gguf.metadata.iter().find(|(key, _)| key == "tokenizer.ggml.token_type");
    // The type of the elements, their number, then four bytes each.
    let numbers = types.and_then(|(_, value)| value.bytes.get(12..));
    let (numbers, _) = numbers.ok_or_else(|| wrong("the tokenizer has no token types"))?.as_chunks::<4>();
    Ok(numbers.iter().map(|number| *number == CONTROL).collect())
}

/// SplitMix64, made for speed: eight weights for each number, since a model has hundreds of millions of them.
struct Random(u64);

impl Random {
    fn next(&mut self) -> [u8; 8] {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)).to_le_bytes()
    }

    /// A row of weights, evenly spread and so large that a layer neither fades nor explodes.
    fn row(&mut self, length: u64, kind: Kind) -> Vec<u8> {
        // Evenly spread bytes deviate by 74 from their mean.
        let scale = 1.0 / (74.0 * (length as f32).sqrt());
        let mut bytes = Vec::with_capacity(kind.bytes(length) as usize);
        match kind {
            Kind::Q8_0 => {
                for _ in 0..length / 32 {
                    bytes.extend(half(scale).to_le_bytes());
                    (0..4).for_each(|_| bytes.extend(self.next()));
                }
            }
            Kind::F16 | Kind::F32 => {
                let packed: Vec<Vec<u8>> = (0..=u8::MAX)
                    .map(|byte| f32::from(byte as i8) * scale)
                    .map(|weight| match kind {
                        Kind::F16 => half(weight).to_le_bytes().to_vec(),
                        _ => weight.to_le_bytes().to_vec(),
                    })
                    .collect();
                for _ in 0..length / 8 {
                    self.next().iter().for_each(|&byte| bytes.extend_from_slice(&packed[byte as usize]));
                }
            }
        }
        bytes
    }
}

/// The bits of the nearest smaller half-precision number, for those between 2^-14 and 1 in size; smaller ones are 0.
fn half(number: f32) -> u16 {
    let bits = number.to_bits();
    let sign = (bits >> 16) as u16 & 0x8000;
    // From a bias of 127 to one of 15, from 23 bits of fraction to 10.
    let exponent = (bits >> 23 & 0xff) as i32 - 112;
    if exponent <= 0 { sign } else { sign | (exponent as u16) << 10 | (bits >> 13) as u16 & 0x3ff }
}

#[cfg(test)]
mod tests {
    use std::{fs, path::PathBuf};

    use super::*;

    fn storyteller() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/storyteller/storyteller.gguf")
    }

    #[test]
    fn random_models_are_right_and_repeatable() {
        let dir = tempfile::tempdir().expect("a directory");
        let shape = Shape { dim: 64, layers: 2, heads: 4, kv_heads: 2, ffn: 96, context: 128 };
        for kind in [Kind::F16, Kind::Q8_0] {
            let write = |name: &str, seed| {
                let out = dir.path().join(name);
                let parameters = random_model(&storyteller(), &out, shape, kind, seed).expect("written");
                (parameters, fs::read(out).expect("read"))
            };
            let first = write("a", 1);
            assert!(first == write("b", 1));
            assert!(first != write("c", 2));
            let layer = 64 + 64 * 64 * 2 + 64 * 32 * 2 + 64 + 64 * 96 * 3;
            assert_eq!(first.0, 64 * 1024 + 64 + 2 * layer);
        }
        let wrong = Shape { heads: 5, ..shape };
        assert!(random_model(&storyteller(), &dir.path().join("d"), wrong, Kind::F16, 1).is_err());
    }

    #[test]
    fn halves_are_right() {
        for (number, bits) in [(1.0, 0x3c00), (-0.5, 0xb800), (0.25, 0x3400), (0.0, 0), (6.104e-5, 0x0400)] {
            assert_eq!(half(number), bits, "{number}");
        }
    }
}
