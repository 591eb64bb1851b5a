//! A query and a document as the one text that a ranking model reads.

use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::token::LlamaToken;

/// How pairs are put together.
pub(crate) enum Pairs {
    /// With the vocabulary's own separators.
    Separated,
    /// In the model's own words, which have `{query}` and `{document}` in them.
    Template(String),
}

impl Pairs {
    /// As this model wants them.
    pub(crate) fn of(model: &LlamaModel) -> Self {
        let template = model.meta_val_str("tokenizer.chat_template.rerank");
        template.map_or(Self::Separated, Self::Template)
    }

    /// The tokens of a pair. Control tokens in the texts are plain text.
    pub(crate) fn tokens(&self, model: &LlamaModel, query: &str, document: &str) -> Vec<LlamaToken> {
        let vocab = model.vocab();
        let mut tokens = Vec::new();
        match self {
            Self::Separated => {
                let known = |token: LlamaToken| (token.0 >= 0).then_some(token);
                // Some vocabularies say of no token that it ends a text, but separate with one.
                let end = known(vocab.eos()).or(known(vocab.sep())).filter(|_| vocab.should_add_eos());
                let separator = known(vocab.sep()).filter(|_| vocab.should_add_sep());
                tokens.extend(known(vocab.bos()).filter(|_| vocab.should_add_bos()));
                vocab.tokenize_into(query.as_bytes(), &mut tokens, false, false);
                tokens.extend(end);
                tokens.extend(separator);
                vocab.tokenize_into(document.as_bytes(), &mut tokens, false, false);
                tokens.extend(end.or(separator));
            }
            Self::Template(template) => {
                let mut rest = template.as_str();
                while let Some((at, name, text)) = [("{query}", query), ("{document}", document)]
                    .into_iter()
                    .filter_map(|(name, text)| Some((rest.find(name)?, name, text)))
                    .min()
                {
                    let (before, after) = rest.split_at(at);
                    let first = tokens.is_empty();
                    vocab.tokenize_into(before.as_bytes(), &mut tokens, first, true);
                    vocab.tokenize_into(text.as_bytes(), &mut tokens, false, false);
                    rest = after.get(name.len()..).unwrap_or_default();
                }
                vocab.tokenize_into(rest.as_bytes(), &mut tokens, false, true);
            }
        }
        tokens
    }
}
