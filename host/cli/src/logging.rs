//! The log, on standard error.

use std::path::Path;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt;
use tracing_subscriber::prelude::*;

use crate::denials::{self, Recorder};
use crate::printer::Printer;
use crate::settings::{LogFormat, LogLevel};

/// Turns the log on; once per process. With a data directory, what plugins are refused is kept there, whatever the
/// level.
pub(crate) fn start(level: LogLevel, format: LogFormat, data_dir: Option<&Path>, printer: Printer) {
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
    let denials = data_dir.map(|folder| {
        let only = Targets::new().with_target(denials::TARGET, LevelFilter::INFO);
        Recorder::new(folder).with_filter(only)
    });
    let _ = tracing_subscriber::registry().with(layer.with_filter(filter)).with(denials).try_init();
}
