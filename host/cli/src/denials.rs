//! What plugins were refused, kept for `inferno plugin explain`: a bounded file with one JSON object a line.

use std::collections::HashMap;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

/// What the sandbox says it under.
pub(crate) const TARGET: &str = "inferno::denied";

/// When the file is longer, its older half goes.
const MAX_FILE: u64 = 512 << 10;
/// A plugin that tries the same thing over and over is written down once in this time.
const AGAIN: Duration = Duration::from_secs(10);
/// How many different refusals are told apart for that.
const MAX_RECENT: usize = 256;

/// A refusal.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Denial {
    /// Seconds since 1970.
    pub(crate) at: u64,
    pub(crate) plugin: String,
    pub(crate) tenant: String,
    pub(crate) request_id: String,
    /// Which call, which rule.
    pub(crate) message: String,
    /// The lines that would allow it.
    pub(crate) hint: String,
}

/// Writes down what the sandbox says about refusals.
pub(crate) struct Recorder {
    file: PathBuf,
    recent: Mutex<HashMap<(String, String, String), Instant>>,
}

impl Recorder {
    pub(crate) fn new(data_dir: &Path) -> Self {
        Self { file: file(data_dir), recent: Mutex::default() }
    }

    fn is_new(&self, denial: &Denial) -> bool {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        recent.retain(|_, at| at.elapsed() < AGAIN);
        let key = (denial.plugin.clone(), denial.tenant.clone(), denial.message.clone());
        recent.len() < MAX_RECENT && recent.insert(key, Instant::now()).is_none()
    }
}

impl<S: Subscriber> Layer<S> for Recorder {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut denial = Denial {
            at: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()),
            ..Denial::default()
        };
        event.record(&mut denial);
        if self.is_new(&denial) {
            // A call is refused whether or not there is room to note it.
            let _ = append(&self.file, &denial);
        }
    }
}

impl Visit for Denial {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "plugin" => value.clone_into(&mut self.plugin),
            "tenant" => value.clone_into(&mut self.tenant),
            "request_id" => value.clone_into(&mut self.request_id),
            "hint" => value.clone_into(&mut self.hint),
            "message" => value.clone_into(&mut self.message),
            _ => {}
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.record_str(field, &format!("{value:?}"));
    }
}

fn file(data_dir: &Path) -> PathBuf {
    data_dir.join("denials.jsonl")
}

fn append(path: &Path, denial: &Denial) -> io::Result<()> {
    let mut line = serde_json::to_string(denial)?;
    line.push('\n');
    if fs::metadata(path).is_ok_and(|about| about.len() > MAX_FILE) {
        shorten(path)?;
    }
    // One write of one line: several processes may do so at once.
    File::options().create(true).append(true).open(path)?.write_all(line.as_bytes())
}

fn shorten(path: &Path) -> io::Result<()> {
    let text = fs::read_to_string(path)?;
    let middle = text.floor_char_boundary(text.len() / 2);
    let rest = text[middle..].split_once('\n').map_or("", |(_, rest)| rest);
    let fresh = path.with_extension(format!("{}.part", std::process::id()));
    fs::write(&fresh, rest)?;
    fs::rename(&fresh, path)
}

/// Those of one plugin, or of all; the newest first.
pub(crate) fn read(data_dir: &Path, plugin: Option<&str>) -> io::Result<Vec<Denial>> {
    let text = match fs::read_to_string(file(data_dir)) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(error),
    };
    // A line that was cut off, such as by a full disk, is no reason not to show the others.
    let denials = text.lines().rev().filter_map(|line| serde_json::from_str::<Denial>(line).ok());
    Ok(denials.filter(|denial| plugin.is_none_or(|name| denial.plugin == name)).collect())
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::prelude::*;

    use super::*;

    #[test]
    fn refusals_are_kept_once_and_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let recorder = tracing_subscriber::registry().with(Recorder::new(folder.path()));
        tracing::subscriber::with_default(recorder, || {
            for plugin in ["a", "b", "a"] {
                let (tenant, request_id, hint) = ("local", "r", "kv = true");
                tracing::info!(target: "inferno::denied", plugin, tenant, request_id, hint, "{plugin} called kv.get");
            }
        });
        let denials = read(folder.path(), None).unwrap();
        let shown: Vec<_> = denials.iter().map(|denial| denial.message.as_str()).collect();
        assert_eq!(shown, ["b called kv.get", "a called kv.get"]);
        assert_eq!((denials[0].tenant.as_str(), denials[0].hint.as_str()), ("local", "kv = true"));
        assert_eq!(read(folder.path(), Some("a")).unwrap().len(), 1);
    }

    #[test]
    fn the_file_stays_short_and_keeps_the_newest() {
        let folder = tempfile::tempdir().unwrap();
        let denial = |at| Denial { at, hint: "x".repeat(1000), ..Denial::default() };
        for at in 0..2000 {
            append(&file(folder.path()), &denial(at)).unwrap();
        }
        assert!(fs::metadata(file(folder.path())).unwrap().len() <= MAX_FILE + 2000);
        let denials = read(folder.path(), None).unwrap();
        assert_eq!(denials[0].at, 1999);
        assert!(denials.windows(2).all(|pair| pair[0].at == pair[1].at + 1));
    }
}
