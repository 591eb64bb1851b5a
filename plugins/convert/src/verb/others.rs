//! Conversions by other plugins.

use std::fs;
use std::path::Path;

use inferno_sdk::converter::Route;
use inferno_sdk::{Error, plugins};
use serde_json::{Value, json};

use super::model::SELF;
use crate::args::{Formats, How};
use crate::conversion::Report;
use crate::fault::{internal, invalid, io};
use crate::given::Given;
use crate::routes;

/// All converters but this one, with what they convert.
fn known() -> Result<Vec<(String, Route)>, Error> {
    let mut known = Vec::new();
    for plugin in plugins::playing("converter")?.into_iter().filter(|plugin| plugin != SELF) {
        // One that does not even say what it converts is no reason to stop here.
        let routes = plugins::routes(&plugin).unwrap_or_default();
        known.extend(routes.into_iter().map(|route| (plugin.clone(), route)));
    }
    Ok(known)
}

/// Has the first one that can convert a model. It finds the folder of the model as `/in`, and an empty one as `/out`.
pub(super) async fn convert(
    given: &Given,
    output: &Path,
    formats: &Formats,
    how: &How,
) -> Result<Report, Error> {
    let known = known()?;
    let fits = |(_, route): &&(String, Route)| route.source == given.format && route.target == formats.format;
    let Some((plugin, route)) = known.iter().find(fits) else {
        let others: Vec<_> = known.into_iter().map(|(_, route)| route).collect();
        return Err(routes::none(&given.format, &formats.format, &others));
    };
    if how.choices() != Default::default() {
        return Err(invalid(format!(
            "{plugin} converts these formats, and knows nothing of what was chosen"
        ))
        .with_hint("tell it in its own words, with --options"));
    }
    let options: Value = serde_json::from_str(formats.options.as_deref().unwrap_or("{}"))
        .map_err(|error| invalid(format!("--options is no JSON: {error}")))?;
    if output.exists() && !how.force {
        return Err(invalid(format!("{} is there already", output.display()))
            .with_hint("choose another name, or add --force to replace it"));
    }
    let name = output.file_name().and_then(|name| name.to_str());
    let name = name.ok_or_else(|| invalid(format!("{} is no name for a result", output.display())))?;
    let room = output.with_file_name(format!(".{name}.{plugin}"));
    clear(&room)?;
    fs::create_dir_all(&room).map_err(|error| io("make", &room, &error))?;
    let done = plugins::convert(plugin, route, &options, &given.folder, &room).await;
    let placed = done.and_then(|files| place(&files, &room, output));
    clear(&room)?;
    Ok(Report {
        resumed: false,
        recipe: json!({
            "converter": { "plugin": plugin },
            "from": route.source,
            "to": route.target,
            "choices": options,
            "outputs": placed?,
        }),
    })
}

/// One file gets the name; several stay in a folder that does.
fn place(files: &[String], room: &Path, output: &Path) -> Result<Vec<Value>, Error> {
    let from = match files {
        [] => return Err(internal("the converter has written nothing")),
        [file] => room.join(file),
        _ => room.to_owned(),
    };
    let size = |file: &String| fs::metadata(room.join(file)).map(|about| about.len());
    let told = match files {
        [file] => vec![
            json!({ "file": output.file_name().map(|name| name.to_string_lossy()), "bytes": size(file).ok() }),
        ],
        files => files.iter().map(|file| json!({ "file": file, "bytes": size(file).ok() })).collect(),
    };
    if output.is_dir() {
        clear(output)?;
    }
    fs::rename(&from, output).map_err(|error| io("rename", &from, &error))?;
    Ok(told)
}

fn clear(folder: &Path) -> Result<(), Error> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(io("remove", folder, &error)),
        _ => Ok(()),
    }
}
