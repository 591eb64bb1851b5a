use serde::Serialize;

/// What a model file says about itself, checked but not believed: it comes from the file's author.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Header {
    /// The family, such as `llama`.
    pub architecture: String,
    /// The name that its author gave it; not the name under which it is found.
    pub name: Option<String>,
    /// Numbers in all tensors together.
    pub parameters: u64,
    /// How the weights are stored, such as `Q8_0`.
    pub quantization: String,
    /// Tokens of context that it was trained with.
    pub context_length: Option<u32>,
    /// Length of a token's vector.
    pub embedding_length: Option<u32>,
    /// Blocks of the network.
    pub layers: Option<u32>,
    /// Numbers that a token leaves in the caches of keys and values of all layers together; absent where nothing is
    /// cached or the file does not say.
    pub cache_per_token: Option<u64>,
    /// Tokens that it knows.
    pub vocab_size: Option<u32>,
    /// The kind of tokenizer, such as `gpt2`.
    pub tokenizer: Option<String>,
    /// How chats become prompts, as a Jinja template.
    pub chat_template: Option<String>,
    /// Its licence, where the file names one.
    pub license: Option<String>,
    /// How it pools token vectors into one (`none`, `mean`, `cls`, `last`, `rank`), where the file says so.
    pub pooling: Option<String>,
    /// Tensors in the file, or in all parts of a split model.
    pub tensors: u64,
    /// Entries of metadata in the (first) file.
    pub metadata_count: u64,
    /// Whether it writes text, where the file says so by itself.
    #[serde(skip)]
    pub writes: Option<bool>,
}

impl Header {
    /// It writes text, as far as the header tells: it is not an encoder that only makes vectors.
    pub fn generates(&self) -> bool {
        if let Some(writes) = self.writes {
            return writes;
        }
        let pools = self.pooling.as_deref().is_some_and(|pooling| pooling != "none");
        self.chat_template.is_some() || !(pools || self.architecture.contains("bert"))
    }
}
