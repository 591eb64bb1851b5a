//! `inferno run` with a model that says what texts are.

use serde_json::Value;

use crate::failure::{Failure, Outcome};
use crate::printer::{Printer, visible};
use crate::session::Session;

/// The labels of a text, the likeliest first: a line for each, or all as JSON.
pub(super) async fn tell(session: &Session, text: String, json: bool, printer: Printer) -> Outcome {
    let line = session.classify(text).await?;
    if json {
        printer.text(&line)?;
        return Ok(0);
    }
    let labels: Vec<Value> = serde_json::from_str(&line)
        .map_err(|error| Failure::new(format!("the model's labels cannot be understood: {error}")))?;
    for label in &labels {
        let name = label.get("label").and_then(Value::as_str).unwrap_or_default();
        let score = label.get("score").and_then(Value::as_f64).unwrap_or_default();
        printer.line(format_args!("{score:.4} {}", visible(name)))?;
    }
    Ok(0)
}
