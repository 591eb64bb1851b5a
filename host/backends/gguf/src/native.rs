//! The only `unsafe` of this crate: what the safe wrapper of llama.cpp lacks.
#![expect(unsafe_code, reason = "llama.cpp is C++; each block carries its argument")]

use std::cell::RefCell;
use std::collections::HashSet;
use std::ffi::{CStr, CString, c_char, c_void};
use std::fmt::Debug;
use std::io::Write;
use std::ops::{Deref, DerefMut};
use std::path::Path;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use llama_cpp_2::LlamaContextLoadError;
use llama_cpp_2::context::LlamaContext;
use llama_cpp_2::context::params::LlamaContextParams;
use llama_cpp_2::context::session::LlamaStateSeqFlags;
use llama_cpp_2::llama_backend::LlamaBackend;
use llama_cpp_2::model::{LlamaLoraAdapter, LlamaModel};
use llama_cpp_sys_2 as sys;

/// A context that keeps its model alive.
///
/// The wrapper's context borrows the model, which no struct that owns both could express.
pub(crate) struct Context {
    /// Declared before `_model`, and therefore dropped before it.
    inner: LlamaContext<'static>,
    _model: Arc<LlamaModel>,
}

impl Context {
    /// Makes a context for the model.
    pub(crate) fn new(
        backend: &LlamaBackend,
        model: &Arc<LlamaModel>,
        params: LlamaContextParams,
    ) -> Result<Self, LlamaContextLoadError> {
        let kept = Arc::clone(model);
        // SAFETY: an `Arc`'s value does not move, and `kept` holds it until after `inner` is dropped (fields drop in
        // the order of declaration). Nothing hands out `inner` by value, so that it cannot outlive `kept`.
        let lasting: &'static LlamaModel = unsafe { &*Arc::as_ptr(&kept) };
        let inner = lasting.new_context(backend, params)?;
        Ok(Self { inner, _model: kept })
    }
}

impl Context {
    /// What a sequence holds, as bytes that [`Context::restore`] takes.
    pub(crate) fn state(&self, sequence: usize) -> Option<Vec<u8>> {
        let sequence = i32::try_from(sequence).ok()?;
        let flags = LlamaStateSeqFlags::empty();
        let mut state = vec![0; self.inner.state_seq_get_size_ext(sequence, flags)];
        // SAFETY: the buffer has the size that llama.cpp has just said to need for this sequence.
        let written = unsafe { self.inner.state_seq_get_data_ext(state.as_mut_ptr(), sequence, flags) };
        (written > 0 && written == state.len()).then_some(state)
    }

    /// Puts back what [`Context::state`] gave. False: it does not fit this context; the sequence is then empty.
    pub(crate) fn restore(&mut self, sequence: usize, state: &[u8]) -> bool {
        let Ok(sequence) = i32::try_from(sequence) else { return false };
        // SAFETY: llama.cpp checks lengths, types and shapes in the bytes, which are its own: a digest guards them.
        unsafe { self.inner.state_seq_set_data_ext(state, sequence, LlamaStateSeqFlags::empty()) }
    }
}

impl Context {
    /// Applies these adapters of the context's model, this strongly, and no others. False: llama.cpp does not.
    ///
    /// The wrapper can apply only one at a time.
    pub(crate) fn set_adapters(&mut self, adapters: &[(&LlamaLoraAdapter, f32)]) -> bool {
        let Some(context) = address::<sys::llama_context>(&self.inner) else { return false };
        let pointers = adapters.iter().map(|(adapter, _)| address::<sys::llama_adapter_lora>(adapter));
        let Some(mut pointers) = pointers.collect::<Option<Vec<_>>>() else { return false };
        let mut scales: Vec<f32> = adapters.iter().map(|(_, scale)| *scale).collect();
        // SAFETY: the pointers are those that the wrappers hold, of objects that are borrowed here and thus alive; both
        // lists have the length that is said, and llama.cpp copies them.
        let code = unsafe {
            sys::llama_set_adapters_lora(context, pointers.as_mut_ptr(), pointers.len(), scales.as_mut_ptr())
        };
        code == 0
    }
}

/// The pointer that a wrapper holds. Nothing but its text for people tells it; with the wrapper's exact release, that
/// text is known.
fn address<T>(wrapper: &impl Debug) -> Option<*mut T> {
    let text = format!("{wrapper:?}");
    let digits = text.split_once(": 0x")?.1.split(|char: char| !char.is_ascii_hexdigit()).next()?;
    let address = usize::from_str_radix(digits, 16).ok().filter(|address| *address != 0)?;
    Some(ptr::with_exposed_provenance_mut(address))
}

impl Deref for Context {
    type Target = LlamaContext<'static>;

