//! The source and the sink of HTTP in whole runs, against servers that fail, move, change and forget.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use inferno_sdk::{Error as HostError, ErrorKind};
use serde_json::{Value, json};

use crate::disk::RealDisk;
use crate::engine::faults::{Fault, Faulty};
use crate::error::Error;
use crate::host::Call;
use crate::session::Options;
use crate::testing::{FakeReply, Kit, numbers};

const SITE: &str = "https://a.example";

/// Small batches and a checkpoint after each.
fn pipeline(source: &str, sink: &str) -> String {
    format!(
        "[pipeline]\nbatch = 3\ncheckpoint = \"0s\"\n[[source]]\nname = \"from\"\n{source}\n[[sink]]\nname = \"to\"\n{sink}\n"
    )
}

fn from(url: &str, more: &str) -> String {
    pipeline(
        &format!("use = \"http\"\nurl = \"{SITE}{url}\"\n{more}"),
        "use = \"jsonl\"\npath = \"out.jsonl\"",
    )
}

fn to(more: &str) -> String {
    pipeline("use = \"jsonl\"\npath = \"in.jsonl\"", &format!("use = \"http\"\nurl = \"{SITE}/in\"\n{more}"))
}

fn kit(server: impl FnMut(&Call) -> Result<FakeReply, HostError> + 'static) -> Kit {
    let kit = Kit::new(&[("in.jsonl", &numbers(10))]);
    kit.serve(server);
    kit
}

/// Whoever answers the same whatever is asked.
fn always(
    status: u16,
    kind: &'static str,
    body: &'static str,
) -> impl FnMut(&Call) -> Result<FakeReply, HostError> {
    move |_| Ok(FakeReply::new(status, body).header("content-type", kind))
}

fn unavailable() -> HostError {
    HostError::new(ErrorKind::Unavailable, "the connection broke off")
}

#[track_caller]
fn fails(kit: &Kit, toml: &str) -> Error {
    kit.run(toml).expect_err("it fails")
}

/// The text of the file that an error points at.
fn pointed<'t>(toml: &'t str, error: &Error) -> &'t str {
    &toml[error.span.clone().unwrap_or_default()]
}

#[test]
fn documents_of_each_kind_become_records() {
    let read = |kind: &'static str, body: &'static str, url: &str, more: &str| {
        let kit = kit(always(200, kind, body));
        kit.run(&from(url, more)).unwrap_or_else(|error| panic!("{error}"));
        kit.lines("out.jsonl")
    };
    let two = [json!({ "n": 1 }), json!({ "n": 2 })];
    assert_eq!(read("application/x-ndjson; charset=utf-8", "{\"n\":1}\n\n{\"n\":2}", "/x", ""), two);
    assert_eq!(read("application/json", "[{\"n\":1},\n{\"n\":2}]", "/x", ""), two);
    assert_eq!(read("application/vnd.x+json", "{\"n\":1}", "/x", ""), two[..1]);
    assert_eq!(
        read("application/json", "{\"a\":{\"b\":[{\"n\":1},{\"n\":2}]}}", "/x", "records = \"/a/b\""),
        two
    );
    assert_eq!(read("text/plain", "{\"n\":1}\n{\"n\":2}", "/x.jsonl?y", ""), two);
    assert_eq!(read("", "[{\"n\":1},{\"n\":2}]", "/x", "format = \"json\""), two);
    let csv = [json!({ "a": "1", "b": "x;y" }), json!({ "a": "2", "b": "" })];
    assert_eq!(read("text/csv", "a,b\n1,x;y\n2,\n", "/x", ""), csv);
    assert_eq!(read("text/csv", "a|b\n1|x;y\n2|\n", "/x", "delimiter = \"|\""), csv);
    let text = [json!({ "url": format!("{SITE}/x"), "text": "two\nlines" })];
    assert_eq!(read("text/html", "two\nlines", "/x", ""), text);
}

