//! The fence around a worker: once it knows which file it needs, it gives up the rest of the system.
//!
//! A backend is trusted code that reads untrusted files, so this is a second line of defence. It is best effort: an
//! old kernel or another system enforces less, and the log says what is missing.

use std::path::{Path, PathBuf};

/// What a worker still needs.
pub(crate) struct Needs<'a> {
    /// The model's file.
    pub(crate) model: &'a Path,
    /// Where opened backends, and libraries beside them, come from.
    pub(crate) libraries: Option<&'a Path>,
}

/// Confines this thread and those that it starts later. Returns what could not be enforced.
pub(crate) fn confine(needs: &Needs<'_>) -> Vec<String> {
    let mut missing = Vec::new();
    if let Err(error) = no_core_dumps() {
        missing.push(format!("core dumps stay possible: {error}"));
    }
    missing.extend(restrict(needs));
    missing
}

/// A core dump of a worker would hold its users' prompts.
fn no_core_dumps() -> std::io::Result<()> {
    use rustix::process::{Resource, Rlimit, setrlimit};
    Ok(setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?)
}

#[cfg(target_os = "linux")]
fn restrict(needs: &Needs<'_>) -> Option<String> {
    use landlock::{
        ABI, Access, AccessFs, AccessNet, Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetError,
        RulesetStatus, Scope, path_beneath_rules,
    };
    // The newest ABI whose rules are known here; an older kernel enforces those that it knows.
    let abi = ABI::V6;
    let enforce = || -> Result<RulesetStatus, RulesetError> {
        let read = AccessFs::ReadFile | AccessFs::ReadDir;
        let device = read | AccessFs::WriteFile | AccessFs::IoctlDev;
        let ruleset = Ruleset::default()
            .handle_access(AccessFs::from_all(abi))?
            .handle_access(AccessNet::from_all(abi))?
            .scope(Scope::from_all(abi))?
            .create()?
            .add_rules(path_beneath_rules(readable(needs), read))?
            .add_rules(path_beneath_rules(devices(), device))?;
        Ok(ruleset.restrict_self()?.ruleset)
    };
    match enforce() {
        Ok(RulesetStatus::FullyEnforced) => None,
        Ok(RulesetStatus::PartiallyEnforced) => {
            Some("this kernel enforces only a part of the file, network and signal rules (Landlock)".into())
        }
        Ok(RulesetStatus::NotEnforced) => {
            Some("this kernel enforces no file and network rules (it lacks Landlock)".into())
        }
        Err(error) => Some(format!("file and network rules were refused (Landlock): {error}")),
    }
}

#[cfg(not(target_os = "linux"))]
fn restrict(_needs: &Needs<'_>) -> Option<String> {
    Some("file and network rules are only known for Linux".into())
}

/// Files and directories that may be read. Those that do not exist are skipped.
#[cfg(target_os = "linux")]
fn readable(needs: &Needs<'_>) -> Vec<PathBuf> {
    /// Shared libraries that a backend opens late, such as a GPU driver's, and what such drivers read.
    const LIBRARIES: &[&str] = &["/lib", "/lib64", "/usr", "/opt", "/nix/store", "/run/opengl-driver"];
    const SYSTEM: &[&str] =
        &["/proc", "/sys", "/dev/null", "/dev/urandom", "/etc/ld.so.cache", "/etc/vulkan", "/etc/OpenCL"];
    let mut paths: Vec<PathBuf> = LIBRARIES.iter().chain(SYSTEM).map(PathBuf::from).collect();
    paths.push(needs.model.to_owned());
    paths.extend(needs.libraries.map(Path::to_owned));
    paths
}

/// Devices that compute. Those that do not exist are skipped.
#[cfg(target_os = "linux")]
fn devices() -> Vec<PathBuf> {
    let is_nvidia =
        |path: &PathBuf| path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"nvidia"));
    let in_dev = std::fs::read_dir("/dev").into_iter().flatten().flatten().map(|entry| entry.path());
    let mut paths: Vec<PathBuf> = in_dev.filter(is_nvidia).collect();
    paths.extend(["/dev/dri", "/dev/kfd", "/dev/dxg"].map(PathBuf::from));
    paths
}
