//! `inferno bench`: how fast a model runs here, one request at a time.

use inferno_inference::{Finish, Generate, Input, Sampling};
use serde::Serialize;

use crate::args::Bench;
use crate::failure::{Failure, Outcome};
use crate::host;
use crate::printer::Printer;
use crate::session::{Answer, Session};
use crate::settings::Settings;

/// What the prompt is made of; which words they are makes no difference to the speed.
const WORDS: [&str; 16] = [
    "the", "small", "fox", "walked", "over", "a", "bridge", "and", "found", "old", "letter", "under",
    "stone", "by", "river", "today",
];

/// The spread of one figure over the runs.
#[derive(Debug, PartialEq, Serialize)]
struct Spread {
    min: f64,
    median: f64,
    max: f64,
}

#[derive(Serialize)]
struct Report<'a> {
    model: &'a str,
    device: &'a str,
    context: u32,
    runs: u32,
    prompt_tokens: Spread,
    output_tokens: Spread,
    load_ms: f64,
    first_token_ms: Spread,
    prompt_tokens_per_second: Spread,
    output_tokens_per_second: Spread,
}

/// The figures of one run.
struct Run {
    prompt_tokens: f64,
    output_tokens: f64,
    first: f64,
    decode_rate: f64,
}

pub(crate) fn bench(settings: &Settings, bench: &Bench, printer: Printer) -> Outcome {
    let runtime = host::runtime()?;
    runtime.block_on(async {
        let session = Session::open(settings, bench.model.as_deref(), None, printer).await?;
        let runs = measure(&session, bench, printer).await;
        let report = runs.and_then(|runs| report(&session, bench, &runs));
        let outcome = report.and_then(|report| show(&report, bench, printer));
        session.close().await;
        outcome
    })
}

async fn measure(session: &Session, bench: &Bench, printer: Printer) -> Result<Vec<Run>, Failure> {
    let mut runs = Vec::new();
    // The first run touches pages and fills caches that the others find ready.
    for index in 0..=bench.runs {
        let answer = session.answer(request(index, bench), |_| Ok(())).await?;
        if answer.finish == Finish::Cancelled {
            return Err(Failure::interrupted());
        }
        if index == 0 {
            continue;
        }
        let run = figures(&answer).ok_or_else(|| {
            Failure::new(format!("model {} wrote too little to measure its speed", session.model.name))
                .hint("try another prompt length with --prompt-words")
        })?;
        if printer.interactive {
            printer.note(format_args!("run {index} of {}: {:.1} tokens/s", bench.runs, run.decode_rate));
        }
        runs.push(run);
    }
    Ok(runs)
}

/// Every prompt begins with another word, so that no backend can reuse what it computed for the one before.
fn request(index: u32, bench: &Bench) -> Generate {
    let words = (0..bench.prompt_words).map(|word| WORDS[(word + index) as usize % WORDS.len()]);
    let prompt = format!("{index} {}", words.collect::<Vec<_>>().join(" "));
    Generate {
        max_tokens: Some(bench.max_tokens),
        sampling: Sampling { seed: Some(index.into()), ..Sampling::default() },
        ..Generate::new(Input::Prompt(prompt))
    }
}

fn figures(answer: &Answer) -> Option<Run> {
    let usage = answer.usage?;
    Some(Run {
        prompt_tokens: usage.prompt_tokens.into(),
        output_tokens: usage.output_tokens.into(),
        first: answer.first?.as_secs_f64(),
        decode_rate: answer.decode_rate()?,
    })
}

fn report<'a>(session: &'a Session, bench: &Bench, runs: &[Run]) -> Result<Report<'a>, Failure> {
    let of = |figure: fn(&Run) -> f64| {
        spread(runs.iter().map(figure)).ok_or_else(|| Failure::new("nothing was measured"))
    };
    Ok(Report {
        model: &session.model.name,
        device: &session.info.device,
        context: session.info.context,
        runs: bench.runs,
        prompt_tokens: of(|run| run.prompt_tokens)?,
        output_tokens: of(|run| run.output_tokens)?,
        load_ms: session.load.as_secs_f64() * 1e3,
        first_token_ms: of(|run| run.first * 1e3)?,
        prompt_tokens_per_second: of(|run| run.prompt_tokens / run.first)?,
        output_tokens_per_second: of(|run| run.decode_rate)?,
    })
}

fn show(report: &Report<'_>, bench: &Bench, printer: Printer) -> Outcome {
    if bench.json.json {
        printer.json(report)?;
        return Ok(0);
    }
    let row = |name: &str, spread: &Spread| {
        let cell = |value: f64| format!("{value:.1}");
        vec![name.to_owned(), cell(spread.min), cell(spread.median), cell(spread.max)]
    };
    printer.table(
        &[&format!("{} on {}", report.model, report.device), "MIN", "MEDIAN", "MAX"],
        &[
            row("time to first token, ms", &report.first_token_ms),
            row("prompt, tokens/s", &report.prompt_tokens_per_second),
            row("answer, tokens/s", &report.output_tokens_per_second),
            row("prompt, tokens", &report.prompt_tokens),
            row("answer, tokens", &report.output_tokens),
        ],
    )?;
    Ok(0)
}

fn spread(values: impl Iterator<Item = f64>) -> Option<Spread> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    let upper = *values.get(middle)?;
    let median = if values.len().is_multiple_of(2) { (values[middle - 1] + upper) / 2.0 } else { upper };
    Some(Spread { min: *values.first()?, median, max: *values.last()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_of_odd_and_even_counts() {
        assert_eq!(spread([].into_iter()), None);
        assert_eq!(spread([3.0, 1.0, 2.0].into_iter()), Some(Spread { min: 1.0, median: 2.0, max: 3.0 }));
        assert_eq!(spread([4.0, 1.0].into_iter()), Some(Spread { min: 1.0, median: 2.5, max: 4.0 }));
    }
}
