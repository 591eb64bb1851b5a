//! The folders that plugins were granted, as they are on this machine.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use wasmtime_wasi::WasiCtxBuilder;

use crate::ask::Access;
use crate::effect::Effect;
use crate::error::{Error, ErrorKind};
use crate::lent::Lent;

/// A folder of this machine that a plugin finds under another name.
#[derive(Debug)]
pub(crate) struct Folder {
    path: String,
    host: PathBuf,
    access: Access,
    /// Where it really is. Links are followed once, so that whoever can change a link later cannot move the fence.
    real: OnceLock<PathBuf>,
}

impl Folder {
    /// Those that a plugin gets.
    pub(crate) fn all(effect: &Effect) -> Vec<Self> {
        let folders = effect.folders().map(|(path, host, access)| {
            let folder = Self { path: path.to_owned(), host: host.to_owned(), access, real: OnceLock::new() };
            // One that is not there yet may be by the time of a call.
            let _ = folder.real();
            folder
        });
        folders.collect()
    }

    fn real(&self) -> io::Result<&Path> {
        if let Some(real) = self.real.get() {
            return Ok(real);
        }
        let real = self.host.canonicalize()?;
        if !real.is_dir() {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        Ok(self.real.get_or_init(|| real))
    }

    /// Opens it for one call.
    pub(crate) fn lend(&self, plugin: &str, wasi: &mut WasiCtxBuilder, lent: &mut Lent) -> Result<(), Error> {
        let opened = self.real().map_err(|error| error.to_string()).and_then(|real| {
            lent.add(&self.path, real, self.access);
            wasi.preopened_dir(real, &self.path, self.access.permissions())
                .map(|_| ())
                .map_err(|error| error.root_cause().to_string())
        });
        opened.map_err(|why| {
            let Self { path, host, .. } = self;
            Error::new(
                ErrorKind::Host,
                format!(
                    "plugin \"{plugin}\" was granted the folder {} as {path:?}, which cannot be opened: {why}",
                    host.display()
                ),
            )
            .with_hint("make the folder, or change `files` of the plugin's entry in grants.toml")
        })
    }
}
