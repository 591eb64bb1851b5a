//! The Gemmas, which write text. Their norms are about 0 in Hugging Face's files and about 1 in GGUF.

use inferno_formats::gguf::{Array, Kind, Value};

use super::super::Error;
use super::super::keys::Keys;
use super::super::layout::{GEMMA, GEMMA2, GEMMA3, Lengths, Name};
use super::super::object::Object;
use super::super::rope::Rope;
use super::{Model, decoder, only};

/// The size of the models whose attention is scaled by another number than the length of a head.
const LARGEST: &[(&str, u32)] = &[("gemma2", 46), ("gemma3", 62)];

pub(super) fn one(config: &Object) -> Result<Model, Error> {
    plain(config, "gemma", GEMMA)
}

pub(super) fn two(config: &Object) -> Result<Model, Error> {
    let mut model = plain(config, "gemma2", GEMMA2)?;
    check_scale(config, &model)?;
    for (from, to) in [
        ("attn_logit_softcapping", "gemma2.attn_logit_softcapping"),
        ("final_logit_softcapping", "gemma2.final_logit_softcapping"),
    ] {
        model.keys.float(to, config.need_float(from)?);
    }
    model.keys.count("gemma2.attention.sliding_window", config.need("sliding_window")?);
    tell_pattern(config, &mut model, 2)?;
    Ok(model)
}

pub(super) fn three(config: &Object) -> Result<Model, Error> {
    // Where the model sees as well as reads, what it reads with is described inside, and with what differs from these only.
    let config = match config.object("text_config")? {
        Some(inner) => {
            let usual = serde_json::json!({
                "num_attention_heads": 8, "num_key_value_heads": 4, "head_dim": 256, "vocab_size": 262_208,
                "max_position_embeddings": 131_072, "rope_theta": 1_000_000.0, "rope_local_base_freq": 10_000.0,
                "query_pre_attn_scalar": 256, "sliding_window": 4096, "sliding_window_pattern": 6,
            });
            Object::new("config.json", usual)?.under(&inner)
        }
        None => config.clone(),
    };
    let config = &config;
    let mut model = plain(config, "gemma3", GEMMA3)?;
    check_scale(config, &model)?;
    if config.get("attn_logit_softcapping").is_some() {
        return Err(config.wrong("attn_logit_softcapping", "is set, but a Gemma 3 in GGUF has none"));
    }
    if let Some(cap) = config.float("final_logit_softcapping")? {
        model.keys.float("gemma3.final_logit_softcapping", cap);
    }
    if let Some(window) = config.size("sliding_window")? {
        model.keys.count("gemma3.attention.sliding_window", window);
        tell_pattern(config, &mut model, 6)?;
    }
    Ok(model)
}

fn plain(config: &Object, arch: &'static str, names: &'static [Name]) -> Result<Model, Error> {
    // The older key said `gelu` and the models were run with its approximation.
    if config.get("hidden_activation").is_some() {
        only(config, "hidden_activation", &["gelu_pytorch_tanh"])?;
    } else {
        only(config, "hidden_act", &["gelu", "gelu_pytorch_tanh"])?;
    }
    if config.flag("use_bidirectional_attention")?.unwrap_or(false) {
        return Err(config
            .wrong("use_bidirectional_attention", "is true, but only models that write text are converted"));
    }
    if !config.flag("tie_word_embeddings")?.unwrap_or(true) {
        return Err(config
            .wrong("tie_word_embeddings", "is false, but a Gemma in GGUF has one embedding for both ends"));
    }
    let lengths = decoder::lengths(config)?;
    let mut keys = Keys::default();
    decoder::tell(config, arch, &lengths, &mut keys)?;
    let rope = Rope::read(config, 10_000.0)?;
    decoder::whole(config, &rope)?;
    rope.tell(arch, &mut keys)?;
    Ok(Model {
        arch,
        lengths,
        names,
        prefixes: &["model.language_model.", "language_model."],
        left_out: LEFT_OUT,
        keys,
        made: Vec::new(),
        tied: true,
    })
}

/// Tables, the output that is the embedding over again, and what the model sees with.
const LEFT_OUT: &[&str] = &[
    "rotary_emb.",
    "lm_head.",
    "language_model.lm_head.",
    "vision_tower.",
    "model.vision_tower.",
    "multi_modal_projector.",
    "model.multi_modal_projector.",
];

/// llama.cpp knows what attention is scaled by from the size of the model alone.
fn check_scale(config: &Object, model: &Model) -> Result<(), Error> {
    let Lengths { layers, embedding, heads, head, .. } = model.lengths;
    let expected = if LARGEST.contains(&(model.arch, layers)) { embedding / heads } else { head };
    match config.float("query_pre_attn_scalar")? {
        Some(found) if found != f64::from(expected) => Err(config.wrong(
            "query_pre_attn_scalar",
            format!("is {found}, but such a model in GGUF is run with {expected}"),
        )),
        _ => Ok(()),
    }
}

/// Says which layers see a window only, where it is not each but every `usual`th.
fn tell_pattern(config: &Object, model: &mut Model, usual: u32) -> Result<(), Error> {
    let key = format!("{}.attention.sliding_window_pattern", model.arch);
    let Some(kinds) = config.list("layer_types")? else {
        match config.size("sliding_window_pattern")? {
            Some(pattern) if pattern != usual => model.keys.count(key, pattern),
            _ => {}
        }
        return Ok(());
    };
    if kinds.len() as u64 != u64::from(model.lengths.layers) {
        return Err(config.wrong(
            "layer_types",
            format!("has {} entries for {} layers", kinds.len(), model.lengths.layers),
        ));
    }
    let mut windows = Vec::with_capacity(kinds.len());
    for kind in kinds {
        windows.push(match kind.as_str() {
            Some("sliding_attention") => true,
            Some("full_attention") => false,
            _ => {
                return Err(config.wrong("layer_types", "may have sliding_attention and full_attention only"));
            }
        });
    }
    let as_usual = |(layer, window): (u32, &bool)| *window == ((layer + 1) % usual != 0);
    if !(0..).zip(&windows).all(as_usual) {
        let bytes: Vec<u8> = windows.into_iter().map(u8::from).collect();
        model.keys.set(key, Value::Array(Array { kind: Kind::Bool, length: bytes.len() as u64, bytes }));
    }
    Ok(())
}
