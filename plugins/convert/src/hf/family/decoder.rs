//! Llama and what is built like it.

use super::super::Error;
use super::super::keys::Keys;
use super::super::layout::{LLAMA, Lengths, MAX_HEAD, Name, QWEN2, QWEN3};
use super::super::object::Object;
use super::super::rope::Rope;
use super::{Model, only};

/// Tables that older checkpoints carry along and that follow from the configuration.
pub(super) const TABLES: &[&str] = &["rotary_emb."];

pub(super) fn llama(config: &Object) -> Result<Model, Error> {
    let mut model = plain(config, "llama", LLAMA, 10_000.0)?;
    if config.size("num_local_experts")?.is_some() {
        return Err(config
            .wrong("num_local_experts", "is set, but models of several experts cannot be converted yet"));
    }
    model.keys.count("llama.vocab_size", model.lengths.vocabulary);
    let rope = Rope::read(config, 10_000.0)?;
    whole(config, &rope)?;
    model.keys.count("llama.rope.dimension_count", model.lengths.head);
    if let Some(factors) = rope.llama3(model.lengths.head)? {
        model.made.push(("rope_freqs.weight", factors));
    }
    Ok(model)
}

pub(super) fn qwen2(config: &Object) -> Result<Model, Error> {
    let model = plain(config, "qwen2", QWEN2, 10_000.0)?;
    whole(config, &Rope::read(config, 10_000.0)?)?;
    Ok(model)
}

pub(super) fn qwen3(config: &Object) -> Result<Model, Error> {
    let model = plain(config, "qwen3", QWEN3, 10_000.0)?;
    whole(config, &Rope::read(config, 10_000.0)?)?;
    Ok(model)
}

fn plain(config: &Object, arch: &'static str, names: &'static [Name], theta: f64) -> Result<Model, Error> {
    only(config, "hidden_act", &["silu"])?;
    let lengths = lengths(config)?;
    let mut keys = Keys::default();
    tell(config, arch, &lengths, &mut keys)?;
    Rope::read(config, theta)?.tell(arch, &mut keys)?;
    let tied = config.flag("tie_word_embeddings")?.unwrap_or(false);
    Ok(Model { arch, lengths, names, prefixes: &[], left_out: TABLES, keys, made: Vec::new(), tied })
}

/// The lengths of a model that writes text.
pub(super) fn lengths(config: &Object) -> Result<Lengths, Error> {
    let heads = config.need("num_attention_heads")?;
    let embedding = config.need("hidden_size")?;
    let head = match config.size("head_dim")? {
        Some(head) => head,
        None if embedding.is_multiple_of(heads) => embedding / heads,
        None => {
            let message =
                format!("is {embedding}, which is no multiple of the {heads} of num_attention_heads");
            return Err(config.wrong("hidden_size", message));
        }
    };
    if head > MAX_HEAD {
        return Err(config.wrong("head_dim", format!("comes to {head}, but at most {MAX_HEAD} are allowed")));
    }
    let key_heads = config.size("num_key_value_heads")?.unwrap_or(heads);
    if !heads.is_multiple_of(key_heads) || !head.is_multiple_of(2) {
        let message =
            format!("is {heads}, which does not go with {key_heads} heads of keys of length {head}");
        return Err(config.wrong("num_attention_heads", message));
    }
    Ok(Lengths {
        layers: config.need("num_hidden_layers")?,
        embedding,
        feed: config.need("intermediate_size")?,
        heads,
        key_heads,
        head,
        vocabulary: config.need("vocab_size")?,
        ..Lengths::default()
    })
}

/// What each model that writes text says of itself.
pub(super) fn tell(config: &Object, arch: &str, lengths: &Lengths, keys: &mut Keys) -> Result<(), Error> {
    keys.count(format!("{arch}.block_count"), lengths.layers);
    keys.count(format!("{arch}.context_length"), config.need("max_position_embeddings")?);
    keys.count(format!("{arch}.embedding_length"), lengths.embedding);
    keys.count(format!("{arch}.feed_forward_length"), lengths.feed);
    keys.count(format!("{arch}.attention.head_count"), lengths.heads);
    keys.count(format!("{arch}.attention.head_count_kv"), lengths.key_heads);
    keys.count(format!("{arch}.attention.key_length"), lengths.head);
    keys.count(format!("{arch}.attention.value_length"), lengths.head);
    let epsilon = config.float("rms_norm_eps")?.unwrap_or(1e-6);
    keys.float(format!("{arch}.attention.layer_norm_rms_epsilon"), epsilon);
    Ok(())
}

/// Only some models may turn a part of each head.
pub(super) fn whole(config: &Object, rope: &Rope) -> Result<(), Error> {
    if rope.part == 1.0 {
        return Ok(());
    }
    Err(config
        .wrong("partial_rotary_factor", format!("is {}, but this kind of model has 1 in GGUF", rope.part)))
}
