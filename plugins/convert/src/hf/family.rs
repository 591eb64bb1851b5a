//! What kind of model a configuration describes, and all that GGUF says of it besides its tokens.

mod bert;
mod decoder;
mod gemma;
mod phi;

use super::Error;
use super::folder::Folder;
use super::keys::Keys;
use super::layout::{Lengths, Name};
use super::object::Object;

/// A model as GGUF describes it.
#[derive(Debug)]
pub(super) struct Model {
    /// What llama.cpp calls its kind.
    pub(super) arch: &'static str,
    pub(super) lengths: Lengths,
    pub(super) names: &'static [Name],
    /// What stands before the names of all tensors of this kind of model, in some of its checkpoints.
    pub(super) prefixes: &'static [&'static str],
    /// Tensors whose names begin so are no part of what GGUF holds.
    pub(super) left_out: &'static [&'static str],
    pub(super) keys: Keys,
    /// Tensors that follow from the configuration.
    pub(super) made: Vec<(&'static str, Vec<f32>)>,
    /// The embedding of tokens serves as the output too.
    pub(super) tied: bool,
}

/// The kinds that can be converted, by their names in `architectures`; most of them without an output too.
const KNOWN: &[&str] = &[
    "LlamaForCausalLM",
    "MistralForCausalLM",
    "Qwen2ForCausalLM",
    "Qwen3ForCausalLM",
    "GemmaForCausalLM",
    "Gemma2ForCausalLM",
    "Gemma3ForCausalLM",
    "Gemma3ForConditionalGeneration",
    "Phi3ForCausalLM",
    "BertModel",
    "BertForMaskedLM",
    "RobertaModel",
    "RobertaForMaskedLM",
    "XLMRobertaModel",
    "XLMRobertaForMaskedLM",
];

impl Model {
    /// Reads a configuration.
    pub(super) fn read(folder: &Folder, config: &Object) -> Result<Self, Error> {
        let kinds = config.list("architectures")?.unwrap_or_default();
        let kind = kinds.first().and_then(|kind| kind.as_str());
        refuse_packed(config)?;
        let mut model = match kind {
            Some("LlamaForCausalLM" | "LlamaModel" | "MistralForCausalLM" | "MistralModel") => {
                decoder::llama(config)
            }
            Some("Qwen2ForCausalLM" | "Qwen2Model") => decoder::qwen2(config),
            Some("Qwen3ForCausalLM" | "Qwen3Model") => decoder::qwen3(config),
            Some("GemmaForCausalLM" | "GemmaModel") => gemma::one(config),
            Some("Gemma2ForCausalLM" | "Gemma2Model") => gemma::two(config),
            Some("Gemma3ForCausalLM" | "Gemma3TextModel" | "Gemma3ForConditionalGeneration") => {
                gemma::three(config)
            }
            Some("Phi3ForCausalLM" | "Phi3Model") => phi::three(config),
            Some("BertModel" | "BertForMaskedLM") => bert::bert(config),
            Some("RobertaModel" | "RobertaForMaskedLM" | "XLMRobertaModel" | "XLMRobertaForMaskedLM") => {
                bert::roberta(config)
            }
            _ => Err(unknown(config, kinds.first())),
        }?;
        // A model that was saved without its output makes vectors, and is run with its embedding in the output's place.
        model.tied |= kind.is_some_and(|kind| kind.ends_with("Model"));
        if let Some(pooling) = pooling(folder)? {
            model.keys.count(format!("{}.pooling_type", model.arch), pooling);
        }
        Ok(model)
    }
}

fn unknown(config: &Object, kind: Option<&serde_json::Value>) -> Error {
    let found = kind.map_or("is missing".to_owned(), |kind| format!("is {}", super::object::told(kind)));
    config.wrong("architectures", format!("{found}; what can be converted is {}", KNOWN.join(", ")))
}

/// Weights that were packed by another tool are no plain numbers.
fn refuse_packed(config: &Object) -> Result<(), Error> {
    let Some(packed) = config.object("quantization_config")? else { return Ok(()) };
    let how = packed.text("quant_method")?.unwrap_or("an unknown method").to_owned();
    let message =
        format!("says that the weights are packed with {how}; convert the model as it was before that");
    Err(config.wrong("quantization_config", message))
}

/// Checks a setting that GGUF has no key for, since only one value of it can be run.
fn only(config: &Object, key: &str, allowed: &[&str]) -> Result<(), Error> {
    match config.text(key)? {
        Some(found) if !allowed.contains(&found) => Err(config.wrong(
            key,
            format!(
                "is {found:?}, but what GGUF can hold of this kind of model has {}",
                allowed.join(" or ")
            ),
        )),
        _ => Ok(()),
    }
}

/// How a model of sentences makes one vector of many, as sentence-transformers writes it down.
fn pooling(folder: &Folder) -> Result<Option<u32>, Error> {
    const MEAN: u32 = 1;
    const FIRST: u32 = 2;
    const LAST: u32 = 3;
    for module in folder.objects("modules.json")? {
        if !module.need_text("type")?.ends_with("Pooling") {
            continue;
        }
        let path = module.need_text("path")?;
        if path.is_empty() || path.contains(['/', '\\']) || path.starts_with('.') {
            return Err(module.wrong("path", format!("is {path:?}, but must be a folder beside the file")));
        }
        let config = folder.need_object(&format!("{path}/config.json"))?;
        for (key, kind) in [
            ("pooling_mode_mean_tokens", MEAN),
            ("pooling_mode_cls_token", FIRST),
            ("pooling_mode_lasttoken", LAST),
        ] {
            if config.flag(key)?.unwrap_or(false) {
                return Ok(Some(kind));
            }
        }
        return match config.text("pooling_mode")? {
            Some("mean") => Ok(Some(MEAN)),
            Some("cls") => Ok(Some(FIRST)),
            Some("lasttoken") => Ok(Some(LAST)),
            _ => Err(config.wrong("pooling_mode", "must be mean, cls or lasttoken, the ones that GGUF has")),
        };
    }
    Ok(None)
}
