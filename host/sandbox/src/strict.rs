//! TOML files in which a key that nobody knows is an error with its line and the nearest known key.

use serde::de::DeserializeOwned;

/// Reads `text`. The error is one sentence that begins with `file` and the line.
pub(crate) fn from_toml<T: DeserializeOwned>(file: &str, text: &str) -> Result<T, String> {
    toml::from_str(text).map_err(|error| {
        let place = match error.span() {
            Some(span) => format!("{file}:{}", line(text, span.start)),
            None => file.to_owned(),
        };
        format!("{place}: {}", reworded(error.message()))
    })
}

fn line(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}

/// serde says "unknown field `memry`, expected one of `memory`, `compute`"; people want to know which one was meant.
fn reworded(message: &str) -> String {
    let Some(rest) = message.strip_prefix("unknown field ") else { return message.trim_end().to_owned() };
    let mut names = rest.split('`').skip(1).step_by(2);
    let Some(unknown) = names.next() else { return message.to_owned() };
    let known: Vec<&str> = names.collect();
    match nearest(unknown, &known) {
        Some(near) => format!("unknown key \"{unknown}\"; did you mean \"{near}\"?"),
        None if known.is_empty() => format!("unknown key \"{unknown}\"; nothing may stand here"),
        None => format!("unknown key \"{unknown}\"; known here: {}", known.join(", ")),
    }
}

fn nearest<'a>(unknown: &str, known: &[&'a str]) -> Option<&'a str> {
    let rated = known.iter().map(|name| (strsim::damerau_levenshtein(unknown, name), *name));
    let (slips, name) = rated.min()?;
    // One slip of the finger for every three letters.
    (slips <= (unknown.len() / 3).max(1)).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only its keys matter")]
    struct File {
        memory: Option<u32>,
        compute: Option<String>,
    }

    fn check(text: &str, expect: &str) {
        assert_eq!(from_toml::<File>("x.toml", text).unwrap_err(), expect);
    }

    #[test]
    fn unknown_keys_name_the_nearest() {
        check("memory = 1\nmemry = 2\n", "x.toml:2: unknown key \"memry\"; did you mean \"memory\"?");
        check("\n\nzzz = 2\n", "x.toml:3: unknown key \"zzz\"; known here: memory, compute");
    }

    #[test]
    fn wrong_types_name_the_line() {
        check("memory = \"x\"\n", "x.toml:1: invalid type: string \"x\", expected u32");
    }

    #[test]
    fn broken_syntax_names_the_line() {
        let error = from_toml::<File>("x.toml", "memory = 1\ncompute = \n").unwrap_err();
        assert!(error.starts_with("x.toml:2: "), "{error}");
    }
}
