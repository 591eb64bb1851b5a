//! `inferno plugin test DIR`: recorded cases and the roles' contracts, in the real sandbox.

use std::path::Path;

use inferno_plugins::{Holder, Incoming, edit_grants};
use inferno_sandbox::contract::{self, Cases, Check};
use inferno_sandbox::{Caller, Capabilities, Grants, Setup};
use inferno_store::{DEFAULT_TENANT, Store};
use serde::Serialize;

use crate::args::plugin::Test;
use crate::failure::{Failure, Outcome};
use crate::printer::{Printer, visible};
use crate::settings::Settings;
use crate::{consent, host, plugins};

#[derive(Serialize)]
struct Report<'a> {
    passed: bool,
    cases: usize,
    checks: Vec<Shown<'a>>,
}

#[derive(Serialize)]
struct Shown<'a> {
    role: &'static str,
    name: &'a str,
    /// Absent: all is well.
    problem: Option<&'a str>,
}

impl<'a> From<&'a Check> for Shown<'a> {
    fn from(check: &'a Check) -> Self {
        Self { role: check.role, name: &check.name, problem: check.problem.as_deref() }
    }
}

pub(crate) fn test(settings: &Settings, test: &Test, printer: Printer) -> Outcome {
    test.granting.check()?;
    if test.dir.join("plugin.toml").is_file() && !test.dir.join("plugin.wasm").exists() {
        return Err(Failure::new(format!("there is no plugin.wasm in {} yet", test.dir.display()))
            .hint(format!("run `inferno plugin build {}`", test.dir.display())));
    }
    let incoming = Incoming::folder(&test.dir)?;
    let cases = Cases::read(&test.dir.join("tests"))?;
    let (package, asks) = (incoming.package(), inferno_plugins::asks(incoming.package().manifest())?);
    let asked = &package.manifest().asks;
    let granted = test.granting.granted(asked, &Capabilities::default(), &asks)?;
    for ask in consent::missing(&asks, asked, &granted)? {
        printer.note(format_args!("not granted: {0}  (--grant {0} grants it for this test)", ask.word));
    }
    let name = &package.manifest().plugin.name;
    let holder = Holder { plugin: name, digest: package.digest(), tenant: None };
    let grants = Grants::parse("--grant", &edit_grants("--grant", "", holder, Some(&granted))?)?;
    let runtime = host::server_runtime()?;
    let checked = runtime.block_on(async {
        let inference = host::inference(settings, host::models(settings)?, settings.inference_sequences)?;
        // What the plugin keeps is gone with the test.
        let sandbox =
            plugins::sandbox(settings, inference.clone(), Store::in_memory().map_err(Failure::new)?)?;
        let plugin = sandbox.load(package.clone(), &grants, Setup::default())?;
        let caller = Caller {
            tenant: DEFAULT_TENANT.to_owned(),
            request_id: format!("test-{}", std::process::id()),
            background: false,
        };
        let report = contract::check(&plugin, &caller, &cases).await;
        inference.shutdown(std::time::Duration::ZERO).await;
        Ok::<_, Failure>(report)
    });
    runtime.shutdown_background();
    let checked = checked?;
    show(&checked, &cases, &test.dir, test.json.json, printer)?;
    Ok(u8::from(!checked.passed()))
}

fn show(
    checked: &contract::Report,
    cases: &Cases,
    folder: &Path,
    json: bool,
    printer: Printer,
) -> Result<(), Failure> {
    if json {
        return printer.json(&Report {
            passed: checked.passed(),
            cases: cases.count(),
            checks: checked.checks.iter().map(Shown::from).collect(),
        });
    }
    let rows: Vec<Vec<String>> = checked
        .checks
        .iter()
        .map(|check| {
            let (result, detail) = match &check.problem {
                None => ("ok", String::new()),
                Some(problem) => ("FAILED", visible(problem)),
            };
            vec![check.role.to_owned(), visible(&check.name), result.to_owned(), detail]
        })
        .collect();
    printer.table(&["ROLE", "CHECK", "RESULT", ""], &rows)?;
    if cases.count() == 0 {
        printer.note(format_args!("there are no recorded cases in {}", folder.join("tests").display()));
    }
    Ok(())
}
