//! Records of a document on the web.
//!
//! A document is fetched as a whole into a file of this node, and read from there: how slowly the records are worked on,
//! and what becomes of the connection, then is nobody's concern, and a run that goes on has the very document that it
//! began with. Only if that file is gone it is fetched again, and then has to be the same.

use std::cell::Cell;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use toml::Spanned;

use super::Kind;
use super::csv_source::{self, Csv};
use super::http::{self, Door, Failure, Headers};
use super::jsonl_source::Jsonl;
use crate::disk::{Append, with_ending};
use crate::error::Error;
use crate::file::settings::Span;
use crate::host::Reply;
use crate::node::{Context, Progress, Pull, Room, Source};

/// How often a document may have moved.
const MOVES: usize = 5;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// The address, such as `https://api.example.com/v1/items`. The user grants the plugin `pipeline` its site.
    #[schemars(with = "String")]
    url: Spanned<String>,
    /// Headers of the requests: texts, or secrets as in `{ authorization = { secret = "NAME", before = "Bearer " } }`.
    #[serde(default)]
    #[schemars(with = "std::collections::BTreeMap<String, http::Header>")]
    headers: Headers,
    /// What comes: `jsonl` (a record each line), `json` (an array of records, or one), `csv`, or `text` (one record with
    /// `url` and `text`). Unless given: what the server or the end of the address says.
    format: Option<Format>,
    /// Where the records are in `json`, such as `/data/items`; unless given, it is all of it.
    #[schemars(with = "Option<String>")]
    records: Option<Spanned<String>>,
    /// What leads to the next page, if there are several: `link` (the header of that name), or where its address is in
    /// `json`, such as `/paging/next`.
    #[schemars(with = "Option<String>")]
    next: Option<Spanned<String>>,
    /// What is between two values of `csv`.
    #[serde(default = "csv_source::comma")]
    #[schemars(with = "String")]
    delimiter: Spanned<String>,
    /// The largest document, in bytes; of `json` several times as much memory is used.
    #[serde(default = "largest")]
    max_size: u64,
    /// How long the server may take to begin its answer, and between two pieces of it, if not as long as the host says.
    timeout: Option<Span>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Format {
    Jsonl,
    Json,
    Csv,
    Text,
}

fn largest() -> u64 {
    16 << 20
}

pub(crate) struct Http {
    door: Door,
    format: Option<Format>,
    records: Option<String>,
    next: Option<String>,
    delimiter: u8,
    max_size: u64,
    context: Context,
    open: Option<(Page, Box<dyn Source>)>,
    /// Pages before this one are of no use any more, since a checkpoint is behind them.
    passed: Cell<u64>,
    removed: u64,
    /// Bytes of the pages before.
    bytes: u64,
    over: bool,
}

/// A document that has been fetched.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Page {
    number: u64,
    url: String,
    /// What the server calls this state of it.
    state: State,
    /// The address of the page behind it.
    next: Option<String>,
    csv: bool,
}

/// What tells one state of a document from another, as far as a server says it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct State {
    etag: Option<String>,
    modified: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct Place {
    page: Page,
    inner: Value,
}

impl Kind for Http {
    const NAME: &'static str = "http";
    const ABOUT: &'static str = "records of a document on the web, whose site the user grants to `pipeline`";
    type Config = Config;

    fn open(config: Config, context: &Context) -> Result<Self, Error> {
        for (pointer, or) in [(&config.records, None), (&config.next, Some("link"))] {
            let Some(pointer) = pointer else { continue };
            let text = pointer.get_ref().as_str();
            if Some(text) != or && !text.starts_with('/') {
                let or = or.map_or_else(String::new, |word| format!(" or \"{word}\""));
                return Err(Error::new(format!("{text:?} is no place in a document"))
                    .hint(format!("write such as \"/data/items\"{or}"))
                    .at(pointer.span()));
            }
            if Some(text) != or && config.format.is_some_and(|format| format != Format::Json) {
                return Err(Error::new("only `json` has places in it")
                    .hint("leave this out, or set `format = \"json\"`")
                    .at(pointer.span()));
            }
        }
        Ok(Self {
            door: Door::open(context, config.url, config.headers, &[], config.timeout)?,
            format: config.format,
            records: config.records.map(Spanned::into_inner),
            next: config.next.map(Spanned::into_inner),
            delimiter: csv_source::delimiter(&config.delimiter)?,
            max_size: config.max_size,
            context: context.clone(),
            open: None,
            passed: Cell::new(0),
            removed: 0,
            bytes: 0,
            over: false,
        })
    }
}

impl Http {
    fn file(&self, number: u64) -> PathBuf {
        self.context.state.join(format!("page-{number}"))
    }

