//! A model behind the C ABI, seen from safe Rust.

#![expect(unsafe_code, reason = "these functions call through the C ABI")]

use std::ffi::c_void;
use std::ptr::NonNull;

use crate::abi::{self, Bytes, Table};
use crate::{Emit, Error, Model, ModelInfo, Work, callbacks, wire};

/// A table in which no function is NULL.
#[derive(Clone, Copy)]
pub(crate) struct Calls {
    pub(crate) devices: unsafe extern "C" fn(*mut c_void, abi::Sink) -> i32,
    pub(crate) load:
        unsafe extern "C" fn(Bytes, abi::Progress, *mut c_void, abi::Fail, *mut c_void) -> *mut abi::Model,
    info: unsafe extern "C" fn(*mut abi::Model, *mut c_void, abi::Sink) -> i32,
    submit: unsafe extern "C" fn(*mut abi::Model, u64, Bytes, abi::Fail, *mut c_void) -> i32,
    cancel: unsafe extern "C" fn(*mut abi::Model, u64),
    step: unsafe extern "C" fn(*mut abi::Model, abi::Emit, *mut c_void, abi::Fail, *mut c_void) -> i32,
    unload: unsafe extern "C" fn(*mut abi::Model),
}

impl Calls {
    /// The table's functions, or the name of the first that is missing.
    pub(crate) fn all_of(table: &Table) -> Result<Self, &'static str> {
        Ok(Self {
            devices: table.devices.ok_or("devices")?,
            load: table.load.ok_or("load")?,
            info: table.info.ok_or("info")?,
            submit: table.submit.ok_or("submit")?,
            cancel: table.cancel.ok_or("cancel")?,
            step: table.step.ok_or("step")?,
            unload: table.unload.ok_or("unload")?,
        })
    }
}

/// A loaded model; unloaded when dropped. It stays on its thread, since a pointer is not `Send`.
pub(crate) struct LoadedModel {
    handle: Handle,
    backend: String,
    info: ModelInfo,
}

struct Handle {
    calls: Calls,
    model: NonNull<abi::Model>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        // SAFETY: the model is alive until here, and this is its last use.
        unsafe { (self.calls.unload)(self.model.as_ptr()) }
    }
}

impl LoadedModel {
    /// Takes over a model and asks what it can do.
    ///
    /// # Safety
    ///
    /// `model` must come from `calls.load`, and nobody else may use or unload it.
    pub(crate) unsafe fn new(
        calls: Calls,
        model: NonNull<abi::Model>,
        backend: String,
    ) -> Result<Self, Error> {
        let handle = Handle { calls, model };
        let mut json = Vec::new();
        // SAFETY: the model is alive; `take_json` expects a `Vec<u8>`, which is alive for the call.
        let code = unsafe { (calls.info)(model.as_ptr(), (&raw mut json).cast(), callbacks::take_json) };
        if code != 0 {
            return Err(Error::internal("`info` failed"));
        }
        let info = wire::from_json("the model's description", &json)?;
        Ok(Self { handle, backend, info })
    }
}

impl Model for LoadedModel {
    fn info(&self) -> ModelInfo {
        self.info.clone()
    }

    fn submit(&mut self, id: u64, work: Work) -> Result<(), Error> {
        let json = wire::encode_work(&work)?;
        let mut failure = None;
        let Handle { calls, model } = &self.handle;
        // SAFETY: the model is alive and this is its thread; the bytes and the `Option<Error>` that `take_failure`
        // expects are alive for the call.
        let code = unsafe {
            (calls.submit)(
                model.as_ptr(),
                id,
                Bytes::of(&json),
                callbacks::take_failure,
                (&raw mut failure).cast(),
            )
        };
        if code == 0 { Ok(()) } else { Err(callbacks::reason(failure, &self.backend, "submit")) }
    }

    fn cancel(&mut self, id: u64) {
        // SAFETY: the model is alive and this is its thread.
        unsafe { (self.handle.calls.cancel)(self.handle.model.as_ptr(), id) }
    }

    fn step(&mut self, emit: Emit<'_>) -> Result<bool, Error> {
        let mut broken = Vec::new();
        let mut events = callbacks::Events { emit, broken: &mut broken };
        let mut failure = None;
        let Handle { calls, model } = &self.handle;
        // SAFETY: the model is alive and this is its thread; the `Events` that `take_event` expects and the
        // `Option<Error>` that `take_failure` expects are alive for the call.
        let code = unsafe {
            (calls.step)(
                model.as_ptr(),
                callbacks::take_event,
                (&raw mut events).cast(),
                callbacks::take_failure,
                (&raw mut failure).cast(),
            )
        };
        for id in broken {
            self.cancel(id);
        }
        match code {
            1 => Ok(true),
            0 => Ok(false),
            _ => Err(callbacks::reason(failure, &self.backend, "step")),
        }
    }
}
