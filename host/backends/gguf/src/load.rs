//! The backend: opens files and finds devices.

use std::fs::File;
use std::io::{ErrorKind as IoKind, Read};
use std::path::Path;
use std::sync::{Arc, OnceLock, mpsc};
use std::thread;

use inferno_backend::{Backend, Device, Error, ErrorKind, LoadOptions, Model};
use llama_cpp_2::list_llama_ggml_backend_devices;
use llama_cpp_2::llama_backend::LlamaBackend;
use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::model::params::LlamaModelParams;

use crate::adapters::Adapters;
use crate::facts::Facts;
use crate::model::{GgufModel, Parts};
use crate::native;
use crate::offload;
use crate::plan::Plan;
use crate::saved::Saved;
use crate::vision::Vision;

/// The release of the bindings, which each pin one state of llama.cpp.
const BINDINGS: &str = "0.1.160";

/// Runs GGUF models with llama.cpp.
#[derive(Clone, Copy, Debug, Default)]
pub struct Gguf;

impl Backend for Gguf {
    fn name(&self) -> &'static str {
        "gguf"
    }

    fn version(&self) -> String {
        format!("{} (llama.cpp of llama-cpp-2 {BINDINGS})", env!("CARGO_PKG_VERSION"))
    }

    fn formats(&self) -> &'static [&'static str] {
        &["gguf"]
    }

    fn needs(&self) -> Vec<&'static str> {
        option_env!("INFERNO_BACKEND_NEEDS").unwrap_or_default().split_terminator(',').collect()
    }

    fn devices(&self) -> Vec<Device> {
        native::quiet_log();
        let devices = list_llama_ggml_backend_devices().into_iter();
        devices
            .map(|device| Device {
                name: device.name,
                description: device.description,
                memory: device.memory_total.try_into().unwrap_or(u64::MAX),
            })
            .collect()
    }

    fn load(&self, options: &LoadOptions, progress: &mut dyn FnMut(f32)) -> Result<Box<dyn Model>, Error> {
        Plan::check(options)?;
        check_file(&options.path)?;
        let backend = start()?;
        let before = native::resident();
        let mut model = read(backend, options, progress)?;
        let named = |error: Error| {
            let message = format!("cannot use {}: {}", options.path.display(), error.message);
            Error { message, ..error }
        };
        let head = native::has_tensor(&options.path, &[c"cls.weight", c"cls.output.weight"]);
        let facts = Facts::of(&model, head).map_err(named)?;
        let plan = Plan::of(options, &facts);
        if !facts.generates && !options.adapters.is_empty() {
            return Err(named(Error::invalid("adapters are for models that write text, which it does not")));
        }
        if !facts.generates && options.projector.is_some() {
            return Err(named(Error::invalid(
                "projectors are for models that write text, which it does not",
            )));
        }
        let adapters = Adapters::load(&mut model, &options.adapters)?;
        let saved = match &options.state_dir {
            Some(dir) if facts.generates => Some(open_saved(dir, options, &plan)?),
            _ => None,
        };
        let model = Arc::new(model);
        let vision = match &options.projector {
            Some(path) => Some(Vision::open(path, &model, plan.threads_batch)?),
            None => None,
        };
        let parts = Parts {
            backend,
            model,
            facts,
            plan,
            device: offload::device().unwrap_or_else(|| "CPU".to_owned()),
            adapters,
            saved,
            vision,
        };
        let mut model = GgufModel::new(parts).map_err(named)?;
        model.measure(before);
        Ok(Box::new(model))
    }
}

/// What earlier processes saved of prompts that this model has read.
fn open_saved(dir: &Path, options: &LoadOptions, plan: &Plan) -> Result<Saved, Error> {
    let form = format!("llama-cpp-2 {BINDINGS}, {} sequences", plan.sequences);
    Saved::open(dir, Plan::saving(options)?, form).map_err(|error| {
        Error::invalid(format!("cannot read the state directory {}: {error}", dir.display()))
            .hint("it must be a directory that the worker may write in")
    })
}

/// Starts llama.cpp, once for each process.
fn start() -> Result<&'static LlamaBackend, Error> {
    static BACKEND: OnceLock<Result<LlamaBackend, String>> = OnceLock::new();
    native::quiet_log();
    let backend = BACKEND.get_or_init(|| LlamaBackend::init().map_err(|error| error.to_string()));
    backend.as_ref().map_err(|error| Error::internal(format!("llama.cpp does not start: {error}")))
}

