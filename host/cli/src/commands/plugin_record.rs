//! `inferno plugin record NAME`: runs a plugin, with every call into the host on a tape.

use std::path::Path;

use inferno_sandbox::{Caller, Plugin, Tape, TapeHead};
use inferno_store::DEFAULT_TENANT;
use serde_json::{Value, json};

use super::{external, plugin_call};
use crate::args::plugin::Record;
use crate::failure::{Exit, Failure, Outcome};
use crate::plugins::{self, Installation};
use crate::printer::Printer;
use crate::settings::Settings;
use crate::{host, roles};

/// The role that is not played by hand, but run.
pub(super) const COMMAND: &str = "command";
/// The most that a command is given to read.
const MAX_INPUT: u64 = 16 << 20;

pub(crate) fn record(settings: &Settings, record: &Record, printer: Printer) -> Outcome {
    let installation = Installation::read(settings)?;
    let installed = installation.find(&record.plugin)?;
    let is_command = record.role.is_none() && installed.package.manifest().roles.command.is_some();
    if !is_command && !record.arguments.is_empty() {
        return Err(Failure::usage("arguments are for commands; other roles are given their --input"));
    }
    let (role, input) = match is_command {
        true => (COMMAND.to_owned(), text(record.input.as_deref())?),
        false => (
            plugin_call::role_of(installed, record.role.as_deref())?,
            plugin_call::input(record.input.as_deref())?,
        ),
    };
    let runtime = host::server_runtime()?;
    let recorded = runtime.block_on(async {
        let inference = host::inference(settings, host::models(settings)?, settings.inference_sequences)?;
        let sandbox = plugins::sandbox(settings, inference.clone(), host::store(settings)?)?;
        installation.load_callees(&sandbox, settings, installed)?;
        let plugin = installation.load(&sandbox, settings, installed)?;
        let head = TapeHead::now(&plugin, role, record.arguments.clone(), input);
        let tape = Tape::record(&record.tape, head.clone())?;
        let ran = run(&plugin.taped(&tape), &head).await;
        inference.shutdown(std::time::Duration::ZERO).await;
        let calls = tape.finish(outcome(&ran))?;
        Ok::<_, Failure>((ran, calls))
    });
    runtime.shutdown_background();
    let (ran, calls) = recorded?;
    if ran.as_ref().is_err_and(|failure| failure.exit == Exit::Usage) {
        // Nothing was run; a tape of that is of no use.
        let _ = std::fs::remove_file(&record.tape);
        return ran.map(|_| 1);
    }
    printer.note(format_args!("{} holds {calls} calls", record.tape.display()));
    let ran = ran?;
    match ran.get("status").filter(|_| is_command).and_then(Value::as_u64) {
        Some(status) => Ok(u8::try_from(status).unwrap_or(u8::MAX)),
        None => printer.json(&ran["answer"]).map(|()| 0),
    }
}

/// Runs a plugin as a tape's head says.
pub(super) async fn run(plugin: &Plugin, head: &TapeHead) -> Result<Value, Failure> {
    let caller = Caller {
        tenant: DEFAULT_TENANT.to_owned(),
        request_id: format!("tape-{}", std::process::id()),
        background: false,
    };
    if head.role == COMMAND {
        let status = plugin.command(caller, external::here("", head.arguments.clone())?).await?;
        return Ok(json!({ "status": status }));
    }
    let answer = roles::play(plugin, caller, &head.role, head.input.clone(), Path::new(".")).await?;
    Ok(json!({ "answer": answer }))
}

/// What came of a run, as it stands on a tape.
pub(super) fn outcome(ran: &Result<Value, Failure>) -> Value {
    match ran {
        Ok(outcome) => outcome.clone(),
        Err(failure) => json!({ "error": failure.message }),
    }
}

/// The standard input of a command; text, since that is what a tape can hold.
fn text(file: Option<&Path>) -> Result<Value, Failure> {
    let Some(file) = file else { return Ok(json!("")) };
    let failed = |what: &dyn std::fmt::Display| Failure::usage(format!("{}: {what}", file.display()));
    let size = std::fs::metadata(file).map_err(|error| failed(&error))?.len();
    if size > MAX_INPUT {
        return Err(failed(&format_args!("it is larger than {MAX_INPUT} bytes, the most that a tape takes")));
    }
    std::fs::read_to_string(file).map(Value::String).map_err(|error| failed(&error))
}
