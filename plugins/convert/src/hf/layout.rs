//! What the tensors of a family are called in both worlds, and how large they are.

/// A length that follows from the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dim {
    /// Of what goes from layer to layer.
    Embedding,
    /// Inside a feed-forward layer.
    Feed,
    /// Gate and value of a feed-forward layer in one.
    GateUp,
    /// Queries of all heads.
    Queries,
    /// Keys of all heads; values have as many.
    Keys,
    /// Queries, keys and values in one.
    Qkv,
    /// One head.
    Head,
    /// Tokens.
    Vocabulary,
    /// Positions, where they are learnt.
    Positions,
    /// Kinds of text that a BERT tells apart.
    Types,
}

/// What has to be done to a tensor on its way from Hugging Face to GGUF, and undone on the way back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Nothing.
    Plain,
    /// The rows of each head of queries, or of their bias, are interleaved.
    Query,
    /// Those of each head of keys are.
    Key,
    /// One is added.
    Norm,
    /// The first rows belong to no position and are left out.
    Position,
}

/// When a tensor has to be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Need {
    /// Its weight always, its bias where the model has one.
    Weight,
    /// Both always.
    Both,
    /// Unless the embedding of tokens serves in its place.
    Untied,
}

/// One tensor or, where its names have `{}` for the number of the layer, one in each layer. Names are without the `.weight`
/// or `.bias` at their end, and shapes are those of the weight, rows first.
#[derive(Clone, Copy, Debug)]
pub(super) struct Name {
    pub(super) hf: &'static str,
    pub(super) gguf: &'static str,
    pub(super) shape: &'static [Dim],
    pub(super) role: Role,
    pub(super) need: Need,
}

impl Name {
    pub(super) fn in_layers(&self) -> bool {
        self.hf.contains("{}")
    }
}

/// `name` with the number of a layer in it.
pub(super) fn numbered(name: &str, layer: u32) -> String {
    name.replace("{}", &layer.to_string())
}

const fn name(hf: &'static str, gguf: &'static str, shape: &'static [Dim], role: Role, need: Need) -> Name {
    Name { hf, gguf, shape, role, need }
}

use Dim::{Embedding, Feed, GateUp, Head, Keys, Positions, Qkv, Queries, Types, Vocabulary};
use Need::{Both, Untied, Weight};
use Role::{Key, Norm, Plain, Position, Query};

/// Llama and Mistral.
pub(super) const LLAMA: &[Name] = &[
    name("model.embed_tokens", "token_embd", &[Vocabulary, Embedding], Plain, Weight),
    name("model.layers.{}.input_layernorm", "blk.{}.attn_norm", &[Embedding], Plain, Weight),
    name("model.layers.{}.self_attn.q_proj", "blk.{}.attn_q", &[Queries, Embedding], Query, Weight),
    name("model.layers.{}.self_attn.k_proj", "blk.{}.attn_k", &[Keys, Embedding], Key, Weight),
    name("model.layers.{}.self_attn.v_proj", "blk.{}.attn_v", &[Keys, Embedding], Plain, Weight),
    name("model.layers.{}.self_attn.o_proj", "blk.{}.attn_output", &[Embedding, Queries], Plain, Weight),
    name("model.layers.{}.post_attention_layernorm", "blk.{}.ffn_norm", &[Embedding], Plain, Weight),
    name("model.layers.{}.mlp.gate_proj", "blk.{}.ffn_gate", &[Feed, Embedding], Plain, Weight),
    name("model.layers.{}.mlp.up_proj", "blk.{}.ffn_up", &[Feed, Embedding], Plain, Weight),
    name("model.layers.{}.mlp.down_proj", "blk.{}.ffn_down", &[Embedding, Feed], Plain, Weight),
    name("model.norm", "output_norm", &[Embedding], Plain, Weight),
    name("lm_head", "output", &[Vocabulary, Embedding], Plain, Untied),
];

