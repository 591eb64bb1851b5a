//! Recorded cases: the files `*.toml` and `*.json` in a plugin's `tests` folder, each with any number of cases.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use crate::error::{Error, ErrorKind};
use crate::strict;

/// The cases of a plugin, by role.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Cases {
    pub(super) step: Vec<StepCase>,
    pub(super) judge: Vec<JudgeCase>,
    pub(super) filter: Vec<FilterCase>,
    pub(super) converter: Vec<ConverterCase>,
    pub(super) catalog: Vec<CatalogCase>,
    pub(super) http: Vec<HttpCase>,
}

/// What is wanted of a case: a value of which all is found in the result, or an error of this kind.
pub(super) struct Expected {
    pub(super) expect: Option<Value>,
    pub(super) error: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StepCase {
    pub(super) name: String,
    /// Any JSON; absent: an empty object.
    pub(super) config: Option<Value>,
    /// One batch; each item has an `id` and, as any JSON, its `data`.
    pub(super) input: Vec<ItemCase>,
    /// One for each item: `{ emit = [items] }`, `{ retry = "why" }`, `{ reject = "why" }` or `{ drop = "why" }`.
    pub(super) expect: Option<Value>,
    /// What `finish` gives back.
    pub(super) finish: Option<Value>,
    /// The kind of the plugin's own error, such as `invalid`.
    pub(super) error: Option<String>,
    #[serde(default = "yes")]
    pub(super) deterministic: bool,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ItemCase {
    pub(super) id: String,
    pub(super) data: Value,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct JudgeCase {
    pub(super) name: String,
    pub(super) config: Option<Value>,
    pub(super) input: Vec<SampleCase>,
    /// One for each sample, such as `{ pass = true }`.
    pub(super) expect: Option<Value>,
    pub(super) error: Option<String>,
    #[serde(default = "yes")]
    pub(super) deterministic: bool,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SampleCase {
    #[serde(default)]
    pub(super) prompt: String,
    pub(super) answer: String,
    pub(super) expected: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FilterCase {
    pub(super) name: String,
    pub(super) input: RequestCase,
    /// The answer that comes from inside; absent: only the request is looked at.
    pub(super) answer: Option<AnswerCase>,
    /// `request`: `"pass"`, `{ replace = "body" }` or `{ refuse = { status = 403 } }`; `answer`: the whole text.
    pub(super) expect: Option<Value>,
    pub(super) error: Option<String>,
    #[serde(default = "yes")]
    pub(super) deterministic: bool,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RequestCase {
    #[serde(default = "post")]
    pub(super) method: String,
    pub(super) path: String,
    #[serde(default)]
    pub(super) headers: BTreeMap<String, String>,
    /// A text, or any other JSON, which is written as such.
    #[serde(default)]
    pub(super) body: Value,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AnswerCase {
    #[serde(default = "ok")]
    pub(super) status: u16,
    #[serde(default)]
    pub(super) headers: BTreeMap<String, String>,
    pub(super) chunks: Vec<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ConverterCase {
    pub(super) name: String,
    pub(super) source: String,
    pub(super) target: String,
    pub(super) options: Option<Value>,
    /// The files to convert: their names and texts.
    pub(super) input: BTreeMap<String, String>,
    /// The files that it writes: their names and texts.
    pub(super) expect: Option<Value>,
    pub(super) error: Option<String>,
    #[serde(default = "yes")]
    pub(super) deterministic: bool,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CatalogCase {
    pub(super) name: String,
    /// What to search for; or else `resolve`.
    pub(super) search: Option<String>,
    pub(super) cursor: Option<String>,
    /// The name of an entry.
    pub(super) resolve: Option<String>,
    pub(super) version: Option<String>,
    /// Of a search `{ entries = [...] }`, of a resolution the list of artifacts.
    pub(super) expect: Option<Value>,
    pub(super) error: Option<String>,
    #[serde(default = "yes")]
    pub(super) deterministic: bool,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct HttpCase {
    pub(super) name: String,
    pub(super) input: RequestCase,
    /// `{ status = 200, headers = { ... }, body = ... }`; a body of JSON is compared as such.
    pub(super) expect: Option<Value>,
    #[serde(default = "yes")]
    pub(super) deterministic: bool,
}

fn yes() -> bool {
    true
}

fn post() -> String {
    "POST".to_owned()
}

fn ok() -> u16 {
    200
}

impl RequestCase {
    pub(super) fn bytes(&self) -> Vec<u8> {
        match &self.body {
            Value::Null => Vec::new(),
            Value::String(text) => text.clone().into_bytes(),
            other => other.to_string().into_bytes(),
        }
    }
}

impl Cases {
    /// Reads the cases in a folder; one that does not exist has none.
    pub fn read(folder: &Path) -> Result<Self, Error> {
        let failed = |path: &Path, error: io::Error| {
            Error::new(ErrorKind::Host, format!("cannot read {}: {error}", path.display()))
        };
        let entries = match fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(failed(folder, error)),
        };
        let mut files = Vec::new();
        for entry in entries {
            files.push(entry.map_err(|error| failed(folder, error))?.path());
        }
        files.sort();
        let mut all = Self::default();
        for file in files {
            let is_json = file.extension().is_some_and(|extension| extension == "json");
            if !is_json && file.extension().is_none_or(|extension| extension != "toml") {
                continue;
            }
            let text = fs::read_to_string(&file).map_err(|error| failed(&file, error))?;
            let name = file.display().to_string();
            let cases = if is_json { from_json(&name, &text) } else { strict::from_toml(&name, &text) };
            all.add(cases.map_err(|message| Error::new(ErrorKind::Manifest, message))?);
        }
        Ok(all)
    }

    fn add(&mut self, more: Self) {
        let Self { step, judge, filter, converter, catalog, http } = more;
        self.step.extend(step);
        self.judge.extend(judge);
        self.filter.extend(filter);
        self.converter.extend(converter);
        self.catalog.extend(catalog);
        self.http.extend(http);
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.by_role().iter().map(|(_, names)| names.len()).sum()
    }

    /// The names of the cases of each role.
    pub(super) fn by_role(&self) -> [(&'static str, Vec<&str>); 6] {
        let Self { step, judge, filter, converter, catalog, http } = self;
        [
            ("step", step.iter().map(|case| case.name.as_str()).collect()),
            ("judge", judge.iter().map(|case| case.name.as_str()).collect()),
            ("filter", filter.iter().map(|case| case.name.as_str()).collect()),
            ("converter", converter.iter().map(|case| case.name.as_str()).collect()),
            ("catalog", catalog.iter().map(|case| case.name.as_str()).collect()),
            ("http", http.iter().map(|case| case.name.as_str()).collect()),
        ]
    }
}

fn from_json(file: &str, text: &str) -> Result<Cases, String> {
    serde_json::from_str(text).map_err(|error| format!("{file}:{}: {error}", error.line()))
}

/// The text of a configuration; absent: an empty object.
pub(super) fn config(value: Option<&Value>) -> String {
    value.map_or_else(|| "{}".to_owned(), ToString::to_string)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_both_kinds_are_read_and_others_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Cases::read(&folder.path().join("none")).unwrap().count(), 0);
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        write("a.toml", "[[judge]]\nname = 'j'\ninput = [{ answer = 'x' }]\nexpect = [{ pass = true }]");
        write("b.json", r#"{"step": [{"name": "s", "input": [{"id": "1", "data": {"a": 1}}]}]}"#);
        write("it.rs", "fn main() {}");
        let cases = Cases::read(folder.path()).unwrap();
        assert_eq!((cases.count(), &*cases.judge[0].name, &*cases.step[0].name), (2, "j", "s"));

        write("c.toml", "[[judge]]\nname = 'j'\ninput = []\nexpects = []");
        let error = Cases::read(folder.path()).unwrap_err().to_string();
        assert!(error.ends_with("c.toml:4: unknown key \"expects\"; did you mean \"expect\"?"), "{error}");
    }
}
