//! Which tensors are worth more bits than the others of a file, and which fewer.

use super::tensor::{self, Category};
use super::{Facts, FileType, Tensor, Trouble, Wishes};
use crate::quant::Encoding;

/// The rules, and how many tensors of each kind they have seen: for some it matters which come first.
pub(super) struct Rules<'a> {
    file_type: FileType,
    facts: Facts<'a>,
    tied: bool,
    with_values: i64,
    values_seen: i64,
    downs_seen: i64,
}

impl<'a> Rules<'a> {
    pub(super) fn new(file_type: FileType, facts: Facts<'a>, tensors: &[Tensor<'_>]) -> Self {
        let categories = || tensors.iter().map(|tensor| Category::of(tensor.name));
        Self {
            file_type,
            facts,
            tied: !categories().any(|category| category == Category::Output),
            with_values: categories().filter(|category| category.has_values()).count() as i64,
            values_seen: 0,
            downs_seen: 0,
        }
    }

    pub(super) fn file_type(&self) -> FileType {
        self.file_type
    }

    pub(super) fn architecture(&self) -> &'a str {
        self.facts.architecture
    }

    /// The encoding of the next tensor.
    pub(super) fn choose(
        &mut self,
        tensor: &Tensor<'_>,
        category: Category,
        wishes: &Wishes,
    ) -> Result<Encoding, Trouble> {
        let usual = self.file_type.usual();
        let floor = ["attn_q_a", "attn_q_b", "nextn.eh_proj"];
        if self.architecture() == "glm5-next" && floor.iter().any(|part| tensor.name.contains(part)) {
            return Ok(Encoding::Q8_0);
        }
        Ok(match category {
            Category::Output => self.output(tensor, usual, wishes),
            Category::TokenEmbedding if self.tied => self.output(tensor, usual, wishes),
            Category::Value | Category::QueryKeyValue | Category::KeyValue => self.values(usual),
            Category::Key if self.facts.experts == 8 => Encoding::Q8_0,
            Category::Down => self.down(tensor, usual)?,
            Category::AttentionOutput => self.attention_output(usual),
            Category::Up | Category::Gate => {
                self.layer(tensor, 0)?;
                usual
            }
            Category::TokenEmbedding | Category::Query | Category::Key | Category::Other => usual,
        })
    }

    /// What turns the model's last numbers into tokens, be it the same tensor that turns tokens into numbers.
    fn output(&self, tensor: &Tensor<'_>, usual: Encoding, wishes: &Wishes) -> Encoding {
        let row = tensor.shape.first().copied().unwrap_or(0);
        if let Some(encoding) = wishes.output {
            encoding
        } else if self.is_falcon() || !row.is_multiple_of(usual.block() as u64) || usual == Encoding::Q8_0 {
            Encoding::Q8_0
        } else {
            Encoding::Q6K
        }
    }

    fn values(&mut self, usual: Encoding) -> Encoding {
        let shared_by_many = self.facts.heads.checked_div(self.facts.heads_kv).unwrap_or(0) >= 4;
        let seen = self.values_seen;
        self.values_seen += 1;
        let chosen = match self.file_type {
            FileType::Q2K if shared_by_many => Encoding::Q4K,
            FileType::Q2K => Encoding::Q3K,
            FileType::Q2KS if shared_by_many => Encoding::Q4K,
            FileType::Q3KM if seen < 2 => Encoding::Q5K,
            FileType::Q3KM => Encoding::Q4K,
            FileType::Q3KL => Encoding::Q5K,
            FileType::Q4KM | FileType::Q5KM if more_bits(seen, self.with_values) => Encoding::Q6K,
            FileType::Q4KS if seen < 4 => Encoding::Q5K,
            _ => usual,
        };
        if self.facts.experts == 8 {
            Encoding::Q8_0
        } else if self.is_70b() && matches!(chosen, Encoding::Q3K | Encoding::Q4K) {
            // Its values are an eighth of its queries: bits for them cost little.
            Encoding::Q5K
        } else {
            chosen
        }
    }

    fn down(&mut self, tensor: &Tensor<'_>, usual: Encoding) -> Result<Encoding, Trouble> {
        let layer = self.layer(tensor, self.downs_seen)?;
        let layers = self.layers();
        self.downs_seen += 1;
        Ok(match self.file_type {
            FileType::Q2K => Encoding::Q3K,
            FileType::Q2KS if layer < layers / 8 => Encoding::Q4K,
            FileType::Q3KM if layer < layers / 16 => Encoding::Q5K,
            FileType::Q3KM if !self.is_falcon() || more_bits(layer, layers) => Encoding::Q4K,
            FileType::Q3KL if self.is_falcon() => Encoding::Q4K,
            FileType::Q3KL => Encoding::Q5K,
            FileType::Q4KM if self.is_falcon() && layer < layers / 16 => Encoding::Q6K,
            FileType::Q4KM if self.is_falcon() && more_bits(layer, layers) => Encoding::Q5K,
            FileType::Q4KM if !self.is_falcon() && more_bits(layer, layers) => Encoding::Q6K,
            FileType::Q5KM if more_bits(layer, layers) => Encoding::Q6K,
            FileType::Q4KS if !self.is_falcon() && layer < layers / 8 => Encoding::Q5K,
            _ => usual,
        })
    }

    fn attention_output(&self, usual: Encoding) -> Encoding {
        if self.is_falcon() {
            return if self.file_type == FileType::Q3KL { Encoding::Q4K } else { usual };
        }
        let experts = self.facts.experts == 8;
        match self.file_type {
            FileType::Q2K | FileType::Q3KS | FileType::Q3KM | FileType::Q4KS | FileType::Q4KM if experts => {
                Encoding::Q5K
            }
            FileType::Q2K if !experts => Encoding::Q3K,
            FileType::Q3KM if !experts => Encoding::Q4K,
            FileType::Q3KL if !experts => Encoding::Q5K,
            _ => usual,
        }
    }

    /// The layer of a tensor: what was counted, except in models with experts, where the name has to say it.
    fn layer(&self, tensor: &Tensor<'_>, counted: i64) -> Result<i64, Trouble> {
        if self.facts.experts <= 1 {
            return Ok(counted);
        }
        let named = tensor::layer(tensor.name);
        if (0..self.layers()).contains(&named) {
            Ok(named)
        } else {
            Err(Trouble::NoLayer { tensor: tensor.name.to_owned(), layers: self.facts.layers })
        }
    }

    fn layers(&self) -> i64 {
        i64::try_from(self.facts.layers).unwrap_or(i64::MAX)
    }

    fn is_falcon(&self) -> bool {
        self.architecture() == "falcon"
    }

    /// Models of 70 billion numbers, by what llama.cpp knows them.
    fn is_70b(&self) -> bool {
        let Facts { architecture, layers, heads, heads_kv, .. } = self.facts;
        match architecture {
            "llama" | "llama-embed" => layers == 80 && heads != heads_kv,
            "qwen2" | "deci" | "olmo" => layers == 80,
            "jais2" => layers == 68,
            _ => false,
        }
    }
}

/// The first and the last eighth of layers, and every third between them.
fn more_bits(layer: i64, layers: i64) -> bool {
    layer < layers / 8 || layer >= layers.saturating_mul(7) / 8 || (layer - layers / 8) % 3 == 2
}
