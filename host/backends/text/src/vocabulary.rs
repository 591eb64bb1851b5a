//! The tokens of a model.

use llama_cpp_2::vocab::LlamaVocab;

/// A token, by its number in the model's vocabulary.
pub use llama_cpp_2::token::LlamaToken as Token;

/// How tokens are spelt.
pub trait Vocabulary {
    /// Adds the bytes of a token; control tokens have some only where they are `shown`.
    fn spell(&self, token: Token, shown: bool, piece: &mut Vec<u8>);
}

impl Vocabulary for LlamaVocab<'_> {
    fn spell(&self, token: Token, shown: bool, piece: &mut Vec<u8>) {
        self.token_to_piece_into(token, piece, shown, None);
    }
}
