//! Configurations, which callers write as JSON text.

use serde::de::DeserializeOwned;

use crate::{Error, ErrorKind};

/// Reads what a caller configured; `what` names it, for the error. An empty text is an object without fields.
pub(crate) fn read<T: DeserializeOwned>(what: &str, text: &str) -> Result<T, Error> {
    let text = if text.trim().is_empty() { "{}" } else { text };
    serde_json::from_str(text)
        .map_err(|error| Error::new(ErrorKind::Invalid, format!("the {what} does not fit: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn nothing_configured_is_an_object_without_fields() {
        assert_eq!(read::<BTreeMap<String, u8>>("configuration", " ").unwrap().len(), 0);
    }

    #[test]
    fn a_misfit_says_what_it_is_and_where() {
        let error = read::<BTreeMap<String, u8>>("configuration", r#"{"a":"b"}"#).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Invalid);
        assert!(error.message.starts_with("the configuration does not fit: invalid type"), "{error}");
        assert!(error.message.contains("line 1 column"), "{error}");
    }
}
