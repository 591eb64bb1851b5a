//! The kinds of nodes that are built in. Each is a type that says its name, its fields and how it is made; adding one
//! means adding it to its list below.

use schemars::{JsonSchema, Schema, schema_for};
use serde::de::DeserializeOwned;

use crate::error::Error;
use crate::file::table::Table;
use crate::node::{Context, Sink, Source, Step};

pub(crate) mod jsonl_sink;
mod jsonl_source;
mod lines;
mod plugin_step;

/// A kind of node.
pub(crate) trait Kind: Sized + 'static {
    /// What `use` says.
    const NAME: &'static str;
    /// What it does, in one line.
    const ABOUT: &'static str;
    /// Its own fields; their documentation is what `inferno pipeline steps` shows. Fields of type
    /// [`toml::Spanned`] (with `#[schemars(with = "...")]`) know where they are in the file, for errors.
    type Config: DeserializeOwned + JsonSchema;

    /// Checks the configuration, without an effect.
    fn open(config: Self::Config, context: &Context) -> Result<Self, Error>;
}

/// The sources.
pub(crate) const SOURCES: &[Entry<dyn Source>] = &[Entry::source::<jsonl_source::Jsonl>()];

/// The steps.
pub(crate) const STEPS: &[Entry<dyn Step>] = &[Entry::step::<plugin_step::Plugin>()];

/// The sinks.
pub(crate) const SINKS: &[Entry<dyn Sink>] = &[Entry::sink::<jsonl_sink::Jsonl>()];

/// A kind in a list.
pub(crate) struct Entry<T: ?Sized> {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    pub(crate) schema: fn() -> Schema,
    /// Makes a node of its own fields in the pipeline file.
    pub(crate) open: fn(Table<'_>, &Context) -> Result<Box<T>, Error>,
}

impl Entry<dyn Source> {
    const fn source<K: Kind + Source>() -> Self {
        Self {
            name: K::NAME,
            about: K::ABOUT,
            schema: || schema_for!(K::Config),
            open: |table, context| Ok(Box::new(open::<K>(table, context, "source")?)),
        }
    }
}

impl Entry<dyn Step> {
    const fn step<K: Kind + Step>() -> Self {
        Self {
            name: K::NAME,
            about: K::ABOUT,
            schema: || schema_for!(K::Config),
            open: |table, context| Ok(Box::new(open::<K>(table, context, "step")?)),
        }
    }
}

impl Entry<dyn Sink> {
    const fn sink<K: Kind + Sink>() -> Self {
        Self {
            name: K::NAME,
            about: K::ABOUT,
            schema: || schema_for!(K::Config),
            open: |table, context| Ok(Box::new(open::<K>(table, context, "sink")?)),
        }
    }
}

fn open<K: Kind>(table: Table<'_>, context: &Context, part: &str) -> Result<K, Error> {
    let config = table.read(&format!("a field of the {part} `{}`", K::NAME))?;
    K::open(config, context)
}
