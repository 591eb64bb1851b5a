//! What one call of a plugin may use.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind};
use crate::units::{Size, Span};

/// A number that nothing reaches: what is limited to it is not limited. Shown as `none`.
const NONE: u64 = u64::MAX;

/// What one call may use. The host's configuration sets the caps; a manifest may lower them for its plugin.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Linear memory, all memories of the instance together.
    pub memory: Size,
    /// Time in which the plugin's code, or the host on its behalf, computes. Waiting does not count.
    pub compute: Span,
    /// Time from the call to the end of its answer, waits included; of a WebSocket, time without a message.
    pub wall: Span,
    /// Calls from the plugin into the host.
    pub host_calls: u64,
    /// Data that one host call may hand over, and that requests being built may hold together.
    pub host_call_data: Size,
    /// Elements of all tables of the instance together.
    pub table_elements: u64,
    /// Tables of the instance.
    pub tables: u64,
    /// Core modules that the component may instantiate.
    pub instances: u64,
    /// What the plugin gives back: the body of an answer, the outcomes of a batch, what a command prints.
    pub bytes_returned: Size,
    /// Lines in the log, those that it prints included.
    pub log_lines: u64,
    /// Tokens that models write for the plugin. Those of a request under way count as written.
    pub model_tokens: u64,
    /// Calls of the plugin at the same time.
    pub concurrent_calls: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory: Size::mib(256),
            compute: Span::seconds(10),
            wall: Span::seconds(600),
            host_calls: 1_000_000,
            host_call_data: Size::mib(32),
            table_elements: 100_000,
            tables: 8,
            instances: 64,
            bytes_returned: Size::mib(256),
            log_lines: 10_000,
            model_tokens: 1_000_000,
            concurrent_calls: 512,
        }
    }
}

impl Limits {
    /// The defaults of the command role: a person waits for it and can stop it, and what it does may take days.
    pub fn for_commands() -> Self {
        Self {
            compute: Span::FOREVER,
            wall: Span::FOREVER,
            host_calls: NONE,
            bytes_returned: Size::mib(64 << 10),
            log_lines: 10_000_000,
            model_tokens: NONE,
            ..Self::default()
        }
    }

    /// Every limit, what it means and what it is unless configured: what the documentation shows.
    pub fn table() -> Vec<LimitRow> {
        let (calls, commands) = (Self::default(), Self::for_commands());
        let row = |limit: Limit| LimitRow {
            key: limit.key(),
            meaning: limit.meaning(),
            calls: limit.of(&calls),
            commands: limit.of(&commands),
        };
        Limit::ALL.into_iter().map(row).collect()
    }
}

/// A limit, for documentation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LimitRow {
    /// Its key in `[limits]`.
    pub key: &'static str,
    /// What it counts.
    pub meaning: &'static str,
    /// The host's default cap for a call.
    pub calls: String,
    /// The host's default cap for a command or a conversion.
    pub commands: String,
}

/// The `[limits]` table of a manifest.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Lowered {
    /// See [`Limits::memory`]; so too the others.
    pub memory: Option<Size>,
    /// See [`Limits::compute`].
    pub compute: Option<Span>,
    /// See [`Limits::wall`].
    pub wall: Option<Span>,
    /// See [`Limits::host_calls`].
    pub host_calls: Option<u64>,
    /// See [`Limits::host_call_data`].
    pub host_call_data: Option<Size>,
    /// See [`Limits::table_elements`].
    pub table_elements: Option<u64>,
    /// See [`Limits::tables`].
    pub tables: Option<u64>,
    /// See [`Limits::instances`].
    pub instances: Option<u64>,
    /// See [`Limits::bytes_returned`].
    pub bytes_returned: Option<Size>,
    /// See [`Limits::log_lines`].
    pub log_lines: Option<u64>,
    /// See [`Limits::model_tokens`].
    pub model_tokens: Option<u64>,
    /// See [`Limits::concurrent_calls`].
    pub concurrent_calls: Option<u64>,
}

