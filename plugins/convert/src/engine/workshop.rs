//! The folder beside the result in which it comes to be: the files, how far they are, and what is known of them. It is gone
//! when the result is there.

use std::any::Any;
use std::fs::{self, File, OpenOptions};
use std::hash::{BuildHasher as _, RandomState};
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use inferno_sdk::{Error, ErrorKind};

use super::journal::{Entries, Journal};
use super::work;
use crate::fault::{invalid, io};
use crate::plan::{Output, Plan, Source};

/// Writing things down may take up one part in so many of the time.
const SHARE: u32 = 10;

/// Where a result comes to be.
pub(crate) struct Workshop {
    target: Target,
    folder: PathBuf,
    files: Vec<String>,
    journal: Journal,
    entries: Entries,
    /// Done, and not yet written down.
    fresh: Vec<usize>,
    written: Instant,
    cost: Duration,
    /// It goes on with what an earlier run began.
    pub(crate) resumed: bool,
    _lock: Box<dyn Any>,
}

/// What a result is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    /// The file, or the folder for several.
    pub(crate) path: PathBuf,
    /// It is a folder.
    pub(crate) folder: bool,
}

/// How a result may come to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Manner {
    /// Over what is there.
    pub(crate) force: bool,
    /// From the beginning, whatever an earlier run has done.
    pub(crate) restart: bool,
}

/// Takes the lock of a name; none: somebody has it.
pub(crate) type Lock = fn(&str) -> Result<Option<Box<dyn Any>>, Error>;

impl Target {
    fn parent(&self) -> PathBuf {
        match self.path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
            _ => PathBuf::from("."),
        }
    }

    fn name(&self) -> Result<&str, Error> {
        let name = self.path.file_name().and_then(|name| name.to_str());
        name.ok_or_else(|| invalid(format!("{} is no name for a result", self.path.display())))
    }

    fn workshop(&self) -> Result<PathBuf, Error> {
        Ok(self.path.with_file_name(format!(".{}.convert", self.name()?)))
    }

    /// Where it is written how the result came to be.
    pub(crate) fn recipe(&self) -> Result<PathBuf, Error> {
        Ok(self.path.with_file_name(format!("{}.recipe.json", self.name()?)))
    }

    /// Where a file of the result is in the end.
    fn place(&self, file: &str) -> PathBuf {
        if self.folder { self.path.join(file) } else { self.path.with_file_name(file) }
    }
}

impl Workshop {
    /// Opens it, with what an earlier run has left of the conversion that has this mark, or nothing.
    pub(crate) fn open(
        target: &Target,
        plan: &Plan,
        mark: &str,
        manner: Manner,
        lock: Lock,
    ) -> Result<Self, Error> {
        let folder = target.workshop()?;
        fs::create_dir_all(&folder).map_err(|error| io("make", &folder, &error))?;
        let held = take(&folder, lock, &target.path)?;
        let path = folder.join("journal");
        let found = if manner.restart { None } else { Journal::resume(&path, mark)? };
        let resumed = found.is_some();
        let whole = found.as_ref().is_some_and(|(_, entries)| entries.whole);
        if !manner.force && !whole {
            refuse_existing(target, plan, &folder, resumed)?;
        }
        let (journal, entries) = match found {
            Some(found) => found,
            None => {
                prepare(&folder, plan)?;
                (Journal::begin(&path, mark)?, Entries::default())
            }
        };
        Ok(Self {
            target: target.clone(),
            files: plan.outputs.iter().map(|output| output.path.clone()).collect(),
            folder,
            journal,
            entries,
            fresh: Vec::new(),
            written: Instant::now(),
            cost: Duration::ZERO,
            resumed,
            _lock: held,
        })
    }

    /// Where converters write.
    pub(crate) fn output(&self) -> PathBuf {
        self.folder.join("out")
    }

    /// Whether an earlier run has done this job.
    pub(crate) fn is_done(&self, job: usize) -> bool {
        self.entries.done.contains(&job)
    }

    /// Whether only the names are missing.
    pub(crate) fn is_whole(&self) -> bool {
        self.entries.whole
    }

    /// How the result came to be, where that was concluded.
    pub(crate) fn recipe(&self) -> Result<serde_json::Value, Error> {
        let written = [self.folder.join("recipe.json"), self.target.recipe()?];
        let text = written.iter().find_map(|path| fs::read(path).ok()).unwrap_or_default();
        serde_json::from_slice(&text).map_err(|error| {
            invalid(format!("the recipe of a run that was stopped is gone: {error}"))
                .with_hint("--restart begins anew")
        })
    }

    /// A job is done. It is written down soon.
    pub(crate) fn done(&mut self, job: usize) -> Result<(), Error> {
        self.fresh.push(job);
        if self.written.elapsed() >= self.cost * SHARE { self.settle() } else { Ok(()) }
    }

    /// Has the disk keep what is done, and then writes down that it is.
    pub(crate) fn settle(&mut self) -> Result<(), Error> {
        if self.fresh.is_empty() {
            return Ok(());
        }
        let began = Instant::now();
        for file in &self.files {
            sync(&self.output().join(file))?;
        }
        self.journal.add(&self.fresh)?;
        self.entries.done.extend(self.fresh.drain(..));
        self.cost = began.elapsed();
        self.written = Instant::now();
        Ok(())
    }

