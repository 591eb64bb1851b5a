//! What the machine, or the container, allows and says about memory.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Bytes that this process and its children may use: what the machine has, or what its control groups allow. Nothing
/// where the system does not say.
pub(crate) fn memory() -> Option<u64> {
    allowed(Path::new("/"))
}

fn allowed(root: &Path) -> Option<u64> {
    let machine = field(&root.join("proc/meminfo"), "MemTotal:");
    machine.into_iter().chain(groups(root)).min()
}

/// The limits of the control group (version 2) of this process, and of those around it.
fn groups(root: &Path) -> Vec<u64> {
    let Ok(text) = fs::read_to_string(root.join("proc/self/cgroup")) else { return Vec::new() };
    let Some(own) = text.lines().find_map(|line| line.strip_prefix("0::/")) else { return Vec::new() };
    let mut limits = Vec::new();
    let mut path = PathBuf::from(own);
    loop {
        let file = root.join("sys/fs/cgroup").join(&path).join("memory.max");
        // `max` is no number and no limit.
        limits.extend(fs::read_to_string(file).ok().and_then(|text| text.trim().parse::<u64>().ok()));
        if !path.pop() {
            return limits;
        }
    }
}

/// Bytes of memory that a process takes now, those of mapped files included.
pub(crate) fn resident(pid: u32) -> Option<u64> {
    field(Path::new(&format!("/proc/{pid}/status")), "VmRSS:")
}

/// `MemTotal:  123 kB`.
fn field(file: &Path, name: &str) -> Option<u64> {
    let text = fs::read_to_string(file).ok()?;
    let value = text.lines().find_map(|line| line.strip_prefix(name))?;
    value.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(files: &[(&str, &str)]) -> Option<u64> {
        let dir = tempfile::TempDir::new().expect("a temporary directory");
        for (path, text) in files {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().expect("a folder")).expect("it is writable");
            fs::write(path, text).expect("it is writable");
        }
        allowed(dir.path())
    }

    #[test]
    fn the_narrowest_limit_counts() {
        const MACHINE: (&str, &str) = ("proc/meminfo", "MemTotal:       1000 kB\nMemFree: 5 kB\n");
        const GROUP: (&str, &str) = ("proc/self/cgroup", "1:cpu:/old\n0::/outer/inner\n");
        assert_eq!(with(&[]), None);
        assert_eq!(with(&[MACHINE]), Some(1_024_000));
        let inner = ("sys/fs/cgroup/outer/inner/memory.max", "max\n");
        assert_eq!(with(&[MACHINE, GROUP, inner]), Some(1_024_000));
        assert_eq!(with(&[MACHINE, GROUP, inner, ("sys/fs/cgroup/outer/memory.max", "4096\n")]), Some(4096));
        assert_eq!(with(&[MACHINE, GROUP, ("sys/fs/cgroup/memory.max", "8192\n")]), Some(8192));
        assert_eq!(
            with(&[MACHINE, ("proc/self/cgroup", "0::/\n"), ("sys/fs/cgroup/memory.max", "7\n")]),
            Some(7)
        );
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn this_process_takes_memory() {
        let resident = resident(std::process::id()).expect("Linux tells");
        assert!(resident > 1 << 20 && resident < memory().expect("Linux tells"), "{resident}");
    }
}
