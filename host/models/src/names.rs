//! What names models may have, and which of them come closest to a wrong one.

use std::path::Path;

/// Paths are at most this long, and names are parts of paths.
const MAX_NAME: usize = 4096;
const MAX_NEAR: usize = 3;

/// Says why no model can have this name. Names look up entries of a list and never reach the file system, but a
/// name that tries to be a path deserves a clear refusal.
pub(crate) fn check(name: &str) -> Result<(), &'static str> {
    if name.is_empty() {
        return Err("it is empty");
    }
    if name.len() > MAX_NAME {
        return Err("it is longer than every path");
    }
    if name.chars().any(char::is_control) {
        return Err("it has control characters");
    }
    if name.contains('\\') || name.starts_with('/') || name.starts_with('~') || name.split('/').any(is_dots) {
        return Err("it is a path, and models are asked for by the names in `inferno models list`");
    }
    Ok(())
}

fn is_dots(part: &str) -> bool {
    matches!(part, "" | "." | "..")
}

/// Makes a valid name from any relative path, character by character.
pub(crate) fn from_path(path: &Path) -> String {
    let parts: Vec<String> =
        path.iter().map(|part| clean(&part.to_string_lossy())).filter(|part| !part.is_empty()).collect();
    parts.join("/")
}

fn clean(part: &str) -> String {
    if is_dots(part) {
        return "_".to_owned();
    }
    let part = part.replace(|c: char| c.is_control() || matches!(c, '\\' | '/'), "_");
    part.strip_prefix('~').map_or(part.clone(), |rest| format!("_{rest}"))
}

/// The names that come closest to `wanted`, best first, at most three.
pub(crate) fn near<'a>(wanted: &str, names: impl Iterator<Item = &'a str>) -> Vec<String> {
    let wanted = wanted.to_lowercase();
    let mut scored: Vec<(f64, &str)> = names
        .map(|name| (likeness(&wanted, &name.to_lowercase()), name))
        .filter(|(s, _)| *s >= 0.75)
        .collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
    scored.dedup_by_key(|(_, name)| *name);
    scored.into_iter().take(MAX_NEAR).map(|(_, name)| name.to_owned()).collect()
}

fn likeness(wanted: &str, name: &str) -> f64 {
    // Somebody who types "qwen" wants the long name that has it, however long the rest is.
    if wanted.len() >= 3 && name.contains(wanted) {
        return 0.95;
    }
    let last = name.rsplit('/').next().unwrap_or(name);
    strsim::jaro_winkler(wanted, name).max(strsim::jaro_winkler(wanted, last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_no_names() {
        for name in
            ["../../etc/passwd", "/etc/passwd", "a/../b", "a\\b", "~/x", "", ".", "a//b", "a\0b", "a\nb"]
        {
            assert!(check(name).is_err(), "{name:?}");
        }
        for name in ["storyteller", "org/name/file-Q4_K_M", "a b", "größe", "name@0123abcd", "a..b"] {
            assert!(check(name).is_ok(), "{name:?}");
        }
        assert!(check(&"a".repeat(5000)).is_err());
    }

    #[test]
    fn every_path_makes_a_valid_name() {
        for path in ["a/b", "..", "a/../b", "~x", "a\nb", "a\\b", "./a"] {
            let name = from_path(Path::new(path));
            assert!(check(&name).is_ok(), "{path:?} -> {name:?}");
        }
    }

    #[test]
    fn near_names_come_best_first() {
        let names = ["storyteller", "acme/qwen-mini/qwen-mini-Q4_0", "other"];
        assert_eq!(near("storyteler", names.into_iter()), ["storyteller"]);
        assert_eq!(near("Qwen", names.into_iter()), ["acme/qwen-mini/qwen-mini-Q4_0"]);
        assert!(near("zzz", names.into_iter()).is_empty());
    }
}
