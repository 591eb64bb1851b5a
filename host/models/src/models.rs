//! The models that a user has.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use crate::{
    Foreign, Format, Header, ModelsError,
    catalog::{Catalog, Lookup},
    digest::Digests,
    discover::{Candidate, Walk},
    inspect::{self, Content, Files, Shard, Stamp},
    names, onnx,
    projector::Projector,
};

/// Where models are looked for.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// Directories of the user's; the first that has a name keeps it. One that does not exist is empty.
    pub dirs: Vec<PathBuf>,
    /// The `hub` directory of a Hugging Face cache.
    pub hf_cache: Option<PathBuf>,
    /// A model that is there even if the user has none.
    pub builtin: Option<Builtin>,
    /// Formats that some backend runs and this crate cannot read.
    pub foreign: Vec<Foreign>,
}

/// A model that comes with the program, unpacked to a file.
#[derive(Clone, Debug)]
pub struct Builtin {
    /// What it is called, unless a model of the user's is.
    pub name: String,
    /// The unpacked file.
    pub path: PathBuf,
}

/// The models in the configured places. Clones share one cache. All methods read the disk and block meanwhile.
#[derive(Clone, Debug)]
pub struct Models(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    config: Config,
    digests: Arc<Digests>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Headers of files that have not changed since they were read, broken ones included.
    contents: HashMap<Vec<Stamp>, Result<Content, String>>,
    catalog: Catalog,
}

/// What there is.
#[derive(Clone, Debug, Default)]
pub struct Listing {
    /// The models, sorted by name.
    pub models: Vec<Model>,
    /// Low-rank adapters among them, sorted by name.
    pub adapters: Vec<Adapter>,
    /// Files that look like models and cannot be run, each with what is wrong.
    pub problems: Vec<(PathBuf, String)>,
}

/// A low-rank adapter (LoRA) on disk: it changes what a model writes, and is no model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Adapter {
    /// What requests call it.
    pub name: String,
    /// The file to open.
    pub path: PathBuf,
    /// The family of models that it was made for.
    pub architecture: String,
    /// Bytes on disk.
    pub size: u64,
}

impl Adapter {
    /// It may be applied to this model, as far as the headers tell.
    pub fn fits(&self, model: &Model) -> bool {
        self.architecture == model.header.architecture
    }
}

/// A model on disk.
#[derive(Clone, Debug)]
pub struct Model {
    /// What it is called; no other model is.
    pub name: String,
    /// Further names by which it is found.
    pub aliases: Vec<String>,
    /// The file to open. It is canonical, except that the first part of a split model keeps its own name.
    pub path: PathBuf,
    /// What kind of file it is.
    pub format: Format,
    /// Bytes on disk, of all parts together.
    pub size: u64,
    /// When it (the newest part) was last changed.
    pub modified: SystemTime,
    /// What it says about itself.
    pub header: Header,
    /// What lets it see, where there is such a thing.
    pub projector: Option<Projector>,
    pub(crate) files: Files,
    pub(crate) digests: Arc<Digests>,
}

impl Model {
    /// `sha256:` and hexadecimal digits: of the file's content, or of all parts one after the other. Reads the whole
    /// model unless it is known already.
    pub fn digest(&self) -> Result<String, ModelsError> {
        self.digest_with(&mut |_, _| {})
    }

    /// Like [`Model::digest`], telling how many bytes are done and how many there are.
    pub fn digest_with(&self, progress: &mut dyn FnMut(u64, u64)) -> Result<String, ModelsError> {
        self.digests.digest(&self.files, progress).map_err(|why| ModelsError::unusable(&self.path, why))
    }

    /// The digest, if it was computed before and the files have not changed since.
    pub fn known_digest(&self) -> Option<String> {
        self.digests.known(&self.files)
    }

    /// Takes another file for the one that lets it see.
    pub fn see_with(&mut self, projector: &Path) -> Result<(), ModelsError> {
        let found = Projector::open(projector).and_then(|found| Projector::for_model(found, &self.header));
        self.projector = Some(found.map_err(|why| ModelsError::unusable(projector, why))?);
        Ok(())
    }

    /// Every file of the model itself: one, or the parts of a split model, by canonical path, or a graph and what lies
    /// beside it, such as its weights and its tokenizer.
    pub fn files(&self) -> &[PathBuf] {
        &self.files.parts
    }
}

impl Models {
    /// Looks for models in these places. Nothing is read yet.
    pub fn new(config: Config) -> Self {
        Self::with_digests(config, Digests::default())
    }

    /// Like [`Models::new`], keeping computed digests in `cache_dir` so that they outlive the process.
    pub fn with_cache(config: Config, cache_dir: &Path) -> Self {
        Self::with_digests(config, Digests::kept_in(cache_dir))
    }

    fn with_digests(config: Config, digests: Digests) -> Self {
        Self(Arc::new(Inner { config, digests: Arc::new(digests), state: Mutex::default() }))
    }

