//! A file for each record.

use std::collections::HashMap;
use std::path::{Component, Path, PathBuf};
use std::rc::Rc;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use toml::Spanned;

use super::Kind;
use super::expression::Template;
use super::growing::Growing;
use crate::disk::Disk;
use crate::error::Error;
use crate::node::{Context, Refused, Sink};
use crate::record::Record;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// The folder that all files are in, such as `out`.
    folder: String,
    /// The name of a record's file within it, such as `{{ lang }}/{{ path }}.txt`.
    #[schemars(with = "String")]
    file: Spanned<String>,
    /// What is in it, such as `# {{ title }}`; without it, the record as JSON.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    content: Option<Spanned<String>>,
}

pub(crate) struct Files {
    disk: Rc<dyn Disk>,
    folder: PathBuf,
    name: Template,
    content: Option<Template>,
    /// Which record has which name, so that none replaces another one's file: digests, and a file of them.
    names: HashMap<[u8; 16], [u8; 16]>,
    journal: Growing,
    kept: PathBuf,
}

impl Kind for Files {
    const NAME: &'static str = "files";
    const ABOUT: &'static str = "a file for each record, named and filled by templates; exactly once, since each is put in \
        place at once and again with the same content";
    type Config = Config;

    fn open(config: Config, context: &Context) -> Result<Self, Error> {
        let kept = context.state.join("names");
        Ok(Self {
            disk: context.disk.clone(),
            folder: context.path(&config.folder),
            name: Template::parse(&config.file)?,
            content: config.content.as_ref().map(Template::parse).transpose()?,
            names: HashMap::new(),
            journal: Growing::live(context.disk.clone(), kept.clone()),
            kept,
        })
    }
}

impl Files {
    /// Where a record goes; for people, why nowhere.
    fn place(&self, record: &mut Record) -> Result<PathBuf, String> {
        let name = self.name.render(record)?;
        let wrong = |why: &str| format!("its file would be called {name:?}, which {why}");
        let path = Path::new(&name);
        if name.is_empty() || name.ends_with('/') {
            return Err(wrong("is no name of a file"));
        }
        if name.contains('\0') || name.contains('\\') || name.split('/').any(|part| part.len() > 200) {
            return Err(wrong("has a part that is no name of a file"));
        }
        if !path.components().all(|part| matches!(part, Component::Normal(_))) {
            return Err(wrong("leads out of the folder"));
        }
        // Files are written under such names first.
        if name.ends_with(".new") {
            return Err(wrong("ends in `.new`"));
        }
        Ok(path.components().collect())
    }

    /// Writes a record's file; for people, why not.
    fn put(&mut self, mut record: Record) -> Result<Result<(), String>, Error> {
        let made = self.place(&mut record).and_then(|name| {
            let content = match &self.content {
                Some(content) => content.render(&mut record)?,
                None => format!("{:#}\n", record.value()?),
            };
            Ok((name, content))
        });
        let (name, content) = match made {
            Ok(made) => made,
            Err(why) => return Ok(Err(why)),
        };
        let (place, id) = (digest(&name.to_string_lossy()), digest(&record.id));
        match self.names.get(&place) {
            Some(other) if *other != id => {
                return Ok(Err(format!("another record has the file {} already", name.display())));
            }
            Some(_) => {}
            None => {
                self.journal.write(&[place, id].concat())?;
                self.names.insert(place, id);
            }
        }
        let path = self.folder.join(name);
        let failed = |error| Error::file("write", &path, &error);
        if let Some(folder) = path.parent() {
            self.disk.create_folder(folder).map_err(failed)?;
        }
        self.disk.replace(&path, content.as_bytes()).map_err(failed)?;
        Ok(Ok(()))
    }
}

impl Sink for Files {
    fn start(&mut self, mark: Option<&Value>) -> Result<(), Error> {
        self.journal.start(mark.and_then(Value::as_u64).unwrap_or(0))?;
        let bytes = std::fs::read(&self.kept).map_err(|error| Error::file("read", &self.kept, &error))?;
        let half = |bytes: &[u8]| <[u8; 16]>::try_from(bytes).ok();
        let pairs = bytes.chunks_exact(32).filter_map(|pair| Some((half(&pair[..16])?, half(&pair[16..])?)));
        self.names = pairs.collect();
        Ok(())
    }

    fn write(&mut self, batch: &[Record]) -> Result<Vec<Refused>, Error> {
        let mut refused = Vec::new();
        for (index, record) in batch.iter().enumerate() {
            if let Err(why) = self.put(record.clone())? {
                refused.push(Refused { index, why, retry: false });
            }
        }
        Ok(refused)
    }

    fn commit(&mut self) -> Result<Value, Error> {
        Ok(json!(self.journal.commit()?))
    }
}

fn digest(text: &str) -> [u8; 16] {
    let mut half = [0; 16];
    half.copy_from_slice(&Sha256::digest(text)[..16]);
    half
}
