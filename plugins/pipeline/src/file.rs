//! The pipeline file: what is in it, before its nodes are made.

use std::collections::BTreeSet;
use std::ops::Range;
use std::path::Path;

use serde::Deserialize;
use sha2::{Digest, Sha256};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::error::Error;

pub(crate) mod graph;
pub(crate) mod near;
pub(crate) mod settings;
pub(crate) mod table;
mod yaml;

use settings::{OnError, Retry, Settings};
use table::Table;

/// How a pipeline file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Toml,
    Yaml,
}

impl Form {
    /// What the end of its name says.
    pub(crate) fn of(path: &Path) -> Self {
        match path.extension().and_then(|ending| ending.to_str()) {
            Some("yaml" | "yml") => Self::Yaml,
            _ => Self::Toml,
        }
    }

    /// The tables of a file.
    fn read(self, text: &str) -> Result<Table<'_>, Error> {
        match self {
            Self::Toml => Ok(DeTable::parse(text)?.into()),
            Self::Yaml => yaml::parse(text).map(Table::from),
        }
    }
}

/// The part that a node plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Part {
    Source,
    Step,
    Sink,
}

impl Part {
    /// The name of its tables.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Step => "step",
            Self::Sink => "sink",
        }
    }
}

/// A pipeline file, in which every node is known and every edge leads somewhere.
#[derive(Debug)]
pub(crate) struct File<'i> {
    pub(crate) settings: Settings,
    /// Sources, then steps, then sinks, each in the order of the file.
    pub(crate) nodes: Vec<Node<'i>>,
    /// The `[[test]]` tables.
    pub(crate) tests: Vec<Table<'i>>,
}

/// A node as the file describes it.
#[derive(Clone, Debug)]
pub(crate) struct Node<'i> {
    pub(crate) part: Part,
    pub(crate) name: String,
    /// Where its name, or what stands for it, is in the file.
    pub(crate) span: Range<usize>,
    /// Its kind.
    pub(crate) uses: Spanned<String>,
    /// What it takes from: places in [`File::nodes`].
    pub(crate) from: Vec<usize>,
    pub(crate) retry: Retry,
    pub(crate) on_error: Option<OnError>,
    /// The fields of its kind.
    pub(crate) fields: Table<'i>,
}

impl Node<'_> {
    /// Tells whether a node of the same name does the same: its kind, its fields and what it takes from.
    pub(crate) fn digest(&self, all: &[Node<'_>]) -> Result<String, Error> {
        let from: Vec<_> = self.from.iter().map(|at| all[*at].name.as_str()).collect();
        let fields: serde_json::Value = self.fields.clone().deserialize()?;
        let text = serde_json::json!([self.part.word(), self.uses.get_ref(), from, fields]).to_string();
        Ok(Sha256::digest(text)[..16].iter().map(|byte| format!("{byte:02x}")).collect())
    }
}

/// The fields that every node has.
#[derive(Deserialize)]
struct Common {
    name: Option<Spanned<String>>,
    #[serde(rename = "use")]
    uses: Spanned<String>,
    from: Option<Names>,
    #[serde(default)]
    retry: Retry,
    on_error: Option<OnError>,
}

/// One name, or several.
#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a name or an array of names")]
enum Names {
    One(String),
    Several(Vec<String>),
}

/// A node whose edges are names still.
struct Named<'i> {
    node: Node<'i>,
    /// Its name is that of its kind.
    unnamed: bool,
    from: Option<Spanned<Vec<String>>>,
}

/// The names of the fields in [`Common`].
const COMMON: [&str; 5] = ["name", "use", "from", "retry", "on_error"];

/// Whether a file says something of a pipeline, right or wrong.
pub(crate) fn is_pipeline(text: &str, form: Form) -> bool {
    form.read(text).is_ok_and(|top| top.get("source").is_some() && top.get("sink").is_some())
}

