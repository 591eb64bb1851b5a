//! Jobs and schedules as people see them.

use inferno_store::{Job, JobRun, Schedule};

use crate::printer::visible;
use crate::times::shown;

/// A column is no place for a long command.
const MAX_COMMAND: usize = 60;

pub(super) const JOBS: [&str; 6] = ["ID", "STATE", "TRIES", "SUBMITTED", "TENANT", "COMMAND"];
pub(super) const RUNS: [&str; 6] = ["RUN", "TRY", "STARTED", "ENDED", "OUTCOME", "BY"];
pub(super) const SCHEDULES: [&str; 6] = ["ID", "SCHEDULE", "TIME ZONE", "NEXT", "RUNS", "COMMAND"];

pub(super) fn job_row(job: &Job) -> Vec<String> {
    vec![
        job.id.clone(),
        job.state.to_string(),
        format!("{}/{}", job.attempts, job.max_attempts),
        shown(job.created),
        job.tenant.clone(),
        short(&command(&job.verb, &job.args)),
    ]
}

pub(super) fn run_row(run: &JobRun) -> Vec<String> {
    vec![
        run.run.to_string(),
        run.attempt.to_string(),
        shown(run.started),
        run.ended.map(shown).unwrap_or_default(),
        run.outcome.clone().unwrap_or_else(|| "runs".to_owned()),
        run.owner.clone(),
    ]
}

pub(super) fn schedule_row(schedule: &Schedule) -> Vec<String> {
    vec![
        schedule.id.clone(),
        schedule.cron.clone(),
        schedule.time_zone.clone(),
        next(schedule),
        runs(schedule),
        short(&command(&schedule.verb, &schedule.args)),
    ]
}

pub(super) fn job_facts(job: &Job) -> Vec<(&'static str, String)> {
    let mut facts = vec![
        ("id", job.id.clone()),
        ("state", job.state.to_string()),
        ("command", visible(&command(&job.verb, &job.args))),
        ("folder", or_nothing(job.workdir.clone())),
        ("tenant", job.tenant.clone()),
        ("submitted by", job.submitter.to_string()),
        ("submitted", shown(job.created)),
        ("priority", job.priority.to_string()),
        ("tries", format!("{} of {}", job.attempts, job.max_attempts)),
    ];
    let mut add = |name, value: Option<String>| facts.extend(value.map(|value| (name, value)));
    add(
        "not before",
        (!job.state.has_ended() && job.not_before > job.created).then(|| shown(job.not_before)),
    );
    add("after", (!job.after.is_empty()).then(|| job.after.join("\n")));
    add("time limit", job.timeout_ms.map(|limit| format!("{} s", limit as f64 / 1000.0)));
    add("key", job.key.as_deref().map(visible));
    add("run by", job.owner.clone());
    add("started", job.started.map(shown));
    add("ended", job.ended.map(shown));
    add("exit code", job.exit_code.map(|code| code.to_string()));
    add("error", job.error.as_deref().map(visible));
    facts
}

pub(super) fn schedule_facts(schedule: &Schedule) -> Vec<(&'static str, String)> {
    vec![
        ("id", schedule.id.clone()),
        ("schedule", schedule.cron.clone()),
        ("time zone", schedule.time_zone.clone()),
        ("command", visible(&command(&schedule.verb, &schedule.args))),
        ("folder", or_nothing(schedule.workdir.clone())),
        ("tenant", schedule.tenant.clone()),
        ("priority", schedule.priority.to_string()),
        ("tries of a job", schedule.max_attempts.to_string()),
        ("next", next(schedule)),
        ("jobs made", runs(schedule)),
        ("last job", or_nothing(schedule.last_job.clone())),
        ("last time", or_nothing(schedule.last_run.map(shown))),
        ("made", shown(schedule.created)),
    ]
}

fn next(schedule: &Schedule) -> String {
    match schedule.next_run {
        Some(next) if schedule.enabled => shown(next),
        Some(_) => "paused".to_owned(),
        None => "never".to_owned(),
    }
}

fn runs(schedule: &Schedule) -> String {
    match schedule.max_runs {
        Some(most) => format!("{} of {most}", schedule.runs),
        None => schedule.runs.to_string(),
    }
}

fn or_nothing(text: Option<String>) -> String {
    text.unwrap_or_else(|| "none".to_owned())
}

/// As one would type it.
fn command(verb: &str, args: &[String]) -> String {
    let plain = |word: &str| {
        !word.is_empty() && word.chars().all(|c| c.is_alphanumeric() || "-_./=:,+@%".contains(c))
    };
    let quoted =
        |word: &String| if plain(word) { word.clone() } else { format!("'{}'", word.replace('\'', "'\\''")) };
    std::iter::once(verb.to_owned()).chain(args.iter().map(quoted)).collect::<Vec<_>>().join(" ")
}

fn short(command: &str) -> String {
    let command = inferno_plugins::visible(command);
    match command.char_indices().nth(MAX_COMMAND) {
        Some((end, _)) => format!("{}...", &command[..end]),
        None => command,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_shown_as_it_would_be_typed() {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        assert_eq!(
            command("pipeline", &words(&["run", "x.toml", "--limit=3"])),
            "pipeline run x.toml --limit=3"
        );
        assert_eq!(command("say", &words(&["a b", "", "it's"])), r"say 'a b' '' 'it'\''s'");
        assert_eq!(short(&"ä".repeat(61)).chars().count(), 63);
        assert_eq!(short("a\nb"), "a\\u{a}b");
    }
}
