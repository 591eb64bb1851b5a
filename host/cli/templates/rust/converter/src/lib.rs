//! A converter: sees `/in`, read-only, and writes to `/out`.

use std::fs;
use std::path::Path;

use inferno_sdk::converter::{Converter, INPUT, OUTPUT, Route};
use inferno_sdk::{Error, ErrorKind};
use serde::Deserialize;

struct Vocabulary;

/// What the user may choose, as `{ "upper": true }`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Options {
    #[serde(default)]
    upper: bool,
}

impl Converter for Vocabulary {
    type Options = Options;

    fn routes() -> Vec<Route> {
        vec![Route::new("text", "vocabulary")]
    }

    fn convert(_route: Route, options: Options) -> Result<Vec<String>, Error> {
        let source = Path::new(INPUT).join("words.txt");
        let text = fs::read_to_string(&source).map_err(|error| {
            Error::new(ErrorKind::NotFound, format!("cannot read {}: {error}", source.display()))
                .with_hint("give a folder with a file words.txt")
        })?;
        let target = Path::new(OUTPUT).join("vocabulary.txt");
        fs::write(&target, convert(&text, &options)).map_err(|error| {
            Error::new(ErrorKind::Internal, format!("cannot write {}: {error}", target.display()))
        })?;
        Ok(vec!["vocabulary.txt".to_owned()])
    }
}

/// One word a line, sorted, each once.
fn convert(text: &str, options: &Options) -> String {
    let mut words: Vec<String> = text
        .split_whitespace()
        .map(|word| if options.upper { word.to_uppercase() } else { word.to_owned() })
        .collect();
    words.sort();
    words.dedup();
    words.iter().map(|word| format!("{word}\n")).collect()
}

inferno_sdk::export_converter!(Vocabulary);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_sorted_and_unique() {
        assert_eq!(convert("fox a fox", &Options { upper: false }), "a\nfox\n");
        assert_eq!(convert("fox Fox", &Options { upper: true }), "FOX\n");
    }
}