impl Lowered {
    /// The limits that hold: the host's caps, lowered by the manifest. A value above its cap is an error.
    pub(crate) fn under(&self, caps: &Limits, plugin: &str) -> Result<Limits, Error> {
        let rule = Rule { plugin };
        // One line for each field, so that none can be forgotten: the structure would not be whole.
        macro_rules! lowered {
            ($($field:ident: $limit:ident > $zero:expr),* $(,)?) => {
                Ok(Limits { $($field: rule.lower(Limit::$limit, self.$field, caps.$field, $zero)?),* })
            };
        }
        lowered! {
            memory: Memory > Size(0),
            compute: Compute > Span::seconds(0),
            wall: Wall > Span::seconds(0),
            host_calls: HostCalls > 0,
            host_call_data: HostCallData > Size(0),
            table_elements: TableElements > 0,
            tables: Tables > 0,
            instances: Instances > 0,
            bytes_returned: BytesReturned > Size(0),
            log_lines: LogLines > 0,
            model_tokens: ModelTokens > 0,
            concurrent_calls: ConcurrentCalls > 0,
        }
    }
}

struct Rule<'a> {
    plugin: &'a str,
}

impl Rule<'_> {
    fn lower<T: PartialOrd + fmt::Display>(
        &self,
        limit: Limit,
        asked: Option<T>,
        cap: T,
        zero: T,
    ) -> Result<T, Error> {
        let key = limit.key();
        match asked {
            None => Ok(cap),
            Some(value) if value <= zero => Err(Error::new(
                ErrorKind::Manifest,
                format!("plugin \"{}\": limits.{key} is {value}, with which nothing could run", self.plugin),
            )),
            Some(value) if value <= cap => Ok(value),
            Some(value) => Err(Error::new(
                ErrorKind::Manifest,
                format!(
                    "plugin \"{}\": limits.{key} is {value}, but this host allows at most {cap}; a manifest may only lower it",
                    self.plugin
                ),
            )
            .with_hint(format!("lower {key} in [limits] of its plugin.toml, or raise the host's own cap"))),
        }
    }
}

/// The limits by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// [`Limits::memory`]
    Memory,
    /// [`Limits::compute`]
    Compute,
    /// [`Limits::wall`]
    Wall,
    /// [`Limits::host_calls`]
    HostCalls,
    /// [`Limits::host_call_data`]
    HostCallData,
    /// [`Limits::table_elements`]
    TableElements,
    /// [`Limits::tables`]
    Tables,
    /// [`Limits::instances`]
    Instances,
    /// [`Limits::bytes_returned`]
    BytesReturned,
    /// [`Limits::log_lines`]
    LogLines,
    /// [`Limits::model_tokens`]
    ModelTokens,
    /// [`Limits::concurrent_calls`]
    ConcurrentCalls,
}

