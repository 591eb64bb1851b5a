//! `inferno plugin watch DIR`: builds at every change and installs what came of it. A running server swaps it; what has
//! begun there ends on the version that it began with.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, SystemTime};

use crate::args::plugin::{Consent, Watch};
use crate::builder;
use crate::failure::{Failure, Outcome};
use crate::installing;
use crate::printer::Printer;
use crate::settings::Settings;

/// Looking at a few files costs next to nothing, and works on every file system.
const LOOK: Duration = Duration::from_millis(300);

/// What builds make, and what has nothing to do with them.
const OTHERS: [&str; 3] = ["target", "node_modules", "__pycache__"];

/// The files of a plugin, with when they were changed.
#[derive(Debug, PartialEq, Eq)]
struct Sources(BTreeMap<PathBuf, SystemTime>);

impl Sources {
    fn of(folder: &Path) -> Self {
        let mut found = BTreeMap::new();
        collect(folder, &mut found);
        Self(found)
    }
}

fn collect(folder: &Path, found: &mut BTreeMap<PathBuf, SystemTime>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with('.') || OTHERS.contains(&&*name) || name.contains(".wasm") || name == "Cargo.lock"
        {
            continue;
        }
        let Ok(about) = entry.metadata() else { continue };
        if about.is_dir() {
            collect(&entry.path(), found);
        } else if let Ok(changed) = about.modified() {
            found.insert(entry.path(), changed);
        }
    }
}

pub(crate) fn watch(settings: &Settings, watch: &Watch, printer: Printer) -> Outcome {
    let folder = watch.dir.canonicalize().map_err(|error| {
        Failure::usage(format!("cannot find the folder {}: {error}", watch.dir.display()))
    })?;
    builder::language(&folder)?;
    // It is the author's own, and each build is another one under the same version.
    let consent = Consent {
        allow_unsigned: true,
        allow_signer_change: true,
        allow_downgrade: true,
        ..watch.consent.clone()
    };
    printer.note(format_args!("watching {}; Ctrl-C ends it", folder.display()));
    loop {
        let seen = Sources::of(&folder);
        if let Err(failure) = turn(settings, &folder, watch, &consent, printer) {
            printer.failure(&failure);
        }
        wait_for_change(&folder, &seen);
    }
}

fn turn(
    settings: &Settings,
    folder: &Path,
    watch: &Watch,
    consent: &Consent,
    printer: Printer,
) -> Result<(), Failure> {
    let incoming = builder::build(folder, watch.sdk.as_deref(), settings)?;
    installing::install(settings, incoming, consent, installing::Warnings::Hidden, printer)?.show(printer)
}

/// An editor may write several files, or one in several steps: it is over when nothing changes any more.
fn wait_for_change(folder: &Path, seen: &Sources) {
    let mut last = Sources::of(folder);
    loop {
        sleep(LOOK);
        let now = Sources::of(folder);
        if now == last && now != *seen {
            return;
        }
        last = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_what_an_author_writes() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str| {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "x").unwrap();
        };
        for name in
            ["plugin.toml", "src/lib.rs", "plugin.wasm", "target/x", ".git/x", "a/node_modules/x", "x.wasm.1"]
        {
            write(name);
        }
        let sources = Sources::of(folder.path());
        let names: Vec<_> = sources.0.keys().map(|path| path.strip_prefix(folder.path()).unwrap()).collect();
        assert_eq!(names, [Path::new("plugin.toml"), Path::new("src/lib.rs")]);
        write("src/other.rs");
        assert_ne!(Sources::of(folder.path()), sources);
    }
}
