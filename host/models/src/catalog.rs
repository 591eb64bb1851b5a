//! Gives every model one name that nothing else has, and finds models by any of their names.

use std::{
    collections::{HashMap, HashSet},
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{
    Adapter, Foreign, Model, Projector,
    digest::Digests,
    discover::Candidate,
    inspect::{Content, Files},
    onnx,
    projector::{self, Found},
};

/// Those of the files that let models see, at each of their paths, by path.
fn projectors(entries: &[Entry]) -> Vec<Found> {
    let mut found = Vec::new();
    for Entry { files, content, candidates } in entries {
        let Content::Projector(width) = content else { continue };
        for candidate in candidates.iter().filter(|candidate| projector::is_named(&candidate.path)) {
            let (path, projector) = (candidate.path.clone(), Projector::from(files.clone()));
            found.push(Found { path, width: *width, projector });
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

/// The models of one walk.
#[derive(Debug, Default)]
pub(crate) struct Catalog {
    pub(crate) models: Vec<Model>,
    pub(crate) adapters: Vec<Adapter>,
    pub(crate) problems: Vec<(PathBuf, String)>,
    by_name: HashMap<String, usize>,
    /// Files that would have been models; asking for one by name tells what is wrong with it.
    broken: HashMap<String, (PathBuf, String)>,
    /// How files end, with the dot: a model is found with it, too.
    endings: Vec<String>,
}

/// What looking up a name gives.
pub(crate) enum Lookup<'a> {
    Model(&'a Model),
    Broken(&'a (PathBuf, String)),
    Nothing,
}

struct Entry {
    files: Files,
    content: Content,
    candidates: Vec<Candidate>,
}

impl Catalog {
    /// Sorts out which candidates are the same file, what they are called, and which are broken. `read` tells what
    /// is in the files.
    pub(crate) fn build(
        candidates: Vec<Candidate>,
        problems: Vec<(PathBuf, String)>,
        foreign: &[Foreign],
        digests: &Arc<Digests>,
        mut read: impl FnMut(&Files) -> Result<Content, String>,
    ) -> Self {
        let foreign = foreign.iter().map(|foreign| foreign.extension.as_str());
        let endings = ["gguf", "echo", onnx::EXTENSION]
            .into_iter()
            .chain(foreign)
            .map(|ending| format!(".{ending}"))
            .collect();
        let mut catalog = Self { problems, endings, ..Self::default() };
        let mut entries: Vec<Entry> = Vec::new();
        let mut by_file: HashMap<(u64, u64), Option<usize>> = HashMap::new();
        let mut broken = Vec::new();
        for candidate in candidates {
            let files = match Files::find(&candidate.path) {
                Ok(files) => files,
                Err(why) => {
                    broken.push((candidate, why));
                    continue;
                }
            };
            let named = projector::is_named(&candidate.path);
            let Some(identity) = files.stamps.first().map(|stamp| (stamp.device, stamp.inode)) else {
                continue;
            };
            match by_file.get(&identity) {
                // The same file once more: one further name for it, and a broken file is one problem.
                Some(Some(index)) => entries[*index].candidates.push(candidate),
                Some(None) => {}
                None => match read(&files) {
                    // What calls itself a part of a model is not run, whatever is in it.
                    Ok(Content::Model(..)) if named => {}
                    Ok(content) => {
                        by_file.insert(identity, Some(entries.len()));
                        entries.push(Entry { files, content, candidates: vec![candidate] });
                    }
                    Err(why) => {
                        by_file.insert(identity, None);
                        broken.push((candidate, why));
                    }
                },
            }
        }
        catalog.add_models(entries, digests);
        for (candidate, why) in broken {
            catalog.problems.push((candidate.path.clone(), why.clone()));
            catalog.broken.entry(candidate.name).or_insert((candidate.path, why));
        }
        catalog
    }

    fn add_models(&mut self, entries: Vec<Entry>, digests: &Arc<Digests>) {
        let projectors = projectors(&entries);
        let mut further = Vec::new();
        for Entry { files, content, mut candidates } in entries {
            if candidates.is_empty() {
                continue;
            }
            let first = candidates.remove(0);
            let (format, header) = match content {
                Content::Model(format, header) => (format, header),
                Content::Adapter(architecture) => {
                    self.add_adapter(&first, &files, architecture);
                    continue;
                }
                Content::Projector(_) | Content::Accessory => continue,
            };
            let paths: Vec<&Path> =
                candidates.iter().chain([&first]).map(|candidate| &*candidate.path).collect();
            let projector = projector::choose(&paths, &format, &header, &projectors);
            let name = self.free_name(&first);
            let index = self.models.len();
            self.by_name.insert(name.clone(), index);
            self.models.push(Model {
                name,
                aliases: Vec::new(),
                path: files.path.clone(),
                format,
                size: files.size(),
                modified: files.modified(),
                header: *header,
                projector,
                files,
                digests: digests.clone(),
            });
            let names: Vec<String> = candidates.iter().map(|other| other.name.clone()).collect();
            let shorts = first.short.into_iter().chain(candidates.into_iter().flat_map(|other| other.short));
            further.push((index, names, shorts.collect::<HashSet<String>>()));
        }
        // Only now, since an alias must never take the name of another model.
        for (index, names, _) in &further {
            for name in names {
                self.add_alias(name, *index);
            }
        }
        let mut owners: HashMap<&str, u32> = HashMap::new();
        for short in further.iter().flat_map(|(_, _, shorts)| shorts) {
            *owners.entry(short).or_default() += 1;
        }
        for (index, _, shorts) in &further {
            for short in shorts.iter().filter(|short| owners.get(short.as_str()) == Some(&1)) {
                self.add_alias(short, *index);
            }
        }
        for model in &mut self.models {
            model.aliases.sort();
        }
    }

    /// Adapters have names of their own; the folder that they belong in is no part of it.
    fn add_adapter(&mut self, candidate: &Candidate, files: &Files, architecture: String) {
        let name = candidate.name.strip_prefix("adapters/").unwrap_or(&candidate.name).to_owned();
        match self.adapters.binary_search_by(|other| other.name.cmp(&name)) {
            Ok(_) => {
                let why = format!("not listed, since another adapter is called {name}, too");
                self.problems.push((candidate.path.clone(), why));
            }
            Err(at) => {
                let (path, size) = (files.path.clone(), files.size());
                self.adapters.insert(at, Adapter { name, path, architecture, size });
            }
        }
    }

    fn free_name(&self, candidate: &Candidate) -> String {
        let numbered = (2..).map(|number: u64| format!("{}~{number}", candidate.qualified));
        [candidate.name.clone(), candidate.qualified.clone()]
            .into_iter()
            .chain(numbered)
            .find(|name| !self.by_name.contains_key(name))
            .unwrap_or_default()
    }

    fn add_alias(&mut self, alias: &str, index: usize) {
        if self.by_name.contains_key(alias) {
            return;
        }
        self.by_name.insert(alias.to_owned(), index);
        self.models[index].aliases.push(alias.to_owned());
    }

    /// Looks up a name or an alias, with or without the file's extension.
    pub(crate) fn find(&self, name: &str) -> Lookup<'_> {
        let bare = self.endings.iter().find_map(|ending| name.strip_suffix(ending.as_str())).unwrap_or(name);
        if let Some(model) = [name, bare].iter().find_map(|name| self.models.get(*self.by_name.get(*name)?)) {
            return Lookup::Model(model);
        }
        let broken = self.broken.get(name).or_else(|| self.broken.get(bare));
        broken.map_or(Lookup::Nothing, Lookup::Broken)
    }

    /// Every name by which a model is found.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.by_name.keys().map(String::as_str)
    }
}
