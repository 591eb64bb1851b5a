//! Records to a server.
//!
//! Each request has a key that stays the same when it is sent again, be it at once or by a run that goes on: of the run,
//! the number of the request, and the records in it. A server that keeps to `Idempotency-Key` so takes each once.

use std::hash::{BuildHasher as _, RandomState};
use std::num::NonZero;
use std::rc::Rc;
use std::time::Instant;

use schemars::JsonSchema;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use toml::Spanned;

use super::Kind;
use super::http::{self, Door, Failure, Headers};
use crate::error::Error;
use crate::file::settings::Span;
use crate::host::Host;
use crate::node::{Context, Refused, Sink};
use crate::record::Record;

/// The header of the key.
const KEY: &str = "idempotency-key";

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// Where they are posted. The user grants the plugin `pipeline` its site.
    #[schemars(with = "String")]
    url: Spanned<String>,
    /// Headers of the requests: texts, or secrets as in `{ authorization = { secret = "NAME", before = "Bearer " } }`.
    #[serde(default)]
    #[schemars(with = "std::collections::BTreeMap<String, http::Header>")]
    headers: Headers,
    /// What a request has in it: `jsonl` (a record each line), `json` (an array of records) or `each` (one record).
    #[serde(default)]
    format: Format,
    /// The most records of a request; unless given, those that go on together.
    most: Option<NonZero<usize>>,
    /// How long the server may take to answer, if not as long as the host says.
    timeout: Option<Span>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Format {
    #[default]
    Jsonl,
    Json,
    Each,
}

impl Format {
    fn media_type(self) -> &'static str {
        match self {
            Self::Jsonl => "application/x-ndjson",
            Self::Json | Self::Each => "application/json",
        }
    }

    fn body(self, records: &[(usize, &Record)]) -> Vec<u8> {
        let lines = records.iter().map(|(_, record)| match self {
            // Line breaks between the parts of a value say nothing.
            Self::Jsonl => record.text().replace(['\n', '\r'], " "),
            Self::Json | Self::Each => record.text().into_owned(),
        });
        let lines: Vec<_> = lines.collect();
        match self {
            Self::Jsonl => {
                lines.iter().flat_map(|line| [line.as_bytes(), b"\n"]).flatten().copied().collect()
            }
            Self::Json => format!("[{}]", lines.join(",")).into_bytes(),
            Self::Each => lines.concat().into_bytes(),
        }
    }
}

pub(crate) struct Http {
    door: Door,
    format: Format,
    most: usize,
    node: String,
    host: Rc<dyn Host>,
    mark: Mark,
    /// The server does not want to be asked before.
    not_before: Option<Instant>,
}

/// How far it is.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Mark {
    /// What no other run has.
    run: String,
    /// How many requests were answered for good.
    requests: u64,
}

impl Kind for Http {
    const NAME: &'static str = "http";
    const ABOUT: &'static str = "records to a server, many in one request; exactly once where it keeps to the header \
                                 Idempotency-Key, otherwise at least once";
    type Config = Config;

    fn open(config: Config, context: &Context) -> Result<Self, Error> {
        let most = match (config.format, config.most) {
            (Format::Each, _) => 1,
            (_, most) => most.map_or(usize::MAX, NonZero::get),
        };
        Ok(Self {
            door: Door::open(context, config.url, config.headers, &[KEY, "content-length"], config.timeout)?,
            format: config.format,
            most,
            node: context.node.clone(),
            host: context.host.clone(),
            mark: Mark::default(),
            not_before: None,
        })
    }
}

impl Http {
    fn key(&self, records: &[(usize, &Record)]) -> String {
        let mut hash = Sha256::new();
        for part in [&self.mark.run, &self.node, &self.mark.requests.to_string()] {
            hash.update(part);
            hash.update([0]);
        }
        for (_, record) in records {
            hash.update(&record.id);
            hash.update([0]);
        }
        hash.finalize()[..16].iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn post(&mut self, records: &[(usize, &Record)]) -> Result<(), Failure> {
        if let Some(until) = self.not_before.take() {
            self.host.sleep(until.saturating_duration_since(Instant::now()));
        }
        let key = self.key(records);
        let headers = [("content-type", self.format.media_type()), (KEY, key.as_str())];
        let mut reply = self.door.post(&headers, self.format.body(records))?;
        if let 300.. = reply.status() {
            let to = reply.header("location").map_or_else(String::new, |to| format!(" to {to}"));
            let what = format!("{} has moved{to}", self.door.url());
            return Err(Failure::Stop(Error::new(what).hint("write the new address as `url`")));
        }
        // Whoever reads an answer to its end may be sure that it was one. What it says is nobody's concern here.
        while reply.chunk().map_err(|error| http::broken(error, self.door.url()))?.is_some() {}
        Ok(())
    }
}

impl Sink for Http {
    fn start(&mut self, mark: Option<&Value>) -> Result<(), Error> {
        self.mark = match mark {
            Some(mark) => Mark::deserialize(mark)
                .map_err(|error| Error::new(format!("the mark of `{}` is unreadable: {error}", self.node)))?,
            None => {
                let (one, two) = (RandomState::new(), RandomState::new());
                let run = format!("{:016x}{:016x}", one.hash_one(&self.node), two.hash_one(&self.node));
                Mark { run, requests: 0 }
            }
        };
        Ok(())
    }

    fn write(&mut self, batch: &[Record]) -> Result<Vec<Refused>, Error> {
        let (mut refused, mut good) = (Vec::new(), Vec::with_capacity(batch.len()));
        for (index, record) in batch.iter().enumerate() {
            match record.is_checked() || serde_json::from_str::<IgnoredAny>(&record.text()).is_ok() {
                true => good.push((index, record)),
                false => refused.push(Refused { index, why: "it is no JSON".to_owned(), retry: false }),
            }
        }
        let mut rest = good.as_slice();
        while let Some((now, later)) =
            rest.split_at_checked(self.most.min(rest.len())).filter(|(now, _)| !now.is_empty())
        {
            match self.post(now) {
                Ok(()) => self.mark.requests += 1,
                Err(Failure::Refused(why)) => {
                    self.mark.requests += 1;
                    refused.extend(now.iter().map(|(index, _)| Refused {
                        index: *index,
                        why: why.clone(),
                        retry: false,
                    }));
                }
                Err(Failure::Later(why, after)) => {
                    self.not_before = after.map(|after| Instant::now() + self.door.bounded(after));
                    // In the same order again, so that the requests are the same.
                    refused.extend(rest.iter().map(|(index, _)| Refused {
                        index: *index,
                        why: why.clone(),
                        retry: true,
                    }));
                    break;
                }
                Err(Failure::Stop(error)) => return Err(error),
            }
            rest = later;
        }
        Ok(refused)
    }

    fn commit(&mut self) -> Result<Value, Error> {
        Ok(json!(self.mark))
    }
}