#[test]
fn what_is_no_document_is_told() {
    let told = |kind: &'static str, body: &'static str, more: &str| {
        fails(&kit(always(200, kind, body)), &from("/x", more))
    };
    let error = told("image/png", "", "");
    assert_eq!(error.message, "the server says \"image/png\" about what https://a.example/x is");
    assert!(told("", "", "").message.starts_with("the server says nothing"));
    assert!(told("application/json", "[1,", "").message.starts_with("https://a.example/x is no JSON"));
    assert_eq!(
        told("application/json", "{}", "records = \"/a\"").message,
        "https://a.example/x has nothing at `/a`"
    );
    assert!(
        told("text/csv", "a\n", "records = \"/a\"").message.contains("is no JSON, and only that has places")
    );
    let error = told("application/x-ndjson", "{\"n\":1}\n", "max_size = 3");
    assert_eq!(error.message, "https://a.example/x is larger than 3 bytes");

    let wrong = |more: &str, at: &str| {
        let toml = from("/x", more);
        let error = fails(&kit(always(200, "", "")), &toml);
        assert_eq!(pointed(&toml, &error), at, "{error}");
    };
    wrong("records = \"a\"", "\"a\"");
    wrong("format = \"csv\"\nnext = \"/a\"", "\"/a\"");
    wrong("headers = { x = { secret = \"NONE\" } }", "{ secret = \"NONE\" }");
    wrong("headers = { x = 1 }", "1");
    let toml = from("/x", "").replace("https://a.example/x", "a.example/x");
    assert_eq!(pointed(&toml, &fails(&kit(always(200, "", "")), &toml)), "\"a.example/x\"");
}

#[test]
fn what_is_refused_says_what_would_grant_it() {
    let denied = |_: &Call| Err(HostError::new(ErrorKind::Denied, "the request was not granted"));
    for toml in [from("/x", ""), to("")] {
        let error = fails(&kit(denied), &toml);
        let hint = error.hint.unwrap();
        assert!(
            hint.starts_with("`inferno plugin grant pipeline http=https://a.example` grants it"),
            "{hint}"
        );
    }
}

#[test]
fn a_server_that_is_busy_is_asked_again() {
    let calls = Rc::new(Cell::new(0));
    let count = calls.clone();
    let busy = move |_: &Call| {
        count.set(count.get() + 1);
        Ok(match count.get() {
            1 => FakeReply::new(503, "later").header("retry-after", "7"),
            2 => return Err(unavailable()),
            3 => {
                let mut torn =
                    FakeReply::new(200, "{\"n\":0}\n{\"n\"").header("content-type", "application/jsonl");
                torn.chunks.push_back(Err(unavailable()));
                torn
            }
            _ => FakeReply::new(200, "{\"n\":0}\n{\"n\":1}\n").header("content-type", "application/jsonl"),
        })
    };
    let kit = kit(busy);
    let toml = from("/x", "retry = { attempts = 4, backoff = \"1s\" }");
    kit.run(&toml).unwrap();
    assert_eq!(kit.read("out.jsonl"), numbers(2));
    assert_eq!((calls.get(), *kit.host.slept.borrow()), (4, Duration::from_secs(7 + 2 + 4)));

    let down = self::kit(always(500, "", "out of order"));
    let error = fails(&down, &from("/x", "retry = { attempts = 2, backoff = \"1s\" }"));
    assert_eq!(error.message, "https://a.example/x answers with status 500: out of order (after 2 attempts)");
    assert_eq!(*down.host.slept.borrow(), Duration::from_secs(1));
    let gone = self::kit(always(404, "", ""));
    assert_eq!(fails(&gone, &from("/x", "")).message, "https://a.example/x answers with status 404");
    assert_eq!(*gone.host.slept.borrow(), Duration::ZERO);
    let slow = self::kit(|_: &Call| Ok(FakeReply::new(429, "").header("retry-after", "86400")));
    fails(&slow, &from("/x", "retry = { attempts = 2, max = \"1m\" }"));
    assert_eq!(*slow.host.slept.borrow(), Duration::from_secs(60), "no longer than the file says");
}

