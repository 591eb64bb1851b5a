//! The metadata of a GGUF file, each error with the file and the key.

use inferno_formats::gguf::{Array, Kind, Metadata, Value};

use super::super::Error;

/// What a file says of itself.
pub(super) struct Facts<'a> {
    file: &'a str,
    metadata: &'a Metadata,
    /// What llama.cpp calls this kind of model.
    pub(super) arch: &'a str,
}

impl<'a> Facts<'a> {
    pub(super) fn new(file: &'a str, metadata: &'a Metadata) -> Result<Self, Error> {
        let arch = metadata.text("general.architecture");
        let arch =
            arch.ok_or_else(|| Error::new(file, "metadata \"general.architecture\" is missing or no text"))?;
        Ok(Self { file, metadata, arch })
    }

    pub(super) fn wrong(&self, message: impl AsRef<str>) -> Error {
        Error::new(self.file, message.as_ref())
    }

    /// The key of this kind of model.
    fn own(&self, key: &str) -> String {
        format!("{}.{key}", self.arch)
    }

    /// A whole number of the model's own keys.
    pub(super) fn count(&self, key: &str) -> Result<Option<u32>, Error> {
        self.plain_count(&self.own(key))
    }

    /// A whole number of at least 1 of the model's own keys, which has to be there.
    pub(super) fn need(&self, key: &str) -> Result<u32, Error> {
        let found = self.count(key)?.filter(|number| *number > 0);
        found.ok_or_else(|| {
            self.wrong(format!("metadata \"{}\" must be a number of at least 1", self.own(key)))
        })
    }

    /// A whole number of any key.
    pub(super) fn plain_count(&self, key: &str) -> Result<Option<u32>, Error> {
        let found = self.metadata.number(key).map_err(|error| self.wrong(error.to_string()))?;
        if found.is_none() && self.metadata.get(key).is_some() {
            return Err(self.wrong(format!("metadata {key:?} must be one whole number")));
        }
        Ok(found)
    }

    /// A number of the model's own keys, as short as its 32 bits can be written.
    pub(super) fn float(&self, key: &str) -> Option<f64> {
        let number = self.metadata.get(&self.own(key))?.float()?;
        let short = (number as f32).to_string().parse().ok();
        short.filter(|number: &f64| number.is_finite())
    }

    /// A text of the model's own keys.
    pub(super) fn text(&self, key: &str) -> Option<&'a str> {
        self.metadata.text(&self.own(key))
    }

    /// A text of any key.
    pub(super) fn plain_text(&self, key: &str) -> Option<&'a str> {
        self.metadata.text(key)
    }

    /// True or false of any key.
    pub(super) fn flag(&self, key: &str) -> Option<bool> {
        match self.metadata.get(key)? {
            Value::Bool(yes) => Some(*yes),
            _ => None,
        }
    }

    /// An array of any key, where it has elements of that kind.
    pub(super) fn array(&self, key: &str, kind: Kind) -> Option<&'a Array> {
        match self.metadata.get(key)? {
            Value::Array(array) if array.kind == kind => Some(array),
            _ => None,
        }
    }

    /// Texts of any key, which have to be there.
    pub(super) fn texts(&self, key: &str) -> Result<Vec<&'a str>, Error> {
        let array = self.array(key, Kind::Text);
        let array = array.ok_or_else(|| self.wrong(format!("metadata {key:?} must be a list of texts")))?;
        let text = |bytes: &'a [u8]| {
            std::str::from_utf8(bytes)
                .map_err(|_| self.wrong(format!("metadata {key:?} has a text that is not UTF-8")))
        };
        array.texts().map(text).collect()
    }
}
