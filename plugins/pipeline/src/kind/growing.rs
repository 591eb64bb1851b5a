//! A file that grows under a name of its own, and gets its real one when it is whole.

use std::path::{Path, PathBuf};
use std::rc::Rc;

use crate::disk::{Append, Disk, with_ending};
use crate::error::Error;
use crate::node::Context;

/// The file.
pub(super) struct Growing {
    disk: Rc<dyn Disk>,
    path: PathBuf,
    /// Where it is written; the same as `path` where it has to be seen while it grows.
    partial: PathBuf,
    file: Option<Box<dyn Append>>,
}

impl Growing {
    /// One that is called so with `.partial` at its end until it is whole, unless the run has no end.
    pub(super) fn new(path: &str, context: &Context) -> Self {
        let path = context.path(path);
        let partial = if context.watch { path.clone() } else { with_ending(&path, "partial") };
        Self { disk: context.disk.clone(), path, partial, file: None }
    }

    /// One that has its real name at once.
    pub(super) fn live(disk: Rc<dyn Disk>, path: PathBuf) -> Self {
        Self { disk, partial: path.clone(), path, file: None }
    }

    /// Where it is written.
    pub(super) fn partial(&self) -> &Path {
        &self.partial
    }

    /// Opens it, and cuts it to this length.
    pub(super) fn start(&mut self, length: u64) -> Result<(), Error> {
        let failed = |error| Error::file("write", &self.partial, &error);
        if let Some(folder) = self.partial.parent() {
            self.disk.create_folder(folder).map_err(failed)?;
        }
        self.file = Some(self.disk.append(&self.partial, length).map_err(failed)?);
        Ok(())
    }

    /// Writes on.
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let Some(file) = &mut self.file else { return Ok(()) };
        file.write_all(bytes).map_err(|error| Error::file("write", &self.partial, &error))
    }

    /// Makes it durable, and says how long it is.
    pub(super) fn commit(&mut self) -> Result<u64, Error> {
        let Some(file) = &mut self.file else { return Ok(0) };
        file.sync().map_err(|error| Error::file("write", &self.partial, &error))?;
        Ok(file.length())
    }

    /// Gives it its real name.
    pub(super) fn publish(&mut self) -> Result<(), Error> {
        self.file = None;
        // If it was renamed already, the process died right afterwards.
        if self.partial != self.path && self.partial.exists() {
            let renamed = self.disk.rename(&self.partial, &self.path);
            renamed.map_err(|error| Error::file("write", &self.path, &error))?;
        }
        Ok(())
    }
}