/// Qwen 2, whose queries and keys have a bias.
pub(super) const QWEN2: &[Name] = &[
    name("model.embed_tokens", "token_embd", &[Vocabulary, Embedding], Plain, Weight),
    name("model.layers.{}.input_layernorm", "blk.{}.attn_norm", &[Embedding], Plain, Weight),
    name("model.layers.{}.self_attn.q_proj", "blk.{}.attn_q", &[Queries, Embedding], Plain, Both),
    name("model.layers.{}.self_attn.k_proj", "blk.{}.attn_k", &[Keys, Embedding], Plain, Both),
    name("model.layers.{}.self_attn.v_proj", "blk.{}.attn_v", &[Keys, Embedding], Plain, Both),
    name("model.layers.{}.self_attn.o_proj", "blk.{}.attn_output", &[Embedding, Queries], Plain, Weight),
    name("model.layers.{}.post_attention_layernorm", "blk.{}.ffn_norm", &[Embedding], Plain, Weight),
    name("model.layers.{}.mlp.gate_proj", "blk.{}.ffn_gate", &[Feed, Embedding], Plain, Weight),
    name("model.layers.{}.mlp.up_proj", "blk.{}.ffn_up", &[Feed, Embedding], Plain, Weight),
    name("model.layers.{}.mlp.down_proj", "blk.{}.ffn_down", &[Embedding, Feed], Plain, Weight),
    name("model.norm", "output_norm", &[Embedding], Plain, Weight),
    name("lm_head", "output", &[Vocabulary, Embedding], Plain, Untied),
];

/// Qwen 3, whose queries and keys are normed.
pub(super) const QWEN3: &[Name] = &[
    name("model.embed_tokens", "token_embd", &[Vocabulary, Embedding], Plain, Weight),
    name("model.layers.{}.input_layernorm", "blk.{}.attn_norm", &[Embedding], Plain, Weight),
    name("model.layers.{}.self_attn.q_proj", "blk.{}.attn_q", &[Queries, Embedding], Plain, Weight),
    name("model.layers.{}.self_attn.q_norm", "blk.{}.attn_q_norm", &[Head], Plain, Weight),
    name("model.layers.{}.self_attn.k_proj", "blk.{}.attn_k", &[Keys, Embedding], Plain, Weight),
    name("model.layers.{}.self_attn.k_norm", "blk.{}.attn_k_norm", &[Head], Plain, Weight),
    name("model.layers.{}.self_attn.v_proj", "blk.{}.attn_v", &[Keys, Embedding], Plain, Weight),
    name("model.layers.{}.self_attn.o_proj", "blk.{}.attn_output", &[Embedding, Queries], Plain, Weight),
    name("model.layers.{}.post_attention_layernorm", "blk.{}.ffn_norm", &[Embedding], Plain, Weight),
    name("model.layers.{}.mlp.gate_proj", "blk.{}.ffn_gate", &[Feed, Embedding], Plain, Weight),
    name("model.layers.{}.mlp.up_proj", "blk.{}.ffn_up", &[Feed, Embedding], Plain, Weight),
    name("model.layers.{}.mlp.down_proj", "blk.{}.ffn_down", &[Embedding, Feed], Plain, Weight),
    name("model.norm", "output_norm", &[Embedding], Plain, Weight),
    name("lm_head", "output", &[Vocabulary, Embedding], Plain, Untied),
];

/// Gemma 1.
pub(super) const GEMMA: &[Name] = &[
    name("model.embed_tokens", "token_embd", &[Vocabulary, Embedding], Plain, Weight),
    name("model.layers.{}.input_layernorm", "blk.{}.attn_norm", &[Embedding], Norm, Weight),
    name("model.layers.{}.self_attn.q_proj", "blk.{}.attn_q", &[Queries, Embedding], Plain, Weight),
    name("model.layers.{}.self_attn.k_proj", "blk.{}.attn_k", &[Keys, Embedding], Plain, Weight),
    name("model.layers.{}.self_attn.v_proj", "blk.{}.attn_v", &[Keys, Embedding], Plain, Weight),
    name("model.layers.{}.self_attn.o_proj", "blk.{}.attn_output", &[Embedding, Queries], Plain, Weight),
    name("model.layers.{}.post_attention_layernorm", "blk.{}.ffn_norm", &[Embedding], Norm, Weight),
    name("model.layers.{}.mlp.gate_proj", "blk.{}.ffn_gate", &[Feed, Embedding], Plain, Weight),
    name("model.layers.{}.mlp.up_proj", "blk.{}.ffn_up", &[Feed, Embedding], Plain, Weight),
    name("model.layers.{}.mlp.down_proj", "blk.{}.ffn_down", &[Embedding, Feed], Plain, Weight),
    name("model.norm", "output_norm", &[Embedding], Norm, Weight),
];

