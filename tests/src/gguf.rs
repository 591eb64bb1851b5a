//! Writes GGUF files for tests and benchmarks: changed copies of a right one, and models of any size with random
//! weights, which compute like real ones and say nothing. It trusts the files that it reads.

use std::{
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::Path,
};

/// What the offsets of tensors are multiples of.
const ALIGNMENT: u64 = 32;

const U32: u32 = 4;
const F32_VALUE: u32 = 6;
const BOOL: u32 = 7;
const TEXT: u32 = 8;
const ARRAY: u32 = 9;

/// A metadata value as it is in the file, behind the number of its type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value {
    kind: u32,
    bytes: Vec<u8>,
}

impl Value {
    /// A whole number.
    pub fn number(number: u32) -> Self {
        Self { kind: U32, bytes: number.to_le_bytes().to_vec() }
    }

    /// A number with a fraction.
    pub fn float(number: f32) -> Self {
        Self { kind: F32_VALUE, bytes: number.to_le_bytes().to_vec() }
    }

    /// True or false.
    pub fn flag(flag: bool) -> Self {
        Self { kind: BOOL, bytes: vec![u8::from(flag)] }
    }

    /// A text.
    pub fn text(text: &str) -> Self {
        let mut bytes = Vec::new();
        push_text(&mut bytes, text);
        Self { kind: TEXT, bytes }
    }
}

/// A tensor with its data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tensor {
    /// What it is called.
    pub name: String,
    /// The length of a row comes first.
    pub shape: Vec<u64>,
    /// How its numbers are packed.
    pub kind: Kind,
    /// The packed numbers.
    pub data: Vec<u8>,
}

/// How numbers are packed: those kinds that the demo model and the random models have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// 4 bytes each.
    F32,
    /// 2 bytes each.
    F16,
    /// 34 bytes for 32.
    Q8_0,
}

impl Kind {
    fn from_number(number: u32) -> io::Result<Self> {
        match number {
            0 => Ok(Self::F32),
            1 => Ok(Self::F16),
            8 => Ok(Self::Q8_0),
            number => Err(wrong(format!("a tensor of type {number}, which the test kit does not read"))),
        }
    }

    fn number(self) -> u32 {
        match self {
            Self::F32 => 0,
            Self::F16 => 1,
            Self::Q8_0 => 8,
        }
    }

    /// What `general.file_type` says of a file with mostly these.
    fn file_type(self) -> u32 {
        match self {
            Self::F32 => 0,
            Self::F16 => 1,
            Self::Q8_0 => 7,
        }
    }

    fn bytes(self, elements: u64) -> u64 {
        match self {
            Self::F32 => elements * 4,
            Self::F16 => elements * 2,
            Self::Q8_0 => elements / 32 * 34,
        }
    }
}

/// A whole file in memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Gguf {
    /// Keys and values in their order.
    pub metadata: Vec<(String, Value)>,
    /// Tensors in their order.
    pub tensors: Vec<Tensor>,
}

impl Gguf {
    /// Reads a right file.
    pub fn read(path: &Path) -> io::Result<Self> {
        Reader::read_file(&fs::read(path)?).map_err(|error| wrong(format!("{}: {error}", path.display())))
    }

    /// Sets a value, which is added where it is not there.
    pub fn set(&mut self, key: &str, value: Value) {
        match self.metadata.iter_mut().find(|(have, _)| have == key) {
            Some((_, old)) => *old = value,
            None => self.metadata.push((key.to_owned(), value)),
        }
    }

    /// Removes a value.
    pub fn remove(&mut self, key: &str) {
        self.metadata.retain(|(have, _)| have != key);
    }

    /// Writes the file.
    pub fn write(&self, out: &Path) -> io::Result<()> {
        let infos: Vec<Info<'_>> = self.tensors.iter().map(Info::of).collect();
        write_file(out, &self.metadata, &infos, |index, file| file.write_all(&self.tensors[index].data))
    }
}

/// Copies a model with changes that `edit` makes.
pub fn copy_with(source: &Path, out: &Path, edit: impl FnOnce(&mut Gguf)) -> io::Result<()> {
    let mut gguf = Gguf::read(source)?;
    edit(&mut gguf);
    gguf.write(out)
}

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

/// What the list of tensors says of one.
#[derive(Clone, Copy)]
struct Info<'a> {
    name: &'a str,
    shape: &'a [u64],
    kind: Kind,
}

impl<'a> Info<'a> {
    fn of(tensor: &'a Tensor) -> Self {
        Self { name: &tensor.name, shape: &tensor.shape, kind: tensor.kind }
    }

    fn elements(&self) -> u64 {
        self.shape.iter().product()
    }

    fn bytes(&self) -> u64 {
        self.kind.bytes(self.elements())
    }
}

