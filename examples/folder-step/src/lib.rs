//! Puts the text of files into the items of a pipeline.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::{Component, Path, PathBuf};

use inferno_sdk::Error;
use inferno_sdk::step::{Item, Outcome, Step};
use serde::Deserialize;
use serde_json::{Map, Value};

/// What the manifest asks for; which directory that is, the user says.
const DOCS: &str = "/docs";

struct Folder {
    root: PathBuf,
    config: Config,
}

/// What a pipeline may set.
#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Config {
    field: String,
    into: String,
    max_bytes: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self { field: "path".to_owned(), into: "text".to_owned(), max_bytes: 4 * 1024 * 1024 }
    }
}

inferno_sdk::export_step!(Folder);

impl Step for Folder {
    type Config = Config;

    fn open(config: Config) -> Result<Self, Error> {
        Ok(Self { root: PathBuf::from(DOCS), config })
    }

    fn process(&mut self, batch: Vec<Item>) -> Result<Vec<Outcome>, Error> {
        Ok(batch.into_iter().map(|item| self.fill(item).into()).collect())
    }
}

impl Folder {
    fn fill(&self, item: Item) -> Result<Item, Outcome> {
        let Config { field, into, .. } = &self.config;
        let mut data: Map<String, Value> = item.read()?;
        let name = match data.get(field) {
            Some(Value::String(name)) => name,
            Some(other) => {
                return Err(Outcome::Reject(format!("its {field:?} is {other}, not a file's name")));
            }
            None => return Err(Outcome::Reject(format!("it has no {field:?} that names a file"))),
        };
        let text = self.read(name)?;
        data.insert(into.clone(), Value::String(text));
        item.with(&data)
    }

    fn read(&self, name: &str) -> Result<String, Outcome> {
        // The host lets nothing out of the directory; here it gets a reason that people understand.
        let inside = |part| matches!(part, Component::Normal(_) | Component::CurDir);
        if name.is_empty() || !Path::new(name).components().all(inside) {
            return Err(Outcome::Reject(format!(
                "{name:?} leads out of the folder; name a file inside of it"
            )));
        }
        let failed = |error: io::Error| match error.kind() {
            ErrorKind::NotFound | ErrorKind::NotADirectory => {
                Outcome::Reject(format!("there is no file {name:?} in the folder"))
            }
            ErrorKind::IsADirectory => Outcome::Reject(format!("{name:?} is a folder, not a file")),
            ErrorKind::PermissionDenied => Outcome::Reject(format!("{name:?} may not be read: {error}")),
            _ => Outcome::Retry(format!("reading {name:?} failed: {error}")),
        };
        let limit = self.config.max_bytes;
        let mut bytes = Vec::new();
        let file = File::open(self.root.join(name)).map_err(failed)?;
        file.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(failed)?;
        if u64::try_from(bytes.len()).is_ok_and(|length| length > limit) {
            return Err(Outcome::Reject(format!("{name:?} is larger than max_bytes, which is {limit}")));
        }
        String::from_utf8(bytes).map_err(|_| Outcome::Reject(format!("{name:?} is no UTF-8 text")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn process(data: &str) -> Outcome {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("docs");
        fs::create_dir_all(root.join("sub")).unwrap();
        fs::write(root.join("a.txt"), "a \"fox\"\n").unwrap();
        fs::write(root.join("sub/b.txt"), "b").unwrap();
        fs::write(root.join("large.txt"), "x".repeat(101)).unwrap();
        fs::write(root.join("full.txt"), "x".repeat(100)).unwrap();
        fs::write(root.join("image.png"), [0x89, 0xff]).unwrap();
        fs::write(dir.path().join("secret.txt"), "secret").unwrap();
        let mut step = Folder { root, config: Config { max_bytes: 100, ..Config::default() } };
        let item = Item { id: "7".to_owned(), data: data.to_owned() };
        step.process(vec![item]).unwrap().remove(0)
    }

    #[test]
    fn an_item_goes_on_with_the_text_of_its_file() {
        let expect = |data: &str| Outcome::Emit(vec![Item { id: "7".to_owned(), data: data.to_owned() }]);
        assert_eq!(
            process(r#"{"n":1,"path":"a.txt"}"#),
            expect(r#"{"n":1,"path":"a.txt","text":"a \"fox\"\n"}"#)
        );
        assert_eq!(process(r#"{"path":"./sub/b.txt"}"#), expect(r#"{"path":"./sub/b.txt","text":"b"}"#));
        assert!(matches!(process(r#"{"path":"full.txt"}"#), Outcome::Emit(_)));
    }

    #[test]
    fn what_cannot_be_read_is_rejected_with_the_reason() {
        let check = |data: &str, expect: &str| {
            let Outcome::Reject(why) = process(data) else { panic!("{data} is not rejected") };
            assert!(why.contains(expect), "{why}");
        };
        check(r#"{"path":"../secret.txt"}"#, "leads out of the folder");
        check(r#"{"path":"sub/../../secret.txt"}"#, "leads out of the folder");
        check(r#"{"path":"/etc/passwd"}"#, "leads out of the folder");
        check(r#"{"path":""}"#, "leads out of the folder");
        check(r#"{"path":"none.txt"}"#, "there is no file \"none.txt\"");
        check(r#"{"path":"a.txt/b"}"#, "there is no file");
        check(r#"{"path":"sub"}"#, "is a folder");
        check(r#"{"path":"large.txt"}"#, "larger than max_bytes, which is 100");
        check(r#"{"path":"image.png"}"#, "no UTF-8");
        check(r#"{"path":5}"#, "its \"path\" is 5");
        check("{}", "it has no \"path\"");
        check("[]", "does not fit");
    }

    #[test]
    fn the_configuration_has_defaults_and_no_unknown_keys() {
        let config: Config = serde_json::from_str(r#"{"field":"file"}"#).unwrap();
        assert_eq!((&*config.field, &*config.into, config.max_bytes), ("file", "text", 4 * 1024 * 1024));
        assert!(serde_json::from_str::<Config>(r#"{"feild":"file"}"#).is_err());
    }
}
