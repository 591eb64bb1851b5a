//! A whole conversion, from what is given to the result with its name.

use std::fs;
use std::path::Path;
use std::time::UNIX_EPOCH;

use inferno_sdk::{Error, ErrorKind};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::engine::{self, Hands, Lock, Manner, Target, Workshop};
use crate::fault::{internal, invalid, io};
use crate::given::Given;
use crate::options::{Choices, Wish};
use crate::plan::{Plan, Source};
use crate::progress::Progress;
use crate::routes::Way;

/// What is to be done.
pub(crate) struct Conversion<'a> {
    pub(crate) given: &'a Given,
    pub(crate) way: &'a Way,
    pub(crate) choices: &'a Choices,
    pub(crate) target: Target,
    pub(crate) manner: Manner,
}

/// What was done.
pub(crate) struct Report {
    /// It went on with what an earlier run began.
    pub(crate) resumed: bool,
    /// What stands in the recipe.
    pub(crate) recipe: Value,
}

impl Conversion<'_> {
    /// What it will do.
    pub(crate) fn plan(&self) -> Result<Plan, Error> {
        let name = self.target.path.file_name().and_then(|name| name.to_str());
        let name =
            name.ok_or_else(|| invalid(format!("{} is no name for a result", self.target.path.display())))?;
        let wish: Wish = self.choices.read()?;
        let plan = (self.way.plan)(self.given, &wish, name)?;
        plan.check()?;
        Ok(plan)
    }

    /// Does it.
    pub(crate) async fn run(
        &self,
        hands: &impl Hands,
        lock: Lock,
        progress: &mut Progress,
        say: impl Fn(&str),
    ) -> Result<Report, Error> {
        let plan = self.plan()?;
        self.refuse_itself(&plan)?;
        let mark = self.mark(&plan)?;
        let mut workshop = Workshop::open(&self.target, &plan, &mark, self.manner, lock)?;
        let resumed = workshop.resumed;
        if resumed {
            say("going on with what an earlier run began (--restart begins anew)");
        }
        let recipe = if workshop.is_whole() {
            workshop.recipe()?
        } else {
            let (inputs, outputs) = match self.carry_out(&plan, &mark, &mut workshop, hands, progress).await {
                // What is wrong with the model stays wrong, however often it is tried.
                Err(error) if error.kind == ErrorKind::Invalid => {
                    workshop.abandon()?;
                    return Err(error);
                }
                sums => sums?,
            };
            let recipe = self.recipe(&plan, &inputs, &outputs);
            workshop.conclude(&recipe)?;
            recipe
        };
        progress.clear();
        workshop.finish()?;
        Ok(Report { resumed, recipe })
    }

    async fn carry_out(
        &self,
        plan: &Plan,
        mark: &str,
        workshop: &mut Workshop,
        hands: &impl Hands,
        progress: &mut Progress,
    ) -> Result<(Vec<String>, Vec<String>), Error> {
        let sums = engine::run(plan, &self.given.folder, workshop, hands, progress).await?;
        if self.mark(plan)? == mark {
            return Ok(sums);
        }
        Err(invalid("what is read has changed while it was being converted")
            .with_hint("run the same command again"))
    }

    /// What tells this conversion from all others: its plan, and the files that it reads as they are now.
    fn mark(&self, plan: &Plan) -> Result<String, Error> {
        let mut hash = Sha256::new();
        hash.update(env!("CARGO_PKG_VERSION"));
        serde_json::to_writer(Hashing(&mut hash), plan)
            .map_err(|error| internal(format!("the plan is no JSON: {error}")))?;
        for input in &plan.inputs {
            let path = self.given.folder.join(&input.path);
            let about = fs::metadata(&path).map_err(|error| io("read", &path, &error))?;
            let changed = about.modified().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
            hash.update(format!("{} {:?}", about.len(), changed));
            if about.len() != input.bytes {
                return Err(invalid(format!("{} has another size by now", path.display())));
            }
        }
        Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
    }

    fn refuse_itself(&self, plan: &Plan) -> Result<(), Error> {
        let real = |path: &Path| fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let parent = self.target.path.parent().unwrap_or(Path::new("."));
        for output in &plan.outputs {
            let to = if self.target.folder {
                self.target.path.join(&output.path)
            } else {
                parent.join(&output.path)
            };
            for input in &plan.inputs {
                let from = self.given.folder.join(&input.path);
                if real(&from) == real(&to) {
                    return Err(invalid(format!(
                        "{} is what is read, and cannot be what is written",
                        to.display()
                    ))
                    .with_hint("choose another name for the result"));
                }
            }
        }
        Ok(())
    }

    /// How the result came to be. Nothing in it depends on when or where that was.
    fn recipe(&self, plan: &Plan, inputs: &[String], outputs: &[String]) -> Value {
        let file = |path: &str, bytes: u64, sum: Option<&String>| json!({ "file": path, "bytes": bytes, "sha256": sum });
        let inputs: Vec<_> = plan
            .inputs
            .iter()
            .enumerate()
            .map(|(at, input)| file(&input.path, input.bytes, inputs.get(at)))
            .collect();
        let outputs: Vec<_> = plan
            .outputs
            .iter()
            .enumerate()
            .map(|(at, output)| file(&output.path, output.bytes, outputs.get(at)))
            .collect();
        json!({
            "converter": { "plugin": "convert", "version": env!("CARGO_PKG_VERSION") },
            "from": self.given.format,
            "to": self.way.target,
            "choices": self.choices,
            "tensors": encodings(plan),
            "inputs": inputs,
            "outputs": outputs,
        })
    }
}

/// How many tensors have which encoding.
pub(crate) fn encodings(plan: &Plan) -> Value {
    let mut counts = serde_json::Map::new();
    for tensor in plan.outputs.iter().flat_map(|output| &output.tensors) {
        let count = counts.entry(tensor.encoding.name()).or_insert(json!(0));
        *count = json!(count.as_u64().unwrap_or(0) + 1);
    }
    Value::Object(counts)
}

/// Bytes that are read and written.
pub(crate) fn traffic(plan: &Plan) -> (u64, u64) {
    let read =
        plan.outputs.iter().flat_map(|output| &output.tensors).filter_map(|tensor| match &tensor.source {
            Source::Parts { parts } => {
                let turned = |part: &crate::plan::Part| part.order == crate::plan::Order::Transposed;
                let bytes = parts.iter().filter_map(|part| {
                    let columns = if turned(part) { tensor.rows } else { tensor.columns };
                    part.encoding.row_bytes(columns)?.checked_mul(part.rows)
                });
                Some(bytes.sum::<u64>())
            }
            Source::Numbers { .. } => None,
        });
    (read.sum(), plan.outputs.iter().map(|output| output.bytes).sum())
}

/// A hash as something to write to, so that nothing large is put together only to be summed up.
struct Hashing<'a>(&'a mut Sha256);

impl std::io::Write for Hashing<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
