//! Texts to tokens and back, by `tokenizer.json`.

use std::collections::{BTreeSet, HashMap};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use inferno_backend::Error;
use inferno_backend_text::Token;
use tokenizers::Tokenizer as Engine;

use crate::config::Config;
use crate::spelling::Spelling;

/// Tokens beyond this number would make a table of their spelling larger than any vocabulary.
const MOST_TOKENS: u32 = 1 << 22;

/// Texts of tokens that end a turn, whatever the configuration says of them, as llama.cpp takes them.
const ENDS: &[&str] = &[
    "<|eot_id|>",
    "<|im_end|>",
    "<|end|>",
    "<end_of_turn>",
    "<|endoftext|>",
    "<|end_of_text|>",
    "<|eom_id|>",
    "<EOT>",
    "<｜end▁of▁sentence｜>",
];

/// The tokenizer of one model.
pub(crate) struct Tokenizer {
    engine: Engine,
    pub(crate) spelling: Arc<Spelling>,
    /// Control tokens and their texts.
    pub(crate) controls: Vec<(Token, String)>,
    /// Tokens that end an answer.
    pub(crate) ends: BTreeSet<u32>,
    /// The token that begins every text, where the model wants one.
    pub(crate) begin: Option<u32>,
}

impl Tokenizer {
    /// Understands the content of a `tokenizer.json`.
    pub(crate) fn new(json: &str, config: &Config) -> Result<Self, Error> {
        let broken = |why: String| {
            Error::invalid(format!("tokenizer.json beside the model cannot be used: {why}"))
                .hint("export the model again with its tokenizer")
        };
        let value = serde_json::from_str(json).map_err(|error| broken(error.to_string()))?;
        // It indexes by what the file says, here and there.
        let engine =
            catch_unwind(|| Engine::from_bytes(json)).map_err(|_| broken("its parts do not fit".into()))?;
        let mut engine = engine.map_err(|error| broken(error.to_string()))?;
        // Files often say where texts were cut in training; here they are never cut without a word.
        engine.with_padding(None);
        engine.with_truncation(None).map_err(|error| broken(error.to_string()))?;
        let added = engine.get_added_tokens_decoder();
        let vocabulary = engine.get_vocab(true);
        if let Some((text, token)) = vocabulary.iter().find(|&(_, &token)| token >= MOST_TOKENS) {
            return Err(broken(format!("its token {text:?} has the number {token}")));
        }
        let control: HashMap<u32, bool> =
            added.iter().map(|(&token, added)| (token, added.special)).collect();
        let spelling =
            Spelling::new(&value, vocabulary.into_iter().map(|(text, token)| (token, text)), &control);
        let controls: Vec<(Token, String)> = added
            .iter()
            .filter(|(_, added)| added.special)
            .map(|(&token, added)| (Token(token.cast_signed()), added.content.clone()))
            .collect();
        let mut ends = config.ends.clone();
        let named = ENDS.iter().copied().chain([config.end.as_str()]).filter(|text| !text.is_empty());
        ends.extend(named.filter_map(|text| engine.token_to_id(text)));
        let mut tokenizer = Self { engine, spelling: Arc::new(spelling), controls, ends, begin: None };
        // What is put around nothing begins with the token that begins every text.
        let around = tokenizer.whole("")?;
        let begins = |token: &u32| {
            config.begin.is_empty() || tokenizer.engine.token_to_id(&config.begin) == Some(*token)
        };
        tokenizer.begin = around.first().copied().filter(|token| begins(token));
        Ok(tokenizer)
    }

    /// The tokens of a piece of text; `parse`: control tokens in it are meant.
    pub(crate) fn cut(&mut self, text: &str, parse: bool) -> Result<Vec<u32>, Error> {
        self.engine.set_encode_special_tokens(!parse);
        self.encode(text, false)
    }

    /// The tokens of a whole text, with those that the model wants around it.
    pub(crate) fn whole(&mut self, text: &str) -> Result<Vec<u32>, Error> {
        // What users write is text, whatever it looks like.
        self.engine.set_encode_special_tokens(true);
        self.encode(text, true)
    }

