//! `inferno batch run`: the requests of a file, answered into another beside it.
//!
//! Until all are there, the answers are in a file whose name ends with `.partial`, so that what has the name of the
//! output is whole.

use std::io;
use std::path::{Path, PathBuf};

use inferno_sdk::command::Failure;
use serde_json::json;

use super::args::Run;
use super::progress::Meter;
use super::{default_model, print};
use crate::batches::{self, ENDPOINTS, Gateway, Results, Rules};
use crate::disk;

/// How many requests a file may have: what is kept of each stays in memory.
const MAX_REQUESTS: usize = 1_000_000;

/// A file that gets its name when it is whole.
#[derive(Debug)]
struct Target {
    whole: PathBuf,
    partial: PathBuf,
}

impl Target {
    fn new(whole: &Path) -> Self {
        let mut partial = whole.as_os_str().to_owned();
        partial.push(".partial");
        Self { whole: whole.to_owned(), partial: partial.into() }
    }

    /// Sees to it that what is there is gone on with, replaced or left alone.
    fn prepare(&self, resume: bool, force: bool) -> Result<(), Failure> {
        let failed = |path: &Path, error: io::Error| format!("{}: {error}", path.display());
        let there = |path: &Path| path.try_exists().map_err(|error| failed(path, error));
        let (whole, partial) = (there(&self.whole)?, there(&self.partial)?);
        if resume {
            // One that is whole may be of an input that was shorter.
            if whole && !partial {
                disk::rename(&self.whole, &self.partial).map_err(|error| failed(&self.whole, error))?;
            }
            return Ok(());
        }
        if whole && !force {
            let path = self.whole.display();
            return Err(
                format!("{path} is there already; --force replaces it, --resume adds what it lacks").into()
            );
        }
        if partial && !force {
            let path = self.partial.display();
            return Err(format!(
                "a run stopped before its end: {path}; --resume goes on with it, --force begins again"
            )
            .into());
        }
        disk::remove(&self.partial).map_err(|error| failed(&self.partial, error).into())
    }

    fn finish(&self) -> Result<(), Failure> {
        disk::rename(&self.partial, &self.whole)
            .map_err(|error| format!("cannot rename {} to its name: {error}", self.partial.display()).into())
    }
}

pub(super) async fn run(run: &Run) -> Result<(), Failure> {
    let rules = rules(run)?;
    let mut ids = match batches::check(&run.input, &rules) {
        Ok(Ok(ids)) => ids,
        Ok(Err(problems)) => {
            let lines: Vec<String> = problems
                .iter()
                .map(|problem| match problem.line {
                    Some(line) => format!("{}:{line}: {}", run.input.display(), problem.message),
                    None => format!("{}: {}", run.input.display(), problem.message),
                })
                .collect();
            return Err(lines.join("\n").into());
        }
        Err(error) => return Err(format!("{}: {error}", run.input.display()).into()),
    };
    let output = Target::new(&run.output);
    let errors = run.errors.as_deref().map(Target::new);
    check_names(run, &output, errors.as_ref())?;
    for target in [Some(&output), errors.as_ref()].into_iter().flatten() {
        target.prepare(run.resume, run.force)?;
    }
    let stopped = |error: io::Error| {
        let done = "what is answered is kept, and --resume goes on from there";
        Failure::from(format!("the run stopped: {error}; {done}"))
    };
    let bad = errors.as_ref().map(|errors| &*errors.partial);
    let mut results = Results::open(&output.partial, bad, &mut ids).map_err(stopped)?;
    let mut meter = Meter::new(results.counts());
    let both = (&mut ids, &mut results);
    let ended = batches::work(&run.input, &rules, run.parallel.get(), both, &Gateway, &mut meter).await;
    meter.clear();
    ended.and_then(|_| results.sync()).map_err(stopped)?;
    // The output last: where it is, all is there.
    if let Some(errors) = &errors {
        if results.sizes().1 > 0 {
            errors.finish()?;
        } else {
            disk::remove(&errors.partial)?;
            disk::remove(&errors.whole)?;
        }
    }
    output.finish()?;
    tell(run, &results, &meter)
}