#[test]
fn pages_and_moves_are_followed_and_headers_stay_with_their_site() {
    let seen = Rc::new(RefCell::new(Vec::new()));
    let log = seen.clone();
    let server = move |call: &Call| {
        let key = call.headers.iter().any(|(name, value)| name == "authorization" && value == "Bearer 123");
        log.borrow_mut().push((call.url.clone(), key));
        let json = |body: &str| FakeReply::new(200, body).header("content-type", "application/json");
        Ok(match call.url.strip_prefix("https://") {
            Some("a.example/items") => FakeReply::new(302, "").header("location", "/v2/items"),
            Some("a.example/v2/items") => json("{\"r\":[{\"n\":0},{\"n\":1}],\"next\":\"?page=2\"}"),
            Some("a.example/v2/items?page=2") => json("{\"r\":[],\"next\":\"https://b.example/3\"}"),
            Some("b.example/3") => json("{\"r\":[{\"n\":2}],\"next\":null}"),
            other => panic!("{other:?}"),
        })
    };
    let kit = kit(server);
    kit.host.secrets.borrow_mut().insert("KEY".to_owned(), "123".to_owned());
    let more = "records = \"/r\"\nnext = \"/next\"\nheaders = { authorization = { secret = \"KEY\", before = \"Bearer \" } }";
    kit.run(&from("/items", more)).unwrap();
    assert_eq!(kit.read("out.jsonl"), numbers(3));
    let urls = ["a.example/items", "a.example/v2/items", "a.example/v2/items?page=2", "b.example/3"];
    let expect: Vec<_> = urls.iter().map(|url| (format!("https://{url}"), !url.starts_with('b'))).collect();
    assert_eq!(*seen.borrow(), expect, "a key goes to the site that it was meant for");
    assert!(!kit.read(".inferno/p/run/checkpoint").contains("123"));

    let circle = self::kit(|call: &Call| Ok(FakeReply::new(307, "").header("location", &call.url)));
    assert!(fails(&circle, &from("/x", "")).message.contains("has moved more than 5 times"));
    let itself = self::kit(|_: &Call| {
        let page = FakeReply::new(200, "{\"n\":0}").header("content-type", "application/json");
        Ok(page.header("link", "</first>; rel=first, </x>; rel=\"next\""))
    });
    let error = fails(&itself, &from("/x", "next = \"link\""));
    assert_eq!(error.message, "the page behind https://a.example/x is that page itself");
}

/// Three pages of JSON lines, each with a name for its state.
fn pages(call: &Call) -> Result<FakeReply, HostError> {
    let number: usize = call.url.rsplit('=').next().unwrap().parse().unwrap();
    let body: String = (number * 5..number * 5 + 5).map(|n| format!("{{\"n\":{n}}}\n")).collect();
    let page = FakeReply::new(200, &body)
        .header("content-type", "application/x-ndjson")
        .header("etag", &format!("\"{number}\""));
    Ok(if number < 2 { page.header("link", &format!("<?page={}>; rel=next", number + 1)) } else { page })
}

#[test]
fn a_source_survives_every_operation_of_the_disk() {
    let toml = from("/x?page=0", "next = \"link\"");
    for fault in [Fault::DiesBefore, Fault::DiesAfter, Fault::PowerCut, Fault::Full] {
        for at in 0.. {
            let kit = kit(pages);
            let disk = Faulty::new(fault, at);
            let first = kit.run_on(&toml, Rc::new(disk.clone()), Options::default());
            if disk.is_over() {
                first.unwrap_err();
                kit.run(&toml).unwrap_or_else(|error| panic!("{fault:?} at {at}: {error}"));
            } else {
                first.unwrap();
            }
            assert_eq!(kit.read("out.jsonl"), numbers(15), "{fault:?} at {at}");
            if !disk.is_over() {
                assert!(at > 20, "there are more operations than that");
                break;
            }
        }
    }
}