/// Gemma 2, which has norms after its layers too.
pub(super) const GEMMA2: &[Name] = &[
    name("model.embed_tokens", "token_embd", &[Vocabulary, Embedding], Plain, Weight),
    name("model.layers.{}.input_layernorm", "blk.{}.attn_norm", &[Embedding], Norm, Weight),
    name("model.layers.{}.self_attn.q_proj", "blk.{}.attn_q", &[Queries, Embedding], Plain, Weight),
    name("model.layers.{}.self_attn.k_proj", "blk.{}.attn_k", &[Keys, Embedding], Plain, Weight),
    name("model.layers.{}.self_attn.v_proj", "blk.{}.attn_v", &[Keys, Embedding], Plain, Weight),
    name("model.layers.{}.self_attn.o_proj", "blk.{}.attn_output", &[Embedding, Queries], Plain, Weight),
    name(
        "model.layers.{}.post_attention_layernorm",
        "blk.{}.post_attention_norm",
        &[Embedding],
        Norm,
        Weight,
    ),
    name("model.layers.{}.pre_feedforward_layernorm", "blk.{}.ffn_norm", &[Embedding], Norm, Weight),
    name("model.layers.{}.mlp.gate_proj", "blk.{}.ffn_gate", &[Feed, Embedding], Plain, Weight),
    name("model.layers.{}.mlp.up_proj", "blk.{}.ffn_up", &[Feed, Embedding], Plain, Weight),
    name("model.layers.{}.mlp.down_proj", "blk.{}.ffn_down", &[Embedding, Feed], Plain, Weight),
    name("model.layers.{}.post_feedforward_layernorm", "blk.{}.post_ffw_norm", &[Embedding], Norm, Weight),
    name("model.norm", "output_norm", &[Embedding], Norm, Weight),
];

/// Gemma 3, whose queries and keys are normed besides.
pub(super) const GEMMA3: &[Name] = &[
    name("model.embed_tokens", "token_embd", &[Vocabulary, Embedding], Plain, Weight),
    name("model.layers.{}.input_layernorm", "blk.{}.attn_norm", &[Embedding], Norm, Weight),
    name("model.layers.{}.self_attn.q_proj", "blk.{}.attn_q", &[Queries, Embedding], Plain, Weight),
    name("model.layers.{}.self_attn.q_norm", "blk.{}.attn_q_norm", &[Head], Norm, Weight),
    name("model.layers.{}.self_attn.k_proj", "blk.{}.attn_k", &[Keys, Embedding], Plain, Weight),
    name("model.layers.{}.self_attn.k_norm", "blk.{}.attn_k_norm", &[Head], Norm, Weight),
    name("model.layers.{}.self_attn.v_proj", "blk.{}.attn_v", &[Keys, Embedding], Plain, Weight),
    name("model.layers.{}.self_attn.o_proj", "blk.{}.attn_output", &[Embedding, Queries], Plain, Weight),
    name(
        "model.layers.{}.post_attention_layernorm",
        "blk.{}.post_attention_norm",
        &[Embedding],
        Norm,
        Weight,
    ),
    name("model.layers.{}.pre_feedforward_layernorm", "blk.{}.ffn_norm", &[Embedding], Norm, Weight),
    name("model.layers.{}.mlp.gate_proj", "blk.{}.ffn_gate", &[Feed, Embedding], Plain, Weight),
    name("model.layers.{}.mlp.up_proj", "blk.{}.ffn_up", &[Feed, Embedding], Plain, Weight),
    name("model.layers.{}.mlp.down_proj", "blk.{}.ffn_down", &[Embedding, Feed], Plain, Weight),
    name("model.layers.{}.post_feedforward_layernorm", "blk.{}.post_ffw_norm", &[Embedding], Norm, Weight),
    name("model.norm", "output_norm", &[Embedding], Norm, Weight),
];

