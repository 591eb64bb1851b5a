//! Backends written in Rust, seen from C.

#![expect(unsafe_code, reason = "these functions are called through the C ABI")]

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{LazyLock, Mutex, PoisonError};

use crate::abi::{self, Bytes, Table};
use crate::wire::{self, Describe};
use crate::{Backend, Error, Model};

/// A backend that is part of this program, behind the same table of C functions as one that is opened.
#[derive(Clone, Copy)]
pub struct Linked {
    table: &'static Table,
}

impl Linked {
    /// The backend `B`. Its values carry no state: the ABI makes one with `Default` wherever it needs one.
    pub fn of<B: Backend + Default>() -> Self {
        static TABLES: LazyLock<Mutex<HashMap<TypeId, &'static Table>>> = LazyLock::new(Mutex::default);
        let mut tables = TABLES.lock().unwrap_or_else(PoisonError::into_inner);
        // Leaked once for each type: the ABI promises that a table lives as long as its library.
        Self { table: tables.entry(TypeId::of::<B>()).or_insert_with(|| Box::leak(Box::new(table::<B>()))) }
    }

    /// For [`crate::export_backend!`]: the table of `B`, or NULL where `B` panics while it describes itself.
    pub fn exported<B: Backend + Default>() -> *const Table {
        catch_unwind(|| Self::of::<B>().as_ptr()).unwrap_or(std::ptr::null())
    }

    pub(crate) fn as_ptr(self) -> *const Table {
        self.table
    }
}

/// Makes the type of a [`Backend`] the backend of this library: defines the symbol `inferno_backend_v1`.
///
/// A library has one; crates that are linked into one program together offer a [`Linked`] instead.
#[macro_export]
macro_rules! export_backend {
    ($backend:ty) => {
        /// The entry point that Inferno looks for.
        #[unsafe(no_mangle)]
        pub extern "C" fn inferno_backend_v1() -> *const $crate::abi::Table {
            $crate::Linked::exported::<$backend>()
        }
    };
}

/// What `inferno_model` points at.
struct Loaded {
    model: Box<dyn Model>,
    /// A call panicked, so the model may be half changed and must not be used again.
    broken: bool,
}

fn table<B: Backend + Default>() -> Table {
    let backend = B::default();
    let describe = Describe {
        name: backend.name().to_owned(),
        version: backend.version(),
        formats: backend.formats().iter().map(|&format| format.to_owned()).collect(),
        detect: backend.detect(),
        needs: backend.needs().into_iter().map(str::to_owned).collect(),
        reads: backend.reads(),
    };
    // Strings always become JSON; were it ever otherwise, an empty description is refused where it is read.
    let describe = wire::to_json("a description", &describe).unwrap_or_default();
    Table {
        abi: abi::VERSION,
        size: size_of::<Table>() as u32,
        describe: Bytes::of(Box::leak(describe.into_boxed_slice())),
        devices: Some(devices::<B>),
        load: Some(load::<B>),
        info: Some(info),
        submit: Some(submit),
        cancel: Some(cancel),
        step: Some(step),
        unload: Some(unload),
    }
}

/// Runs `work`; a panic becomes an error, since it must not cross the boundary.
fn guarded<T>(call: &str, work: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let reason = message(panic.as_ref());
        Err(Error::internal(format!("the backend panicked in `{call}`: {reason}")))
    })
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}

/// Like [`guarded`], for a call on a model: one that panicked is not called again.
fn with_model<T>(
    loaded: &mut Loaded,
    call: &str,
    work: impl FnOnce(&mut dyn Model) -> Result<T, Error>,
) -> Result<T, Error> {
    if loaded.broken {
        return Err(Error::internal(format!("`{call}` on a model whose backend panicked before")));
    }
    loaded.broken = true;
    guarded(call, || {
        let outcome = work(loaded.model.as_mut());
        loaded.broken = false;
        outcome
    })
}

/// Hands an error to the caller.
///
/// # Safety
///
/// `fail` and `ctx` must be those of the running call.
unsafe fn report(error: &Error, fail: abi::Fail, ctx: *mut c_void) {
    let json = wire::to_json("an error", error).unwrap_or_default();
    // SAFETY: the caller vouches for both; `json` outlives the call.
    unsafe { fail(ctx, Bytes::of(&json)) }
}

/// Answers with JSON.
///
/// # Safety
///
/// `sink` and `ctx` must be those of the running call.
unsafe fn answer(json: Result<Vec<u8>, Error>, sink: abi::Sink, ctx: *mut c_void) -> i32 {
    let Ok(json) = json else { return -1 };
    // SAFETY: the caller vouches for both; `json` outlives the call.
    unsafe { sink(ctx, Bytes::of(&json)) };
    0
}