    /// The result is whole: writes down how it came to be.
    pub(crate) fn conclude(&mut self, recipe: &serde_json::Value) -> Result<(), Error> {
        let output = self.output();
        for entry in fs::read_dir(&output).map_err(|error| io("list", &output, &error))?.flatten() {
            if entry.file_name().to_string_lossy().starts_with(".sum.") {
                fs::remove_file(entry.path()).map_err(|error| io("remove", &entry.path(), &error))?;
            }
        }
        let path = self.folder.join("recipe.json");
        let written = File::create(&path).and_then(|mut file| {
            writeln!(file, "{recipe:#}")?;
            file.sync_all()
        });
        written.map_err(|error| io("write", &path, &error))?;
        for file in &self.files {
            sync(&output.join(file))?;
        }
        sync(&output)?;
        self.entries.whole = true;
        self.journal.whole()
    }

    /// Nothing will come of it: leaves nothing behind.
    pub(crate) fn abandon(self) -> Result<(), Error> {
        fs::remove_dir_all(&self.folder).map_err(|error| io("remove", &self.folder, &error))
    }

    /// Gives the result its name. What was done of that before it was stopped is not done again.
    pub(crate) fn finish(self) -> Result<(), Error> {
        let output = self.output();
        rename(&self.folder.join("recipe.json"), &self.target.recipe()?)?;
        if self.target.folder {
            if output.exists() && self.target.path.exists() {
                rename(&self.target.path, &self.folder.join("old"))?;
            }
            rename(&output, &self.target.path)?;
        } else {
            // The first file of several is the one that is looked for.
            for file in self.files.iter().rev() {
                rename(&output.join(file), &self.target.place(file))?;
            }
        }
        sync(&self.target.parent())?;
        fs::remove_dir_all(&self.folder).map_err(|error| io("remove", &self.folder, &error))
    }
}

/// Has it, or fails where another run has it.
fn take(folder: &Path, lock: Lock, target: &Path) -> Result<Box<dyn Any>, Error> {
    let path = folder.join("lock");
    // The host does not tell where this folder is, so that the lock needs a name that no other folder has.
    let name = match fs::read_to_string(&path) {
        Ok(name) if !name.is_empty() => name,
        _ => {
            let name = format!("convert {:016x}", RandomState::new().hash_one(&path));
            fs::write(&path, &name).map_err(|error| io("write", &path, &error))?;
            name
        }
    };
    lock(&name)?.ok_or_else(|| {
        Error::new(ErrorKind::Unavailable, format!("{} is being written by another run", target.display()))
            .with_hint("wait for its end, or stop it")
    })
}

fn refuse_existing(target: &Target, plan: &Plan, folder: &Path, resumed: bool) -> Result<(), Error> {
    let places = plan.outputs.iter().map(|output| target.place(&output.path));
    let mut there = places.chain([target.path.clone()]).filter(|place| place.exists());
    let Some(there) = there.next() else { return Ok(()) };
    if !resumed {
        // Nothing was begun here, and nothing is left behind.
        let _left = fs::remove_dir_all(folder);
    }
    Err(invalid(format!("{} is there already", there.display()))
        .with_hint("choose another name, or add --force to replace it"))
}

/// Makes the files, with all that does not come from those that are read.
fn prepare(folder: &Path, plan: &Plan) -> Result<(), Error> {
    let output = folder.join("out");
    for old in [&output, &folder.join("old")] {
        match fs::remove_dir_all(old) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(io("remove", old, &error));
            }
            _ => {}
        }
    }
    for file in &plan.outputs {
        let path = output.join(&file.path);
        let parent = path.parent().unwrap_or(&output);
        fs::create_dir_all(parent).map_err(|error| io("make", parent, &error))?;
        fill(&path, file)?;
    }
    Ok(())
}

fn fill(path: &Path, output: &Output) -> Result<(), Error> {
    let failed = |error: std::io::Error| io("write", path, &error);
    let mut file = OpenOptions::new().write(true).create_new(true).open(path).map_err(failed)?;
    file.set_len(output.bytes).map_err(failed)?;
    file.write_all(&output.head).map_err(failed)?;
    for tensor in &output.tensors {
        if let Source::Numbers { numbers } = &tensor.source {
            let packed = work::pack(tensor.encoding, numbers)?;
            file.seek(SeekFrom::Start(tensor.offset))
                .and_then(|_| file.write_all(&packed))
                .map_err(failed)?;
        }
    }
    file.sync_all().map_err(failed)
}

/// Moves what is still there to be moved.
fn rename(from: &Path, to: &Path) -> Result<(), Error> {
    if !from.exists() {
        return Ok(());
    }
    fs::rename(from, to).map_err(|error| io("rename", from, &error))
}

fn sync(path: &Path) -> Result<(), Error> {
    File::open(path).and_then(|file| file.sync_all()).map_err(|error| io("keep", path, &error))
}
