//! Walks the directories and says which files could be models and what they could be called.

use std::{
    collections::HashSet,
    fs::{self, File},
    io::Read,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use crate::{Foreign, inspect::Shard, names, onnx};

const MAX_DEPTH: u32 = 8;
/// Somebody who names `/` as the models directory gets a message, not a walk of hours.
const MAX_ENTRIES: u32 = 100_000;

/// A file that could be a model.
#[derive(Debug)]
pub(crate) struct Candidate {
    pub(crate) path: PathBuf,
    /// What it is called, unless something else already is.
    pub(crate) name: String,
    /// What it is called then.
    pub(crate) qualified: String,
    /// Shorter names for it, where nothing else has them.
    pub(crate) short: Vec<String>,
}

/// What a walk finds.
#[derive(Default)]
pub(crate) struct Walk<'a> {
    /// Formats whose files are looked for besides those that are read here.
    foreign: &'a [Foreign],
    pub(crate) candidates: Vec<Candidate>,
    pub(crate) problems: Vec<(PathBuf, String)>,
    entered: HashSet<(u64, u64)>,
    entries: u32,
}

/// What is known about the files of a folder before they are seen.
struct Place {
    /// In front of the file's name in the model's name.
    prefix: PathBuf,
    /// Tells two models with the same name apart.
    mark: Mark,
    /// The name of the Hugging Face repository, itself a name for its only model.
    repository: Option<String>,
    depth: u32,
}

impl Place {
    /// The folder of a model whose graphs may lie in a folder `onnx` of their own.
    fn model(&self) -> &Path {
        let above =
            self.prefix.parent().filter(|above| self.prefix.ends_with("onnx") && *above != Path::new(""));
        above.unwrap_or(&self.prefix)
    }

    /// The name of that folder alone, if there is one.
    fn folder(&self) -> Option<String> {
        Some(self.model().file_name()?.to_string_lossy().into_owned())
    }

    /// What the model is called that the folder is for.
    fn named(&self) -> PathBuf {
        let model = self.model();
        if model == Path::new("") { PathBuf::from("model") } else { model.to_owned() }
    }
}

#[derive(Clone)]
enum Mark {
    Directory(String),
    Revision(String),
}

impl<'a> Walk<'a> {
    pub(crate) fn new(foreign: &'a [Foreign]) -> Self {
        Self { foreign, ..Self::default() }
    }

