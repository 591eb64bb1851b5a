//! "Did you mean": the names that somebody may have meant by an unknown one.

/// The names nearest to `typed`, at most three that are equally near; none where all are far.
pub(crate) fn near<'a>(typed: &str, names: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let typed = typed.to_lowercase();
    // A third of the letters may be wrong, and always one.
    let bound = (typed.chars().count() / 3).max(1);
    let mut found: Vec<(usize, &str)> = names
        .into_iter()
        .map(|name| {
            let lower = name.to_lowercase();
            let mut distance = strsim::damerau_levenshtein(&typed, &lower);
            // `port` is meant for `serve.port`, and `comp` for `completions`.
            let last = lower.rsplit('.').next().unwrap_or(&lower);
            if last == typed || (typed.chars().count() >= 3 && lower.starts_with(&typed)) {
                distance = distance.min(1);
            }
            (distance, name)
        })
        .filter(|(distance, _)| *distance <= bound)
        .collect();
    found.sort();
    let nearest = found.first().map(|(distance, _)| *distance);
    found
        .into_iter()
        .filter(|(distance, _)| Some(*distance) == nearest)
        .map(|(_, name)| name)
        .take(3)
        .collect()
}

/// ``did you mean `a`, `b` or `c`?``; none where there is nothing near.
pub(crate) fn did_you_mean<S: AsRef<str>>(names: &[S]) -> Option<String> {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{}`", name.as_ref())).collect();
    let (last, rest) = quoted.split_last()?;
    Some(if rest.is_empty() {
        format!("did you mean {last}?")
    } else {
        format!("did you mean {} or {last}?", rest.join(", "))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_nearest_names_are_named() {
        let names = ["models_dir", "model", "log_level", "serve.port"];
        assert_eq!(near("modle", names), ["model"]);
        assert_eq!(near("models_dri", names), ["models_dir"]);
        assert_eq!(near("port", names), ["serve.port"]);
        assert!(near("zebra", names).is_empty());
    }

    #[test]
    fn a_suggestion_reads_as_a_sentence() {
        assert_eq!(did_you_mean::<&str>(&[]), None);
        assert_eq!(did_you_mean(&["a"]).as_deref(), Some("did you mean `a`?"));
        assert_eq!(did_you_mean(&["a", "b", "c"]).as_deref(), Some("did you mean `a`, `b` or `c`?"));
    }
}
