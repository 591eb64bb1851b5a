//! What a model's own metadata says about it.

use inferno_backend::Error;
use llama_cpp_2::model::LlamaModel;

/// How the vectors of a text's tokens become the vector of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pooling {
    /// Their mean.
    Mean,
    /// The first one.
    First,
    /// The last one.
    Last,
}

/// What a model says about itself.
#[derive(Debug)]
pub(crate) struct Facts {
    /// Tokens of context that it was trained with.
    pub(crate) trained: u32,
    /// Number of weights.
    pub(crate) parameters: u64,
    /// Bytes of cache that one token of context needs, an upper bound.
    pub(crate) cache_per_token: u64,
    /// Each token sees only what came before it.
    pub(crate) causal: bool,
    /// It writes text.
    pub(crate) generates: bool,
    /// How its vectors are pooled.
    pub(crate) pooling: Pooling,
    /// It scores pairs of texts, and does nothing else.
    pub(crate) ranks: bool,
    /// Its chat template.
    pub(crate) template: Option<String>,
}

/// Architectures whose attention looks both ways although older files do not say so.
const ENCODERS: &[&str] = &[
    "bert",
    "eurobert",
    "gemma-embedding",
    "jina-bert-v2",
    "jina-bert-v3",
    "modern-bert",
    "neo-bert",
    "nomic-bert",
    "nomic-bert-moe",
    "t5encoder",
];

/// Architectures that need more than a loop over tokens: an encoder first, or diffusion.
const OTHERS: &[&str] = &["dream", "llada", "llada-moe", "rnd1", "t5"];

impl Facts {
    /// Reads the metadata and refuses what this backend could not run.
    /// `head`: the file has weights that make a score.
    pub(crate) fn of(model: &LlamaModel, head: bool) -> Result<Self, Error> {
        let meta = Meta(model);
        let architecture = meta.text("general.architecture").unwrap_or_default();
        if OTHERS.contains(&architecture.as_str()) {
            return Err(Error::invalid(format!(
                "models of the architecture {architecture} are not supported"
            ))
            .hint("use a model that writes text from left to right, or an embedding model"));
        }
        let own = |key: &str| format!("{architecture}.{key}");

        let causal = !ENCODERS.contains(&architecture.as_str())
            && meta.text(&own("attention.causal")).is_none_or(|value| value != "false");
        let declared = match meta.number(&own("pooling_type")) {
            None | Some(0) => None,
            Some(1) => Some(Pooling::Mean),
            Some(2) => Some(Pooling::First),
            Some(3) => Some(Pooling::Last),
            Some(4) if head && model.n_cls_out() > 0 => Some(Pooling::First),
            Some(4) => {
                return Err(Error::invalid(
                    "the model says that it ranks pairs of texts, but has no weights that make a score",
                )
                .hint("convert it again together with its classifier"));
            }
            Some(other) => {
                return Err(Error::invalid(format!("the model asks for the unknown pooling type {other}")));
            }
        };

        let ranks = meta.number(&own("pooling_type")) == Some(4);
        check_tokenizer(model, &meta)?;
        let trained =
            meta.number(&own("context_length")).and_then(|length| u32::try_from(length).ok()).unwrap_or(0);
        if trained == 0 {
            return Err(Error::invalid(format!(
                "the model's {} is missing or absurd",
                own("context_length")
            )));
        }
        Ok(Self {
            trained,
            parameters: model.n_params(),
            cache_per_token: cache_per_token(&meta, &own),
            causal,
            generates: causal && declared.is_none(),
            ranks,
            pooling: declared.unwrap_or(Pooling::Mean),
            template: meta.text("tokenizer.chat_template").filter(|template| !template.trim().is_empty()),
        })
    }
}

/// llama.cpp aborts the process when a tokenizer promises tokens that it does not have, so that is refused before.
fn check_tokenizer(model: &LlamaModel, meta: &Meta<'_>) -> Result<(), Error> {
    let kind = meta.text("tokenizer.ggml.model").unwrap_or_default();
    if kind.is_empty() || kind == "no_vocab" {
        return Err(
            Error::invalid("the model has no tokenizer").hint("convert it again together with its tokenizer")
        );
    }
    let vocab = model.vocab();
    let pairs = kind == "bert"; // always writes its first and its separating token
    let missing = if (vocab.should_add_bos() || pairs) && vocab.bos().0 < 0 {
        "first"
    } else if vocab.should_add_eos() && vocab.eos().0 < 0 {
        "last"
    } else if (vocab.should_add_sep() || pairs) && vocab.sep().0 < 0 {
        "separating"
    } else {
        return Ok(());
    };
    Err(Error::invalid(format!("the model's tokenizer wants a {missing} token in every text but names none")))
}

/// Keys and values of all layers for one token, 16 bits each.
fn cache_per_token(meta: &Meta<'_>, own: &impl Fn(&str) -> String) -> u64 {
    let number = |key: &str| meta.number(&own(key));
    let layers = number("block_count").unwrap_or(1);
    let heads = number("attention.head_count").unwrap_or(1).max(1);
    let cached = number("attention.head_count_kv").unwrap_or(heads);
    let size = number("embedding_length").unwrap_or(0) / heads;
    let keys = number("attention.key_length").unwrap_or(size);
    let values = number("attention.value_length").unwrap_or(size);
    layers.saturating_mul(cached).saturating_mul(keys.saturating_add(values)).saturating_mul(2)
}

/// Metadata as text, which is how llama.cpp hands it out.
struct Meta<'a>(&'a LlamaModel);

impl Meta<'_> {
    fn text(&self, key: &str) -> Option<String> {
        self.0.meta_val_str(key).ok()
    }

    /// A number, or the greatest one of a list with a number for each layer.
    fn number(&self, key: &str) -> Option<u64> {
        let text = self.text(key)?;
        text.trim_matches(['[', ']']).split(',').filter_map(|part| part.trim().parse().ok()).max()
    }
}
