//! How much of a model graphics processors take: as many layers as fit beside its cache, by llama.cpp's own reckoning.

use std::ffi::CString;
use std::num::NonZero;
use std::path::Path;
use std::pin::Pin;

use inferno_backend::LoadOptions;
use llama_cpp_2::context::params::LlamaContextParams;
use llama_cpp_2::model::params::LlamaModelParams;
use llama_cpp_2::{LlamaBackendDeviceType, list_llama_ggml_backend_devices, max_devices};
use llama_cpp_sys_2::GGML_LOG_LEVEL_ERROR;

use crate::plan::USUAL_CONTEXT;

/// Memory of each graphics processor that is left to others, such as the desktop.
const LEFT: usize = 512 << 20;

/// What llama.cpp would take to compute, if there is one: a graphics processor's name.
pub(crate) fn device() -> Option<String> {
    let devices = list_llama_ggml_backend_devices();
    let fast = devices.into_iter().find(|device| {
        matches!(device.device_type, LlamaBackendDeviceType::Gpu | LlamaBackendDeviceType::IntegratedGpu)
    });
    fast.map(|device| device.name)
}

/// The parameters to load a model with: those of `base`, and the layers that graphics processors take. Where nothing fits,
/// or it cannot be told, all stay with the processor.
pub(crate) fn params(
    path: &Path,
    options: &LoadOptions,
    base: impl Fn() -> LlamaModelParams,
) -> Pin<Box<LlamaModelParams>> {
    let mut params = Box::pin(base());
    if device().is_some()
        && let Err(why) = fit(params.as_mut(), path, options)
    {
        crate::log::line(&format!("the model is computed without a graphics processor: {why}"));
        params = Box::pin(base().with_n_gpu_layers(0));
    }
    params
}

fn fit(params: Pin<&mut LlamaModelParams>, path: &Path, options: &LoadOptions) -> Result<(), String> {
    let path = CString::new(path.as_os_str().as_encoded_bytes()).map_err(|error| error.to_string())?;
    let context = options.context.unwrap_or(USUAL_CONTEXT).saturating_mul(options.sequences);
    let mut about = LlamaContextParams::default()
        .with_n_ctx(NonZero::new(context))
        .with_n_seq_max(options.sequences)
        .with_kv_unified(false);
    let mut margins = vec![LEFT; max_devices()];
    let fit = params.fit_params(&path, &mut about, &mut margins, context, GGML_LOG_LEVEL_ERROR);
    fit.map(drop).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const STORYTELLER: &str =
        concat!(env!("CARGO_MANIFEST_DIR"), "/../../../examples/storyteller/storyteller.gguf");

    #[test]
    fn llama_cpp_reckons_with_the_files_it_is_given() {
        let _backend = llama_cpp_2::llama_backend::LlamaBackend::init();
        let reckoned = |path: &str| {
            let mut params = Box::pin(LlamaModelParams::default());
            fit(params.as_mut(), Path::new(path), &LoadOptions::new(path))
        };
        assert_eq!(reckoned(STORYTELLER), Ok(()));
        assert!(reckoned("/no/such/file.gguf").unwrap_err().contains("error"));
    }
}