/// Tells a file that is missing or something else altogether from one that llama.cpp should judge.
fn check_file(path: &Path) -> Result<(), Error> {
    let mut magic = [0; 4];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut magic));
    match read {
        Ok(()) if &magic == b"GGUF" => Ok(()),
        Ok(()) => Err(not_gguf(path)),
        Err(error) if error.kind() == IoKind::UnexpectedEof => Err(not_gguf(path)),
        Err(error) => {
            let kind = match error.kind() {
                IoKind::NotFound => ErrorKind::NotFound,
                _ => ErrorKind::Invalid,
            };
            Err(Error::new(kind, format!("cannot read {}: {error}", path.display())))
        }
    }
}

fn not_gguf(path: &Path) -> Error {
    Error::invalid(format!("{} is not a GGUF file: it does not begin with the letters GGUF", path.display()))
}

/// Lets llama.cpp read the file.
///
/// It calls back with its progress while it reads. That happens on a thread of its own, so that the call goes through
/// a channel, which unlike a borrowed closure lives long enough for the wrapper.
fn read(
    backend: &LlamaBackend,
    options: &LoadOptions,
    progress: &mut dyn FnMut(f32),
) -> Result<LlamaModel, Error> {
    let path = &*options.path;
    let (sender, shares) = mpsc::channel();
    let loaded = thread::scope(|scope| {
        let loader = scope.spawn(move || {
            native::collect_errors(|| {
                if let Some(token) = native::doubled_token(path) {
                    return Err(format!("its vocabulary has the token {token:?} twice"));
                }
                let params = offload::params(path, options, || {
                    let sender = sender.clone();
                    LlamaModelParams::default()
                        .with_progress_callback(move |share| sender.send(share).is_ok())
                });
                // The channel ends with the callbacks.
                drop(sender);
                LlamaModel::load_from_file(backend, path, &params).map_err(|error| error.to_string())
            })
        });
        shares.iter().for_each(progress);
        loader.join()
    });
    let (model, log) = loaded.map_err(|_| Error::internal("the thread that loads the model panicked"))?;
    model.map_err(|error| not_loaded(path, &log, error))
}

/// Why llama.cpp has loaded nothing, by its log: a lack of memory may pass, a broken file stays broken.
fn not_loaded(path: &Path, log: &str, error: String) -> Error {
    let reason = reason(log).unwrap_or(error);
    if ["unable to allocate", "failed to allocate"].iter().any(|short| log.contains(short)) {
        let message = format!("there is not enough memory for {}: {reason}", path.display());
        return Error::new(ErrorKind::Exhausted, message).hint("free some, or choose a smaller model");
    }
    Error::invalid(format!("llama.cpp cannot load {}: {reason}", path.display()))
        .hint("if the file was copied or downloaded, check that it is complete")
}

/// The line of the log that says most: llama.cpp goes from the cause to the general.
pub(crate) fn reason(log: &str) -> Option<String> {
    let line = log.lines().map(str::trim).find(|line| !line.is_empty())?;
    // Lines begin with the name of a function.
    let told = line.split_once(": ").filter(|(name, _)| !name.contains(' ')).map_or(line, |(_, told)| told);
    let told = told.strip_prefix("error loading model: ").unwrap_or(told);
    Some(told.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_is_the_first_line_without_decoration() {
        let log = "llama_model_load: error loading model: tensor 'a: b' is not within the file\nx: failed to load model\n";
        assert_eq!(reason(log).unwrap(), "tensor 'a: b' is not within the file");
        assert_eq!(reason("\n"), None);
    }

    #[test]
    fn a_lack_of_memory_is_told_from_a_broken_file() {
        let failed = |log: &str| not_loaded(Path::new("a.gguf"), log, "null result".into());
        let short = failed("llama_model_load: error loading model: unable to allocate CPU buffer\n");
        assert_eq!(short.kind, ErrorKind::Exhausted);
        assert!(short.message.ends_with("memory for a.gguf: unable to allocate CPU buffer"), "{short}");
        let broken = failed("");
        assert_eq!(broken.kind, ErrorKind::Invalid);
        assert!(broken.message.ends_with("cannot load a.gguf: null result"), "{broken}");
    }

    #[test]
    fn the_version_names_the_bindings_that_are_used() {
        let manifest = include_str!("../../../../Cargo.toml");
        assert!(manifest.contains(&format!("llama-cpp-2 = \"={BINDINGS}\"")));
        assert!(Gguf.version().contains(BINDINGS));
    }
}