#[test]
fn what_was_fetched_is_not_fetched_again_unless_it_is_lost_and_then_it_has_to_be_the_same() {
    // Each time the run dies with the checkpoint in the first page.
    let dies = |after: &'static [&'static str], lose: bool| {
        let answers =
            Rc::new(RefCell::new(VecDeque::from([&"{\"n\":0}\n{\"n\":1}\n{\"n\":2}\n{\"n\":3}\n"])));
        answers.borrow_mut().extend(after);
        let left = answers.clone();
        let state = Rc::new(Cell::new(0));
        let kit = kit(move |_: &Call| {
            let body = left.borrow_mut().pop_front().expect("it is not fetched again");
            state.set(state.get() + usize::from(body.contains("etag")));
            let body = body.trim_start_matches("etag");
            Ok(FakeReply::new(200, body)
                .header("content-type", "application/jsonl")
                .header("etag", &state.get().to_string()))
        });
        let stops = format!(
            "{}on_error = \"stop\"\n",
            from("/x", "").replace(
                "[[sink]]",
                "[[step]]\nuse = \"validate\"\nfields = { n = { max = 2 } }\non_error = \"stop\"\n[[sink]]"
            )
        );
        fails(&kit, &stops);
        if lose {
            std::fs::remove_file(kit.path(".inferno/p/run/from/page-0")).unwrap();
        }
        (kit.run(&stops), answers)
    };
    let same = &["{\"n\":0}\n{\"n\":1}\n{\"n\":2}\n{\"n\":3}\n"][..];
    let (again, left) = dies(same, false);
    assert!(again.unwrap_err().message.starts_with("`validate` failed at the record https://a.example/x:4"));
    assert_eq!(left.borrow().len(), 1, "nothing was fetched again");
    let (again, left) = dies(same, true);
    assert!(again.unwrap_err().message.starts_with("`validate` failed at the record https://a.example/x:4"));
    assert_eq!(left.borrow().len(), 0);
    for other in [
        &["etag{\"n\":0}\n{\"n\":1}\n{\"n\":2}\n{\"n\":3}\n"][..],
        &["{\"n\":0}\n{\"n\":1}\n{\"n\":9}\n{\"n\":3}\n"],
        &["{\"n\":0}"],
    ] {
        let error = dies(other, true).0.unwrap_err();
        assert_eq!(
            error.message, "https://a.example/x is not the document that it was when the run stopped",
            "{other:?}"
        );
    }
}

/// A server that takes requests with the same key once.
#[derive(Clone, Default)]
struct Takes {
    requests: Rc<RefCell<Vec<(String, String)>>>,
    bodies: Rc<RefCell<Vec<String>>>,
}

impl Takes {
    fn take(&self, call: &Call) {
        let header = |name: &str| call.headers.iter().find(|(known, _)| known == name).unwrap().1.clone();
        let key = header("idempotency-key");
        let body = String::from_utf8(call.body.clone()).unwrap();
        let known = self.requests.borrow().iter().find(|(other, _)| *other == key).cloned();
        match known {
            Some((_, before)) => assert_eq!(before, body, "a key stands for the same request"),
            None => self.bodies.borrow_mut().push(body.clone()),
        }
        self.requests.borrow_mut().push((key, body));
    }

    fn kit(&self) -> Kit {
        let takes = self.clone();
        kit(move |call: &Call| {
            takes.take(call);
            Ok(FakeReply::new(200, "ok"))
        })
    }
}

#[test]
fn records_are_posted_in_the_form_that_the_file_says() {
    let posted = |more: &str| {
        let takes = Takes::default();
        takes.kit().run(&to(more)).unwrap();
        takes.bodies.borrow().clone()
    };
    assert_eq!(posted("")[..2], ["{\"n\":0}\n{\"n\":1}\n{\"n\":2}\n", "{\"n\":3}\n{\"n\":4}\n{\"n\":5}\n"]);
    assert_eq!(posted("format = \"json\"")[3], "[{\"n\":9}]");
    assert_eq!(
        posted("format = \"json\"\nmost = 2")[..3],
        ["[{\"n\":0},{\"n\":1}]", "[{\"n\":2}]", "[{\"n\":3},{\"n\":4}]"]
    );
    assert_eq!(posted("format = \"each\"").len(), 10);
    let kit = Takes::default().kit();
    kit.write("in.jsonl", "{\"n\":0}\n{oops\n{\"n\":2}\n");
    kit.run(&to("")).unwrap();
    assert_eq!(kit.lines("p.dead.jsonl")[0]["reason"], "it is no JSON");
    let toml = to("headers = { Idempotency-Key = \"x\" }");
    assert_eq!(pointed(&toml, &fails(&kit, &toml)), "\"x\"");
}