fn rules(run: &Run) -> Result<Rules, Failure> {
    if let Some(endpoint) = run.endpoint.as_deref().filter(|endpoint| !ENDPOINTS.contains(endpoint)) {
        return Err(format!("{endpoint} takes no batches; there are {}", ENDPOINTS.join(", ")).into());
    }
    let model = match &run.model {
        Some(model) => Some(model.clone()),
        None => default_model()?,
    };
    Ok(Rules { endpoint: run.endpoint.clone(), model, most: MAX_REQUESTS })
}

/// No file may be written over another that is needed.
fn check_names(run: &Run, output: &Target, errors: Option<&Target>) -> Result<(), Failure> {
    // Links may lead to the same place; what is not there yet is nothing else either.
    let real = |path: &Path| std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let mut names = vec![real(&run.input)];
    for target in [Some(output), errors].into_iter().flatten() {
        for path in [&target.whole, &target.partial] {
            let name = real(path);
            if names.contains(&name) {
                let path = path.display();
                return Err(format!(
                    "{path} would be used twice; the input, the output and the errors are different files"
                )
                .into());
            }
            names.push(name);
        }
    }
    Ok(())
}

/// Says how it ended.
fn tell(run: &Run, results: &Results, meter: &Meter) -> Result<(), Failure> {
    let counts = results.counts();
    if run.json {
        let summary = json!({
            "total": counts.total, "completed": counts.completed, "failed": counts.failed,
            "output": run.output, "errors": run.errors.as_ref().filter(|_| results.sizes().1 > 0),
            "seconds": meter.elapsed().as_secs_f64(),
        });
        print(&format!("{summary:#}\n"))?;
    }
    if counts.failed > 0 {
        let place = run.errors.as_ref().unwrap_or(&run.output).display();
        return Err(format!("{} of {} requests failed: see {place}", counts.failed, counts.total).into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn what_is_there_is_gone_on_with_replaced_or_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let target = Target::new(&dir.path().join("out"));
        let says = |resume, force| target.prepare(resume, force).map_err(|failure| failure.to_string());
        says(false, false).unwrap();
        fs::write(&target.partial, "part").unwrap();
        assert!(says(false, false).unwrap_err().contains("--resume goes on with it"));
        says(true, false).unwrap();
        target.finish().unwrap();
        assert!(says(false, false).unwrap_err().contains("is there already"));
        fs::write(&target.partial, "new").unwrap();
        says(true, false).unwrap();
        assert_eq!(fs::read(&target.partial).unwrap(), b"new", "what an interrupted --force left");
        says(false, true).unwrap();
        assert!(!target.partial.exists() && target.whole.exists(), "it goes when the new one is whole");
        says(true, false).unwrap();
        assert_eq!(fs::read(&target.partial).unwrap(), b"part");
        assert!(!target.whole.exists());
    }

    #[test]
    fn no_file_is_used_twice() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::write(at("in"), "").unwrap();
        let run = |output: &str, errors: &str| Run {
            input: at("in"),
            output: at(output),
            errors: Some(at(errors)),
            model: None,
            endpoint: None,
            resume: false,
            force: false,
            parallel: std::num::NonZero::<usize>::MIN,
            json: false,
        };
        let check = |output: &str, errors: &str| {
            check_names(&run(output, errors), &Target::new(&at(output)), Some(&Target::new(&at(errors))))
        };
        assert!(check("out", "err").is_ok());
        for (output, errors) in [("in", "err"), ("out", "in"), ("out", "out"), ("./out/../in", "err")] {
            fs::create_dir_all(at("out")).unwrap();
            assert!(check(output, errors).is_err(), "{output} {errors}");
        }
    }
}
