//! JavaScript and TypeScript: the SDK's own build, in Node.

use std::path::Path;
use std::process::Command;

use super::{not_started, run, tools};
use crate::failure::Failure;
use crate::sdk::{self, Language};
use crate::settings::Settings;

const NO_NODE: &str = "install Node 20.6 or newer, with npm, from https://nodejs.org";
const OLDEST: (u32, u32) = (20, 6);

pub(super) fn build(folder: &Path, sdk: Option<&Path>, settings: &Settings) -> Result<(), Failure> {
    let sdk = sdk::folder(Language::Js, sdk, &settings.cache_dir)?;
    let tools = tools(Language::Js, &sdk, settings);
    recent_enough()?;
    let failed = format!("the tools for JavaScript could not be put into {}, see above", tools.display());
    run(Command::new("node").arg(sdk.join("install.mjs")).arg(&tools), NO_NODE, &failed)?;
    let failed = format!("{} does not build, see above", folder.display());
    run(
        Command::new("node").arg(tools.join("bin/inferno-plugin.js")).arg("build").arg(folder),
        NO_NODE,
        &failed,
    )
}

fn recent_enough() -> Result<(), Failure> {
    let mut node = Command::new("node");
    let output = node.arg("--version").output().map_err(|error| not_started(&node, &error, NO_NODE))?;
    let version = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let mut numbers = version.trim_start_matches('v').split('.').map(str::parse::<u32>);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) if (major, minor) < OLDEST => {
            Err(Failure::new(format!("Node {version} is too old to build plugins")).hint(NO_NODE))
        }
        // What tells no version may still work, and says so itself if it does not.
        _ => Ok(()),
    }
}
