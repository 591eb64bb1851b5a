//! Calls of what the host lends.

use crate::wit::inferno::host::types::Error;
use crate::wit::inferno::host::{inference, kv, loading, log, models, settings};
use crate::wit::wasi;
use crate::wit::wasi::http::types::{Request, Response};
use crate::{Query, read, report, respond, stores, text, use_plugins};

/// Does it, if it is a call of this kind.
pub(crate) async fn call(name: &str, query: &Query, request: Request) -> Option<Response> {
    let result = match name {
        "generate" => return Some(generate(query, request).await),
        "complete" => complete(query, request).await,
        "embed" => embed(query),
        "models" => models::all().map(|models| {
            models
                .iter()
                .map(|model| format!("{} {}", model.name, model.format))
                .collect::<Vec<_>>()
                .join("\n")
        }),
        "digest" => models::digest(&query.text("name")),
        "model" => models::get(&query.text("name")).map(|model| format!("{model:?}")),
        "loaded" => models::loaded().map(|loaded| {
            let told = |model: &models::Residency| {
                assert!(model.since > 1_600_000_000 && model.memory_bytes > 0, "{model:?}");
                let stays =
                    model.expires.map_or("stays".to_owned(), |end| format!("{} s", end - model.since));
                format!("{} {} {stays}", model.name, model.context_length)
            };
            loaded.iter().map(told).collect::<Vec<_>>().join("\n")
        }),
        "load" => loading::load(&query.text("name"), query.number("keep")).map(|()| "loaded".to_owned()),
        "unload" => loading::unload(&query.text("name")).map(|()| "goes".to_owned()),
        "kv-get" => kv::get(&query.text("key")).map(|value| match value {
            Some(value) => String::from_utf8_lossy(&value).into_owned(),
            None => "nothing".to_owned(),
        }),
        "kv-set" => kv::set(&query.text("key"), query.text("value").as_bytes(), query.number("ttl"))
            .map(|()| "set".to_owned()),
        "kv-delete" => kv::delete(&query.text("key")).map(|was| was.to_string()),
        "kv-keys" => kv::keys(&query.text("prefix"), query.get("after")).map(|keys| keys.join(" ")),
        "kv-lock" => lock(query),
        "kv-add" => kv::add(&query.text("key"), 1, query.number("ttl")).map(|sum| sum.to_string()),
        "setting" => Ok(settings::get(&query.text("key")).unwrap_or_else(|| "unset".to_owned())),
        "log" => {
            let fields = [("why".to_owned(), "a\nb".to_owned())];
            log::log(log::Level::Warn, "first\nsecond \u{1b}[31mred", &fields);
            print();
            Ok("logged".to_owned())
        }
        "convert" => use_plugins::convert(query).await,
        "convert-two" => use_plugins::convert_two(query).await,
        "day" => day(query, request).await,
        "surroundings" => Ok(report::surroundings()),
        _ => stores::call(name, query).or_else(|| use_plugins::call(name, query))?,
    };
    Some(match result {
        Ok(body) => text(200, &body),
        Err(error) => refused(&error),
    })
}

/// Takes a lock so many times at once, and one more after the first was dropped.
fn lock(query: &Query) -> Result<String, Error> {
    let count = query.number("count").unwrap_or(2);
    let name = |n: u64| if query.get("each").is_some() { format!("lock {n}") } else { "lock".to_owned() };
    let mut held = (0..count).map(|n| kv::try_lock(&name(n))).collect::<Result<Vec<_>, _>>()?;
    let taken: Vec<_> = held.iter().map(|lock| lock.is_some().to_string()).collect();
    held.remove(0);
    Ok(format!("{} {}", taken.join(" "), kv::try_lock(&name(0))?.is_some()))
}