unsafe extern "C" fn devices<B: Backend + Default>(ctx: *mut c_void, sink: abi::Sink) -> i32 {
    let json = guarded("devices", || wire::to_json("the devices", &B::default().devices()));
    // SAFETY: both are this call's arguments.
    unsafe { answer(json, sink, ctx) }
}

unsafe extern "C" fn load<B: Backend + Default>(
    options: Bytes,
    progress: abi::Progress,
    progress_ctx: *mut c_void,
    fail: abi::Fail,
    fail_ctx: *mut c_void,
) -> *mut abi::Model {
    let model = guarded("load", || {
        // SAFETY: the host keeps the bytes for the whole call.
        let options = unsafe { options.get() }.unwrap_or_default();
        let options = wire::from_json("the load options", options)?;
        // SAFETY: both are this call's arguments, and the closure does not outlive the call.
        B::default().load(&options, &mut |share| unsafe { progress(progress_ctx, share) })
    });
    match model {
        Ok(model) => Box::into_raw(Box::new(Loaded { model, broken: false })).cast(),
        Err(error) => {
            // SAFETY: both are this call's arguments.
            unsafe { report(&error, fail, fail_ctx) };
            std::ptr::null_mut()
        }
    }
}

/// The model behind a pointer.
///
/// # Safety
///
/// `model` must come from [`load`], not be unloaded yet, and not be in use by another call.
unsafe fn loaded<'a>(model: *mut abi::Model) -> &'a mut Loaded {
    // SAFETY: `load` made the pointer from a `Box<Loaded>`; the caller vouches for the rest.
    unsafe { &mut *model.cast() }
}

unsafe extern "C" fn info(model: *mut abi::Model, ctx: *mut c_void, sink: abi::Sink) -> i32 {
    // SAFETY: the host calls a live model from one thread.
    let loaded = unsafe { loaded(model) };
    let json = with_model(loaded, "info", |model| wire::to_json("the model's description", &model.info()));
    // SAFETY: both are this call's arguments.
    unsafe { answer(json, sink, ctx) }
}

unsafe extern "C" fn submit(
    model: *mut abi::Model,
    id: u64,
    work: Bytes,
    fail: abi::Fail,
    fail_ctx: *mut c_void,
) -> i32 {
    // SAFETY: the host calls a live model from one thread.
    let loaded = unsafe { loaded(model) };
    let outcome = with_model(loaded, "submit", |model| {
        // SAFETY: the host keeps the bytes for the whole call.
        let work = wire::decode_work(unsafe { work.get() }.unwrap_or_default())?;
        model.submit(id, work)
    });
    match outcome {
        Ok(()) => 0,
        Err(error) => {
            // SAFETY: both are this call's arguments.
            unsafe { report(&error, fail, fail_ctx) };
            -1
        }
    }
}

unsafe extern "C" fn cancel(model: *mut abi::Model, id: u64) {
    // SAFETY: the host calls a live model from one thread.
    let loaded = unsafe { loaded(model) };
    // Nothing to tell here: after a panic the next step fails and says so.
    let _ = with_model(loaded, "cancel", |model| {
        model.cancel(id);
        Ok(())
    });
}

unsafe extern "C" fn step(
    model: *mut abi::Model,
    emit: abi::Emit,
    emit_ctx: *mut c_void,
    fail: abi::Fail,
    fail_ctx: *mut c_void,
) -> i32 {
    // SAFETY: the host calls a live model from one thread.
    let loaded = unsafe { loaded(model) };
    let outcome = with_model(loaded, "step", |model| {
        let mut unsent = None;
        let more = model.step(&mut |id, event| match wire::encode_event(&event) {
            // SAFETY: both are this call's arguments; the data outlives the call of `emit`.
            Ok((kind, data)) => unsafe { emit(emit_ctx, id, kind, Bytes::of(&data)) },
            Err(error) => unsent = Some(error),
        })?;
        unsent.map_or(Ok(more), Err)
    });
    match outcome {
        Ok(more) => i32::from(more),
        Err(error) => {
            // SAFETY: both are this call's arguments.
            unsafe { report(&error, fail, fail_ctx) };
            -1
        }
    }
}

unsafe extern "C" fn unload(model: *mut abi::Model) {
    // SAFETY: `load` made the pointer from a `Box<Loaded>`, and the host unloads a model once, as its last call.
    let loaded = unsafe { Box::from_raw(model.cast::<Loaded>()) };
    // A panic in a destructor must not cross the boundary either, and nobody is left to tell.
    let _ = catch_unwind(AssertUnwindSafe(|| drop(loaded)));
}
