//! A catalog: says what can be installed. It proposes; the host downloads, verifies and installs.

use inferno_sdk::catalog::{Artifact, Catalog, Entry, Kind, Page};
use inferno_sdk::{Error, ErrorKind};

struct Tiny;

const NAME: &str = "tiny";
const VERSION: &str = "1.0.0";

impl Catalog for Tiny {
    fn search(query: &str, _cursor: Option<&str>) -> Result<Page, Error> {
        let entry = Entry {
            kind: Kind::Model,
            name: NAME.to_owned(),
            version: VERSION.to_owned(),
            summary: "A very small model".to_owned(),
        };
        let entries = if NAME.contains(query) { vec![entry] } else { Vec::new() };
        Ok(Page { entries, next: None })
    }

    fn resolve(name: &str, version: Option<&str>) -> Result<Vec<Artifact>, Error> {
        if name != NAME || version.is_some_and(|version| version != VERSION) {
            return Err(Error::new(ErrorKind::NotFound, format!("there is no {name:?} in this version here"))
                .with_hint(format!("there is {NAME} {VERSION}")));
        }
        Ok(vec![Artifact {
            url: "https://models.example.com/tiny.gguf".to_owned(),
            digest: format!("sha256:{}", "0".repeat(64)),
            size_bytes: 1024,
        }])
    }
}

inferno_sdk::export_catalog!(Tiny);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_found_can_be_resolved() {
        let page = Tiny::search("in", None).unwrap();
        assert_eq!(page.entries[0].name, "tiny");
        assert_eq!(Tiny::resolve("tiny", None).unwrap()[0].size_bytes, 1024);
        assert_eq!(Tiny::resolve("huge", None).unwrap_err().kind, ErrorKind::NotFound);
    }
}
