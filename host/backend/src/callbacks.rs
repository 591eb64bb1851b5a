//! What a backend calls back while the host calls it. Each `ctx` is a `&mut` of the type that the function names.

#![expect(unsafe_code, reason = "these functions are called through the C ABI")]

use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::abi::Bytes;
use crate::{Emit, Error, Event, wire};

/// Runs our side of a callback; a panic must not cross the boundary.
fn guarded(work: impl FnOnce()) {
    // The panic hook has already said what happened; the call as a whole goes on without this callback.
    let _ = catch_unwind(AssertUnwindSafe(work));
}

/// `ctx`: a `Vec<u8>`, which takes the bytes.
///
/// # Safety
///
/// As the module says, and `json` is readable.
pub(crate) unsafe extern "C" fn take_json(ctx: *mut c_void, json: Bytes) {
    // SAFETY: whoever passed this function passed a `Vec<u8>` that is alive and that nobody else uses meanwhile.
    let into = unsafe { &mut *ctx.cast::<Vec<u8>>() };
    // SAFETY: the backend keeps the bytes for the call.
    let json = unsafe { json.get() }.unwrap_or_default();
    guarded(|| json.clone_into(into));
}

/// `ctx`: a `&mut dyn FnMut(f32)`.
///
/// # Safety
///
/// As the module says.
pub(crate) unsafe extern "C" fn take_progress(ctx: *mut c_void, share: f32) {
    // SAFETY: whoever passed this function passed such a reference, which is alive and in no other use meanwhile.
    let progress = unsafe { &mut *ctx.cast::<&mut dyn FnMut(f32)>() };
    guarded(|| progress(if share.is_nan() { 0.0 } else { share.clamp(0.0, 1.0) }));
}

/// `ctx`: an `Option<Error>`.
///
/// # Safety
///
/// As the module says, and `error` is readable.
pub(crate) unsafe extern "C" fn take_failure(ctx: *mut c_void, error: Bytes) {
    // SAFETY: whoever passed this function passed an `Option<Error>` that is alive and in no other use meanwhile.
    let into = unsafe { &mut *ctx.cast::<Option<Error>>() };
    // SAFETY: the backend keeps the bytes for the call.
    let json = unsafe { error.get() }.unwrap_or_default();
    guarded(|| *into = Some(wire::from_json("the backend's error", json).unwrap_or_else(|error| error)));
}

/// Why `call` failed.
pub(crate) fn reason(failure: Option<Error>, backend: &str, call: &str) -> Error {
    failure
        .unwrap_or_else(|| Error::internal(format!("backend {backend}: `{call}` failed and gave no reason")))
}

/// The context of [`take_event`].
pub(crate) struct Events<'a> {
    pub(crate) emit: Emit<'a>,
    /// Requests whose backend broke the rules; they were told, and are to be cancelled.
    pub(crate) broken: &'a mut Vec<u64>,
}

/// `ctx`: an [`Events`].
///
/// # Safety
///
/// As the module says, and `data` is readable.
pub(crate) unsafe extern "C" fn take_event(ctx: *mut c_void, id: u64, kind: u32, data: Bytes) {
    // SAFETY: whoever passed this function passed an `Events` that is alive and in no other use meanwhile.
    let events = unsafe { &mut *ctx.cast::<Events<'_>>() };
    // SAFETY: the backend keeps the bytes for the call.
    let event = unsafe { data.get() }
        .ok_or_else(|| Error::internal("an event's data points nowhere"))
        .and_then(|data| wire::decode_event(kind, data));
    guarded(|| {
        let event = event.unwrap_or_else(|error| {
            events.broken.push(id);
            Event::Failed(error)
        });
        (events.emit)(id, event);
    });
}