impl Limit {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Self; 12] = [
        Self::Memory,
        Self::Compute,
        Self::Wall,
        Self::HostCalls,
        Self::HostCallData,
        Self::BytesReturned,
        Self::LogLines,
        Self::ModelTokens,
        Self::TableElements,
        Self::Tables,
        Self::Instances,
        Self::ConcurrentCalls,
    ];

    /// Its key in `[limits]`.
    pub fn key(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Compute => "compute",
            Self::Wall => "wall",
            Self::HostCalls => "host_calls",
            Self::HostCallData => "host_call_data",
            Self::TableElements => "table_elements",
            Self::Tables => "tables",
            Self::Instances => "instances",
            Self::BytesReturned => "bytes_returned",
            Self::LogLines => "log_lines",
            Self::ModelTokens => "model_tokens",
            Self::ConcurrentCalls => "concurrent_calls",
        }
    }

    /// What it counts, as one line for people.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Memory => "linear memory of the instance",
            Self::Compute => "time computing; waiting does not count",
            Self::Wall => {
                "time from the call to the end of its answer, waits included; of a WebSocket, time without a message"
            }
            Self::HostCalls => "calls into the host",
            Self::HostCallData => "data that one call into the host hands over",
            Self::TableElements => "elements of all tables",
            Self::Tables => "tables",
            Self::Instances => "core modules in the component",
            Self::BytesReturned => {
                "what the plugin gives back: an answer's body, outcomes, what a command prints"
            }
            Self::LogLines => "lines in the log, printed ones included",
            Self::ModelTokens => "tokens that models write for the plugin",
            Self::ConcurrentCalls => "calls of this plugin at the same time",
        }
    }

    fn of(self, limits: &Limits) -> String {
        match self {
            Self::Memory => limits.memory.to_string(),
            Self::Compute => limits.compute.to_string(),
            Self::Wall => limits.wall.to_string(),
            Self::HostCalls => count(limits.host_calls),
            Self::HostCallData => limits.host_call_data.to_string(),
            Self::TableElements => limits.table_elements.to_string(),
            Self::Tables => limits.tables.to_string(),
            Self::Instances => limits.instances.to_string(),
            Self::BytesReturned => limits.bytes_returned.to_string(),
            Self::LogLines => count(limits.log_lines),
            Self::ModelTokens => count(limits.model_tokens),
            Self::ConcurrentCalls => limits.concurrent_calls.to_string(),
        }
    }

    /// The error of a call that reached it.
    pub(crate) fn reached(self, plugin: &str, limits: &Limits) -> Error {
        let what = match self {
            Self::Memory => format!("needed more memory than its limit of {}", limits.memory),
            Self::Compute => format!("computed for longer than its limit of {}", limits.compute),
            Self::Wall => format!("took longer than its limit of {}", limits.wall),
            Self::HostCalls => {
                format!("called the host more often than its limit of {} times", limits.host_calls)
            }
            Self::HostCallData => {
                format!("handed the host more data than its limit of {}", limits.host_call_data)
            }
            Self::TableElements => {
                format!("needed more table elements than its limit of {}", limits.table_elements)
            }
            Self::Tables => format!("has more tables than its limit of {}", limits.tables),
            Self::Instances => format!("has more core modules than its limit of {}", limits.instances),
            Self::BytesReturned => {
                format!("gave back more than its limit of {}", limits.bytes_returned)
            }
            Self::LogLines => format!("wrote more lines to the log than its limit of {}", limits.log_lines),
            Self::ModelTokens => {
                format!("had models write more tokens than its limit of {}", limits.model_tokens)
            }
            Self::ConcurrentCalls => {
                format!("has as many calls at work as its limit of {}", limits.concurrent_calls)
            }
        };
        Error::new(ErrorKind::Limit(self), format!("plugin \"{plugin}\" {what}")).with_hint(format!(
            "the limit is `{}` in [limits] of its plugin.toml, and never above the host's own cap",
            self.key()
        ))
    }
}

fn count(limit: u64) -> String {
    if limit == NONE { "none".to_owned() } else { limit.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_lowers_and_never_raises() {
        let caps = Limits::default();
        let lowered =
            Lowered { memory: Some(Size::mib(16)), compute: Some(Span::seconds(1)), ..Lowered::default() };
        let limits = lowered.under(&caps, "x").unwrap();
        assert_eq!(limits, Limits { memory: Size::mib(16), compute: Span::seconds(1), ..caps.clone() });

        let raised = Lowered { memory: Some(Size::mib(512)), ..Lowered::default() };
        let error = raised.under(&caps, "x").unwrap_err();
        assert_eq!(
            error.to_string(),
            "plugin \"x\": limits.memory is 512MiB, but this host allows at most 256MiB; a manifest may only lower it"
        );
        assert!(error.hint().unwrap().contains("lower memory in [limits]"));

        let nothing = Lowered { host_calls: Some(0), ..Lowered::default() };
        let error = nothing.under(&caps, "x").unwrap_err();
        assert_eq!(error.to_string(), "plugin \"x\": limits.host_calls is 0, with which nothing could run");
    }

    #[test]
    fn the_table_has_every_key_once() {
        let table = Limits::table();
        let fields = serde_json::to_value(Limits::default()).unwrap();
        let fields = fields.as_object().unwrap();
        assert_eq!(table.len(), fields.len());
        for row in &table {
            let default = &fields[row.key];
            assert_eq!(default.as_str().map_or_else(|| default.to_string(), str::to_owned), row.calls);
        }
    }

    #[test]
    fn the_documentation_shows_the_table() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/src/plugins.md");
        let text = std::fs::read_to_string(file).unwrap();
        for LimitRow { key, meaning, calls, commands } in Limits::table() {
            let line = format!("| `{key}` | {meaning} | {calls} | {commands} |");
            assert!(text.lines().any(|found| found == line), "docs/src/plugins.md lacks\n{line}");
        }
    }
}
