//! Mixtures: what encoding each tensor of a model gets, where a file as a whole is to have about so many bits per number.
//!
//! The rules are llama.cpp's, tensor by tensor, for files that are quantized without an importance matrix: some tensors
//! stay as they are, some are worth more bits, and some do not fit an encoding's blocks.

mod file_type;
mod rules;
mod tensor;

use regex_lite::Regex;

use super::Encoding;
pub use file_type::FileType;
use rules::Rules;
use tensor::Category;

/// What the rules look at besides tensors: what a GGUF file's metadata says of the model.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// `general.architecture`.
    pub architecture: &'a str,
    /// `*.block_count`.
    pub layers: u64,
    /// `*.attention.head_count`, of the first layer where layers differ.
    pub heads: u64,
    /// `*.attention.head_count_kv`, of the first layer where layers differ; as many as `heads` where it is not said.
    pub heads_kv: u64,
    /// `*.expert_count`; 0 where it is not said.
    pub experts: u64,
}

/// A tensor of the model that is read.
#[derive(Clone, Copy, Debug)]
pub struct Tensor<'a> {
    /// Its name, as in GGUF files.
    pub name: &'a str,
    /// Its dimensions, the length of a row first.
    pub shape: &'a [u64],
    /// The number of the type that it has in the file, see [`Encoding::number`]; types that are not read here may stay.
    pub stored: u32,
}

/// What somebody wants otherwise.
#[derive(Clone, Debug, Default)]
pub struct Wishes {
    /// The same encoding for every tensor, where it fits.
    pub pure: bool,
    /// `output.weight` stays as it is.
    pub keep_output: bool,
    /// What was quantized may be quantized again.
    pub again: bool,
    /// The encoding of `output.weight`.
    pub output: Option<Encoding>,
    /// The encoding of the embeddings of tokens.
    pub token_embedding: Option<Encoding>,
    /// The encodings of tensors in whose names something is found: the first of these counts. llama.cpp follows these only
    /// where the file type is a quantized one.
    pub tensors: Vec<(Regex, Encoding)>,
}

/// Why there is no plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// This file type is of use only with an importance matrix.
    NeedsImportance(FileType),
    /// A tensor of a model with experts whose name does not say which layer it belongs to.
    NoLayer {
        /// The tensor.
        tensor: String,
        /// How many layers there are.
        layers: u64,
    },
    /// The tensor was quantized already.
    Quantized {
        /// The tensor.
        tensor: String,
        /// What it has.
        from: Encoding,
        /// What it would get.
        to: Encoding,
    },
    /// The tensor has a type that cannot be read here.
    Unreadable {
        /// The tensor.
        tensor: String,
        /// The type's number.
        stored: u32,
    },
    /// The encoding that was asked for has larger blocks than the tensor's rows have numbers, or does not divide them.
    DoesNotFit {
        /// The tensor.
        tensor: String,
        /// What was asked for.
        encoding: Encoding,
        /// How long its rows are.
        row: u64,
    },
}

impl std::fmt::Display for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NeedsImportance(file_type) => write!(
                f,
                "{} gives garbage without an importance matrix, which is not read here: choose Q2_K, which needs none",
                file_type.name()
            ),
            Self::NoLayer { tensor, layers } => write!(
                f,
                "the model has experts, and the name of tensor {tensor} does not start with blk.N., where N is below {layers}"
            ),
            Self::Quantized { tensor, from, to } => write!(
                f,
                "tensor {tensor} is {} already, and loses more as {}: start from the F16, BF16 or F32 file",
                from.name(),
                to.name()
            ),
            Self::Unreadable { tensor, stored } => {
                write!(
                    f,
                    "tensor {tensor} has type number {stored}, which is not read here: start from another file"
                )
            }
            Self::DoesNotFit { tensor, encoding, row } => write!(
                f,
                "the rows of tensor {tensor} have {row} numbers, and {} has blocks of {}",
                encoding.name(),
                encoding.block()
            ),
        }
    }
}

impl std::error::Error for Trouble {}