/// A bit of everything that differs from run to run.
async fn day(query: &Query, request: Request) -> Result<String, Error> {
    let body = read(request).await.unwrap_or_default();
    let (began, now) = (std::time::Instant::now(), std::time::SystemTime::now());
    let dice = wasi::random::random::get_random_u64();
    let more = wasi::random::insecure::get_insecure_random_bytes(5);
    let days = kv::add("days", 1, None)?;
    kv::set("bytes", &[0xff, 0, b'a'], None)?;
    let bytes = kv::get("bytes")?;
    print();
    let told = match query.get("model") {
        Some(_) => {
            let wanted = asked(query, &body);
            wanted.temperature(1.5);
            inference::complete(wanted)?.text()
        }
        None => String::new(),
    };
    Ok(format!("day {days} {now:?} {:?} {dice} {more:?} {bytes:?}\n{told}", began.elapsed()))
}

#[expect(clippy::print_stdout, clippy::print_stderr, reason = "the host is to catch it")]
fn print() {
    println!("printed\rline");
    eprintln!("last words");
}

fn refused(error: &Error) -> Response {
    text(409, &report::error(error))
}

fn asked(query: &Query, body: &[u8]) -> inference::Request {
    let wanted = inference::Request::new(&query.text("model"));
    if query.number("stray").is_some() {
        wanted.image(0, b"early");
    }
    wanted.message(inference::Role::User, &String::from_utf8_lossy(body));
    if let Some(bytes) = query.number("image") {
        let image = vec![7; usize::try_from(bytes).unwrap_or_default()];
        wanted.image(u32::try_from(query.number("at").unwrap_or_default()).unwrap_or(u32::MAX), &image);
    }
    if let Some(tokens) = query.number("tokens") {
        wanted.max_tokens(u32::try_from(tokens).unwrap_or(u32::MAX));
    }
    wanted
}

async fn complete(query: &Query, request: Request) -> Result<String, Error> {
    let body = read(request).await.unwrap_or_default();
    let mut whole = inference::complete(asked(query, &body))?;
    for _ in 1..query.number("times").unwrap_or(1) {
        whole = inference::complete(asked(query, &body))?;
    }
    let usage = whole.usage();
    Ok(format!("{}\n{:?} {}+{}", whole.text(), whole.finish(), usage.prompt_tokens, usage.output_tokens))
}

async fn generate(query: &Query, request: Request) -> Response {
    let stop_after = query.number("stop-after");
    let body = read(request).await.unwrap_or_default();
    let (mut pieces, end) = match inference::generate(asked(query, &body)).await {
        Ok(started) => started,
        Err(error) => return refused(&error),
    };
    respond(200, &[("content-type", b"text/event-stream".to_vec())], async move |mut out| {
        let mut count = 0;
        while let Some(piece) = pieces.next().await {
            let inference::Piece::Text(piece) = piece else { continue };
            if !out.write_all(format!("[{piece}]").into_bytes()).await.is_empty() {
                return;
            }
            count += 1;
            if Some(count) == stop_after {
                break;
            }
        }
        drop(pieces);
        let end = match end.await {
            Ok(whole) => format!("\n{:?} {} {}", whole.finish(), whole.usage().output_tokens, whole.text()),
            Err(error) => format!("\n{:?} {}", error.kind, error.message),
        };
        out.write_all(end.into_bytes()).await;
    })
}

fn embed(query: &Query) -> Result<String, Error> {
    let made = inference::embed(&query.text("model"), &["one".to_owned(), "two".to_owned()])?;
    let vectors = made.vectors();
    let lengths: Vec<String> = vectors
        .iter()
        .map(|vector| format!("{:.3}", vector.iter().map(|x| x * x).sum::<f32>().sqrt()))
        .collect();
    Ok(format!("{} {} {}", vectors.len(), lengths.join(" "), made.usage().prompt_tokens))
}

/// Answers, and only then counts that it has.
pub(crate) fn late_work() -> Response {
    respond(200, &[("content-length", b"4".to_vec())], async |mut out| {
        out.write_all(b"done".to_vec()).await;
        drop(out);
        crate::misbehave::wait(20).await;
        // The test sees whether this happened.
        let _ = kv::add("late", 1, None);
    })
}
