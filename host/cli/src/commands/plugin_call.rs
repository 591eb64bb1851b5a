//! `inferno plugin call NAME`: has a plugin play a role once, by hand.

use std::io::Read as _;
use std::path::Path;

use inferno_sandbox::Caller;
use inferno_store::DEFAULT_TENANT;

use crate::args::plugin::Call;
use crate::failure::{Failure, Outcome};
use crate::plugins::{self, Installation, Installed};
use crate::printer::Printer;
use crate::settings::Settings;
use crate::{host, roles};

/// The longest input that is read.
const MAX_INPUT: u64 = 64 << 20;

pub(crate) fn call(settings: &Settings, call: &Call, printer: Printer) -> Outcome {
    let installation = Installation::read(settings)?;
    let plugin = installation.find(&call.plugin)?;
    let output = play(settings, &installation, plugin, call.role.as_deref(), call.input.as_deref())?;
    printer.json(&output)?;
    Ok(0)
}

/// Has a plugin play a role once.
pub(super) fn play(
    settings: &Settings,
    installation: &Installation,
    plugin: &Installed,
    role: Option<&str>,
    file: Option<&Path>,
) -> Result<serde_json::Value, Failure> {
    let role = role_of(plugin, role)?;
    let input = input(file)?;
    let runtime = host::server_runtime()?;
    let output = runtime.block_on(async {
        let inference = host::inference(settings, host::models(settings)?, settings.inference_sequences)?;
        let sandbox = plugins::sandbox(settings, inference.clone(), host::store(settings)?)?;
        installation.load_callees(&sandbox, settings, plugin)?;
        let plugin = installation.load(&sandbox, settings, plugin)?;
        let caller = Caller {
            tenant: DEFAULT_TENANT.to_owned(),
            request_id: format!("call-{}", std::process::id()),
            background: false,
        };
        let output = roles::play(&plugin, caller, &role, input, Path::new(".")).await;
        inference.shutdown(std::time::Duration::ZERO).await;
        output
    });
    runtime.shutdown_background();
    output
}

/// The role that was named, or else the only one that a plugin plays and that can be played by hand.
pub(super) fn role_of(plugin: &Installed, named: Option<&str>) -> Result<String, Failure> {
    if let Some(role) = named {
        return Ok(role.to_owned());
    }
    let played = plugin.package.manifest().roles.names();
    let playable: Vec<_> = played.iter().filter(|role| roles::PLAYABLE.contains(role)).collect();
    match playable[..] {
        [role] => Ok((*role).to_owned()),
        _ => Err(Failure::usage(format!("say with --role which role `{}` is to play", plugin.name()))
            .hint(format!("it plays: {}", played.join(", ")))),
    }
}

/// The JSON in a file or from standard input.
pub(super) fn input(file: Option<&Path>) -> Result<serde_json::Value, Failure> {
    let failed = |what: &dyn std::fmt::Display| {
        let name = file.map_or_else(|| "standard input".to_owned(), |file| file.display().to_string());
        Failure::usage(format!("{name}: {what}"))
    };
    let mut text = String::new();
    match file {
        Some(file) => std::fs::File::open(file)
            .and_then(|file| file.take(MAX_INPUT).read_to_string(&mut text))
            .map_err(|error| failed(&error))?,
        None => std::io::stdin().take(MAX_INPUT).read_to_string(&mut text).map_err(|error| failed(&error))?,
    };
    serde_json::from_str(&text).map_err(|error| failed(&format_args!("this is not JSON: {error}")))
}
