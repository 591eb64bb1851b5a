//! From a pipeline file to a run: where its state is, and whether there is something to go on from.

use std::any::Any;
use std::hash::{BuildHasher as _, RandomState};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::cache::Cache;
use crate::checkpoint::{Checkpoint, Phase};
use crate::disk::Disk;
use crate::engine::{self, Observer, Report, Run};
use crate::error::Error;
use crate::file::{self, File, Form};
use crate::host::Host;
use crate::models::Models;
use crate::node::Room;
use crate::plan::{self, Plan, Surroundings};
use crate::trial::Trial;

/// What lends a hand to every verb.
#[derive(Clone)]
pub(crate) struct Tools {
    pub(crate) disk: Rc<dyn Disk>,
    pub(crate) host: Rc<dyn Host>,
}

/// How to run.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Options {
    /// Records to take from the sources, if not all.
    pub(crate) limit: Option<u64>,
    /// Calls of models at once, in place of what the file says.
    pub(crate) parallel: Option<usize>,
    /// Goes on when the sources have nothing more.
    pub(crate) watch: bool,
    /// Does not go on from what was there.
    pub(crate) fresh: bool,
    /// Asks models again what they have answered before.
    pub(crate) no_cache: bool,
    /// Fails unless there is something to go on from.
    pub(crate) resume: bool,
}

/// A pipeline file as it is on disk.
pub(crate) struct Script {
    pub(crate) path: PathBuf,
    pub(crate) text: String,
}

impl Script {
    pub(crate) fn read(path: &Path) -> Result<Self, Error> {
        let text = std::fs::read_to_string(path).map_err(|error| Error::file("read", path, &error))?;
        Ok(Self { path: path.to_owned(), text })
    }