/// Writes a file; `data` writes the data of the tensor with the index that it is given.
fn write_file(
    out: &Path,
    metadata: &[(String, Value)],
    tensors: &[Info<'_>],
    mut data: impl FnMut(usize, &mut dyn Write) -> io::Result<()>,
) -> io::Result<()> {
    let mut header = b"GGUF".to_vec();
    header.extend(3_u32.to_le_bytes());
    header.extend((tensors.len() as u64).to_le_bytes());
    header.extend((metadata.len() as u64).to_le_bytes());
    for (key, value) in metadata {
        push_text(&mut header, key);
        header.extend(value.kind.to_le_bytes());
        header.extend(&value.bytes);
    }
    let mut offset = 0_u64;
    for tensor in tensors {
        push_text(&mut header, tensor.name);
        header.extend((tensor.shape.len() as u32).to_le_bytes());
        tensor.shape.iter().for_each(|length| header.extend(length.to_le_bytes()));
        header.extend(tensor.kind.number().to_le_bytes());
        header.extend(offset.to_le_bytes());
        offset += tensor.bytes().next_multiple_of(ALIGNMENT);
    }
    let mut file = BufWriter::with_capacity(1 << 20, File::create(out)?);
    file.write_all(&header)?;
    pad(&mut file, header.len() as u64)?;
    for (index, tensor) in tensors.iter().enumerate() {
        data(index, &mut file)?;
        pad(&mut file, tensor.bytes())?;
    }
    file.into_inner()?.sync_data()
}

fn pad(file: &mut impl Write, written: u64) -> io::Result<()> {
    let rest = written.next_multiple_of(ALIGNMENT) - written;
    file.write_all(&[0; ALIGNMENT as usize][..rest as usize])
}

fn push_text(bytes: &mut Vec<u8>, text: &str) {
    bytes.extend((text.len() as u64).to_le_bytes());
    bytes.extend(text.as_bytes());
}

/// Walks over the bytes of a file.
struct Reader<'a> {
    all: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn read_file(all: &'a [u8]) -> io::Result<Gguf> {
        let mut reader = Self { all, at: 0 };
        if reader.take(4)? != b"GGUF" || reader.u32()? != 3 {
            return Err(wrong("no GGUF file of version 3"));
        }
        let (tensors, metadata) = (reader.u64()?, reader.u64()?);
        let metadata = (0..metadata).map(|_| reader.entry()).collect::<io::Result<Vec<_>>>()?;
        let infos = (0..tensors).map(|_| reader.info()).collect::<io::Result<Vec<_>>>()?;
        let start = reader.at.next_multiple_of(ALIGNMENT as usize);
        let tensors = infos.into_iter().map(|(mut tensor, offset)| {
            reader.at = start + offset as usize;
            tensor.data = reader.take(Info::of(&tensor).bytes())?.to_vec();
            Ok(tensor)
        });
        Ok(Gguf { metadata, tensors: tensors.collect::<io::Result<_>>()? })
    }

    fn entry(&mut self) -> io::Result<(String, Value)> {
        let key = self.text()?;
        let kind = self.u32()?;
        let start = self.at;
        self.skip(kind)?;
        Ok((key, Value { kind, bytes: self.all[start..self.at].to_vec() }))
    }

    fn info(&mut self) -> io::Result<(Tensor, u64)> {
        let name = self.text()?;
        let dimensions = self.u32()?;
        let shape = (0..dimensions).map(|_| self.u64()).collect::<io::Result<_>>()?;
        let kind = Kind::from_number(self.u32()?)?;
        Ok((Tensor { name, shape, kind, data: Vec::new() }, self.u64()?))
    }

    fn skip(&mut self, kind: u32) -> io::Result<()> {
        match kind {
            0 | 1 | BOOL => self.take(1).map(drop),
            2 | 3 => self.take(2).map(drop),
            U32 | 5 | F32_VALUE => self.take(4).map(drop),
            10..=12 => self.take(8).map(drop),
            TEXT => self.text().map(drop),
            ARRAY => {
                let (kind, count) = (self.u32()?, self.u64()?);
                (0..count).try_for_each(|_| self.skip(kind))
            }
            kind => Err(wrong(format!("a value of type {kind}"))),
        }
    }

    fn text(&mut self) -> io::Result<String> {
        let length = self.u64()?;
        String::from_utf8(self.take(length)?.to_vec()).map_err(wrong)
    }

    fn u32(&mut self) -> io::Result<u32> {
        self.take(4)?.try_into().map(u32::from_le_bytes).map_err(wrong)
    }

    fn u64(&mut self) -> io::Result<u64> {
        self.take(8)?.try_into().map(u64::from_le_bytes).map_err(wrong)
    }

    fn take(&mut self, bytes: u64) -> io::Result<&'a [u8]> {
        let end = self.at.saturating_add(bytes as usize);
        let taken = self.all.get(self.at..end).ok_or_else(|| wrong("it ends too early"))?;
        self.at = end;
        Ok(taken)
    }
}

fn wrong(why: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
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
                for _ in 0..length / 8 {
                    for byte in self.next() {
                        let weight = f32::from(byte as i8) * scale;
                        match kind {
                            Kind::F16 => bytes.extend(half(weight).to_le_bytes()),
                            _ => bytes.extend(weight.to_le_bytes()),
                        }
                    }
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
    use std::path::PathBuf;

    use super::*;

    fn storyteller() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/storyteller/storyteller.gguf")
    }

    #[test]
    fn a_copy_without_changes_is_the_same() {
        let dir = tempfile::tempdir().expect("a directory");
        let out = dir.path().join("copy.gguf");
        copy_with(&storyteller(), &out, |_| {}).expect("copied");
        assert!(fs::read(&out).expect("read") == fs::read(storyteller()).expect("read"));
        copy_with(&storyteller(), &out, |gguf| {
            gguf.set("general.name", Value::text("other"));
            gguf.set("x.new", Value::flag(true));
            gguf.remove("tokenizer.chat_template");
        })
        .expect("copied");
        let copy = Gguf::read(&out).expect("read");
        let value =
            |key: &str| copy.metadata.iter().find(|(have, _)| have == key).map(|(_, value)| value.clone());
        assert_eq!(value("general.name"), Some(Value::text("other")));
        assert_eq!(value("x.new"), Some(Value::flag(true)));
        assert_eq!(value("tokenizer.chat_template"), None);
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
