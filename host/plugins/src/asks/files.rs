//! Folders. A manifest asks for a path inside the sandbox; a grant says which folder of the host that is.

use std::path::Path;

use toml::{Table, Value};

use super::{Ask, Kind};
use crate::text::visible;

pub(crate) struct Files;

/// One folder in a value.
#[derive(Clone, PartialEq)]
struct Folder {
    path: String,
    write: bool,
    host: Option<String>,
    why: Option<String>,
}

impl Kind for Files {
    fn key(&self) -> &'static str {
        "files"
    }

    fn interfaces(&self) -> &'static [&'static str] {
        // The standard libraries of most languages import wasi:filesystem whether a program opens files or not.
        &[]
    }

    fn never(&self) -> &'static str {
        "see any other folder of yours"
    }

    fn split(&self, value: &Value) -> Vec<Ask> {
        let ask = |folder: Folder| {
            let (verbs, mode) = if folder.write {
                ("read, make, change and remove files in", "rw")
            } else {
                ("read the files of", "ro")
            };
            let path = visible(&folder.path);
            let (which, word) = match &folder.host {
                None => ("a folder that you name".to_owned(), format!("files={path}=FOLDER:{mode}")),
                Some(host) => (visible(host), format!("files={path}={}:{mode}", visible(host))),
            };
            Ask {
                sentence: format!("{verbs} {which}, which it sees as \"{path}\""),
                why: folder.why.as_deref().map(visible),
                word,
                blank: folder.host.is_none().then_some("FOLDER"),
                ..Ask::new(self.key(), Some(&folder.path), make(vec![folder.clone()]))
            }
        };
        folders(value).into_iter().map(ask).collect()
    }

    fn whole(&self, asked: &Value) -> Result<Value, String> {
        let words: Vec<String> = self.split(asked).into_iter().map(|ask| ask.word).collect();
        Err(format!("say which folder the plugin may see: {}", words.join(", ")))
    }

    /// `[PATH=]FOLDER[:ro|:rw]`. The path inside the sandbox may be left out where the plugin asks for one folder only.
    fn parse(&self, word: &str, asked: &Value) -> Result<Value, String> {
        let asked = folders(asked);
        let named = word.split_once('=').and_then(|(path, rest)| {
            asked.iter().find(|folder| folder.path == path).map(|folder| (folder, rest))
        });
        let (folder, rest) = match (named, &asked[..]) {
            (Some(named), _) => named,
            (None, [only]) => (only, word),
            (None, _) => {
                let paths: Vec<String> = asked.iter().map(|folder| visible(&folder.path)).collect();
                return Err(format!(
                    "say which of {} the folder is to be, such as files={}=FOLDER:ro",
                    paths.join(", "),
                    paths.first().map_or("", String::as_str)
                ));
            }
        };
        let (host, write) = mode(rest);
        let host = real(host)?;
        Ok(make(vec![Folder {
            path: folder.path.clone(),
            write: write == Some(true),
            host: Some(host),
            why: None,
        }]))
    }

    /// By the path inside the sandbox or by the folder.
    fn pick(&self, word: &str, held: &Value) -> Result<Value, String> {
        let whole = mode(word).0;
        let host = real(whole).ok();
        let named = |folder: &Folder| {
            let both = word
                .split_once('=')
                .is_some_and(|(path, rest)| path == folder.path && real(mode(rest).0).ok() == folder.host);
            both || folder.path == whole
                || folder.host.as_deref() == Some(whole)
                || host.is_some() && folder.host == host
        };
        Ok(make(folders(held).into_iter().filter(named).collect()))
    }

    /// A path inside the sandbox is one folder: the later grant holds.
    fn union(&self, held: &Value, more: &Value) -> Value {
        let (mut all, more) = (folders(held), folders(more));
        all.retain(|held| !more.iter().any(|more| more.path == held.path));
        all.extend(more);
        make(all)
    }

    fn without(&self, held: &Value, less: &Value) -> Result<Option<Value>, String> {
        let (mut rest, less) = (folders(held), folders(less));
        rest.retain(|held| !less.iter().any(|less| less.path == held.path));
        Ok((!rest.is_empty()).then(|| make(rest)))
    }

    fn within(&self, value: &Value, bound: &Value) -> bool {
        let bounds = folders(bound);
        folders(value).iter().all(|folder| {
            bounds.iter().any(|bound| {
                bound.path == folder.path && bound.host == folder.host && (bound.write || !folder.write)
            })
        })
    }

    fn meets(&self, value: &Value, other: &Value) -> bool {
        let others = folders(other);
        folders(value).iter().any(|folder| others.iter().any(|other| other.path == folder.path))
    }
}

/// Takes `:ro` or `:rw` off. Without either, a folder is read and not written.
fn mode(text: &str) -> (&str, Option<bool>) {
    let with = |suffix, write| text.strip_suffix(suffix).map(|rest| (rest, Some(write)));
    with(":ro", false).or_else(|| with(":rw", true)).unwrap_or((text, None))
}

/// The folder as it is found from everywhere. What is not there cannot be granted: it may come to be something else.
fn real(host: &str) -> Result<String, String> {
    let shown = visible(host);
    let found =
        Path::new(host).canonicalize().map_err(|error| format!("\"{shown}\" cannot be granted: {error}"))?;
    if !found.is_dir() {
        return Err(format!("\"{shown}\" cannot be granted: it is no folder"));
    }
    found
        .into_os_string()
        .into_string()
        .map_err(|_| format!("\"{shown}\" cannot be granted: its path is not UTF-8"))
}

fn make(folders: Vec<Folder>) -> Value {
    let table = |folder: Folder| {
        let mut table = Table::new();
        let access = if folder.write { "write" } else { "read" };
        let entries = [
            ("path", Some(folder.path)),
            ("access", Some(access.to_owned())),
            ("host", folder.host),
            ("why", folder.why),
        ];
        for (key, value) in entries {
            if let Some(value) = value {
                table.insert(key.to_owned(), Value::String(value));
            }
        }
        Value::Table(table)
    };
    Value::Array(folders.into_iter().map(table).collect())
}

fn folders(value: &Value) -> Vec<Folder> {
    let folder = |value: &Value| {
        let text = |key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
        let write = text("access").as_deref() != Some("read");
        Some(Folder { path: text("path")?, write, host: text("host"), why: text("why") })
    };
    value.as_array().map(Vec::as_slice).unwrap_or_default().iter().filter_map(folder).collect()
}
