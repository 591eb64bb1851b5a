//! Any backend behind the C ABI, seen from safe Rust.

#![expect(unsafe_code, reason = "these functions call through the C ABI")]

use std::path::{Path, PathBuf};
use std::ptr::NonNull;

use crate::abi::{self, Bytes, Table};
use crate::loaded::{Calls, LoadedModel};
use crate::wire::{self, Describe};
use crate::{Detect, Device, Error, Linked, LoadOptions, Model, callbacks, processor};

/// A backend, linked in or opened.
pub struct Library {
    calls: Calls,
    describe: Describe,
    path: Option<PathBuf>,
}

impl Library {
    /// Opens a library. Backends are trusted code: opening one already runs it.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let broken = |reason: String| {
            Error::invalid(format!("{} is not a backend that can be used: {reason}", path.display()))
        };
        // SAFETY: the library's initialisers run, which is what the user asks for by putting it there.
        let library = unsafe { libloading::Library::new(path) }.map_err(|error| broken(error.to_string()))?;
        // Never closed: threads, thread-locals and the table may outlive every reference that could be counted.
        let library: &'static libloading::Library = Box::leak(Box::new(library));
        // SAFETY: a symbol of this name is of this type; that is what the versioned name promises.
        let entry = unsafe { library.get::<abi::Entry>(abi::SYMBOL.as_bytes()) }
            .map_err(|_| broken(format!("it exports no symbol `{}`", abi::SYMBOL)))?;
        // SAFETY: as above; it takes no arguments. The pointer is to live as long as the library, which is for ever.
        unsafe { Self::from_table(entry(), Some(path.to_owned())) }.map_err(broken)
    }

    /// A backend that is part of this program.
    pub fn linked(linked: Linked) -> Result<Self, Error> {
        // SAFETY: `Linked` holds a table that is complete and never freed.
        unsafe { Self::from_table(linked.as_ptr(), None) }
            .map_err(|reason| Error::internal(format!("a backend that is linked in is broken: {reason}")))
    }

    /// Checks a table before anything in it is used.
    ///
    /// # Safety
    ///
    /// Where `table` is neither NULL nor out of line, it must point at two readable `u32`s, `abi` and `size`, and
    /// where these are right, at a whole table that is never written or freed.
    unsafe fn from_table(table: *const Table, path: Option<PathBuf>) -> Result<Self, String> {
        if table.is_null() || !table.is_aligned() {
            return Err(format!("`{}` gave no table", abi::SYMBOL));
        }
        // SAFETY: not NULL and aligned; every version of the ABI begins with these two fields.
        let (version, size) =
            unsafe { ((&raw const (*table).abi).read(), (&raw const (*table).size).read()) };
        if version != abi::VERSION {
            let ours = abi::VERSION;
            return Err(format!("it speaks version {version} of the backend ABI, and this Inferno {ours}"));
        }
        if (size as usize) < size_of::<Table>() {
            let expected = size_of::<Table>();
            return Err(format!("its table has {size} bytes, and the backend ABI's {expected}"));
        }
        // SAFETY: the version and the size say that a whole table is there; the caller vouches that it stays.
        let table: &'static Table = unsafe { &*table };
        // SAFETY: the ABI says that the description lives as long as the library.
        let describe = unsafe { table.describe.get() }.ok_or("its description points nowhere")?;
        let describe: Describe =
            wire::from_json("its description", describe).map_err(|error| error.message)?;
        if describe.name.is_empty() || describe.formats.is_empty() {
            return Err("its description names no backend or no formats".into());
        }
        if let Some(problem) = describe.detect.iter().find_map(|detect| detect.problem(&describe.formats)) {
            return Err(format!("its description is wrong: {problem}"));
        }
        let lacking = processor::lacking(&describe.needs);
        if !lacking.is_empty() {
            return Err(format!("it was built for processors with {}", lacking.join(", ")));
        }
        let calls = Calls::all_of(table).map_err(|name| format!("its function `{name}` is NULL"))?;
        Ok(Self { calls, describe, path })
    }

    /// Short and unique, such as `gguf`.
    pub fn name(&self) -> &str {
        &self.describe.name
    }

    /// For people.
    pub fn version(&self) -> &str {
        &self.describe.version
    }

    /// The formats that it runs.
    pub fn formats(&self) -> &[String] {
        &self.describe.formats
    }

    /// How files of its formats are told from others, where it says so.
    pub fn detect(&self) -> &[Detect] {
        &self.describe.detect
    }

    /// Folders that it reads libraries from.
    pub(crate) fn reads(&self) -> &[PathBuf] {
        &self.describe.reads
    }

    /// The file that it was opened from; none where it is linked in.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// What it could compute on, here and now.
    pub fn devices(&self) -> Result<Vec<Device>, Error> {
        let mut json = Vec::new();
        // SAFETY: `take_json` expects a `Vec<u8>`, which is alive for the call.
        let code = unsafe { (self.calls.devices)((&raw mut json).cast(), callbacks::take_json) };
        if code != 0 {
            return Err(Error::internal(format!("backend {}: `devices` failed", self.describe.name)));
        }
        wire::from_json("the list of devices", &json).map_err(|error| self.blame(error))
    }

    /// Loads a model; `progress` takes a share from 0 to 1.
    pub fn load(
        &self,
        options: &LoadOptions,
        mut progress: &mut dyn FnMut(f32),
    ) -> Result<Box<dyn Model>, Error> {
        let json = wire::to_json("the load options", options)?;
        let mut failure = None;
        // SAFETY: the bytes and both contexts are alive for the call; `take_progress` expects a
        // `&mut dyn FnMut(f32)` and `take_failure` an `Option<Error>`.
        let model = unsafe {
            (self.calls.load)(
                Bytes::of(&json),
                callbacks::take_progress,
                (&raw mut progress).cast(),
                callbacks::take_failure,
                (&raw mut failure).cast(),
            )
        };
        let Some(model) = NonNull::new(model) else {
            return Err(callbacks::reason(failure, &self.describe.name, "load"));
        };
        // SAFETY: `load` has just made the model, and hands it over for good.
        let model = unsafe { LoadedModel::new(self.calls, model, self.describe.name.clone()) };
        Ok(Box::new(model.map_err(|error| self.blame(error))?))
    }

    fn blame(&self, error: Error) -> Error {
        Error { message: format!("backend {}: {}", self.describe.name, error.message), ..error }
    }
}
