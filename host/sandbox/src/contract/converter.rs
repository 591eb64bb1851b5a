//! Converters.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::cases::{ConverterCase, Expected, config};
use super::{MALFORMED, Outcome, Report, compare, refused, unexpected};
use crate::error::{Error, ErrorKind};
use crate::plugin::Plugin;
use crate::role::bindings::converter::exports::inferno::plugin::converter::Route;
use crate::state::Caller;

pub(super) async fn check(report: &mut Report, plugin: &Plugin, caller: &Caller, cases: &[ConverterCase]) {
    for case in cases {
        let first = convert(plugin, caller, case).await;
        let second = match case.deterministic {
            true => Some(convert(plugin, caller, case).await),
            false => None,
        };
        let expected = Expected { expect: case.expect.clone(), error: case.error.clone() };
        report.add("converter", &case.name, compare(&first, second.as_ref(), &expected));
    }
    let routes = plugin.converter_routes(caller.clone()).await;
    report.add(
        "converter",
        "it has routes, and each once",
        routes.as_ref().map_err(unexpected).and_then(|routes| distinct(routes)),
    );
    let unknown = Route { source: "no such format".to_owned(), target: "nor this one".to_owned() };
    let unknown = try_out(plugin, caller, &unknown, "{}").await;
    report.add("converter", "an unknown route is refused", refused(&unknown, None));
    if let Some(route) = routes.ok().and_then(|routes| routes.into_iter().next()) {
        let malformed = try_out(plugin, caller, &route, MALFORMED).await;
        report.add("converter", "malformed options are refused", refused(&malformed, None));
    }
}

fn distinct(routes: &[Route]) -> Outcome {
    if routes.is_empty() {
        return Err("it has no routes".to_owned());
    }
    let twice = routes.iter().enumerate().find(|(index, route)| routes[..*index].contains(route));
    twice.map_or(Ok(()), |(_, route)| {
        Err(format!("the route {} -> {} is there twice", route.source, route.target))
    })
}

/// A pair of folders for one conversion, which are gone afterwards.
struct Folders(PathBuf);

impl Folders {
    fn new() -> io::Result<Self> {
        use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let name = format!("inferno-contract-{}-{}", std::process::id(), COUNT.fetch_add(1, Relaxed));
        let folders = Self(std::env::temp_dir().join(name));
        // Fails where somebody else was there first.
        fs::create_dir(&folders.0)?;
        fs::create_dir(folders.input())?;
        fs::create_dir(folders.output())?;
        Ok(folders)
    }

    fn input(&self) -> PathBuf {
        self.0.join("in")
    }

    fn output(&self) -> PathBuf {
        self.0.join("out")
    }
}

impl Drop for Folders {
    fn drop(&mut self) {
        // What cannot be removed is the system's to clear away.
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn failed(error: io::Error) -> Error {
    Error::new(ErrorKind::Host, format!("the folders for a conversion cannot be used: {error}"))
}

async fn try_out(
    plugin: &Plugin,
    caller: &Caller,
    route: &Route,
    options: &str,
) -> Result<Vec<String>, Error> {
    let folders = Folders::new().map_err(failed)?;
    plugin.convert(caller.clone(), route, options, &folders.input(), &folders.output()).await
}

async fn convert(plugin: &Plugin, caller: &Caller, case: &ConverterCase) -> Result<Value, Error> {
    let folders = Folders::new().map_err(failed)?;
    for (name, text) in &case.input {
        let file = below(&folders.input(), name)?;
        file.parent()
            .map_or(Ok(()), fs::create_dir_all)
            .and_then(|()| fs::write(file, text))
            .map_err(failed)?;
    }
    let route = Route { source: case.source.clone(), target: case.target.clone() };
    let options = config(case.options.as_ref());
    let names = plugin.convert(caller.clone(), &route, &options, &folders.input(), &folders.output()).await?;
    let mut files = BTreeMap::new();
    for name in names {
        let bytes = fs::read(folders.output().join(&name)).map_err(failed)?;
        files.insert(name, String::from_utf8_lossy(&bytes).into_owned());
    }
    Ok(json!(files))
}

/// A case writes nowhere but into its own folder.
fn below(folder: &Path, name: &str) -> Result<PathBuf, Error> {
    use std::path::Component;
    if Path::new(name).components().all(|part| matches!(part, Component::Normal(_))) {
        return Ok(folder.join(name));
    }
    Err(Error::new(ErrorKind::Manifest, format!("{name:?} is not the name of a file to convert")))
}
