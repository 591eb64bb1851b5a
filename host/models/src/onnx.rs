//! Models in ONNX: a graph, its weights in it or beside it, and the files that say how texts become tokens.
//!
//! The graph is a message of Protocol Buffers, of which only what is wanted is read; nothing in it is trusted. Weights are
//! skipped.

mod beside;
mod graph;
mod message;

use std::path::{Path, PathBuf};

pub(crate) use beside::{folder_graph, folder_name};

use crate::Header;
use beside::Texts;
use graph::Graph;

/// How the names of graphs end, without the dot.
pub(crate) const EXTENSION: &str = "onnx";

/// Whether a file is called as graphs are.
pub(crate) fn is_named(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case(EXTENSION))
}

/// The files that belong to a graph besides itself: its weights first, where they are not in it.
pub(crate) fn other_files(path: &Path) -> Result<Vec<PathBuf>, String> {
    let folder = path.parent().unwrap_or(Path::new(""));
    let mut files = Vec::new();
    for location in Graph::read(path)?.locations {
        let file = folder.join(&location);
        if !file.is_file() {
            return Err(format!("a part of its weights is missing: {}", file.display()));
        }
        files.push(file);
    }
    files.extend(beside::files(path));
    Ok(files)
}

/// What a graph and the files beside it say.
pub(crate) fn header(path: &Path) -> Result<Header, String> {
    let graph = Graph::read(path)?;
    let texts = Texts::read(path)?;
    let decodes = graph.inputs.iter().any(|name| name.starts_with("past_key_values."));
    let number = |keys: &[&str]| texts.number(keys);
    let heads = number(&["num_attention_heads", "n_head"]);
    let hidden = number(&["hidden_size", "n_embd"]);
    let layers = number(&["num_hidden_layers", "n_layer"]);
    let size = number(&["head_dim"]).or_else(|| Some(hidden? / heads?));
    let cached = number(&["num_key_value_heads"]).or(heads);
    let cache = || Some(2 * u64::from(layers?) * u64::from(cached?) * u64::from(size?));
    let vectors = ["last_hidden_state", "token_embeddings", "sentence_embedding"];
    let embeds = graph.outputs.iter().any(|name| vectors.contains(&name.as_str()));
    Ok(Header {
        architecture: texts.architecture().unwrap_or_else(|| EXTENSION.to_owned()),
        name: None,
        parameters: graph.parameters,
        quantization: graph.precision().to_owned(),
        context_length: number(&["max_position_embeddings", "n_positions", "n_ctx"]),
        embedding_length: hidden,
        layers,
        cache_per_token: if decodes { cache() } else { None },
        vocab_size: number(&["vocab_size"]),
        tokenizer: texts.has_tokenizer.then(|| "tokenizer.json".to_owned()),
        chat_template: texts.template.filter(|_| decodes),
        license: None,
        pooling: (embeds && !decodes).then(|| texts.pooling.unwrap_or("mean").to_owned()),
        tensors: graph.tensors,
        metadata_count: graph.metadata,
        writes: Some(decodes && texts.has_tokenizer),
    })
}
