//! The kinds of nodes that are built in. Each is a type that says its name, its fields and how it is made; adding one
//! means adding it to its list below.

use schemars::{JsonSchema, Schema, schema_for};
use serde::de::DeserializeOwned;

use crate::error::Error;
use crate::file::table::Table;
use crate::node::{Context, Sink, Source, Step};

mod aggregate_step;
mod asking;
#[cfg(test)]
mod bench;
mod cast_step;
mod chunk_step;
mod classify_step;
mod columns;
mod csv_sink;
mod csv_source;
mod database;
mod dedupe_step;
mod documents_source;
mod embed_step;
#[cfg(test)]
mod ends;
mod expression;
mod files_sink;
mod filter_step;
mod frames;
mod generate_step;
mod globs;
mod growing;
mod html_source;
mod http;
#[cfg(test)]
mod http_ends;
mod http_sink;
mod http_source;
pub(crate) mod index;
mod index_sink;
mod join_step;
pub(crate) mod jsonl_sink;
mod jsonl_source;
mod limit_step;
mod lines;
mod map_step;
mod markdown_source;
mod order;
mod parquet_sink;
mod parquet_source;
mod plugin_step;
mod rename_step;
mod rest;
mod sample_step;
mod seen;
mod select_step;
mod sort_step;
mod sqlite_sink;
mod sqlite_source;
mod stdin_source;
mod tail;
mod text_source;
mod validate_step;
mod window_step;

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
pub(crate) const SOURCES: &[Entry<dyn Source>] = &[
    Entry::source::<jsonl_source::Jsonl>(),
    Entry::source::<csv_source::Csv>(),
    Entry::source::<parquet_source::Parquet>(),
    Entry::source::<documents_source::Documents<text_source::Text>>(),
    Entry::source::<documents_source::Documents<markdown_source::Markdown>>(),
    Entry::source::<documents_source::Documents<html_source::Html>>(),
    Entry::source::<sqlite_source::Sqlite>(),
    Entry::source::<stdin_source::Stdin>(),
    Entry::source::<http_source::Http>(),
];

/// The steps.
pub(crate) const STEPS: &[Entry<dyn Step>] = &[
    Entry::step::<map_step::Map>(),
    Entry::step::<filter_step::Filter>(),
    Entry::step::<rename_step::Rename>(),
    Entry::step::<select_step::Select>(),
    Entry::step::<select_step::DropFields>(),
    Entry::step::<cast_step::Cast>(),
    Entry::step::<chunk_step::Chunk>(),
    Entry::step::<generate_step::Generate>(),
    Entry::step::<embed_step::Embed>(),
    Entry::step::<classify_step::Classify>(),
    Entry::step::<dedupe_step::Dedupe>(),
    Entry::step::<sort_step::Sort>(),
    Entry::step::<validate_step::Validate>(),
    Entry::step::<join_step::Join>(),
    Entry::step::<aggregate_step::Aggregate>(),
    Entry::step::<window_step::Window>(),
    Entry::step::<sample_step::Sample>(),
    Entry::step::<limit_step::Limit>(),
    Entry::step::<plugin_step::Plugin>(),
];

/// The sinks.
pub(crate) const SINKS: &[Entry<dyn Sink>] = &[
    Entry::sink::<jsonl_sink::Jsonl>(),
    Entry::sink::<csv_sink::Csv>(),
    Entry::sink::<parquet_sink::Parquet>(),
    Entry::sink::<files_sink::Files>(),
    Entry::sink::<sqlite_sink::Sqlite>(),
    Entry::sink::<index_sink::Index>(),
    Entry::sink::<http_sink::Http>(),
];

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
