//! The log, on standard error.

use std::path::Path;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt;
use tracing_subscriber::prelude::*;

use crate::denials::{self, Recorder};
use crate::printer::Printer;
use crate::settings::{LogFormat, LogLevel};
use crate::traces::Traces;
use crate::uses::{self, Uses};

/// What is kept of what plugins do, whatever the level of the log.
pub(crate) struct Keep<'a> {
    /// What they are refused is written down here.
    pub(crate) denials: &'a Path,
    /// What they use is noted here.
    pub(crate) uses: Option<Uses>,
    /// Requests are traced here.
    pub(crate) traces: &'a Traces,
}

/// Turns the log on; once per process.
pub(crate) fn start(level: LogLevel, format: LogFormat, keep: Option<Keep<'_>>, printer: Printer) {
    let level = match level {
        LogLevel::Off => LevelFilter::OFF,
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    };
    // Libraries speak up only when something is wrong, or when everything is asked for.
    let others = if level == LevelFilter::TRACE { level } else { level.min(LevelFilter::WARN) };
    let filter = Targets::new().with_default(others).with_target("inferno", level);
    let layer = fmt::layer().with_writer(std::io::stderr).with_ansi(printer.colours_log());
    let layer = match format {
        LogFormat::Pretty => layer.pretty().boxed(),
        LogFormat::Compact => layer.compact().boxed(),
        LogFormat::Json => layer.json().boxed(),
    };
    // A second call would be a fault of ours and changes nothing for the user: the first log stays.
    let (denials, uses, traces) = match keep {
        Some(Keep { denials, uses, traces }) => {
            let only = |target, level| Targets::new().with_target(target, level);
            let denials = Recorder::new(denials).with_filter(only(denials::TARGET, LevelFilter::INFO));
            let uses = uses.map(|uses| uses.with_filter(only(uses::TARGET, LevelFilter::TRACE)));
            (Some(denials), uses, traces.layer())
        }
        None => (None, None, None),
    };
    // Traces come first, since their layer is one of the bare registry.
    let _ = tracing_subscriber::registry()
        .with(traces)
        .with(layer.with_filter(filter))
        .with(denials)
        .with(uses)
        .try_init();
}