    /// Finds models in a directory of the user's, with its subdirectories. A directory that is not there is empty.
    pub(crate) fn directory(&mut self, dir: &Path) -> Result<(), String> {
        match fs::metadata(dir) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error.to_string()),
            Ok(metadata) if !metadata.is_dir() => return Err("it is not a directory".to_owned()),
            Ok(_) => {}
        }
        let label =
            dir.file_name().map_or_else(|| "models".to_owned(), |name| names::from_path(Path::new(name)));
        let place =
            Place { prefix: PathBuf::new(), mark: Mark::Directory(label), repository: None, depth: 0 };
        self.folder(dir, &place)
    }

    /// Finds models in a Hugging Face cache (the `hub` directory).
    pub(crate) fn hugging_face(&mut self, hub: &Path) {
        // No cache is the usual case where nothing was ever downloaded; an unreadable one is not ours to judge.
        let Ok(entries) = sorted(hub) else { return };
        for path in entries {
            if let Some(repository) = repository(&path) {
                self.repository(&path, &repository);
            }
        }
    }

    fn folder(&mut self, dir: &Path, place: &Place) -> Result<(), String> {
        let metadata = fs::metadata(dir).map_err(|error| error.to_string())?;
        if !self.entered.insert((metadata.dev(), metadata.ino())) {
            return Ok(());
        }
        for path in sorted(dir)? {
            self.entries += 1;
            if self.entries > MAX_ENTRIES {
                return Err(format!("it has more than {MAX_ENTRIES} entries: name a smaller directory"));
            }
            let hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
            if hidden {
                continue;
            }
            if path.is_dir() {
                self.subfolder(&path, place);
            } else if is_model_name(&path, self.foreign) {
                self.file(path, place);
            }
        }
        Ok(())
    }

    fn subfolder(&mut self, dir: &Path, place: &Place) {
        if let Some(repository) = repository(dir) {
            return self.repository(dir, &repository);
        }
        if place.depth == MAX_DEPTH {
            let why = format!("not looked into, since it is more than {MAX_DEPTH} directories deep");
            return self.problems.push((dir.to_owned(), why));
        }
        let Some(name) = dir.file_name() else { return };
        let place = Place {
            prefix: place.prefix.join(names::from_path(Path::new(name))),
            mark: place.mark.clone(),
            repository: place.repository.clone(),
            depth: place.depth + 1,
        };
        if let Err(why) = self.folder(dir, &place) {
            self.problems.push((dir.to_owned(), format!("cannot be listed: {why}")));
        }
    }

    /// `models--ORG--NAME/snapshots/REVISION/...`: the revision that `main` names comes first and keeps the name.
    fn repository(&mut self, dir: &Path, name: &str) {
        let main = first_line(&dir.join("refs/main")).unwrap_or_default();
        let Ok(mut revisions) = sorted(&dir.join("snapshots")) else { return };
        revisions.sort_by_key(|path| !path.ends_with(&main));
        for path in revisions {
            let revision =
                path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            let place = Place {
                prefix: PathBuf::from(name),
                mark: Mark::Revision(revision.chars().take(8).collect()),
                repository: Some(name.to_owned()),
                depth: MAX_DEPTH / 2,
            };
            if let Err(why) = self.folder(&path, &place) {
                self.problems.push((path, format!("cannot be listed: {why}")));
            }
        }
    }

    fn file(&mut self, path: PathBuf, place: &Place) {
        let Some(stem) = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()) else { return };
        let stem = match Shard::of(&path).filter(|shard| shard.count > 1) {
            None => stem,
            Some(shard) if shard.number == 1 => shard.base,
            // The first part speaks for the others, where it is there.
            Some(shard) => match shard.path(1) {
                Ok(first) if !first.exists() => {
                    let why = format!("the first part of this model is missing: {}", first.display());
                    return self.problems.push((path, why));
                }
                _ => return,
            },
        };
        let own = place.prefix.join(names::from_path(Path::new(&stem)));
        // The only graph of a folder is called `model.onnx`, so the folder is what tells it from others.
        let of_folder = stem == "model" && onnx::is_named(&path);
        let stem = place.folder().filter(|_| of_folder).unwrap_or(stem);
        let name = names::from_path(&if of_folder { place.named() } else { own });
        let qualified = match &place.mark {
            Mark::Directory(label) => format!("{label}/{name}"),
            Mark::Revision(revision) => format!("{name}@{revision}"),
        };
        let mut short = vec![names::from_path(Path::new(&stem))];
        short.extend(place.repository.clone());
        self.candidates.push(Candidate { path, name, qualified, short });
    }
}

fn is_model_name(path: &Path, foreign: &[Foreign]) -> bool {
    path.extension().is_some_and(|extension| {
        extension.eq_ignore_ascii_case("gguf") || extension.eq_ignore_ascii_case("echo")
    }) || onnx::is_named(path)
        || foreign.iter().any(|foreign| foreign.names(path))
}

/// `models--ORG--NAME` -> `ORG/NAME`, where the directory is laid out as a Hugging Face cache does it.
fn repository(dir: &Path) -> Option<String> {
    let name = dir.file_name()?.to_str()?.strip_prefix("models--")?;
    let name = names::from_path(Path::new(&name.replace("--", "/")));
    (!name.is_empty() && dir.join("snapshots").is_dir()).then_some(name)
}

fn sorted(dir: &Path) -> Result<Vec<PathBuf>, String> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(dir).map_err(|error| error.to_string())? {
        paths.push(entry.map_err(|error| error.to_string())?.path());
        if paths.len() > MAX_ENTRIES as usize {
            return Err(format!("it has more than {MAX_ENTRIES} entries: name a smaller directory"));
        }
    }
    paths.sort();
    Ok(paths)
}

fn first_line(path: &Path) -> Option<String> {
    let mut text = String::new();
    File::open(path).ok()?.take(256).read_to_string(&mut text).ok()?;
    Some(text.lines().next()?.trim().to_owned())
}