    pub(crate) fn parse(&self) -> Result<File<'_>, Error> {
        let stem = self.path.file_stem().map_or_else(|| "pipeline".into(), |stem| stem.to_string_lossy());
        file::parse(&self.text, Form::of(&self.path), &stem)
    }

    fn folder(&self) -> PathBuf {
        self.path.parent().map_or_else(PathBuf::new, Path::to_owned)
    }

    /// Where its dead letters are.
    pub(crate) fn dead(&self, file: &File<'_>) -> PathBuf {
        self.folder().join(format!("{}.dead.jsonl", file.settings.name()))
    }

    /// The folder of the state of its runs.
    pub(crate) fn run_state(&self, file: &File<'_>) -> PathBuf {
        self.state(file).join("run")
    }

    /// The folder of all that is kept of this pipeline.
    fn state(&self, file: &File<'_>) -> PathBuf {
        self.folder().join(".inferno").join(file.settings.name())
    }

    fn models(&self, file: &File<'_>, options: Options, tools: &Tools) -> Result<Rc<Models>, Error> {
        let cache = match options.no_cache {
            true => None,
            false => Some(Cache::open(self.state(file).join("answers"), tools.disk.clone())?),
        };
        let parallel = options.parallel.unwrap_or(file.settings.parallel.get());
        Ok(Rc::new(Models::new(tools.host.clone(), cache, parallel)))
    }

    /// Sees to it that nobody else runs it at the same time.
    fn lock(&self, file: &File<'_>, tools: &Tools) -> Result<Box<dyn Any>, Error> {
        let folder = self.state(file);
        let path = folder.join("lock");
        let failed = |error| Error::file("write", &path, &error);
        tools.disk.create_folder(&folder).map_err(failed)?;
        // The host does not tell where this folder is, so that the lock needs a name that no other folder has.
        let name = match std::fs::read_to_string(&path) {
            Ok(name) if !name.is_empty() => name,
            _ => {
                let name = format!("pipeline {:016x}", RandomState::new().hash_one(&path));
                tools.disk.replace(&path, name.as_bytes()).map_err(failed)?;
                name
            }
        };
        tools.host.try_lock(&name)?.ok_or_else(|| {
            Error::new(format!("{} is running already", file.settings.name()))
                .hint("wait for its end, or stop that run; `inferno pipeline status` tells how far it is")
        })
    }

    /// Makes the nodes, whose own files are in the folder `state`.
    pub(crate) fn plan(
        &self,
        file: &File<'_>,
        options: Options,
        tools: &Tools,
        state: &Path,
    ) -> Result<Plan, Error> {
        let around = Surroundings {
            folder: self.folder(),
            state: state.to_owned(),
            disk: tools.disk.clone(),
            host: tools.host.clone(),
            models: self.models(file, options, tools)?,
            watch: options.watch,
        };
        plan::make(file, &around)
    }

    /// Checks all that can be checked without an effect.
    pub(crate) fn validate(&self, tools: &Tools) -> Result<Plan, Error> {
        let file = self.parse()?;
        let options = Options { no_cache: true, ..Options::default() };
        self.plan(&file, options, tools, &self.run_state(&file))
    }

    /// Runs it, from where the last run stopped if it did not come to its end.
    pub(crate) fn run(
        &self,
        options: Options,
        tools: &Tools,
        observer: &mut dyn Observer,
    ) -> Result<Report, Error> {
        let file = self.parse()?;
        let state = self.run_state(&file);
        let plan = self.plan(&file, options, tools, &state)?;
        let _lock = self.lock(&file, tools)?;
        let from = if options.fresh { None } else { go_on(&state, &plan, options)? };
        let limit = from.as_ref().map_or(options.limit, |from| from.limit);
        let settings = settings(&file, limit, state, self.dead(&file));
        let mut run = Run::start(plan, settings, from, tools)?;
        run.go(observer)?;
        Ok(run.report())
    }

    /// Runs it without an effect: what would be written goes nowhere, or to whoever tries it.
    pub(crate) fn attempt(
        &self,
        options: Options,
        tools: &Tools,
        mut trial: Trial,
        observer: &mut dyn Observer,
    ) -> Result<Report, Error> {
        let file = self.parse()?;
        // Steps may need files of their own all the same.
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_nanos());
        let state = self.state(&file).join(format!("try-{now}"));
        let mut plan = self.plan(&file, options, tools, &state)?;
        trial.take_part(&mut plan);
        let settings = settings(&file, options.limit, state.clone(), state.join("dead.jsonl"));
        let result = Run::start(plan, settings, None, tools).and_then(|mut run| {
            run.trace = trial.trace.take();
            run.go(observer)?;
            Ok(run.report())
        });
        let removed = tools.disk.remove_folder(&state);
        let report = result?;
        removed.map_err(|error| Error::file("remove", &state, &error))?;
        Ok(report)
    }
}

fn settings(file: &File<'_>, limit: Option<u64>, state: PathBuf, dead: PathBuf) -> engine::Settings {
    let room = Room { records: file.settings.batch.get(), bytes: file.settings.batch_bytes.get() };
    engine::Settings { room, checkpoint: file.settings.checkpoint.0, limit, state, dead }
}

/// The checkpoint to go on from, if there is one.
fn go_on(state: &Path, plan: &Plan, options: Options) -> Result<Option<Checkpoint>, Error> {
    let Some(from) = Checkpoint::read(state)?.filter(|from| from.phase != Phase::Done) else {
        return match options.resume {
            true => {
                Err(Error::new("there is no run to go on with").hint("begin one with `inferno pipeline run`"))
            }
            false => Ok(None),
        };
    };
    let now = engine::digests(plan);
    let differs = now.iter().find(|(name, digest)| from.pipeline.get(*name) != Some(digest));
    let gone = from.pipeline.keys().find(|name| !now.contains_key(*name));
    if let Some(name) = differs.map(|(name, _)| name).or(gone) {
        return Err(Error::new(format!("`{name}` is not what it was when the last run stopped"))
            .hint("undo the change to go on with that run, or begin again with `--fresh`; answers of models are kept"));
    }
    if options.limit.is_some() && options.limit != from.limit {
        return Err(Error::new("the last run stopped before its end, and had another `--limit`")
            .hint("go on with it without `--limit`, or begin again with `--fresh`"));
    }
    Ok(Some(from))
}