#[test]
fn a_server_that_keeps_to_the_key_takes_each_record_once_wherever_the_run_dies() {
    let toml = to("format = \"json\"\nmost = 2");
    for fault in [Fault::DiesBefore, Fault::DiesAfter, Fault::PowerCut] {
        for at in 0.. {
            let (takes, disk) = (Takes::default(), Faulty::new(fault, at));
            let kit = takes.kit();
            let first = kit.run_on(&toml, Rc::new(disk.clone()), Options::default());
            if disk.is_over() {
                first.unwrap_err();
                // If it died behind the end there is nothing to go on with, and if it died before the beginning neither.
                let resume = Options { resume: true, ..Options::default() };
                let resumed = kit.run_on(&toml, Rc::new(RealDisk), resume);
                if takes.bodies.borrow().is_empty() {
                    resumed.unwrap_err();
                    kit.run(&toml).unwrap_or_else(|error| panic!("{fault:?} at {at}: {error}"));
                }
            }
            let all: Vec<Value> = takes
                .bodies
                .borrow()
                .iter()
                .flat_map(|body| serde_json::from_str::<Vec<Value>>(body).unwrap())
                .collect();
            let expect: Vec<Value> = (0..10).map(|n| json!({ "n": n })).collect();
            assert_eq!(all, expect, "{fault:?} at {at}");
            if !disk.is_over() {
                assert!(at > 5, "there are more operations than that");
                break;
            }
        }
    }
    // Another run is another one.
    let takes = Takes::default();
    let kit = takes.kit();
    kit.run(&toml).unwrap();
    kit.run(&toml).unwrap();
    assert_eq!(takes.bodies.borrow().len(), 2 * 7);
}

#[test]
fn what_a_server_says_decides() {
    let run = |more: &str, answers: &[(u16, &str)]| {
        let mut answers: VecDeque<_> =
            answers.iter().map(|(status, said)| (*status, (*said).to_owned())).collect();
        let takes = Takes::default();
        let log = takes.clone();
        let kit = kit(move |call: &Call| {
            let (status, said) = answers.pop_front().unwrap_or((200, String::new()));
            if status == 200 {
                log.take(call);
            }
            let reply = FakeReply::new(status, &said);
            Ok(if said == "wait" { reply.header("retry-after", "9") } else { reply })
        });
        let done = kit.run(&to(more));
        (kit, done, takes.bodies.borrow().concat())
    };
    // Later is in its place.
    let (kit, done, bodies) =
        run("retry = { backoff = \"1s\" }", &[(503, ""), (429, "wait"), (200, ""), (409, "")]);
    assert_eq!((done.unwrap().counts[1].1.retries, bodies), (3 + 3 + 3, numbers(10)));
    let slept = *kit.host.slept.borrow();
    assert!(
        slept > Duration::from_secs(1 + 2 + 8 + 1) && slept < Duration::from_secs(1 + 2 + 9 + 2),
        "{slept:?}"
    );
    // What it will never take goes to the dead letters, and the others go on.
    let (kit, done, bodies) = run("", &[(200, ""), (422, "no n"), (200, "")]);
    assert_eq!((done.unwrap().counts[1].1.dead, bodies.lines().count()), (3, 7));
    assert_eq!(kit.lines("p.dead.jsonl")[0]["reason"], "https://a.example/in answers with status 422: no n");
    // Where nothing is taken, nothing is lost.
    for (status, hint) in
        [(401, "does it want a key?"), (404, "see that `url` is right"), (308, "write the new address")]
    {
        let (kit, done, _) = run("on_error = \"drop\"", &[(status, "")]);
        let error = done.unwrap_err();
        assert!(error.hint.as_deref().unwrap_or_default().contains(hint), "{error}");
        assert!(!kit.path("p.dead.jsonl").exists());
        kit.run(&to("on_error = \"drop\"")).unwrap();
    }
    let down = [(500, "down"); 3];
    let (kit, done, _) = run("", &down);
    let error = done.unwrap_err();
    assert!(error.message.contains("answers with status 500: down (after 3 attempts)"), "{error}");
    kit.run(&to("")).unwrap();
    let (kit, done, bodies) = run("on_error = \"dead-letter\"", &down);
    done.unwrap();
    assert_eq!((kit.lines("p.dead.jsonl").len(), bodies.lines().count()), (3, 7));
}
