//! The fence around a worker: once it knows which file it needs, it gives up the rest of the system.
//!
//! A backend is trusted code that reads untrusted files, so this is a second line of defence. It is best effort: an
//! old kernel or another system enforces less, and the log says what is missing.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use crate::LoadOptions;

/// Confines this thread and those that it starts later to reading the model, its adapters and projector, and what libraries need,
/// those of the directory `libraries` and of the backend's own folders included, and to writing where state may be kept.
/// Returns what could not be enforced.
pub(crate) fn confine(options: &LoadOptions, libraries: Option<&Path>, own: &[PathBuf]) -> Vec<String> {
    let mut missing = Vec::new();
    // Nobody but this user has to know what was asked.
    if let Some(dir) = &options.state_dir
        && let Err(error) = DirBuilder::new().recursive(true).mode(0o700).create(dir)
    {
        missing.push(format!("the state directory {} cannot be made: {error}", dir.display()));
    }
    if let Err(error) = no_core_dumps() {
        missing.push(format!("core dumps stay possible: {error}"));
    }
    missing.extend(restrict(options, libraries, own));
    missing
}

/// A core dump of a worker would hold its users' prompts.
fn no_core_dumps() -> std::io::Result<()> {
    use rustix::process::{Resource, Rlimit, setrlimit};
    Ok(setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?)
}

#[cfg(target_os = "linux")]
fn restrict(options: &LoadOptions, libraries: Option<&Path>, own: &[PathBuf]) -> Option<String> {
    use landlock::{
        ABI, Access, AccessFs, AccessNet, Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetError,
        RulesetStatus, Scope, path_beneath_rules,
    };
    // The newest ABI whose rules are known here; an older kernel enforces those that it knows.
    let abi = ABI::V6;
    let enforce = || -> Result<RulesetStatus, RulesetError> {
        let read = AccessFs::ReadFile | AccessFs::ReadDir;
        let device = read | AccessFs::WriteFile | AccessFs::IoctlDev;
        let state =
            read | AccessFs::WriteFile | AccessFs::Truncate | AccessFs::MakeReg | AccessFs::RemoveFile;
        let ruleset = Ruleset::default()
            .handle_access(AccessFs::from_all(abi))?
            .handle_access(AccessNet::from_all(abi))?
            .scope(Scope::from_all(abi))?
            .create()?
            .add_rules(path_beneath_rules(readable(options, libraries, own), read))?
            .add_rules(path_beneath_rules(&options.state_dir, state))?
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
fn restrict(_options: &LoadOptions, _libraries: Option<&Path>, _own: &[PathBuf]) -> Option<String> {
    Some("file and network rules are only known for Linux".into())
}

/// Files and directories that may be read. Those that do not exist are skipped.
#[cfg(target_os = "linux")]
fn readable(options: &LoadOptions, libraries: Option<&Path>, own: &[PathBuf]) -> Vec<PathBuf> {
    /// Shared libraries that a backend opens late, such as a GPU driver's, and what such drivers read.
    const LIBRARIES: &[&str] = &["/lib", "/lib64", "/usr", "/opt", "/nix/store", "/run/opengl-driver"];
    const SYSTEM: &[&str] =
        &["/proc", "/sys", "/dev/null", "/dev/urandom", "/etc/ld.so.cache", "/etc/vulkan", "/etc/OpenCL"];
    let mut paths: Vec<PathBuf> = LIBRARIES.iter().chain(SYSTEM).map(PathBuf::from).collect();
    paths.push(options.path.clone());
    paths.extend(other_parts(&options.path));
    paths.extend(options.adapters.values().chain(&options.projector).chain(&options.files).cloned());
    paths.extend(libraries.map(Path::to_owned));
    paths.extend(own.iter().cloned());
    paths
}

/// The other files of a model that is split, as in `name-00001-of-00003.gguf`; engines find them by themselves.
#[cfg(target_os = "linux")]
fn other_parts(model: &Path) -> Vec<PathBuf> {
    let pattern = |path: &Path| {
        let stem = path.file_stem()?.to_str()?;
        let (rest, count) = stem.rsplit_once("-of-")?;
        let (name, number) = rest.rsplit_once('-')?;
        let numbers = [count, number].iter().all(|part| part.bytes().all(|byte| byte.is_ascii_digit()));
        numbers.then(|| (name.to_owned(), count.to_owned(), path.extension().map(ToOwned::to_owned)))
    };
    let (Some(ours), Some(dir)) = (pattern(model), model.parent()) else { return Vec::new() };
    let beside = std::fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path());
    beside.filter(|path| path != model && pattern(path).as_ref() == Some(&ours)).collect()
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

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn finds_the_other_parts_of_a_split_model_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        for name in ["m-00001-of-00003.gguf", "m-00002-of-00003.gguf", "m-00003-of-00003.gguf"] {
            std::fs::write(path(name), "").unwrap();
        }
        for name in
            ["m-00001-of-00002.gguf", "n-00002-of-00003.gguf", "m-00002-of-00003.txt", "m-x-of-00003.gguf"]
        {
            std::fs::write(path(name), "").unwrap();
        }
        let mut parts = other_parts(&path("m-00002-of-00003.gguf"));
        parts.sort();
        assert_eq!(parts, [path("m-00001-of-00003.gguf"), path("m-00003-of-00003.gguf")]);
        assert!(other_parts(&path("whole.gguf")).is_empty());
    }
}
