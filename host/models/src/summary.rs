//! What the parts of a model say together.

use std::collections::BTreeMap;

use inferno_formats::gguf::{Contents, GgufError, file_type};

use crate::Header;

/// What the files of one model (the first part of a split model first) say together.
pub(crate) fn summary(files: &[Contents]) -> Result<Header, GgufError> {
    let Some(first) = files.first() else { return Ok(Header::default()) };
    let metadata = &first.metadata;
    let architecture = metadata.text("general.architecture").unwrap_or("unknown").to_owned();
    let of_architecture = |key: &str| metadata.number(&format!("{architecture}.{key}"));
    let text = |key: &str| metadata.text(key).map(str::to_owned);
    let tokens = metadata.array_length("tokenizer.ggml.tokens").and_then(|n| u32::try_from(n).ok());
    Ok(Header {
        name: text("general.name"),
        parameters: files
            .iter()
            .flat_map(|file| &file.tensors)
            .fold(0, |sum: u64, tensor| sum.saturating_add(tensor.elements)),
        quantization: quantization(files, metadata.number("general.file_type")?),
        context_length: of_architecture("context_length")?,
        embedding_length: of_architecture("embedding_length")?,
        layers: of_architecture("block_count")?,
        cache_per_token: cache_per_token(of_architecture)?,
        vocab_size: tokens.or(of_architecture("vocab_size")?),
        tokenizer: text("tokenizer.ggml.model"),
        chat_template: text("tokenizer.chat_template"),
        license: text("general.license"),
        pooling: of_architecture("pooling_type")?.map(pooling),
        tensors: files.iter().map(|file| file.tensors.len() as u64).sum(),
        metadata_count: metadata.len(),
        writes: None,
        architecture,
    })
}

/// Where heads differ from layer to layer, all are taken to have as many as the attention as a whole.
fn cache_per_token(
    number: impl Fn(&str) -> Result<Option<u32>, GgufError>,
) -> Result<Option<u64>, GgufError> {
    let (Some(layers), Some(heads)) = (number("block_count")?, number("attention.head_count")?) else {
        return Ok(None);
    };
    let cached = number("attention.head_count_kv")?.unwrap_or(heads);
    let size = number("embedding_length")?.unwrap_or(0) / heads.max(1);
    let keys = number("attention.key_length")?.unwrap_or(size);
    let values = number("attention.value_length")?.unwrap_or(size);
    let of_a_head = u64::from(keys) + u64::from(values);
    Ok(Some(u64::from(layers).saturating_mul(cached.into()).saturating_mul(of_a_head)))
}

/// What the file calls itself, or else the type that most of its numbers have.
fn quantization(files: &[Contents], declared: Option<u32>) -> String {
    if let Some(name) = declared.and_then(file_type) {
        return name.to_owned();
    }
    let mut elements: BTreeMap<&str, u64> = BTreeMap::new();
    for tensor in files.iter().flat_map(|file| &file.tensors) {
        let sum = elements.entry(tensor.kind.name).or_default();
        *sum = sum.saturating_add(tensor.elements);
    }
    let most = elements.into_iter().max_by_key(|&(_, elements)| elements);
    most.map_or_else(|| "none".to_owned(), |(name, _)| name.to_owned())
}

fn pooling(number: u32) -> String {
    match number {
        0 => "none".to_owned(),
        1 => "mean".to_owned(),
        2 => "cls".to_owned(),
        3 => "last".to_owned(),
        4 => "rank".to_owned(),
        number => number.to_string(),
    }
}
