//! `inferno plugin new NAME`.

use std::fs;
use std::io;
use std::path::PathBuf;

use crate::args::plugin::New;
use crate::failure::{Failure, Outcome};
use crate::printer::Printer;
use crate::scaffold::Scaffold;
use crate::sdk;
use crate::settings::Settings;

pub(crate) fn new(settings: &Settings, new: &New, printer: Printer) -> Outcome {
    let folder = new.dir.clone().unwrap_or_else(|| PathBuf::from(&new.name));
    let failed = |error: io::Error| Failure::new(format!("cannot make {}: {error}", folder.display()));
    let sdk = sdk::folder(new.lang, new.sdk.as_deref(), &settings.cache_dir)?;
    let scaffold = Scaffold { name: &new.name, role: &new.role, language: new.lang, sdk: &sdk };
    let files = scaffold.files()?;
    let taken = match fs::read_dir(&folder) {
        Ok(mut entries) => entries.next().is_some(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => false,
        Err(error) => return Err(failed(error)),
    };
    if taken {
        return Err(Failure::usage(format!("{} is there already, and not empty", folder.display()))
            .hint("name another folder: inferno plugin new NAME DIR"));
    }
    for (place, text) in files {
        let path = folder.join(place);
        fs::create_dir_all(path.parent().unwrap_or(&folder))
            .and_then(|()| fs::write(&path, text))
            .map_err(failed)?;
    }
    printer.line(folder.display())?;
    printer.note(format_args!(
        "next: `inferno plugin build {0}`, then `inferno plugin test {0}`; {0}/README.md tells the rest",
        folder.display()
    ));
    Ok(0)
}
