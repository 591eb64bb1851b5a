//! A backend as Rust sees it.

use std::path::PathBuf;

use crate::{Detect, Device, Error, Event, LoadOptions, ModelInfo, Work};

/// Hands an event of a request to whoever waits for it.
pub type Emit<'a> = &'a mut dyn FnMut(u64, Event);

/// Code that runs models of some formats. One process holds at most one model.
pub trait Backend: Send + Sync + 'static {
    /// Short and unique, such as `gguf`.
    fn name(&self) -> &'static str;
    /// Of the backend or of the engine under it; for people.
    fn version(&self) -> String;
    /// The formats that it runs, such as `["gguf"]`; the file's header decides, not its name.
    fn formats(&self) -> &'static [&'static str];
    /// How files of its formats are told from others, where the host does not know them by itself.
    fn detect(&self) -> Vec<Detect> {
        Vec::new()
    }
    /// Features that its code takes for granted of the processor, by Rust's names, such as `avx512f`. Where one is
    /// lacking the library is passed over, so its description itself must run anywhere.
    fn needs(&self) -> Vec<&'static str> {
        Vec::new()
    }
    /// Folders of libraries that it opens late and that lie in no usual place, which a worker's fence must let through.
    fn reads(&self) -> Vec<PathBuf> {
        Vec::new()
    }
    /// What it could compute on, here and now.
    fn devices(&self) -> Vec<Device>;
    /// Loads a model; `progress` takes a share from 0 to 1 and may be called any number of times.
    fn load(&self, options: &LoadOptions, progress: &mut dyn FnMut(f32)) -> Result<Box<dyn Model>, Error>;
}

/// A loaded model. One thread calls it; it starts no work outside [`Model::step`].
pub trait Model {
    /// What it can do.
    fn info(&self) -> ModelInfo;
    /// Takes a request. Nothing is computed yet; a refusal is an error here, and the id is then unknown.
    /// Requests beyond [`ModelInfo::sequences`] wait inside the model in the order in which they came.
    fn submit(&mut self, id: u64, work: Work) -> Result<(), Error>;
    /// Ends a request at the next token with [`crate::Finish::Cancelled`]. Unknown ids are ignored.
    fn cancel(&mut self, id: u64);
    /// Does one bounded piece of work (about one decode of one batch) for all requests together.
    /// Returns false when there is nothing left to do.
    fn step(&mut self, emit: Emit<'_>) -> Result<bool, Error>;
}