    /// The next page; false if there is none.
    fn turn(&mut self) -> Result<bool, Error> {
        let (number, url) = match &self.open {
            None => (0, self.door.url().to_owned()),
            Some((Page { number, url, next: Some(next), .. }, inner)) if next != url => {
                self.bytes += inner.progress().done;
                (number + 1, next.clone())
            }
            Some((Page { url, next: Some(_), .. }, _)) => {
                return Err(Error::new(format!("the page behind {url} is that page itself")));
            }
            Some(_) => return Ok(false),
        };
        self.tidy()?;
        let page = self.fetch(number, &url)?;
        let mut inner = self.reader(&page)?;
        inner.start(None)?;
        self.open = Some((page, inner));
        Ok(true)
    }

    fn tidy(&mut self) -> Result<(), Error> {
        for number in self.removed..self.passed.get() {
            let file = self.file(number);
            self.context.disk.remove(&file).map_err(|error| Error::file("remove", &file, &error))?;
        }
        self.removed = self.removed.max(self.passed.get());
        Ok(())
    }

    fn reader(&self, page: &Page) -> Result<Box<dyn Source>, Error> {
        let (file, name) = (self.file(page.number), page.url.clone());
        Ok(match page.csv {
            true => Box::new(Csv::over(file, name, self.delimiter)?),
            false => Box::new(Jsonl::over(file, name)?),
        })
    }

    /// Has a page in its file.
    fn fetch(&self, number: u64, url: &str) -> Result<Page, Error> {
        let (file, partial) = (self.file(number), with_ending(&self.file(number), "partial"));
        let failed = |error| Error::file("write", &partial, &error);
        self.context.disk.create_folder(&self.context.state).map_err(failed)?;
        let page = self.door.patiently(|| self.attempt(number, url, &partial))?;
        self.context.disk.rename(&partial, &file).map_err(failed)?;
        Ok(page)
    }

    fn attempt(&self, number: u64, url: &str, into: &Path) -> Result<Page, Failure> {
        let (mut reply, at) = self.follow(url)?;
        let header = |name: &str| reply.header(name).map(str::to_owned);
        let state = State { etag: header("etag"), modified: header("last-modified") };
        let format = match self.format {
            Some(format) => format,
            None => told(reply.header("content-type"), url).map_err(Failure::Stop)?,
        };
        let mut next = match self.next.as_deref() {
            Some("link") => {
                reply.header("link").and_then(|header| http::link(header, "next")).map(str::to_owned)
            }
            _ => None,
        };
        let disk = self.context.disk.append(into, 0);
        let mut file = disk.map_err(|error| Failure::Stop(Error::file("write", into, &error)))?;
        let places = self.records.is_some() || self.next.as_deref().is_some_and(|next| next != "link");
        if places && format != Format::Json {
            let what = Error::new(format!("{url} is no JSON, and only that has places in it"))
                .hint("set `format = \"json\"` if it is, or leave `records` and `next` out");
            return Err(Failure::Stop(what));
        }
        match format {
            Format::Jsonl | Format::Csv => {
                self.copy(reply.as_mut(), url, |chunk| write(file.as_mut(), into, chunk))?
            }
            Format::Json | Format::Text => {
                let mut all = Vec::new();
                self.copy(reply.as_mut(), url, |chunk| {
                    all.extend_from_slice(chunk);
                    Ok(())
                })?;
                let lines = match format {
                    Format::Json => self.pick(url, &all, &mut next),
                    _ => Ok(line(&json!({ "url": url, "text": String::from_utf8_lossy(&all) }))),
                };
                write(file.as_mut(), into, lines.map_err(Failure::Stop)?.as_bytes())
                    .map_err(Failure::Stop)?;
            }
        }
        file.sync().map_err(|error| Failure::Stop(Error::file("write", into, &error)))?;
        let next = next.map(|next| http::resolve(&at, &next)).transpose().map_err(Failure::Stop)?;
        Ok(Page { number, url: url.to_owned(), state, next, csv: format == Format::Csv })
    }

    /// Asks for a document, and goes where it has moved; says where that is. Each step has to be granted.
    fn follow(&self, url: &str) -> Result<(Box<dyn Reply>, String), Failure> {
        let mut at = url.to_owned();
        for _ in 0..=MOVES {
            let reply = self.door.get(&at)?;
            at = match (reply.status(), reply.header("location")) {
                (200..=299, _) => return Ok((reply, at)),
                (301 | 302 | 303 | 307 | 308, Some(to)) => http::resolve(&at, to).map_err(Failure::Stop)?,
                (status, _) => {
                    return Err(Failure::Stop(Error::new(format!("{at} answers with status {status}"))));
                }
            };
        }
        Err(Failure::Stop(Error::new(format!(
            "{url} has moved more than {MOVES} times; the last was to {at}"
        ))))
    }

    fn copy(
        &self,
        reply: &mut dyn Reply,
        url: &str,
        mut to: impl FnMut(&[u8]) -> Result<(), Error>,
    ) -> Result<(), Failure> {
        let mut size = 0;
        while let Some(chunk) = reply.chunk().map_err(|error| http::broken(error, url))? {
            size += chunk.len() as u64;
            if size > self.max_size {
                let what = Error::new(format!("{url} is larger than {} bytes", self.max_size))
                    .hint("raise `max_size`, or take it in pages with `next`");
                return Err(Failure::Stop(what));
            }
            to(&chunk).map_err(Failure::Stop)?;
        }
        Ok(())
    }

