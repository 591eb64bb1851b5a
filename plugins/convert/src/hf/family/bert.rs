//! BERT and its kin, which make vectors of texts.

use super::super::Error;
use super::super::keys::Keys;
use super::super::layout::{BERT, Lengths};
use super::super::object::Object;
use super::{Model, only};

/// What predicts words, and what makes a sentence's vector in a way that no model of sentences uses.
const LEFT_OUT: &[&str] =
    &["pooler.", "cls.", "lm_head.", "embeddings.position_ids", "embeddings.token_type_ids"];

pub(super) fn bert(config: &Object) -> Result<Model, Error> {
    plain(config, 0)
}

/// As BERT, but its positions are counted from behind the number of the token that fills up.
pub(super) fn roberta(config: &Object) -> Result<Model, Error> {
    let padding = config.count("pad_token_id")?.unwrap_or(1);
    plain(config, padding.saturating_add(1))
}

fn plain(config: &Object, skipped: u32) -> Result<Model, Error> {
    only(config, "hidden_act", &["gelu"])?;
    only(config, "position_embedding_type", &["absolute"])?;
    let (embedding, heads) = (config.need("hidden_size")?, config.need("num_attention_heads")?);
    let positions = config.need("max_position_embeddings")?;
    let Some(context) = positions.checked_sub(skipped).filter(|context| *context > 0) else {
        return Err(config
            .wrong("max_position_embeddings", format!("is {positions}, but must be more than {skipped}")));
    };
    if !embedding.is_multiple_of(heads) {
        return Err(
            config.wrong("hidden_size", format!("is {embedding}, which is no multiple of {heads} heads"))
        );
    }
    let lengths = Lengths {
        layers: config.need("num_hidden_layers")?,
        embedding,
        feed: config.need("intermediate_size")?,
        heads,
        key_heads: heads,
        head: embedding / heads,
        vocabulary: config.need("vocab_size")?,
        positions: context,
        skipped,
        types: config.size("type_vocab_size")?.unwrap_or(1),
    };
    let mut keys = Keys::default();
    keys.count("bert.block_count", lengths.layers);
    keys.count("bert.context_length", context);
    keys.count("bert.embedding_length", embedding);
    keys.count("bert.feed_forward_length", lengths.feed);
    keys.count("bert.attention.head_count", heads);
    keys.float("bert.attention.layer_norm_epsilon", config.float("layer_norm_eps")?.unwrap_or(1e-12));
    keys.flag("bert.attention.causal", false);
    keys.count("tokenizer.ggml.token_type_count", lengths.types);
    let prefixes = &["bert.", "roberta."];
    Ok(Model {
        arch: "bert",
        lengths,
        names: BERT,
        prefixes,
        left_out: LEFT_OUT,
        keys,
        made: Vec::new(),
        tied: true,
    })
}
