//! The types of keys that say which web pages may use the server.

use serde_json::Value;

use super::value::{Names, Place, Raw, Setting};

/// Names of hosts, without ports.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Hosts(pub(crate) Vec<String>);

/// Origins of web pages, as browsers write them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Origins(pub(crate) Vec<String>);

impl Setting for Hosts {
    const EXPECTED: &'static str =
        "names of hosts without ports, such as \"box.lan\", with commas between them, or \"*\"";

    fn read(raw: &Raw, place: Place<'_>) -> Option<Self> {
        let Names(names) = Names::read(raw, place)?;
        let fine = |name: &String| {
            name == "*" || name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
        };
        names.iter().all(fine).then_some(Self(names))
    }

    fn show(&self) -> Value {
        self.0.join(", ").into()
    }
}

impl Setting for Origins {
    const EXPECTED: &'static str =
        "origins such as \"https://app.example\", with commas between them, or \"*\"";

    fn read(raw: &Raw, place: Place<'_>) -> Option<Self> {
        let Names(names) = Names::read(raw, place)?;
        let fine = |name: &String| {
            let host = name.split_once("://").map(|(_, host)| host);
            matches!(name.as_str(), "*" | "null")
                || host.is_some_and(|host| !host.is_empty() && !host.contains(['/', '*', ' ', '@']))
        };
        names.iter().all(fine).then_some(Self(names))
    }

    fn show(&self) -> Value {
        self.0.join(", ").into()
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn read<T: Setting>(text: &str) -> Option<T> {
        let place = Place { base: Path::new("/"), home: Path::new("/") };
        T::read(&Raw::Text(text.to_owned()), place)
    }

    #[test]
    fn what_could_never_match_is_refused() {
        assert_eq!(read("box.lan, *"), Some(Hosts(vec!["box.lan".to_owned(), "*".to_owned()])));
        for wrong in ["http://box.lan", "box.lan:80", "*.lan"] {
            assert_eq!(read::<Hosts>(wrong), None, "{wrong}");
        }
        let two = "https://app.example, http://localhost:3000";
        assert_eq!(read::<Origins>(two).map(|origins| origins.0.len()), Some(2));
        for wrong in ["app.example", "https://app.example/", "https://*", "https://"] {
            assert_eq!(read::<Origins>(wrong), None, "{wrong}");
        }
        assert_eq!(read("null"), Some(Origins(vec!["null".to_owned()])));
    }
}
