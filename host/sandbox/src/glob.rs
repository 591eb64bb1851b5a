//! Patterns for the names of models.

use serde::Deserialize;

/// The name of a model, in which `*` stands for any text and `?` for any one character.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glob(pub(crate) String);

impl Glob {
    /// The pattern as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn matches(&self, name: &str) -> bool {
        let (pattern, name): (Vec<char>, Vec<char>) = (self.0.chars().collect(), name.chars().collect());
        let (mut p, mut n) = (0, 0);
        // Where the last `*` stands, and up to where it has eaten.
        let mut star = None;
        while n < name.len() {
            match pattern.get(p) {
                Some('*') => {
                    star = Some((p, n));
                    p += 1;
                }
                Some(c) if *c == '?' || *c == name[n] => {
                    p += 1;
                    n += 1;
                }
                _ => match star {
                    Some((at, eaten)) => {
                        star = Some((at, eaten + 1));
                        p = at + 1;
                        n = eaten + 1;
                    }
                    None => return false,
                },
            }
        }
        pattern[p..].iter().all(|c| *c == '*')
    }
}

impl<'de> Deserialize<'de> for Glob {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.is_empty() || text.len() > 200 || text.chars().any(char::is_control) {
            return Err(serde::de::Error::custom(format!(
                "{text:?} is no pattern for model names; write a name, such as \"storyteller\", or \"*\" for all"
            )));
        }
        Ok(Self(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs() {
        let check = |pattern: &str, name: &str| Glob(pattern.to_owned()).matches(name);
        for (pattern, name) in [
            ("*", ""),
            ("*", "x"),
            ("guard-*", "guard-2b"),
            ("*-q4", "a-b-q4"),
            ("a?c", "abc"),
            ("a*b*c", "aXbXbc"),
        ] {
            assert!(check(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [("guard-*", "guard"), ("a?c", "ac"), ("x", "X"), ("x", "xx"), ("*-q4", "q4")]
        {
            assert!(!check(pattern, name), "{pattern} {name}");
        }
    }
}
