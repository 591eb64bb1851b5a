//! `inferno validate FILE`.

use inferno_inference::models::{Report, validate as check};
use serde::Serialize;

use crate::args::Validate;
use crate::failure::{Failure, Outcome};
use crate::host;
use crate::printer::{Printer, visible};
use crate::settings::Settings;

#[derive(Serialize)]
struct Json<'a> {
    valid: bool,
    #[serde(flatten)]
    report: &'a Report,
}

/// The status is 1 for a file that is not valid; what is wrong with it is the product.
pub(crate) fn validate(settings: &Settings, validate: &Validate, printer: Printer) -> Outcome {
    let report = check(&validate.file, &host::foreign(settings)).map_err(Failure::new)?;
    if validate.json.json {
        printer.json(&Json { valid: report.ok(), report: &report })?;
    } else {
        let rows: Vec<Vec<String>> = report
            .checks
            .iter()
            .map(|check| {
                let result = if check.ok { "ok" } else { "FAILED" };
                vec![check.name.to_owned(), result.to_owned(), visible(&check.detail)]
            })
            .collect();
        printer.table(&["CHECK", "RESULT", "DETAIL"], &rows)?;
    }
    Ok(u8::from(!report.ok()))
}