    /// Everything that there is now. Files that did not change since the last time are not read again.
    pub fn list(&self) -> Result<Listing, ModelsError> {
        let mut state = self.state();
        self.refresh(&mut state)?;
        let mut models = state.catalog.models.clone();
        models.sort_by(|a, b| a.name.cmp(&b.name));
        let (adapters, problems) = (state.catalog.adapters.clone(), state.catalog.problems.clone());
        Ok(Listing { models, adapters, problems })
    }

    /// The model with this name or alias. A name is never a path. Asking again for a model that did not change costs
    /// one look at its file.
    pub fn find(&self, name: &str) -> Result<Model, ModelsError> {
        names::check(name).map_err(|why| ModelsError::InvalidName { name: shown(name), why })?;
        let mut state = self.state();
        if let Lookup::Model(model) = state.catalog.find(name)
            && model.files.unchanged()
            && model.projector.as_ref().is_none_or(|projector| projector.files.unchanged())
        {
            return Ok(model.clone());
        }
        self.refresh(&mut state)?;
        match state.catalog.find(name) {
            Lookup::Model(model) => Ok(model.clone()),
            Lookup::Broken((path, why)) => Err(ModelsError::unusable(path, why)),
            Lookup::Nothing => Err(ModelsError::NotFound {
                name: name.to_owned(),
                near: names::near(name, state.catalog.names()),
            }),
        }
    }

    /// The model in a file that the user named by its path. Its name is that of the file.
    pub fn open(&self, path: &Path) -> Result<Model, ModelsError> {
        let graph = if path.is_dir() { onnx::folder_graph(path) } else { None };
        let path = graph.as_deref().unwrap_or(path);
        let unusable = |why: String| ModelsError::unusable(path, why);
        let files = Files::find(path).map_err(unusable)?;
        let Content::Model(format, header) =
            inspect::read(&files, &self.0.config.foreign).map_err(unusable)?
        else {
            return Err(unusable(
                "this file belongs to a model, but is none: name the model itself".to_owned(),
            ));
        };
        let named = if format == Format::Onnx { onnx::folder_name(path) } else { None };
        let named = named.as_ref().and_then(|folder| folder.file_name()).or(path.file_stem());
        let stem = named.unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        let stem = Shard::of(path).filter(|shard| shard.count > 1).map_or(stem, |shard| shard.base);
        Ok(Model {
            name: names::from_path(Path::new(&stem)),
            aliases: Vec::new(),
            path: files.path.clone(),
            size: files.size(),
            modified: files.modified(),
            projector: Projector::beside(path, &format, &header),
            header: *header,
            format,
            files,
            digests: self.0.digests.clone(),
        })
    }

    /// What runs when nobody says which: the newest chat model of the user's, else the built-in model, else the
    /// newest that writes text.
    pub fn default_model(&self) -> Result<Model, ModelsError> {
        let mut state = self.state();
        self.refresh(&mut state)?;
        let models = &state.catalog.models;
        let is_builtin = |model: &Model| {
            let builtin = self.0.config.builtin.as_ref();
            builtin.is_some_and(|builtin| builtin.path.canonicalize().is_ok_and(|path| path == model.path))
        };
        // Later ones win among equals in `max_by_key`, so the order is turned to let the first win.
        let newest = |wanted: &dyn Fn(&Model) -> bool| {
            models.iter().rev().filter(|model| wanted(model)).max_by_key(|model| model.modified)
        };
        newest(&|model| model.header.chat_template.is_some() && !is_builtin(model))
            .or_else(|| models.iter().find(|model| is_builtin(model)))
            .or_else(|| newest(&|model| model.format != Format::Echo && model.header.generates()))
            .or_else(|| newest(&|model| model.header.generates()))
            .cloned()
            .ok_or_else(|| ModelsError::NoModel {
                dir: self.0.config.dirs.first().cloned().unwrap_or_default(),
            })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every change is made whole, so the state is right even if a holder of the lock panicked.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn refresh(&self, state: &mut State) -> Result<(), ModelsError> {
        let Config { dirs, hf_cache, builtin, foreign } = &self.0.config;
        let mut walk = Walk::new(foreign);
        for dir in dirs {
            walk.directory(dir).map_err(|why| ModelsError::Directory { path: dir.clone(), why })?;
        }
        if let Some(hub) = hf_cache {
            walk.hugging_face(hub);
        }
        if let Some(Builtin { name, path }) = builtin {
            walk.candidates.push(Candidate {
                path: path.clone(),
                name: name.clone(),
                qualified: format!("builtin/{name}"),
                short: Vec::new(),
            });
        }
        let mut known = std::mem::take(&mut state.contents);
        let contents = &mut state.contents;
        let read = |files: &Files| {
            let content = known.remove(&files.stamps).unwrap_or_else(|| inspect::read(files, foreign));
            contents.insert(files.stamps.clone(), content.clone());
            content
        };
        state.catalog = Catalog::build(walk.candidates, walk.problems, foreign, &self.0.digests, read);
        Ok(())
    }
}

/// A name that is shown in an error need not be shown whole.
fn shown(name: &str) -> String {
    name.chars().take(200).collect()
}
