//! `inferno pipeline test`: the steps on cases with known results, or on a few records to look at.

use std::num::NonZero;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use toml::Spanned;

use super::{print, say};
use crate::engine::Unwatched;
use crate::error::Error;
use crate::file::{File, Part, near};
use crate::session::{Options, Script, Tools};
use crate::trial::{Arrived, Trial};

/// A `[[test]]`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Case {
    /// What it shows.
    name: Option<String>,
    /// The source whose records these are; not needed where there is only one.
    #[schemars(with = "Option<String>")]
    source: Option<Spanned<String>>,
    /// What comes in.
    input: Vec<Value>,
    /// The sink to look at; not needed where there is only one.
    #[schemars(with = "Option<String>")]
    sink: Option<Spanned<String>>,
    /// What has to arrive there, in order. Fields that are not named here may be anything.
    expect: Vec<Value>,
    /// How many dead letters there have to be.
    #[serde(default)]
    dead: u64,
}

/// Whether all is as it should be.
pub(super) fn test(script: &Script, sample: NonZero<u64>, tools: &Tools) -> Result<bool, Error> {
    let file = script.parse()?;
    if file.tests.is_empty() {
        show(script, sample, tools)?;
        return Ok(true);
    }
    let mut failed = 0;
    for (number, table) in file.tests.iter().enumerate() {
        let span = table.span.clone();
        let case: Case = table.clone().read("a field of [[test]]")?;
        let name = case.name.clone().unwrap_or_else(|| format!("case {}", number + 1));
        match check(script, &file, case, tools).map_err(|error| error.at(span))? {
            None => print(&format!("ok      {name}\n"))?,
            Some(why) => {
                failed += 1;
                print(&format!("FAILED  {name}: {why}\n"))?;
            }
        }
    }
    say(&format!("{} passed, {failed} failed", file.tests.len() - failed));
    Ok(failed == 0)
}

/// Why a case fails.
fn check(script: &Script, file: &File<'_>, case: Case, tools: &Tools) -> Result<Option<String>, Error> {
    let source = one(file, Part::Source, case.source)?;
    let sink = one(file, Part::Sink, case.sink)?;
    let arrived = Arrived::default();
    let trial =
        Trial { input: Some((source, case.input)), arrived: Some(arrived.clone()), ..Trial::default() };
    let report = script.attempt(Options::default(), tools, trial, &mut Unwatched)?;
    let dead: u64 = report.counts.iter().map(|(_, counts)| counts.dead).sum();
    let got: Vec<Value> =
        arrived.borrow_mut().extract_if(.., |(at, _)| *at == sink).map(|(_, value)| value).collect();
    if let Some(why) = differs(&case.expect, &got) {
        return Ok(Some(why));
    }
    Ok((dead != case.dead).then(|| format!("{dead} dead letters, not {}", case.dead)))
}

fn differs(expect: &[Value], got: &[Value]) -> Option<String> {
    if let Some((expect, got)) = expect.iter().zip(got).find(|(expect, got)| !fits(expect, got)) {
        return Some(format!("\n          got {got}\n     expected {expect}"));
    }
    let (expected, arrived) = (expect.len(), got.len());
    (expected != arrived).then(|| {
        let extra = got.get(expected).map(|extra| format!("\n          got {extra} as well"));
        format!("{arrived} records, not {expected}{}", extra.unwrap_or_default())
    })
}

/// Whether a value is what is expected; objects may have more fields.
fn fits(expect: &Value, got: &Value) -> bool {
    match (expect, got) {
        (Value::Object(expect), Value::Object(got)) => {
            expect.iter().all(|(key, expect)| got.get(key).is_some_and(|got| fits(expect, got)))
        }
        (Value::Array(expect), Value::Array(got)) => {
            expect.len() == got.len() && expect.iter().zip(got).all(|(expect, got)| fits(expect, got))
        }
        (Value::Number(expect), Value::Number(got)) => expect == got || expect.as_f64() == got.as_f64(),
        (expect, got) => expect == got,
    }
}

fn one(file: &File<'_>, part: Part, named: Option<Spanned<String>>) -> Result<String, Error> {
    let names: Vec<_> =
        file.nodes.iter().filter(|node| node.part == part).map(|node| node.name.as_str()).collect();
    let word = part.word();
    match named {
        Some(name) if names.contains(&name.get_ref().as_str()) => Ok(name.into_inner()),
        Some(name) => Err(Error::new(format!("there is no {word} called `{}`", name.get_ref()))
            .hint(near::hint(name.get_ref(), names))
            .at(name.span())),
        None => match names.as_slice() {
            [only] => Ok((*only).to_owned()),
            _ => Err(Error::new(format!("the pipeline has several {word}s"))
                .hint(format!("say which with `{word} = ...`: {}", names.join(", ")))),
        },
    }
}

/// Prints what each node hands on.
fn show(script: &Script, sample: NonZero<u64>, tools: &Tools) -> Result<(), Error> {
    let trace = |node: &str, records: &[crate::record::Record]| {
        for record in records {
            let data = serde_json::from_str(&record.text()).unwrap_or_else(|_| json!(record.text()));
            // What cannot be printed is not what is tried here.
            let _ = print(&format!("{}\n", json!({ "node": node, "id": record.id, "data": data })));
        }
    };
    let trial = Trial { trace: Some(Box::new(trace)), ..Trial::default() };
    let options = Options { limit: Some(sample.get()), ..Options::default() };
    let report = script.attempt(options, tools, trial, &mut Unwatched)?;
    let dead: u64 = report.counts.iter().map(|(_, counts)| counts.dead).sum();
    if dead > 0 {
        say(&format!("{dead} records failed"));
    }
    say("There are no cases in the file. [[test]] tables with `input` and `expect` are checked here.");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_that_are_not_expected_may_be_anything() {
        let differs = |expect: Value, got: Value| {
            differs(expect.as_array().unwrap(), got.as_array().unwrap()).is_some()
        };
        assert!(!differs(json!([{ "a": 1 }]), json!([{ "a": 1.0, "b": 2 }])));
        assert!(differs(json!([{ "a": 1 }]), json!([{ "b": 2 }])));
        assert!(differs(json!([{ "a": [1, 2] }]), json!([{ "a": [1] }])));
        assert!(differs(json!([]), json!([{}])));
        assert!(differs(json!([{}]), json!([])));
    }
}
