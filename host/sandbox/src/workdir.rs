//! The folder in which a user runs a command, lent to the plugins that were granted it.
//!
//! Never where the host keeps files of its own: a plugin that writes there could grant itself anything, and one that
//! reads there could take keys. So no folder is lent that holds such a place, is one or lies in one.

use std::fmt::Display;
use std::path::{Path, PathBuf};

use wasmtime_wasi::WasiCtxBuilder;

use crate::ask::Access;
use crate::error::{Error, ErrorKind};
use crate::lent::Lent;

/// What a plugin calls it, besides by its path on this machine.
pub(crate) const WORKDIR: &str = ".";

/// Opens it for one run. The plugin finds it as `.` and by its whole path, and begins there.
pub(crate) fn lend(
    plugin: &str,
    folder: &Path,
    access: Access,
    reserved: &[PathBuf],
    wasi: &mut WasiCtxBuilder,
    lent: &mut Lent,
) -> Result<(), Error> {
    let failed = |why: &dyn Display| {
        Error::new(
            ErrorKind::Host,
            format!(
                "plugin \"{plugin}\" was granted the folder in which it is run, {}, which cannot be opened: {why}",
                folder.display()
            ),
        )
    };
    let real = folder.canonicalize().map_err(|error| failed(&error))?;
    if let Some((how, place)) = overlap(&real, reserved) {
        return Err(refusal(plugin, &real, how, place));
    }
    let whole = real.to_str();
    for name in [whole, Some(WORKDIR)].into_iter().flatten() {
        let opened = wasi.preopened_dir(&real, name, access.permissions());
        opened.map_err(|error| failed(&error.root_cause()))?;
        lent.add(name, &real, access);
    }
    if let Some(whole) = whole {
        // Where a program goes first that is to tell `data/x` from `/data/x`, which WASI's C library does not by itself.
        wasi.initial_cwd(whole);
    }
    Ok(())
}

fn refusal(plugin: &str, folder: &Path, how: &str, place: &Path) -> Error {
    Error::new(
        ErrorKind::Workdir,
        format!(
            "plugin \"{plugin}\" was granted the folder in which it is run, but {} {how} {}, where the host keeps files of its own",
            folder.display(),
            place.display()
        ),
    )
    .with_hint("run it in another folder, such as one that holds only the files that it is for")
}

/// How a folder and one of the host's places meet, if they do.
fn overlap<'a>(folder: &Path, reserved: &'a [PathBuf]) -> Option<(&'static str, &'a Path)> {
    reserved.iter().find_map(|place| {
        let real = real(place);
        let how = if same(folder, &real) {
            "is"
        } else if real.ancestors().any(|above| same(above, folder)) {
            "holds"
        } else if folder.ancestors().any(|above| same(above, &real)) {
            "lies in"
        } else {
            return None;
        };
        Some((how, place.as_path()))
    })
}

/// Where a path leads, as far as it is there; the rest of it may come to be.
fn real(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let found = path.ancestors().find_map(|above| {
        let rest = path.strip_prefix(above).ok()?;
        let real = above.canonicalize().ok()?;
        Some(if rest.as_os_str().is_empty() { real } else { real.join(rest) })
    });
    found.unwrap_or(path)
}

/// Whether two paths are one place: a folder may be mounted at several.
fn same(one: &Path, other: &Path) -> bool {
    one == other || identity(one).is_some_and(|one| identity(other) == Some(one))
}

#[cfg(unix)]
fn identity(path: &Path) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata(path).ok().map(|about| (about.dev(), about.ino()))
}

#[cfg(not(unix))]
fn identity(_: &Path) -> Option<(u64, u64)> {
    None
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn folders_meet_by_where_they_really_are() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path().canonicalize().unwrap();
        for folder in ["home/.config", "home/work/inner", "home/data/inner", "elsewhere"] {
            fs::create_dir_all(root.join(folder)).unwrap();
        }
        std::os::unix::fs::symlink(root.join("elsewhere"), root.join("home/link")).unwrap();
        let at = |name: &str| root.join(name);
        // A file that is there or not, a folder, one that is not there yet, and one behind a link.
        let reserved =
            [at("home/.inferno.toml"), at("home/data"), at("home/.config/inferno/x"), at("home/link")];
        let meets = |name: &str| overlap(&at(name).canonicalize().unwrap(), &reserved).map(|(how, _)| how);
        assert_eq!(meets("home"), Some("holds"));
        assert_eq!(meets("."), Some("holds"));
        assert_eq!(meets("home/.config"), Some("holds"));
        assert_eq!(meets("home/data"), Some("is"));
        assert_eq!(meets("home/data/inner"), Some("lies in"));
        assert_eq!(meets("elsewhere"), Some("is"));
        assert_eq!(meets("home/link"), Some("is"));
        assert_eq!(meets("home/work"), None);
        assert_eq!(meets("home/work/inner"), None);
        // Names that only begin alike are others.
        fs::create_dir(at("home/data-2")).unwrap();
        assert_eq!(meets("home/data-2"), None);
        fs::create_dir_all(at("home/.config/inferno/x/y")).unwrap();
        assert_eq!(meets("home/.config/inferno/x/y"), Some("lies in"));
    }
}
