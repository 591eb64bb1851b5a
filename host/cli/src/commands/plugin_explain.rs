//! `inferno plugin explain`: why a call was denied, and the line that would allow it.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::args::plugin::Explain;
use crate::denials::{self, Denial};
use crate::failure::{Failure, Outcome};
use crate::printer::{Printer, visible};
use crate::settings::Settings;

pub(crate) fn explain(settings: &Settings, explain: &Explain, printer: Printer) -> Outcome {
    let mut denials = denials::read(&settings.data_dir, explain.plugin.as_deref())
        .map_err(|error| Failure::new(format!("cannot read what was denied: {error}")))?;
    denials.truncate(explain.last);
    if explain.json.json {
        printer.json(&denials)?;
        return Ok(0);
    }
    if denials.is_empty() {
        let whom = explain.plugin.as_ref().map(|name| format!(" to {name}")).unwrap_or_default();
        printer.note(format_args!("nothing was denied{whom}, as far as is remembered"));
    }
    for (index, denial) in denials.iter().enumerate() {
        if index > 0 {
            printer.line("")?;
        }
        printer.line(shown(denial))?;
    }
    Ok(0)
}

fn shown(denial: &Denial) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    format!(
        "{}, tenant {}, request {}:\n{}\n{}",
        ago(now.saturating_sub(denial.at)),
        visible(&denial.tenant),
        visible(&denial.request_id),
        visible(&denial.message),
        visible(&denial.hint)
    )
}

fn ago(seconds: u64) -> String {
    let (count, unit) = match seconds {
        0..60 => return "just now".to_owned(),
        60..3_600 => (seconds / 60, "minute"),
        3_600..86_400 => (seconds / 3_600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    format!("{count} {unit}{} ago", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_for_people() {
        assert_eq!(ago(3), "just now");
        assert_eq!(ago(61), "1 minute ago");
        assert_eq!(ago(7_300), "2 hours ago");
        assert_eq!(ago(200_000), "2 days ago");
    }
}
