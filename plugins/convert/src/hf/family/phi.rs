//! Phi 3 and 4.

use super::super::Error;
use super::super::keys::Keys;
use super::super::layout::PHI3;
use super::super::object::Object;
use super::super::rope::Rope;
use super::{Model, decoder, only};

pub(super) fn three(config: &Object) -> Result<Model, Error> {
    only(config, "hidden_act", &["silu"])?;
    let lengths = decoder::lengths(config)?;
    let mut keys = Keys::default();
    decoder::tell(config, "phi3", &lengths, &mut keys)?;
    let rope = Rope::read(config, 10_000.0)?;
    rope.tell("phi3", &mut keys)?;
    let turned = (f64::from(lengths.head) * rope.part) as u32;
    if turned == 0 || turned > lengths.head || !turned.is_multiple_of(2) {
        return Err(config.wrong(
            "partial_rotary_factor",
            format!("is {}, which turns {turned} of {}", rope.part, lengths.head),
        ));
    }
    keys.count("phi3.rope.dimension_count", turned);
    // Nothing is looked at through a window unless this says so; without the key llama.cpp takes one.
    keys.count("phi3.attention.sliding_window", config.size("sliding_window")?.unwrap_or(0));
    let context = config.need("max_position_embeddings")?;
    let before = rope
        .context_before()?
        .map_or_else(|| config.size("original_max_position_embeddings"), |n| Ok(Some(n)))?;
    let before = before.unwrap_or(context);
    keys.count("phi3.rope.scaling.original_context_length", before);
    let mut made = Vec::new();
    if let Some(factors) = rope.long(turned)? {
        let factor = rope.attention_factor()?.unwrap_or_else(|| attention_factor(context, before));
        keys.float("phi3.rope.scaling.attn_factor", factor);
        made.push(("rope_factors_long.weight", factors.long));
        made.push(("rope_factors_short.weight", factors.short));
    }
    let tied = config.flag("tie_word_embeddings")?.unwrap_or(false);
    Ok(Model {
        arch: "phi3",
        lengths,
        names: PHI3,
        prefixes: &[],
        left_out: decoder::TABLES,
        keys,
        made,
        tied,
    })
}

/// What attention is multiplied by in a model that was stretched from one context to another.
fn attention_factor(context: u32, before: u32) -> f64 {
    let (context, before) = (f64::from(context), f64::from(before));
    let stretched = context / before;
    if stretched <= 1.0 { 1.0 } else { (1.0 + stretched.ln() / before.ln()).sqrt() }
}
