//! What the user set for this plugin, under `[plugins.NAME.settings]` in the configuration. Needs no grant.

use serde::de::DeserializeOwned;

use crate::bindings::inferno::host::settings as wit;
use crate::{Error, ErrorKind};

/// The value of a key, as the type that the plugin wants. `None` if the user did not set it.
///
/// A value of another type is an error that names the key.
///
/// ```no_run
/// # fn main() -> Result<(), inferno_sdk::Error> {
/// let shown: u32 = inferno_sdk::settings::get("shown")?.unwrap_or(10);
/// # Ok(())
/// # }
/// ```
pub fn get<T: DeserializeOwned>(key: &str) -> Result<Option<T>, Error> {
    wit::get(key).map(|text| read(key, &text)).transpose()
}

fn read<T: DeserializeOwned>(key: &str, text: &str) -> Result<T, Error> {
    serde_json::from_str(text).map_err(|error| {
        Error::new(ErrorKind::Invalid, format!("the setting {key} is {text}, which does not fit: {error}"))
            .with_hint("Change it under this plugin's settings in the configuration.")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_of_another_type_names_the_key() {
        assert_eq!(read::<u32>("shown", "12"), Ok(12));
        let error = read::<u32>("shown", "\"many\"").unwrap_err();
        assert_eq!(error.kind, ErrorKind::Invalid);
        assert!(error.message.contains("shown is \"many\""), "{error}");
    }
}
