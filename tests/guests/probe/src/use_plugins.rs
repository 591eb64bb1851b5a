//! Calls of other plugins.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use crate::Query;
use crate::wit::inferno::host::plugins;
use crate::wit::inferno::host::types::Error;
use crate::wit::inferno::host::work::{Item, Sample};

/// Does it, if it is a call of this kind.
pub(crate) fn call(name: &str, query: &Query) -> Option<Result<String, Error>> {
    Some(match name {
        "playing" => plugins::playing(&query.text("role")).map(|names| names.join(" ")),
        "judge" => judge(query),
        "routes" => plugins::routes(&query.text("plugin")).map(|routes| {
            routes.iter().map(|(from, to)| format!("{from}-{to}")).collect::<Vec<_>>().join(" ")
        }),
        "step" => step(query),
        "steps" => steps(query),
        _ => return None,
    })
}

/// The configuration: a JSON string, in which `+` stands for a space.
fn config(query: &Query) -> String {
    format!("\"{}\"", query.text("config").replace('+', " "))
}

fn judge(query: &Query) -> Result<String, Error> {
    let sample = |answer: &str| Sample {
        prompt: "p".to_owned(),
        answer: answer.to_owned(),
        expected: Some("yes".to_owned()),
    };
    let samples = [sample("yes"), sample("no")];
    let verdicts = plugins::judge(&query.text("plugin"), &config(query), &samples)?;
    Ok(verdicts.iter().map(|verdict| verdict.pass.to_string()).collect::<Vec<_>>().join(" "))
}

/// Two batches of one item each, and what was kept.
fn step(query: &Query) -> Result<String, Error> {
    let step = plugins::open_step(&query.text("plugin"), &config(query))?;
    let mut seen = Vec::new();
    for id in ["1", "2"] {
        let item = Item { id: id.to_owned(), data: format!("\"{id}\"") };
        seen.push(format!("{:?}", step.process(&[item])?));
    }
    seen.push(format!("{:?}", step.finish()?));
    let again = step.process(&[]).err().map(|error| error.message);
    Ok(format!("{}\n{again:?}", seen.join("\n")))
}

/// Two steps at work at once, and what cannot be asked of them.
fn steps(query: &Query) -> Result<String, Error> {
    let open = || plugins::open_step(&query.text("plugin"), &config(query));
    let (one, other) = (open()?, open()?);
    let item = |id: &str| Item { id: id.to_owned(), data: format!("\"{id}\"") };
    let mut seen = Vec::new();
    one.submit(&[item("1"), item("2")])?;
    other.submit(&[item("3")])?;
    let mut refused = |result: Result<(), Error>| seen.extend(result.err().map(|error| error.message));
    refused(one.submit(&[]));
    refused(one.finish().map(drop));
    let taken = [other.take()?, one.take()?];
    refused(one.take().map(drop));
    seen.push(format!("{taken:?}"));
    seen.push(format!("{:?}", one.process(&[item("4")])?));
    one.finish()?;
    seen.extend(one.submit(&[]).err().map(|error| error.message));
    Ok(seen.join("\n"))
}

/// A conversion of what is in one folder into another one.
pub(crate) async fn convert(query: &Query) -> Result<String, Error> {
    let options = if query.get("config").is_some() { config(query) } else { "{}".to_owned() };
    convert_with(query, options).await
}

/// Two that wait for one another, each in the folder where the other one is.
pub(crate) async fn convert_two(query: &Query) -> Result<String, Error> {
    let mut one = pin!(convert_with(query, "\"meet a b\"".to_owned()));
    let mut other = pin!(convert_with(query, "\"meet b a\"".to_owned()));
    let (mut first, mut second) = (None, None);
    poll_fn(|cx| {
        if first.is_none()
            && let Poll::Ready(done) = one.as_mut().poll(cx)
        {
            first = Some(done);
        }
        if second.is_none()
            && let Poll::Ready(done) = other.as_mut().poll(cx)
        {
            second = Some(done);
        }
        if first.is_some() && second.is_some() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    let both: Result<Vec<String>, Error> = [first, second].into_iter().flatten().collect();
    Ok(both?.join(" "))
}

async fn convert_with(query: &Query, options: String) -> Result<String, Error> {
    let text = |name: &str| query.text(name);
    let (source, target) = ("text".to_owned(), "upper".to_owned());
    let files =
        plugins::convert(text("plugin"), source, target, options, text("input"), text("output")).await?;
    Ok(files.join(" "))
}