/// What the metadata of the result says, besides what that of the source said: keys that are there already are removed from
/// their place and follow at the end, in this order.
pub fn metadata(file_type: FileType) -> [(&'static str, u32); 2] {
    [("general.quantization_version", 2), ("general.file_type", file_type.number())]
}

/// What metadata the result does not have, since it is one file.
pub const REMOVED: [&str; 3] = ["split.no", "split.count", "split.tensors.count"];

/// Which tensors come in what order, by their places in `tensors`, and the encoding of each; where there is none, the
/// tensor's bytes stay as they are.
///
/// # Errors
/// See [`Trouble`].
pub fn plan(
    file_type: FileType,
    facts: Facts<'_>,
    tensors: &[Tensor<'_>],
    wishes: &Wishes,
) -> Result<Vec<(usize, Option<Encoding>)>, Trouble> {
    let mut order: Vec<usize> = (0..tensors.len()).collect();
    order.sort_by_key(|at| (tensor::layer(tensors[*at].name), tensors[*at].name));
    let mut rules = Rules::new(file_type, facts, tensors);
    let mut planned = Vec::with_capacity(order.len());
    for at in order {
        let tensor = &tensors[at];
        let chosen = choose(&mut rules, tensor, wishes)?;
        let encoding = chosen.filter(|chosen| chosen.number() != tensor.stored);
        if let Some(to) = encoding {
            readable(tensor, to, wishes)?;
        }
        planned.push((at, encoding));
    }
    Ok(planned)
}

/// The encoding of a tensor; none where it stays in any case.
fn choose(rules: &mut Rules<'_>, tensor: &Tensor<'_>, wishes: &Wishes) -> Result<Option<Encoding>, Trouble> {
    if !tensor::may_change(tensor, rules.architecture(), wishes.keep_output) {
        return Ok(None);
    }
    let category = Category::of(tensor.name);
    let named = wishes.tensors.iter().find(|(pattern, _)| pattern.is_match(tensor.name));
    let own_table = tensor.name == "per_layer_token_embd.weight" && named.is_some();
    let asked = match category {
        Category::TokenEmbedding if !own_table => wishes.token_embedding,
        Category::Output => wishes.output,
        _ => None,
    };
    if let Some(asked) = asked {
        return fits(tensor, asked).map(Some);
    }
    let usual = rules.file_type().usual();
    if !usual.is_quantized() {
        return Ok(Some(usual));
    }
    let wanted = match named {
        Some((_, encoding)) => *encoding,
        None if wishes.pure => usual,
        None => rules.choose(tensor, category, wishes)?,
    };
    let chosen = fallback(wanted, tensor.shape.first().copied().unwrap_or(0));
    // A whole file of two bits with nothing in between needs to know which numbers matter; a tensor of them does not.
    let special = matches!(category, Category::TokenEmbedding | Category::Output);
    if rules.file_type() == FileType::Q2KS && chosen == Encoding::Q2K && !special {
        return Err(Trouble::NeedsImportance(FileType::Q2KS));
    }
    Ok(Some(chosen))
}

/// What a tensor gets instead, whose rows are no whole number of an encoding's blocks.
fn fallback(wanted: Encoding, row: u64) -> Encoding {
    let fits = |encoding: Encoding| row.is_multiple_of(encoding.block() as u64);
    if fits(wanted) {
        return wanted;
    }
    let smaller = match wanted {
        Encoding::Q2K | Encoding::Q3K => Encoding::Q4_0,
        Encoding::Q4K => Encoding::Q5_0,
        Encoding::Q5K => Encoding::Q5_1,
        Encoding::Q6K => Encoding::Q8_0,
        other => other,
    };
    if fits(smaller) { smaller } else { Encoding::F16 }
}

/// llama.cpp takes these two wishes literally, and then fails where they do not fit.
fn fits(tensor: &Tensor<'_>, encoding: Encoding) -> Result<Encoding, Trouble> {
    let row = tensor.shape.first().copied().unwrap_or(0);
    if row.is_multiple_of(encoding.block() as u64) {
        Ok(encoding)
    } else {
        Err(Trouble::DoesNotFit { tensor: tensor.name.to_owned(), encoding, row })
    }
}

fn readable(tensor: &Tensor<'_>, to: Encoding, wishes: &Wishes) -> Result<(), Trouble> {
    match Encoding::from_number(tensor.stored) {
        None => Err(Trouble::Unreadable { tensor: tensor.name.to_owned(), stored: tensor.stored }),
        // Unlike llama.cpp, which asks for leave here too: what is unpacked loses nothing.
        Some(_) if to == Encoding::F32 => Ok(()),
        Some(from) if from.is_quantized() && !wishes.again => {
            Err(Trouble::Quantized { tensor: tensor.name.to_owned(), from, to })
        }
        Some(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests;
