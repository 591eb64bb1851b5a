//! What each role promises, as checks that run a plugin in the real sandbox: its recorded cases, and the rules that
//! hold for every plugin of the role.
//!
//! | role | rules |
//! |---|---|
//! | step | one outcome for each item; nothing for an empty batch; an item that goes on alone keeps its id |
//! | judge | one verdict for each sample, scores from 0 to 1; nothing for no samples |
//! | filter | an answer comes out the same however it was cut into chunks; bytes that mean nothing are no reason to crash |
//! | converter | routes that differ; an unknown route is refused; the files that it names are there |
//! | catalog | a name that nobody knows is refused; proposals have their form |
//! | http | it answers at each of its mounts, without a crash |
//!
//! For all: a configuration that is no JSON is refused with an error, and the same input gives the same output.
//! Commands have no contract beyond their interface, which is checked when they are loaded.

mod cases;
mod converter;
mod filter;
mod http;
mod offers;
mod step;
mod subset;

use std::fmt;

use crate::error::{Error, ErrorKind, Reason};
use crate::plugin::Plugin;
use crate::state::Caller;

pub use cases::Cases;

/// No JSON.
const MALFORMED: &str = "{\"";

/// One check and what came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// The role.
    pub role: &'static str,
    /// The name of a case, or what a rule says.
    pub name: String,
    /// What is wrong; none: all is well.
    pub problem: Option<String>,
}

/// All checks of a plugin.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// In the order in which they ran.
    pub checks: Vec<Check>,
}

impl Report {
    /// Whether there is no problem.
    pub fn passed(&self) -> bool {
        self.problems().next().is_none()
    }

    /// The checks with a problem.
    pub fn problems(&self) -> impl Iterator<Item = &Check> {
        self.checks.iter().filter(|check| check.problem.is_some())
    }

    fn add(&mut self, role: &'static str, name: impl Into<String>, outcome: Outcome) {
        self.checks.push(Check { role, name: name.into(), problem: outcome.err() });
    }
}

/// What came of a check: nothing to say, or what is wrong.
type Outcome = Result<(), String>;

/// Runs a plugin's cases and the rules of all roles that it plays.
pub async fn check(plugin: &Plugin, caller: &Caller, cases: &Cases) -> Report {
    let mut report = Report::default();
    let roles = plugin.roles();
    for (role, names) in cases.by_role() {
        if !roles.contains(&role) {
            for name in names {
                report.add(role, name, Err(format!("the plugin does not play the role {role}")));
            }
        }
    }
    for role in roles {
        match role {
            "step" => step::check_steps(&mut report, plugin, caller, &cases.step).await,
            "judge" => step::check_judge(&mut report, plugin, caller, &cases.judge).await,
            "filter" => filter::check(&mut report, plugin, caller, &cases.filter).await,
            "converter" => converter::check(&mut report, plugin, caller, &cases.converter).await,
            "catalog" => offers::check(&mut report, plugin, caller, &cases.catalog).await,
            "http" => http::check(&mut report, plugin, caller, &cases.http).await,
            _ => {}
        }
    }
    report
}

/// The error of a case that ought to have ended well.
fn unexpected(error: &Error) -> String {
    match error.hint() {
        Some(hint) => format!("{error} ({hint})"),
        None => error.to_string(),
    }
}

/// Where an error of the plugin's own is wanted, in the words of its role.
fn refused<T: fmt::Debug>(result: &Result<T, Error>, expected: Option<&str>) -> Outcome {
    match (result, expected) {
        (Ok(found), _) => Err(format!("expected an error, found {found:?}")),
        (Err(error), expected) => match (error.kind(), expected) {
            (ErrorKind::Refused(_), None) => Ok(()),
            (ErrorKind::Refused(reason), Some(expected)) if word(reason) == expected => Ok(()),
            (ErrorKind::Refused(reason), Some(expected)) => {
                Err(format!("expected the error {expected}, found {}: {error}", word(reason)))
            }
            _ => Err(format!("expected an error of the plugin's own, found: {error}")),
        },
    }
}

/// As the interfaces spell it.
fn word(reason: Reason) -> &'static str {
    match reason {
        Reason::Denied => "denied",
        Reason::NotFound => "not-found",
        Reason::Invalid => "invalid",
        Reason::ContextLength => "context-length",
        Reason::Exhausted => "exhausted",
        Reason::Unavailable => "unavailable",
        Reason::Timeout => "timeout",
        Reason::Cancelled => "cancelled",
        Reason::Internal => "internal",
    }
}

/// A case's result, twice: as it is expected to be, and the same both times.
fn compare(
    first: &Result<serde_json::Value, Error>,
    second: Option<&Result<serde_json::Value, Error>>,
    expected: &cases::Expected,
) -> Outcome {
    match (&expected.expect, &expected.error) {
        (Some(expect), None) => match first {
            Ok(found) => subset::matches(expect, found)?,
            Err(error) => return Err(unexpected(error)),
        },
        (None, Some(error)) => refused(first, Some(error))?,
        // Then it is enough that it ends well.
        (None, None) => drop(first.as_ref().map_err(unexpected)?),
        (Some(_), Some(_)) => {
            return Err("the case has both `expect` and `error`; it may have either".to_owned());
        }
    }
    let Some(second) = second else { return Ok(()) };
    let same = match (first, second) {
        (Ok(first), Ok(second)) => first == second,
        (Err(first), Err(second)) => first.kind() == second.kind(),
        _ => false,
    };
    let shown = |result: &Result<serde_json::Value, Error>| match result {
        Ok(value) => value.to_string(),
        Err(error) => error.to_string(),
    };
    if same {
        return Ok(());
    }
    Err(format!(
        "the same input gave {} and then {}; `deterministic = false` in the case allows it",
        shown(first),
        shown(second)
    ))
}
