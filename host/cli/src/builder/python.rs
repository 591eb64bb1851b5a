//! Python: the SDK's own build, in a virtual environment of its own.

use std::path::Path;
use std::process::Command;

use super::{run, tools};
use crate::failure::Failure;
use crate::sdk::{self, Language};
use crate::settings::Settings;

const NO_PYTHON: &str = "install Python 3.11 or newer, with venv and pip, from https://python.org";
const PYTHON: &str = if cfg!(windows) { "python" } else { "python3" };
const IN_TOOLS: &str = if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" };

pub(super) fn build(folder: &Path, sdk: Option<&Path>, settings: &Settings) -> Result<(), Failure> {
    let sdk = sdk::folder(Language::Python, sdk, &settings.cache_dir)?;
    let tools = tools(Language::Python, &sdk, settings);
    let failed = format!("the tools for Python could not be put into {}, see above", tools.display());
    run(Command::new(PYTHON).arg(sdk.join("install.py")).arg(&tools), NO_PYTHON, &failed)?;
    let failed = format!("{} does not build, see above", folder.display());
    run(
        Command::new(tools.join(IN_TOOLS)).args(["-m", "inferno_plugin", "build"]).arg(folder),
        NO_PYTHON,
        &failed,
    )
}
