//! Markdown files.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use toml::Spanned;

use super::documents_source::{Form, What, largest};
use crate::error::Error;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// The files, such as `docs/**/*.md`. With `--watch`, files that come or change later too.
    #[schemars(with = "String")]
    files: Spanned<String>,
    /// The largest file, in bytes.
    #[serde(default = "largest")]
    max_size: u64,
}

/// The text, with the head of it apart.
pub(crate) struct Markdown;

impl Form for Markdown {
    const NAME: &'static str = "markdown";
    const ABOUT: &'static str = "Markdown files, one record each: `path`, `title` (the first heading), `text`, and \
        `front` (the front matter: a table where it is TOML, else its text)";
    type Config = Config;

    fn open(Config { files, max_size }: Config) -> Result<(What, Self), Error> {
        Ok((What { files, max_size }, Self))
    }

    fn read(&self, name: &str, text: String) -> Result<Value, String> {
        let (front, text) = match (fenced(&text, "+++"), fenced(&text, "---")) {
            (Some((front, rest)), _) => {
                let table: toml::Table = toml::from_str(front)
                    .map_err(|error| format!("its front matter is no TOML: {}", error.message()))?;
                (json!(table), rest)
            }
            (None, Some((front, rest))) => (json!(front), rest),
            (None, None) => (Value::Null, text.as_str()),
        };
        Ok(json!({ "path": name, "title": title(text), "text": text, "front": front }))
    }
}

/// What is between two lines of this fence at the beginning, and what follows.
fn fenced<'t>(text: &'t str, fence: &str) -> Option<(&'t str, &'t str)> {
    let mut lines = text.split_inclusive('\n');
    let first = lines.next().filter(|line| line.trim_end() == fence)?;
    let mut end = first.len();
    for line in lines {
        if line.trim_end() == fence {
            return Some((&text[first.len()..end], &text[end + line.len()..]));
        }
        end += line.len();
    }
    None
}

/// The first heading with `#`, outside of code.
fn title(text: &str) -> Option<&str> {
    let mut code = false;
    for line in text.lines() {
        if line.starts_with("```") || line.starts_with("~~~") {
            code = !code;
        }
        let rest = line.trim_start_matches('#');
        let level = line.len() - rest.len();
        if !code && (1..=6).contains(&level) && rest.starts_with([' ', '\t']) {
            return Some(rest.trim().trim_end_matches('#').trim_end());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Value {
        Markdown.read("a.md", text.to_owned()).unwrap()
    }

    #[test]
    fn the_head_and_the_title_are_apart() {
        let record =
            read("+++\ndraft = true\ntags = [\"a\"]\n+++\n```\n# no\n```\n## A title ##\nText\n# Next\n");
        assert_eq!(record["front"], json!({ "draft": true, "tags": ["a"] }));
        assert_eq!(record["title"], "A title");
        assert_eq!(record["text"], "```\n# no\n```\n## A title ##\nText\n# Next\n");
        let record = read("---\r\ntitle: x\r\n---\r\nText");
        assert_eq!(record, json!({ "path": "a.md", "title": null, "text": "Text", "front": "title: x\r\n" }));
        assert_eq!(read("---\nno end")["text"], "---\nno end");
        assert_eq!(read("#hashtag\n")["title"], Value::Null);
        assert!(Markdown.read("a.md", "+++\nx\n+++\n".to_owned()).unwrap_err().contains("no TOML"));
    }
}
