//! What one call of a plugin may use.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind};
use crate::units::{Size, Span};

/// What one call may use. The host's configuration sets the caps; a manifest may lower them for its plugin.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Linear memory, all memories of the instance together.
    pub memory: Size,
    /// Time in which the plugin's code, or the host on its behalf, computes. Waiting does not count.
    pub compute: Span,
    /// Time from the call to the end of its answer, waits included.
    pub wall: Span,
    /// Calls from the plugin into the host.
    pub host_calls: u64,
    /// Data that one host call may hand over, and that requests being built may hold together.
    pub host_call_data: Size,
    /// Elements of all tables of the instance together.
    pub table_elements: u64,
    /// Core modules that the component may instantiate.
    pub instances: u64,
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
            instances: 64,
            concurrent_calls: 64,
        }
    }
}

impl Limits {
    /// The defaults of the command role: a person waits for it and can stop it.
    pub fn for_commands() -> Self {
        Self {
            compute: Span::seconds(3_600),
            wall: Span::seconds(24 * 3_600),
            host_calls: 1_000_000_000,
            ..Self::default()
        }
    }
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
    /// See [`Limits::instances`].
    pub instances: Option<u64>,
    /// See [`Limits::concurrent_calls`].
    pub concurrent_calls: Option<u64>,
}

impl Lowered {
    /// The limits that hold: the host's caps, lowered by the manifest. A value above its cap is an error.
    pub(crate) fn under(&self, caps: &Limits, plugin: &str) -> Result<Limits, Error> {
        let rule = Rule { plugin };
        Ok(Limits {
            memory: rule.lower(Limit::Memory, self.memory, caps.memory, Size(0))?,
            compute: rule.lower(Limit::Compute, self.compute, caps.compute, Span::seconds(0))?,
            wall: rule.lower(Limit::Wall, self.wall, caps.wall, Span::seconds(0))?,
            host_calls: rule.lower(Limit::HostCalls, self.host_calls, caps.host_calls, 0)?,
            host_call_data: rule.lower(
                Limit::HostCallData,
                self.host_call_data,
                caps.host_call_data,
                Size(0),
            )?,
            table_elements: rule.lower(Limit::TableElements, self.table_elements, caps.table_elements, 0)?,
            instances: rule.lower(Limit::Instances, self.instances, caps.instances, 0)?,
            concurrent_calls: rule.lower(
                Limit::ConcurrentCalls,
                self.concurrent_calls,
                caps.concurrent_calls,
                0,
            )?,
        })
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
    /// [`Limits::instances`]
    Instances,
    /// [`Limits::concurrent_calls`]
    ConcurrentCalls,
}

impl Limit {
    /// Its key in `[limits]`.
    pub fn key(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Compute => "compute",
            Self::Wall => "wall",
            Self::HostCalls => "host_calls",
            Self::HostCallData => "host_call_data",
            Self::TableElements => "table_elements",
            Self::Instances => "instances",
            Self::ConcurrentCalls => "concurrent_calls",
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
            Self::Instances => format!("has more core modules than its limit of {}", limits.instances),
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
}