/// Reads a pipeline file. `stem` names the pipeline if the file does not.
pub(crate) fn parse<'i>(text: &'i str, form: Form, stem: &str) -> Result<File<'i>, Error> {
    let mut top = form.read(text)?;
    top.check_names(&["pipeline", "source", "step", "sink", "test"], "a table of a pipeline file")?;
    let mut settings = top.take_table("pipeline")?.map_or_else(|| Ok(Settings::default()), settings)?;
    settings.name.get_or_insert_with(|| Spanned::new(0..0, stem.to_owned()));
    settings.check()?;
    let mut named = Vec::new();
    for part in [Part::Source, Part::Step, Part::Sink] {
        for table in top.take_tables(part.word())? {
            named.push(node(part, table)?);
        }
    }
    name_apart(&mut named);
    let nodes = graph::connect(named)?;
    Ok(File { settings, nodes, tests: top.take_tables("test")? })
}

/// Gives nodes of one kind that have no name numbers from the second on, as in `jsonl-2`.
fn name_apart(named: &mut [Named<'_>]) {
    let mut names: BTreeSet<String> =
        named.iter().filter(|named| !named.unnamed).map(|named| named.node.name.clone()).collect();
    for Named { node, .. } in named.iter_mut().filter(|named| named.unnamed) {
        let numbered = (2..).map(|number| format!("{}-{number}", node.name));
        let free = std::iter::once(node.name.clone()).chain(numbered).find(|name| !names.contains(name));
        node.name = free.unwrap_or_default();
        names.insert(node.name.clone());
    }
}

fn settings(table: Table<'_>) -> Result<Settings, Error> {
    if let (Some(span), Some(when)) = (table.key_span("schedule"), table.get("schedule")) {
        let when = when.get_ref().as_str().unwrap_or("0 2 * * *");
        let line = format!("inferno batch-queue create --schedule {when:?} -- pipeline run FILE");
        return Err(Error::new("when a pipeline runs is not up to its file")
            .hint(format!("have the queue run it: {line}"))
            .at(span));
    }
    table.read("a field of [pipeline]")
}

fn node<'i>(part: Part, mut table: Table<'i>) -> Result<Named<'i>, Error> {
    let whole = table.span.clone();
    let common = table.split(&COMMON);
    let place = |key: &str| common.get(key).map(Spanned::span);
    let (at_name, at_from) = (place("name"), place("from"));
    let from_span = at_from.unwrap_or_else(|| whole.clone());
    let Some(_) = common.get("use") else {
        return Err(Error::new(format!("this {} does not say which kind it is", part.word()))
            .hint("say it with the field `use`, such as \"jsonl\"; `inferno pipeline steps` lists the kinds")
            .at(whole));
    };
    let common: Common = common.deserialize()?;
    let name = common.name.as_ref().unwrap_or(&common.uses);
    let span = at_name.clone().unwrap_or_else(|| common.uses.span());
    check_name(name.get_ref()).map_err(|error| error.at(span.clone()))?;
    let from = common.from.map(|names| match names {
        Names::One(name) => Spanned::new(from_span.clone(), vec![name]),
        Names::Several(names) => Spanned::new(from_span.clone(), names),
    });
    let node = Node {
        part,
        name: name.get_ref().clone(),
        span,
        uses: common.uses,
        from: Vec::new(),
        retry: common.retry,
        on_error: common.on_error,
        fields: table,
    };
    Ok(Named { node, unnamed: at_name.is_none(), from })
}

/// Names become names of files.
pub(crate) fn check_name(name: &str) -> Result<(), Error> {
    let fine = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if name.is_empty() || name.len() > 64 || !name.chars().all(fine) {
        return Err(Error::new(format!("{name:?} cannot be a name"))
            .hint("names are of 1 to 64 letters, digits, `-` and `_`"));
    }
    Ok(())
}

impl From<toml::de::Error> for Error {
    fn from(error: toml::de::Error) -> Self {
        Self { message: error.message().to_owned(), hint: None, span: error.span() }
    }
}

/// The type of a value, for errors.
fn kind_of(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) | DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "a truth value",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "an array",
        DeValue::Table(_) => "a table",
    }
}
