//! ONNX Runtime, opened once for each process.

#![expect(unsafe_code, reason = "the version of a library is asked for before anything else of it is used")]

use std::ffi::{CStr, c_char, c_void};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use inferno_backend::{Error, ErrorKind};
use ort::environment::Environment;

use crate::find::Places;
use crate::settings;

/// What the bindings call. A newer runtime has it too; an older one lacks functions.
const LEAST: u32 = ort::MINOR_VERSION;

/// The runtime.
pub(crate) struct Runtime {
    pub(crate) version: String,
    pub(crate) path: PathBuf,
}

/// Finds the runtime.
pub(crate) fn path() -> Result<PathBuf, Error> {
    Places::here().find(settings::get().runtime.as_deref())
}

/// Finds it, checks its version, and opens it. What went wrong once stays so.
pub(crate) fn open() -> Result<&'static Runtime, Error> {
    static RUNTIME: OnceLock<Result<Runtime, Error>> = OnceLock::new();
    RUNTIME.get_or_init(|| start(&path()?)).as_ref().map_err(Clone::clone)
}

/// What sessions are made in.
pub(crate) fn environment() -> Result<&'static Environment, Error> {
    static ENVIRONMENT: OnceLock<Result<Environment, String>> = OnceLock::new();
    let runtime = open()?;
    let made = ENVIRONMENT.get_or_init(|| {
        let builder = ort::init_from(&runtime.path).map_err(|error| error.to_string())?;
        builder.with_name("inferno").with_telemetry(false).build().map_err(|error| error.to_string())
    });
    made.as_ref().map_err(|error| Error::internal(format!("ONNX Runtime does not start: {error}")))
}

fn start(path: &Path) -> Result<Runtime, Error> {
    let version = version(path)?;
    ort::init_from(path)
        .map(drop)
        .map_err(|error| Error::internal(format!("ONNX Runtime {version} does not start: {error}")))?;
    Ok(Runtime { version, path: path.to_owned() })
}

/// The version of the library at `path`, if it can be used.
fn version(path: &Path) -> Result<String, Error> {
    let place = path.display();
    let unusable = |why: String| {
        Error::new(ErrorKind::Unavailable, format!("{place} cannot be used as ONNX Runtime: {why}"))
            .hint(format!("get version 1.{LEAST} or newer, such as with `pip install --upgrade onnxruntime`"))
    };
    let version = ask(path).map_err(unusable)?;
    let mut numbers = version.split('.').map(str::parse::<u32>);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(1)), Some(Ok(minor))) if minor >= LEAST => Ok(version),
        _ => Err(unusable(format!("it is version {version}, and 1.{LEAST} is the oldest that will do"))),
    }
}

/// The beginning of what `OrtGetApiBase` points at, which is the same in all versions.
#[repr(C)]
struct ApiBase {
    get_api: *const c_void,
    get_version: Option<unsafe extern "C" fn() -> *const c_char>,
}

fn ask(path: &Path) -> Result<String, String> {
    // SAFETY: the library's initialisers run, which is what the user asks for by putting it there.
    let library = unsafe { libloading::Library::new(path) }.map_err(|error| error.to_string())?;
    // Never closed: it is about to be used, and its threads may outlive every reference that could be counted.
    let library: &'static libloading::Library = Box::leak(Box::new(library));
    // SAFETY: a symbol of this name is of this type in every version of ONNX Runtime.
    let base = unsafe { library.get::<unsafe extern "C" fn() -> *const ApiBase>(b"OrtGetApiBase") }
        .map_err(|_| "it exports no symbol `OrtGetApiBase`".to_owned())?;
    // SAFETY: it takes no arguments; what it points at is constant and lives as long as the library.
    let base = unsafe { base().as_ref() }.ok_or("it gives no API")?;
    let version = base.get_version.ok_or("it gives no version")?;
    // SAFETY: as above.
    let version = unsafe { version() };
    if version.is_null() {
        return Err("it gives no version".to_owned());
    }
    // SAFETY: not NULL, and a C string that is constant.
    Ok(unsafe { CStr::from_ptr(version) }.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_runtime_is_refused_in_words() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = version(file.path()).unwrap_err();
        assert!(error.message.contains("cannot be used as ONNX Runtime"), "{error}");
        assert!(error.hint.unwrap().contains("or newer"));
        // A library that is everywhere, and is none.
        let error = version(Path::new("libm.so.6")).unwrap_err();
        assert!(error.message.contains("OrtGetApiBase"), "{error}");
    }
}