    /// The records of a JSON document, a line each, and what leads on.
    fn pick(&self, url: &str, text: &[u8], next: &mut Option<String>) -> Result<String, Error> {
        let mut document: Value =
            serde_json::from_slice(text).map_err(|error| Error::new(format!("{url} is no JSON: {error}")))?;
        if let Some(pointer) = self.next.as_deref().filter(|next| *next != "link") {
            *next = match document.pointer(pointer) {
                None | Some(Value::Null) => None,
                Some(Value::String(address)) if address.is_empty() => None,
                Some(Value::String(address)) => Some(address.clone()),
                Some(_) => return Err(Error::new(format!("in {url}, `{pointer}` is no address"))),
            };
        }
        let records = match &self.records {
            None => document,
            Some(pointer) => document
                .pointer_mut(pointer)
                .map(Value::take)
                .ok_or_else(|| Error::new(format!("{url} has nothing at `{pointer}`")))?,
        };
        Ok(match records {
            Value::Array(records) => records.iter().map(line).collect(),
            one => line(&one),
        })
    }

    fn changed(&self, url: &str) -> Error {
        Error::new(format!("{url} is not the document that it was when the run stopped"))
            .hint("begin again with `--fresh`")
    }
}

impl Source for Http {
    fn start(&mut self, position: Option<&Value>) -> Result<(), Error> {
        let Some(position) = position.filter(|position| !position.is_null()) else { return Ok(()) };
        let Place { page, inner: place } = Place::deserialize(position).map_err(|error| {
            Error::new(format!("the place in {} is unreadable: {error}", self.door.url()))
        })?;
        self.removed = page.number;
        if !self.file(page.number).exists() {
            let again = self.fetch(page.number, &page.url)?;
            if again.state != page.state {
                return Err(self.changed(&page.url));
            }
        }
        let mut inner = self.reader(&page)?;
        inner.start(Some(&place)).map_err(|_| self.changed(&page.url))?;
        self.open = Some((page, inner));
        Ok(())
    }

    fn pull(&mut self, room: Room) -> Result<Pull, Error> {
        while !self.over {
            if let Some((_, inner)) = &mut self.open
                && let Pull::Batch(batch) = inner.pull(room)?
            {
                return Ok(Pull::Batch(batch));
            }
            self.over = !self.turn()?;
        }
        Ok(Pull::End)
    }

    fn position(&self) -> Value {
        let Some((page, inner)) = &self.open else { return Value::Null };
        self.passed.set(page.number);
        json!(Place { page: page.clone(), inner: inner.position() })
    }

    fn progress(&self) -> Progress {
        let Some((page, inner)) = &self.open else { return Progress::default() };
        let Progress { done, total } = inner.progress();
        let total = total.filter(|_| page.next.is_none()).map(|total| total + self.bytes);
        Progress { done: done + self.bytes, total }
    }
}

/// What a document is, as the server or the end of its address says.
fn told(header: Option<&str>, url: &str) -> Result<Format, Error> {
    let kind =
        header.and_then(|header| header.split(';').next()).unwrap_or_default().trim().to_ascii_lowercase();
    let path = url.split(['?', '#']).next().unwrap_or_default();
    let ending = path.rsplit('/').next().and_then(|name| name.rsplit_once('.')).map(|(_, ending)| ending);
    match (kind.as_str(), ending) {
        (
            "application/x-ndjson" | "application/ndjson" | "application/jsonl" | "application/jsonlines",
            _,
        )
        | ("application/x-jsonlines" | "application/json-lines", _)
        | ("" | "application/octet-stream" | "text/plain" | "application/json", Some("jsonl" | "ndjson")) => {
            Ok(Format::Jsonl)
        }
        ("application/json", _) | ("" | "application/octet-stream" | "text/plain", Some("json")) => {
            Ok(Format::Json)
        }
        ("text/csv", _) | ("" | "application/octet-stream" | "text/plain", Some("csv")) => Ok(Format::Csv),
        (kind, _) if kind.ends_with("+json") => Ok(Format::Json),
        (kind, _) if kind.starts_with("text/") => Ok(Format::Text),
        (kind, _) => {
            let what = if kind.is_empty() { "nothing".to_owned() } else { format!("{kind:?}") };
            Err(Error::new(format!("the server says {what} about what {url} is"))
                .hint("say it yourself: `format = \"jsonl\"`, \"json\", \"csv\" or \"text\""))
        }
    }
}

fn line(value: &Value) -> String {
    format!("{value}\n")
}

fn write(file: &mut dyn Append, path: &Path, bytes: &[u8]) -> Result<(), Error> {
    file.write_all(bytes).map_err(|error| Error::file("write", path, &error))
}
