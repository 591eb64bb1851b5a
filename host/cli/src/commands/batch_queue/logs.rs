//! `inferno batch-queue logs`.

use std::fs::File;
use std::io::{self, Read};

use inferno_store::{Job, Store};

use super::LOOK;
use crate::args::jobs::Logs;
use crate::failure::{Failure, Outcome};
use crate::jobs;
use crate::printer::Printer;
use crate::settings::Settings;

/// How much is read at a time.
const PIECE: usize = 64 << 10;

pub(super) fn logs(settings: &Settings, store: &Store, asked: &Logs, printer: Printer) -> Outcome {
    let job = store.job(&asked.id)?;
    if asked.follow {
        return follow(settings, store, job, printer);
    }
    let run = asked.run.unwrap_or(job.runs);
    if run == 0 {
        printer.note(format_args!("{} has not begun yet; it is {}", job.id, job.state));
        return Ok(0);
    }
    let mut log = Following::of(settings, &job, run)?.ok_or_else(|| {
        Failure::new(format!("nothing is kept of run {run} of {}", job.id))
            .hint(format!("`inferno batch-queue show {}` lists its runs", job.id))
    })?;
    log.print(printer)?;
    Ok(0)
}

/// Prints what the job prints until it has ended: of its last run that there is, and of those that follow.
fn follow(settings: &Settings, store: &Store, mut job: Job, printer: Printer) -> Outcome {
    let mut run = job.runs.max(1);
    let mut log = None;
    loop {
        // What is there when the job was looked at is printed before the next look.
        if log.is_none() {
            log = Following::of(settings, &job, run)?;
        }
        if let Some(log) = &mut log {
            log.print(printer)?;
        }
        if run < job.runs {
            (run, log) = (run + 1, None);
            continue;
        }
        if job.state.has_ended() {
            printer.note(format_args!("{} is {}", job.id, job.state));
            return Ok(0);
        }
        std::thread::sleep(LOOK);
        job = store.job(&job.id)?;
    }
}

/// A file of which more may come.
struct Following {
    file: File,
    /// The beginning of a character whose end has not come yet.
    rest: Vec<u8>,
}

impl Following {
    fn of(settings: &Settings, job: &Job, run: u32) -> Result<Option<Self>, Failure> {
        let path = jobs::file(&settings.data_dir, &job.id, run);
        match File::open(&path) {
            Ok(file) => Ok(Some(Self { file, rest: Vec::new() })),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Failure::new(format!("cannot read {}: {error}", path.display()))),
        }
    }

    /// Prints what has come.
    fn print(&mut self, printer: Printer) -> Result<(), Failure> {
        let mut piece = vec![0; PIECE];
        loop {
            let read = self
                .file
                .read(&mut piece)
                .map_err(|error| Failure::new(format!("cannot read what the job printed: {error}")))?;
            if read == 0 {
                return Ok(());
            }
            self.rest.extend_from_slice(&piece[..read]);
            let whole = whole_characters(&self.rest);
            printer.text(&String::from_utf8_lossy(&self.rest[..whole]))?;
            self.rest.drain(..whole);
        }
    }
}

/// How many bytes there are before a character that is not whole.
fn whole_characters(bytes: &[u8]) -> usize {
    let last = bytes.utf8_chunks().last();
    match last.map(|chunk| chunk.invalid()) {
        // More than three bytes never wait for another one.
        Some(cut) if !cut.is_empty() && cut.len() < 4 && is_beginning(cut) => bytes.len() - cut.len(),
        _ => bytes.len(),
    }
}

fn is_beginning(cut: &[u8]) -> bool {
    std::str::from_utf8(cut).is_err_and(|error| error.error_len().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_are_not_cut() {
        let text = "aé€🔥".as_bytes();
        for (cut, whole) in [(1, 1), (2, 1), (3, 3), (4, 3), (5, 3), (6, 6), (9, 6), (10, 10)] {
            assert_eq!(whole_characters(&text[..cut]), whole, "of {cut}");
        }
        assert_eq!(whole_characters(b"a\xff"), 2, "what is no character never becomes one");
        assert_eq!(whole_characters(b""), 0);
    }
}
