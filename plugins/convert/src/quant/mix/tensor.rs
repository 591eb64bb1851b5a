//! What a tensor's name and shape say of it.

use super::Tensor;

/// What a tensor is for, as far as the rules care.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Category {
    TokenEmbedding,
    Query,
    Key,
    Value,
    QueryKeyValue,
    KeyValue,
    AttentionOutput,
    Up,
    Gate,
    Down,
    Output,
    Other,
}

/// The first that a name holds counts.
const BY_PART: [(&str, Category); 9] = [
    ("attn_qkv.weight", Category::QueryKeyValue),
    ("attn_kv_b.weight", Category::KeyValue),
    ("attn_v.weight", Category::Value),
    ("attn_k.weight", Category::Key),
    ("attn_q.weight", Category::Query),
    ("attn_output.weight", Category::AttentionOutput),
    ("ffn_up", Category::Up),
    ("ffn_gate", Category::Gate),
    ("ffn_down", Category::Down),
];

impl Category {
    pub(super) fn of(name: &str) -> Self {
        match name {
            "output.weight" => Self::Output,
            "token_embd.weight" | "per_layer_token_embd.weight" => Self::TokenEmbedding,
            _ => BY_PART.iter().find(|(part, _)| name.contains(part)).map_or(Self::Other, |row| row.1),
        }
    }

    /// Whether it is about the values of attention, which bear quantization worst.
    pub(super) fn has_values(self) -> bool {
        matches!(self, Self::Value | Self::QueryKeyValue | Self::KeyValue)
    }
}

/// The layer that a tensor belongs to, by its name; -1 where it says none.
pub(super) fn layer(name: &str) -> i64 {
    let rest = name.strip_prefix("blk.").unwrap_or_default();
    let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    rest[..digits].parse().unwrap_or(-1)
}

/// Names with one of these in them belong to tensors that are small or whose numbers count, so that they stay.
const STAYS: [&str; 35] = [
    "_norm.weight",
    // What chooses among experts, and where tokens go by a table.
    "ffn_gate_inp.weight",
    "ffn_gate_tid2eid.weight",
    "altup",
    "laurel",
    "per_layer_model_proj",
    // Convolutions of state-space models.
    "ssm_conv1d",
    "shortconv.conv.weight",
    "indexer.k_proj.weight",
    "indexer.q_proj.weight",
    // RWKV.
    "time_mix_first.weight",
    "time_mix_w0.weight",
    "time_mix_w1.weight",
    "time_mix_w2.weight",
    "time_mix_v0.weight",
    "time_mix_v1.weight",
    "time_mix_v2.weight",
    "time_mix_a0.weight",
    "time_mix_a1.weight",
    "time_mix_a2.weight",
    "time_mix_g1.weight",
    "time_mix_g2.weight",
    "time_mix_decay_w1.weight",
    "time_mix_decay_w2.weight",
    "time_mix_lerp_fused.weight",
    // Positions relative to one another.
    "attn_rel_b.weight",
    // Pictures and sound.
    ".position_embd",
    "sam.pos_embd",
    "sam.neck.",
    "sam.net_",
    ".rel_pos",
    ".patch_embd",
    ".patch_merger",
    "a.rvq.codebook",
    "mm.a.code_embd",
];

/// What stays besides in models of the architecture `glm5-next`.
const STAYS_GLM5_NEXT: [&str; 14] = [
    "hc_",
    "indexer.attn_q_b",
    "indexer.attn_k",
    "indexer.proj",
    "indexer_compressor_gate",
    "indexer_compressor_ape",
    "ssm_f_a.weight",
    "ssm_f_b.weight",
    "ssm_g_a.weight",
    "ssm_g_b.weight",
    "ssm_beta.weight",
    "attn_kv_a_mqa.weight",
    "attn_k_b.weight",
    "attn_v_b.weight",
];

/// Whether a tensor's encoding may change at all.
pub(super) fn may_change(tensor: &Tensor<'_>, architecture: &str, keep_output: bool) -> bool {
    let name = tensor.name;
    let is_matrix = tensor.shape.iter().skip(1).any(|length| *length > 1);
    let kept_by_name = matches!(name, "position_embd.weight" | "token_types.weight")
        || keep_output && name == "output.weight"
        || STAYS.iter().any(|part| name.contains(part))
        || architecture == "glm5-next" && STAYS_GLM5_NEXT.iter().any(|part| name.contains(part));
    is_matrix && name.ends_with("weight") && !kept_by_name
}
