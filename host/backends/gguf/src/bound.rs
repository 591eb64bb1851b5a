//! A prompt that is far too long is known by its size, before the work of cutting it into tokens.

use inferno_backend::Error;
use inferno_backend_text::too_long;
use llama_cpp_2::model::LlamaModel;

/// How much text one token can stand for, at most.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bound(Option<u64>);

impl Bound {
    /// For the vocabulary of this model.
    pub(crate) fn of(model: &LlamaModel) -> Self {
        let vocab = model.vocab();
        // Others may make one token of however much text they do not know.
        let kind = model.meta_val_str("tokenizer.ggml.model");
        let keeps_all = kind.is_ok_and(|kind| ["llama", "gpt2"].contains(&kind.as_str()));
        let longest =
            || vocab.tokens().filter_map(|token| vocab.text(token)).map(|text| text.count_bytes()).max();
        Self(keeps_all.then(longest).flatten().filter(|&longest| longest > 0).map(|longest| longest as u64))
    }

    /// Refuses what has more tokens than there is room for, if that is sure by its size.
    pub(crate) fn check(self, text: &str, room: u32) -> Result<(), Error> {
        // The room would take no more than this, whatever the text.
        let Self(Some(longest)) = self else { return Ok(()) };
        if text.len() as u64 <= longest.saturating_mul(room.into()) {
            return Ok(());
        }
        // Control tokens may take in any amount of white space beside them.
        let solid = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).count() as u64;
        let least = solid.div_ceil(longest);
        if least < u64::from(room) {
            return Ok(());
        }
        Err(too_long(&format!("at least {least}"), room))
    }
}

#[cfg(test)]
mod tests {
    use inferno_backend::ErrorKind;

    use super::*;

    #[test]
    fn only_what_surely_does_not_fit_is_refused() {
        let bound = Bound(Some(4));
        assert!(bound.check(&"a".repeat(40), 10).is_ok(), "it may be ten tokens");
        assert!(bound.check(&" ".repeat(4000), 10).is_ok(), "it may be one");
        let error = bound.check(&"ab ".repeat(21), 10).unwrap_err();
        assert_eq!(error.kind, ErrorKind::ContextLength);
        assert!(error.message.starts_with("the prompt has at least 11 tokens"), "{error}");
        assert!(error.message.contains("room for 10,"), "{error}");
        assert!(Bound(None).check(&"a".repeat(4000), 10).is_ok());
    }
}
