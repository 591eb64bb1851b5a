//! The parts of the host, put together from settings: the only place that names every backend.

use std::ffi::OsString;
use std::path::Path;

use inferno_backend::Backends;
use inferno_backend_onnx::Settings as Onnx;
use inferno_inference::models::{Builtin, Config as ModelsConfig, Foreign, Model, Models};
use inferno_inference::{Config as InferenceConfig, Inference, PromptCache, WorkerCommand};
use inferno_store::Store;
use tokio::runtime::{Builder, Runtime};

use crate::bundled::DEMO_NAME;
use crate::demo_model;
use crate::failure::Failure;
use crate::settings::Settings;

/// The linked backends and those in the directory.
pub(crate) fn backends(directory: &Path, onnx: Onnx) -> Backends {
    let linked = vec![
        inferno_backend_gguf::backend(),
        inferno_backend_onnx::backend(onnx),
        inferno_backend_echo::backend(),
    ];
    Backends::new(linked, Some(directory))
}

/// Where ONNX Runtime is, and what it computes on.
pub(crate) fn onnx(settings: &Settings) -> Onnx {
    Onnx { runtime: settings.onnx_runtime.clone(), providers: settings.onnx_providers.0.clone() }
}

/// The formats that only a library in the backends directory knows. Asking opens the libraries, where there are any.
pub(crate) fn foreign(settings: &Settings) -> Vec<Foreign> {
    let backends = Backends::new(Vec::new(), Some(&settings.backends_dir));
    let told = backends.detect().filter_map(|detect| {
        let (format, extension) = (detect.format.clone(), detect.extension.clone());
        Some(Foreign { format, extension, magic: detect.magic_bytes()? })
    });
    told.collect()
}

/// The user's models and the demo model.
pub(crate) fn models(settings: &Settings) -> Result<Models, Failure> {
    let config = ModelsConfig {
        dirs: vec![settings.models_dir.clone()],
        hf_cache: Some(settings.huggingface_dir.clone()),
        builtin: Some(Builtin {
            name: DEMO_NAME.to_owned(),
            path: demo_model::unpacked(&settings.cache_dir)?,
        }),
        foreign: foreign(settings),
    };
    Ok(Models::with_cache(config, &settings.cache_dir))
}

/// The model of this name or in this file; without a name the configured one, else the user's, else the demo model.
pub(crate) fn find_model(models: &Models, settings: &Settings, name: Option<&str>) -> Result<Model, Failure> {
    let Some(name) = name.or(settings.model.as_deref()) else {
        return models.default_model().map_err(Failure::new);
    };
    if is_path(name) { models.open(Path::new(name)) } else { models.find(name) }.map_err(|error| {
        let failure = Failure::new(error);
        // `inferno run "Tell me a story"` is a natural mistake.
        if name.contains(' ') {
            failure.hint("a prompt without a model is given with --prompt")
        } else {
            failure
        }
    })
}

/// A name may have slashes (`org/model`), so only what cannot be a name or is there as a file is a path.
fn is_path(name: &str) -> bool {
    let path = Path::new(name);
    let is_there = path.is_file() || path.join("model.onnx").is_file();
    path.is_absolute() || name.starts_with("./") || name.starts_with("../") || is_there
}

/// The door to the models; workers are this program again.
///
/// `sequences` is how many requests a model works on at once: each takes its share of the memory for contexts.
pub(crate) fn inference(settings: &Settings, models: Models, sequences: u32) -> Result<Inference, Failure> {
    let program = std::env::current_exe()
        .map_err(|error| Failure::new(format!("cannot tell where this program is: {error}")))?;
    let mut args = vec![
        OsString::from("worker"),
        "--backends-dir".into(),
        settings.backends_dir.clone().into(),
        "--log-level".into(),
        settings.log_level.word().into(),
        "--log-format".into(),
        settings.log_format.word().into(),
    ];
    let Onnx { runtime, providers } = onnx(settings);
    for (option, value) in runtime
        .map(|path| ("--onnx-runtime", path.into_os_string()))
        .into_iter()
        .chain(providers.into_iter().map(|provider| ("--onnx-provider", provider.into())))
    {
        args.extend([option.into(), value]);
    }
    let worker = WorkerCommand { program, args };
    Ok(Inference::new(
        models,
        InferenceConfig {
            sequences,
            context: settings.inference_context.0,
            threads: settings.inference_threads.0,
            threads_batch: settings.inference_threads_batch.0,
            queue: settings.inference_queue,
            load_timeout: settings.inference_load_timeout.0,
            worker,
            memory_budget: settings.inference_memory_budget.0.map(|size| size.0),
            keep_alive: settings.inference_keep_alive.0,
            pinned: settings.inference_pinned.0.clone(),
            prompt_cache: settings.inference_prompt_cache.then(|| prompt_cache(settings)),
            env: Vec::new(),
        },
    ))
}

/// What workers keep of prompts.
pub(crate) fn prompt_cache(settings: &Settings) -> PromptCache {
    let bytes = settings.inference_prompt_cache_bytes.0;
    PromptCache::new(
        settings.cache_dir.join("prompts"),
        bytes,
        settings.inference_prompt_cache_compress.into(),
    )
}

/// Durable state.
pub(crate) fn store(settings: &Settings) -> Result<Store, Failure> {
    Store::open(&settings.data_dir.join("inferno.db")).map_err(Failure::new)
}

/// Enough for one request at a time.
pub(crate) fn runtime() -> Result<Runtime, Failure> {
    finish(&mut Builder::new_current_thread())
}

/// For many clients at once.
pub(crate) fn server_runtime() -> Result<Runtime, Failure> {
    finish(&mut Builder::new_multi_thread())
}

fn finish(builder: &mut Builder) -> Result<Runtime, Failure> {
    builder.enable_all().build().map_err(|error| Failure::new(format!("cannot start the runtime: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_cannot_be_a_name_is_a_path() {
        for path in ["/a.gguf", "./a.gguf", "../a", concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")] {
            assert!(is_path(path), "{path}");
        }
        for name in ["storyteller", "org/model", "a.gguf", "Tell me a story"] {
            assert!(!is_path(name), "{name}");
        }
    }
}
