//! `inferno plugin pack DIR`.

use std::path::{Path, PathBuf};

use crate::args::plugin::Pack;
use crate::failure::{Failure, Outcome};
use crate::printer::{Printer, bytes};

pub(crate) fn pack(pack: &Pack, printer: Printer) -> Outcome {
    if pack.dir.join("plugin.toml").is_file() && !pack.dir.join("plugin.wasm").exists() {
        return Err(Failure::new(format!("there is no plugin.wasm in {} yet", pack.dir.display()))
            .hint(format!("run `inferno plugin build {}`", pack.dir.display())));
    }
    let packed = inferno_plugins::pack(&pack.dir)?;
    let about = inferno_plugins::inspect(&packed)?;
    let output = pack
        .output
        .clone()
        .unwrap_or_else(|| PathBuf::from(format!("{}-{}.wasm", about.name, about.version)));
    write(&output, &packed)?;
    printer.line(output.display())?;
    printer.note(format_args!(
        "{}, digest {}; `inferno plugin sign {}` signs it",
        bytes(packed.len() as u64),
        about.digest,
        output.display()
    ));
    Ok(0)
}

/// Written beside its place and moved there, so that a full disk does not leave half a package.
pub(super) fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let fresh = path.with_extension(format!("wasm.{}", std::process::id()));
    std::fs::write(&fresh, bytes).and_then(|()| std::fs::rename(&fresh, path)).map_err(|error| {
        // The first error is the one to report.
        let _ = std::fs::remove_file(&fresh);
        Failure::new(format!("cannot write {}: {error}", path.display()))
    })
}