    /// The tokens of two texts together, and which belong to the second.
    pub(crate) fn pair(&mut self, first: &str, second: &str) -> Result<(Vec<u32>, Vec<u32>), Error> {
        self.engine.set_encode_special_tokens(true);
        let encoded = guarded(|| self.engine.encode_fast((first, second), true))?;
        Ok((encoded.get_ids().to_vec(), encoded.get_type_ids().to_vec()))
    }

    fn encode(&self, text: &str, around: bool) -> Result<Vec<u32>, Error> {
        Ok(guarded(|| self.engine.encode_fast(text, around))?.get_ids().to_vec())
    }

    /// The text of tokens, control tokens included.
    pub(crate) fn join(&self, tokens: &[u32]) -> Result<String, Error> {
        guarded(|| self.engine.decode(tokens, false))
    }
}

/// A tokenizer whose parts do not fit panics in some places.
fn guarded<T>(work: impl FnOnce() -> tokenizers::Result<T>) -> Result<T, Error> {
    let outcome = catch_unwind(AssertUnwindSafe(work))
        .map_err(|_| Error::invalid("the model's tokenizer.json does not fit together"))?;
    outcome.map_err(|error| Error::invalid(format!("the model's tokenizer cannot read this text: {error}")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn tokenizer(config: &Config) -> Result<Tokenizer, Error> {
        let json = json!({
            "version": "1.0",
            "truncation": {"direction": "Right", "max_length": 2, "strategy": "LongestFirst", "stride": 0},
            "added_tokens": [
                {"id": 0, "content": "<s>", "special": true, "single_word": false, "lstrip": false, "rstrip": false, "normalized": false},
                {"id": 1, "content": "<|im_end|>", "special": true, "single_word": false, "lstrip": false, "rstrip": false, "normalized": false},
            ],
            "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false},
            "decoder": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false},
            "post_processor": {"type": "TemplateProcessing",
                "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
                "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
                "special_tokens": {"<s>": {"id": "<s>", "ids": [0], "tokens": ["<s>"]}}},
            "model": {"type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
                "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false,
                "vocab": {"<s>": 0, "<|im_end|>": 1, "a": 2, "<": 3, "s": 4, ">": 5, "Ġ": 6, "Ã": 7, "¤": 8}, "merges": []},
        });
        Tokenizer::new(&json.to_string(), config)
    }

    #[test]
    fn texts_are_cut_and_joined() {
        let mut tokenizer = tokenizer(&Config::default()).unwrap();
        assert_eq!(tokenizer.cut("a<s>", true).unwrap(), [2, 0]);
        assert_eq!(
            tokenizer.cut("a<s>", false).unwrap(),
            [2, 3, 4, 5],
            "what users write is no control token"
        );
        assert_eq!(tokenizer.whole("aaa").unwrap(), [0, 2, 2, 2], "nothing is cut off");
        assert_eq!(tokenizer.pair("a", "s").unwrap(), (vec![2, 4], vec![0, 1]));
        assert_eq!(tokenizer.join(&[7, 8, 6, 2]).unwrap(), "ä a");
        assert_eq!(tokenizer.begin, Some(0));
        assert_eq!(tokenizer.ends, [1].into());
    }

    #[test]
    fn what_ends_an_answer_is_also_what_the_configuration_says() {
        let config = Config { ends: [2].into(), end: ">".into(), begin: "a".into(), ..Config::default() };
        let tokenizer = tokenizer(&config).unwrap();
        assert_eq!(tokenizer.ends, [1, 2, 5].into());
        assert_eq!(tokenizer.begin, None, "it begins with another token than the configuration says");
    }

    #[test]
    fn broken_files_are_told() {
        for json in ["", "{}", r#"{"model": {"type": "BPE", "vocab": {"a": 4000000000}, "merges": []}}"#] {
            let error = Tokenizer::new(json, &Config::default()).err().expect(json);
            assert!(error.message.contains("tokenizer.json"), "{error}");
        }
    }
}
