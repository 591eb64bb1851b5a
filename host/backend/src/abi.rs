//! The C ABI, type by type as in `sdk/backend/inferno_backend.h`, which says what each call means.

#![expect(unsafe_code, reason = "this is where bytes and tables from C become slices and shared values")]

use std::ffi::c_void;

/// The only version of the ABI so far; the number in [`SYMBOL`] and in [`Table::abi`].
pub const VERSION: u32 = 1;

/// The one symbol that a backend's library exports, an [`Entry`].
pub const SYMBOL: &str = "inferno_backend_v1";

/// JSON `{"prompt_tokens":n}`.
pub const STARTED: u32 = 1;
/// UTF-8.
pub const TEXT: u32 = 2;
/// Little-endian `float32`s.
pub const EMBEDDING: u32 = 3;
/// JSON `{"finish":"stop","usage":{"prompt_tokens":n,"output_tokens":n,"cached_tokens":n}}`.
pub const DONE: u32 = 4;
/// An [`crate::Error`] as JSON.
pub const FAILED: u32 = 5;
/// Little-endian `uint32`s.
pub const TOKENS: u32 = 6;
/// A list of [`crate::Choice`]s as JSON.
pub const CHOICES: u32 = 7;
/// A [`crate::ToolCallDelta`] as JSON.
pub const TOOL_CALL: u32 = 8;

/// Borrowed bytes; valid for the call that hands them over, unless said otherwise.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Bytes {
    /// The first byte; may be NULL where `len` is 0.
    pub ptr: *const u8,
    /// How many.
    pub len: usize,
}

impl Bytes {
    /// Points at `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self { ptr: bytes.as_ptr(), len: bytes.len() }
    }

    /// The bytes; none where pointer and length cannot belong together.
    ///
    /// # Safety
    ///
    /// Where `ptr` is not NULL, `len` bytes must be readable there and stay unchanged for `'a`.
    pub unsafe fn get<'a>(self) -> Option<&'a [u8]> {
        if self.len == 0 {
            return Some(&[]);
        }
        if self.ptr.is_null() || isize::try_from(self.len).is_err() {
            return None;
        }
        // SAFETY: not NULL and not longer than a slice may be, as just checked; the caller vouches for the memory.
        Some(unsafe { std::slice::from_raw_parts(self.ptr, self.len) })
    }
}

/// A loaded model, which only its backend can look into.
#[repr(C)]
pub struct Model {
    opaque: [u8; 0],
}

/// Takes the share of a load that is done, from 0 to 1.
pub type Progress = unsafe extern "C" fn(ctx: *mut c_void, share: f32);
/// Takes an event of a request; `kind` is one of the constants of this module.
pub type Emit = unsafe extern "C" fn(ctx: *mut c_void, id: u64, kind: u32, data: Bytes);
/// Takes the reason of a failed call, an [`crate::Error`] as JSON.
pub type Fail = unsafe extern "C" fn(ctx: *mut c_void, error: Bytes);
/// Takes the JSON that a call answers with.
pub type Sink = unsafe extern "C" fn(ctx: *mut c_void, json: Bytes);
/// The type of [`SYMBOL`].
pub type Entry = unsafe extern "C" fn() -> *const Table;

/// What a backend can do. Later versions of ABI 1 only add fields at the end, and `size` says how many there are.
#[repr(C)]
pub struct Table {
    /// [`VERSION`].
    pub abi: u32,
    /// Bytes of this table.
    pub size: u32,
    /// JSON `{"name","version","formats"}` that lives as long as the library.
    pub describe: Bytes,
    /// Answers with a JSON array of [`crate::Device`]; 0 when it did.
    pub devices: Option<unsafe extern "C" fn(ctx: *mut c_void, sink: Sink) -> i32>,
    /// Loads a model, from [`crate::LoadOptions`]; NULL when it failed.
    pub load: Option<
        unsafe extern "C" fn(
            options: Bytes,
            progress: Progress,
            progress_ctx: *mut c_void,
            fail: Fail,
            fail_ctx: *mut c_void,
        ) -> *mut Model,
    >,
    /// Answers with a [`crate::ModelInfo`]; 0 when it did.
    pub info: Option<unsafe extern "C" fn(model: *mut Model, ctx: *mut c_void, sink: Sink) -> i32>,
    /// Takes a [`crate::Work`], as JSON with its images behind it; 0 when it did.
    pub submit: Option<
        unsafe extern "C" fn(
            model: *mut Model,
            id: u64,
            work: Bytes,
            fail: Fail,
            fail_ctx: *mut c_void,
        ) -> i32,
    >,
    /// Ends a request at the next token.
    pub cancel: Option<unsafe extern "C" fn(model: *mut Model, id: u64)>,
    /// Does one piece of work: 1 when there is more to do, 0 when there is none, -1 when it failed.
    pub step: Option<
        unsafe extern "C" fn(
            model: *mut Model,
            emit: Emit,
            emit_ctx: *mut c_void,
            fail: Fail,
            fail_ctx: *mut c_void,
        ) -> i32,
    >,
    /// Frees the model.
    pub unload: Option<unsafe extern "C" fn(model: *mut Model)>,
}

// SAFETY: a table is never written after it was handed out, and `describe` points at bytes that are constant too.
unsafe impl Sync for Table {}
// SAFETY: as for `Sync`; a table owns nothing that belongs to a thread.
unsafe impl Send for Table {}
