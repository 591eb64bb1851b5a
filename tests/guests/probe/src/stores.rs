//! Secrets, budgets and figures.

use crate::Query;
use crate::wit::inferno::host::types::Error;
use crate::wit::inferno::host::{metrics, quota, secrets};

/// Does it, if it is a call of this kind.
pub(crate) fn call(name: &str, query: &Query) -> Option<Result<String, Error>> {
    let budget = query.text("budget");
    let amount = query.number("amount").unwrap_or(0);
    Some(match name {
        "secret" => secrets::get(&query.text("name")),
        "remaining" => quota::remaining(&budget).map(|left| left.to_string()),
        // Spends all of it.
        "spend" => quota::reserve(&budget, amount)
            .and_then(|reserved| reserved.commit(query.number("spent").unwrap_or(amount)))
            .map(|()| "spent".to_owned()),
        "reserve-and-drop" => quota::reserve(&budget, amount).map(|reserved| reserved.amount().to_string()),
        // Reserves, and never gets to the end.
        "reserve-and-crash" => {
            let _held = quota::reserve(&budget, amount);
            std::process::abort()
        }
        "split" => split(&budget, amount, query.number("part").unwrap_or(0)),
        "measure" => {
            let labels: Vec<(String, String)> =
                query.get("label").map(|value| ("label".to_owned(), value.to_owned())).into_iter().collect();
            metrics::count(&query.text("name"), amount, &labels);
            metrics::observe("took_seconds", 0.5, &[]);
            Ok("measured".to_owned())
        }
        _ => return None,
    })
}

/// Splits a part off, spends that, and lets the rest go.
fn split(budget: &str, amount: u64, part: u64) -> Result<String, Error> {
    let whole = quota::reserve(budget, amount)?;
    let part = whole.split(part)?;
    let text = format!("{} and {}", whole.amount(), part.amount());
    part.commit(part.amount())?;
    Ok(text)
}