/// Phi 3, with queries, keys and values in one, and gate and value too.
pub(super) const PHI3: &[Name] = &[
    name("model.embed_tokens", "token_embd", &[Vocabulary, Embedding], Plain, Weight),
    name("model.layers.{}.input_layernorm", "blk.{}.attn_norm", &[Embedding], Plain, Weight),
    name("model.layers.{}.self_attn.qkv_proj", "blk.{}.attn_qkv", &[Qkv, Embedding], Plain, Weight),
    name("model.layers.{}.self_attn.o_proj", "blk.{}.attn_output", &[Embedding, Queries], Plain, Weight),
    name("model.layers.{}.post_attention_layernorm", "blk.{}.ffn_norm", &[Embedding], Plain, Weight),
    name("model.layers.{}.mlp.gate_up_proj", "blk.{}.ffn_up", &[GateUp, Embedding], Plain, Weight),
    name("model.layers.{}.mlp.down_proj", "blk.{}.ffn_down", &[Embedding, Feed], Plain, Weight),
    name("model.norm", "output_norm", &[Embedding], Plain, Weight),
    name("lm_head", "output", &[Vocabulary, Embedding], Plain, Untied),
];

/// BERT, RoBERTa and XLM-RoBERTa.
pub(super) const BERT: &[Name] = &[
    name("embeddings.word_embeddings", "token_embd", &[Vocabulary, Embedding], Plain, Weight),
    name("embeddings.token_type_embeddings", "token_types", &[Types, Embedding], Plain, Weight),
    name("embeddings.position_embeddings", "position_embd", &[Positions, Embedding], Position, Weight),
    name("embeddings.LayerNorm", "token_embd_norm", &[Embedding], Plain, Both),
    name("encoder.layer.{}.attention.self.query", "blk.{}.attn_q", &[Queries, Embedding], Plain, Both),
    name("encoder.layer.{}.attention.self.key", "blk.{}.attn_k", &[Keys, Embedding], Plain, Both),
    name("encoder.layer.{}.attention.self.value", "blk.{}.attn_v", &[Keys, Embedding], Plain, Both),
    name("encoder.layer.{}.attention.output.dense", "blk.{}.attn_output", &[Embedding, Queries], Plain, Both),
    name("encoder.layer.{}.attention.output.LayerNorm", "blk.{}.attn_output_norm", &[Embedding], Plain, Both),
    name("encoder.layer.{}.intermediate.dense", "blk.{}.ffn_up", &[Feed, Embedding], Plain, Both),
    name("encoder.layer.{}.output.dense", "blk.{}.ffn_down", &[Embedding, Feed], Plain, Both),
    name("encoder.layer.{}.output.LayerNorm", "blk.{}.layer_output_norm", &[Embedding], Plain, Both),
];

/// The most numbers that a head may have; real ones have at most some hundreds.
pub(super) const MAX_HEAD: u32 = 1 << 14;

/// The lengths of a model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Lengths {
    pub(super) layers: u32,
    pub(super) embedding: u32,
    pub(super) feed: u32,
    pub(super) heads: u32,
    pub(super) key_heads: u32,
    pub(super) head: u32,
    pub(super) vocabulary: u32,
    pub(super) positions: u32,
    /// Rows before the first position.
    pub(super) skipped: u32,
    pub(super) types: u32,
}

impl Lengths {
    /// What a dimension comes to.
    pub(super) fn of(&self, dim: Dim) -> u64 {
        let heads = |number: u32| u64::from(number) * u64::from(self.head);
        match dim {
            Embedding => self.embedding.into(),
            Feed => self.feed.into(),
            GateUp => 2 * u64::from(self.feed),
            Queries => heads(self.heads),
            Keys => heads(self.key_heads),
            Qkv => heads(self.heads) + 2 * heads(self.key_heads),
            Head => self.head.into(),
            Vocabulary => self.vocabulary.into(),
            Positions => u64::from(self.positions) + u64::from(self.skipped),
            Types => self.types.into(),
        }
    }
}
