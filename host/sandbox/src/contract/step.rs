//! Steps and judges.

use serde_json::{Value, json};

use super::cases::{Expected, JudgeCase, StepCase, config};
use super::{MALFORMED, Outcome, Report, compare, refused, unexpected};
use crate::capability::bindings::inferno::host::work::{Item, Outcome as Became, Sample, Verdict};
use crate::error::Error;
use crate::plugin::Plugin;
use crate::state::Caller;

/// What came of a run: an array with one entry for each item, and what was kept.
struct Run {
    outcomes: Vec<Became>,
    kept: Vec<Item>,
}

pub(super) async fn check_steps(report: &mut Report, plugin: &Plugin, caller: &Caller, cases: &[StepCase]) {
    for case in cases {
        report.add("step", &case.name, step_case(plugin, caller, case).await);
        if case.error.is_none() {
            let empty = empty_batch(plugin, caller, case).await;
            report.add("step", format!("{}: an empty batch has no outcomes", case.name), empty);
        }
    }
    let malformed = plugin.open_step(caller.clone(), MALFORMED).await.map(|_| "a step");
    report.add("step", "a malformed configuration is refused", refused(&malformed, None));
}

async fn step_case(plugin: &Plugin, caller: &Caller, case: &StepCase) -> Outcome {
    let first = run(plugin, caller, case).await;
    if let Ok(run) = &first {
        keeps_ids(case, run)?;
    }
    let value = |result: Result<Run, Error>| {
        result.map(|run| json!({ "outcomes": outcomes(&run.outcomes), "kept": items(&run.kept) }))
    };
    let first = value(first);
    let second = match case.deterministic {
        true => Some(value(run(plugin, caller, case).await)),
        false => None,
    };
    let expect = match (&case.expect, &case.finish) {
        (None, None) => None,
        (outcomes, kept) => {
            let mut expect = serde_json::Map::new();
            expect.extend(outcomes.clone().map(|outcomes| ("outcomes".to_owned(), outcomes)));
            expect.extend(kept.clone().map(|kept| ("kept".to_owned(), kept)));
            Some(Value::Object(expect))
        }
    };
    compare(&first, second.as_ref(), &Expected { expect, error: case.error.clone() })
}

async fn run(plugin: &Plugin, caller: &Caller, case: &StepCase) -> Result<Run, Error> {
    let mut step = plugin.open_step(caller.clone(), &config(case.config.as_ref())).await?;
    let item = |item: &super::cases::ItemCase| Item { id: item.id.clone(), data: item.data.to_string() };
    let outcomes = step.process(case.input.iter().map(item).collect()).await?;
    Ok(Run { outcomes, kept: step.finish().await? })
}

fn keeps_ids(case: &StepCase, run: &Run) -> Outcome {
    for (item, outcome) in case.input.iter().zip(&run.outcomes) {
        if let Became::Emit(items) = outcome
            && let [only] = &**items
            && only.id != item.id
        {
            return Err(format!(
                "the item {:?} goes on as {:?}; an item that goes on alone keeps its id",
                item.id, only.id
            ));
        }
    }
    Ok(())
}

async fn empty_batch(plugin: &Plugin, caller: &Caller, case: &StepCase) -> Outcome {
    let emptied = StepCase { input: Vec::new(), ..case.clone() };
    run(plugin, caller, &emptied).await.map(drop).map_err(|error| unexpected(&error))
}

fn items(items: &[Item]) -> Value {
    let data =
        |item: &Item| serde_json::from_str(&item.data).unwrap_or_else(|_| Value::String(item.data.clone()));
    items.iter().map(|item| json!({ "id": item.id, "data": data(item) })).collect()
}

fn outcomes(outcomes: &[Became]) -> Value {
    let value = |outcome: &Became| match outcome {
        Became::Emit(emitted) => json!({ "emit": items(emitted) }),
        Became::Retry(why) => json!({ "retry": why }),
        Became::Reject(why) => json!({ "reject": why }),
        Became::Drop(why) => json!({ "drop": why }),
    };
    outcomes.iter().map(value).collect()
}

pub(super) async fn check_judge(report: &mut Report, plugin: &Plugin, caller: &Caller, cases: &[JudgeCase]) {
    for case in cases {
        let first = judge(plugin, caller, case).await;
        let second = match case.deterministic {
            true => Some(judge(plugin, caller, case).await),
            false => None,
        };
        let expected = Expected { expect: case.expect.clone(), error: case.error.clone() };
        report.add("judge", &case.name, compare(&first, second.as_ref(), &expected));
        if case.error.is_none() {
            let emptied = JudgeCase { input: Vec::new(), ..case.clone() };
            let empty = judge(plugin, caller, &emptied).await.map(drop).map_err(|error| unexpected(&error));
            report.add("judge", format!("{}: no samples have no verdicts", case.name), empty);
        }
    }
    let malformed = plugin.judge(caller.clone(), MALFORMED, Vec::new()).await;
    report.add("judge", "a malformed configuration is refused", refused(&malformed, None));
}

async fn judge(plugin: &Plugin, caller: &Caller, case: &JudgeCase) -> Result<Value, Error> {
    let sample = |sample: &super::cases::SampleCase| Sample {
        prompt: sample.prompt.clone(),
        answer: sample.answer.clone(),
        expected: sample.expected.clone(),
    };
    let samples = case.input.iter().map(sample).collect();
    let verdicts = plugin.judge(caller.clone(), &config(case.config.as_ref()), samples).await?;
    let value =
        |verdict: &Verdict| json!({ "pass": verdict.pass, "score": verdict.score, "reason": verdict.reason });
    Ok(verdicts.iter().map(value).collect())
}
