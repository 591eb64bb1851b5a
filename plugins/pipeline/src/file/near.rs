//! Which name was meant.

/// The nearest of some names, if it is near enough to be what was meant.
pub(crate) fn nearest<'a>(name: &str, among: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let score = |known: &'a str| (strsim::jaro_winkler(&name.to_lowercase(), &known.to_lowercase()), known);
    among
        .into_iter()
        .map(score)
        .filter(|(score, _)| *score > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, known)| known)
}

/// What to say about a name that does not exist: the nearest one, or all.
pub(crate) fn hint<'a>(name: &str, among: impl IntoIterator<Item = &'a str> + Clone) -> String {
    if let Some(near) = nearest(name, among.clone()) {
        return format!("did you mean `{near}`?");
    }
    let all: Vec<_> = among.into_iter().map(|known| format!("`{known}`")).collect();
    match all.is_empty() {
        true => "there is none at all".to_owned(),
        false => format!("there is {}", all.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_corrected_and_all_are_listed_otherwise() {
        assert_eq!(hint("jsnol", ["csv", "jsonl"]), "did you mean `jsonl`?");
        assert_eq!(hint("database", ["csv", "jsonl"]), "there is `csv`, `jsonl`");
        assert_eq!(hint("x", []), "there is none at all");
    }
}
