//! A pipeline whose nodes are made: what `validate` does, and what a run begins with.

use std::path::PathBuf;
use std::rc::Rc;

use crate::disk::Disk;
use crate::error::Error;
use crate::file::settings::{OnError, Retry};
use crate::file::{File, Node, Part, graph, near};
use crate::host::Host;
use crate::kind::{Entry, SINKS, SOURCES, STEPS};
use crate::models::Models;
use crate::node::{Context, Sink, Source, Step};

/// What surrounds a pipeline.
#[derive(Clone)]
pub(crate) struct Surroundings {
    /// The folder of the pipeline file.
    pub(crate) folder: PathBuf,
    /// The folder of the run's state.
    pub(crate) state: PathBuf,
    pub(crate) disk: Rc<dyn Disk>,
    pub(crate) host: Rc<dyn Host>,
    pub(crate) models: Rc<Models>,
    pub(crate) watch: bool,
}

/// A node at work.
pub(crate) enum Work {
    Source(Box<dyn Source>),
    Step(Box<dyn Step>),
    Sink(Box<dyn Sink>),
}

/// A node that is made.
pub(crate) struct Made {
    pub(crate) name: String,
    /// Tells whether the node is another one than before.
    pub(crate) digest: String,
    pub(crate) from: Vec<usize>,
    pub(crate) retry: Retry,
    pub(crate) on_error: Option<OnError>,
    pub(crate) work: Work,
}

/// A pipeline that can run.
pub(crate) struct Plan {
    /// In the order of the file: see [`File::nodes`].
    pub(crate) nodes: Vec<Made>,
    /// So that each node comes after all that it takes from.
    pub(crate) order: Vec<usize>,
    pub(crate) models: Rc<Models>,
}

/// Makes all nodes, which checks all that can be checked without an effect.
pub(crate) fn make(file: &File<'_>, around: &Surroundings) -> Result<Plan, Error> {
    let order = graph::order(&file.nodes)?;
    let nodes = file.nodes.iter().map(|node| made(node, &file.nodes, around)).collect::<Result<_, _>>()?;
    Ok(Plan { nodes, order, models: around.models.clone() })
}

fn made(node: &Node<'_>, all: &[Node<'_>], around: &Surroundings) -> Result<Made, Error> {
    let context = Context {
        node: node.name.clone(),
        inputs: node.from.len(),
        embedder: embedder(node, all),
        folder: around.folder.clone(),
        state: around.state.join(&node.name),
        disk: around.disk.clone(),
        host: around.host.clone(),
        models: around.models.clone(),
        watch: around.watch,
        retry: node.retry.clone(),
    };
    let work = work(node, &context).map_err(|error| error.at(node.span.clone()))?;
    Ok(Made {
        name: node.name.clone(),
        digest: node.digest(all)?,
        from: node.from.clone(),
        retry: node.retry.clone(),
        on_error: node.on_error,
        work,
    })
}

/// The model that made the vectors of a node's records.
fn embedder(node: &Node<'_>, all: &[Node<'_>]) -> Option<String> {
    let mut models = node.from.iter().map(|from| {
        let before = all.get(*from)?;
        match before.uses.get_ref().as_str() {
            "embed" => before.fields.get("model")?.as_ref().as_str().map(str::to_owned),
            _ => embedder(before, all),
        }
    });
    let first = models.next()??;
    models.all(|model| model.as_ref() == Some(&first)).then_some(first)
}

fn work(node: &Node<'_>, context: &Context) -> Result<Work, Error> {
    let fields = node.fields.clone();
    Ok(match node.part {
        Part::Source => Work::Source((find(SOURCES, node, context)?.open)(fields, context)?),
        Part::Step => Work::Step((find(STEPS, node, context)?.open)(fields, context)?),
        Part::Sink => Work::Sink((find(SINKS, node, context)?.open)(fields, context)?),
    })
}

fn find<'k, T: ?Sized>(
    kinds: &'k [Entry<T>],
    node: &Node<'_>,
    context: &Context,
) -> Result<&'k Entry<T>, Error> {
    let (part, kind) = (node.part.word(), node.uses.get_ref());
    if let Some(found) = kinds.iter().find(|entry| entry.name == kind) {
        return Ok(found);
    }
    let plugins = context.host.playing("step").unwrap_or_default();
    let hint = if node.part == Part::Step && plugins.contains(kind) {
        format!("to use the plugin, write `use = \"plugin\"` and `plugin = {kind:?}`")
    } else {
        near::hint(kind, kinds.iter().map(|entry| entry.name))
    };
    Err(Error::new(format!("there is no kind of {part} called `{kind}`")).hint(hint).at(node.uses.span()))
}