    fn deref(&self) -> &Self::Target {
        &self.inner
    }
}

impl DerefMut for Context {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.inner
    }
}

/// A token text that the file's vocabulary has twice, at which llama.cpp would abort the process.
pub(crate) fn doubled_token(path: &Path) -> Option<String> {
    let path = CString::new(path.to_str()?).ok()?;
    let params = sys::gguf_init_params { no_alloc: true, ctx: ptr::null_mut() };
    // SAFETY: the path is NUL-terminated, and without a `ctx` nothing but the returned header is made.
    let header = unsafe { sys::gguf_init_from_file(path.as_ptr(), params) };
    if header.is_null() {
        return None; // llama.cpp will say what is wrong
    }
    // SAFETY: `header` is a header that was read and not yet freed. A key that was found may be asked for its type; a
    // list of texts for its length and for each of its texts, which are NUL-terminated and live as long as the header.
    let doubled = unsafe {
        let key = sys::gguf_find_key(header, c"tokenizer.ggml.tokens".as_ptr());
        let texts = key >= 0
            && sys::gguf_get_kv_type(header, key) == sys::GGUF_TYPE_ARRAY
            && sys::gguf_get_arr_type(header, key) == sys::GGUF_TYPE_STRING;
        let count = if texts { sys::gguf_get_arr_n(header, key) } else { 0 };
        let mut seen = HashSet::with_capacity(count);
        (0..count)
            .map(|index| CStr::from_ptr(sys::gguf_get_arr_str(header, key, index)))
            .find(|text| !text.is_empty() && !seen.insert(*text))
            .map(|text| text.to_string_lossy().into_owned())
    };
    // SAFETY: the header is freed once, and no text of it is left: the one that was found is a copy.
    unsafe { sys::gguf_free(header) };
    doubled
}

/// The file has one of these tensors.
pub(crate) fn has_tensor(path: &Path, names: &[&CStr]) -> bool {
    let Some(path) = path.to_str().and_then(|path| CString::new(path).ok()) else { return false };
    let params = sys::gguf_init_params { no_alloc: true, ctx: ptr::null_mut() };
    // SAFETY: as above; the names are NUL-terminated, and the header is freed once.
    unsafe {
        let header = sys::gguf_init_from_file(path.as_ptr(), params);
        let found =
            !header.is_null() && names.iter().any(|name| sys::gguf_find_tensor(header, name.as_ptr()) >= 0);
        if !header.is_null() {
            sys::gguf_free(header);
        }
        found
    }
}

/// Bytes of this process that are in memory; absent where the system does not say.
pub(crate) fn resident() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

/// The level of the last line, which a continuation shares.
static LEVEL: AtomicU32 = AtomicU32::new(sys::GGML_LOG_LEVEL_NONE);

thread_local! {
    /// Errors that llama.cpp logs on this thread while someone collects them.
    static ERRORS: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Sends llama.cpp's warnings and errors to standard error and drops the rest of its log.
pub(crate) fn quiet_log() {
    // SAFETY: `log` lives as long as the program, has the signature that llama.cpp calls, and uses no user data.
    unsafe {
        sys::llama_log_set(Some(log), ptr::null_mut());
        sys::mtmd_helper_log_set(Some(log), ptr::null_mut());
    }
}

/// Runs `work` and returns what llama.cpp logged as errors on this thread meanwhile, which is then not printed.
pub(crate) fn collect_errors<T>(work: impl FnOnce() -> T) -> (T, String) {
    ERRORS.set(Some(String::new()));
    let value = work();
    (value, ERRORS.take().unwrap_or_default())
}

unsafe extern "C" fn log(level: sys::ggml_log_level, text: *const c_char, _: *mut c_void) {
    let level = if level == sys::GGML_LOG_LEVEL_CONT {
        LEVEL.load(Ordering::Relaxed)
    } else {
        LEVEL.store(level, Ordering::Relaxed);
        level
    };
    if text.is_null() || (level != sys::GGML_LOG_LEVEL_WARN && level != sys::GGML_LOG_LEVEL_ERROR) {
        return;
    }
    // SAFETY: llama.cpp passes NUL-terminated text that is valid for this call, and null was excluded.
    let text = unsafe { CStr::from_ptr(text) }.to_string_lossy();
    let collected = level == sys::GGML_LOG_LEVEL_ERROR
        && ERRORS
            .try_with(|errors| {
                let Ok(mut errors) = errors.try_borrow_mut() else { return false };
                errors.as_mut().is_some_and(|errors| {
                    errors.push_str(&text);
                    true
                })
            })
            .unwrap_or(false);
    if !collected {
        // A log that cannot be written is not worth a failure.
        let _ = std::io::stderr().lock().write_all(text.as_bytes());
    }
}
