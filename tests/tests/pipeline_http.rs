//! Pipelines from and to servers: only where the user named their sites, and each record once.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use inferno_tests::{Asked, Finished, Origin, TestContext, Told};

fn folder(context: &TestContext) -> PathBuf {
    let folder = context.home().join("work");
    fs::create_dir_all(&folder).unwrap();
    folder
}

fn command(context: &TestContext, args: &[&str]) -> Command {
    let mut command = context.command(args);
    command.current_dir(folder(context));
    command
}

fn run(context: &TestContext, args: &[&str]) -> Finished {
    Finished::of(&mut command(context, args))
}

#[track_caller]
fn product(context: &TestContext, args: &[&str]) -> String {
    let finished = run(context, args);
    assert_eq!(finished.status, Some(0), "{args:?}: {finished:?}");
    finished.stdout
}

fn write(context: &TestContext, name: &str, text: &str) {
    fs::write(folder(context).join(name), text).unwrap();
}

fn read(context: &TestContext, name: &str) -> String {
    fs::read_to_string(folder(context).join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn numbers(count: usize) -> String {
    (0..count).map(|n| format!("{{\"n\":{n}}}\n")).collect()
}

/// What a server was asked, and what it keeps: of requests with the same key, the first.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<Asked>>>);

impl Kept {
    fn note(&self, asked: &Asked) {
        self.0.lock().unwrap().push(asked.clone());
    }

    fn asked(&self) -> Vec<Asked> {
        self.0.lock().unwrap().clone()
    }

    /// The bodies under keys that had not been there before.
    fn bodies(&self) -> Vec<String> {
        let (mut keys, mut bodies) = (Vec::new(), Vec::new());
        for asked in self.asked() {
            let key =
                asked.header("idempotency-key").unwrap_or_else(|| panic!("no key: {asked:?}")).to_owned();
            if !keys.contains(&key) {
                keys.push(key);
                bodies.push(asked.body);
            }
        }
        bodies
    }

    fn clear(&self) {
        self.0.lock().unwrap().clear();
    }
}

fn lines(body: impl Into<String>) -> Told {
    Told::new(200, body).header("content-type", "application/x-ndjson")
}

#[test]
fn a_site_is_reached_once_the_user_has_named_it() {
    let context = TestContext::new();
    let kept = Kept::default();
    let log = kept.clone();
    let origin = Origin::start(move |asked| {
        log.note(asked);
        lines(numbers(3))
    });
    let site = origin.site();
    let file =
        format!("source:\n  - use: http\n    url: {site}/in\nsink:\n  - use: jsonl\n    path: out.jsonl\n");
    write(&context, "p.yaml", &file);
    assert_eq!(product(&context, &["pipeline", "validate", "p.yaml"]), "p.yaml is fine: 2 nodes\n");

    let refused = run(&context, &["pipeline", "run", "p.yaml"]);
    assert_eq!(refused.status, Some(1), "{refused:?}");
    let line = format!("inferno plugin grant pipeline http={site}");
    assert!(refused.stderr.contains(&line), "the command that would grant it: {refused:?}");
    assert!(kept.asked().is_empty(), "nothing was sent");
    let told = product(&context, &["plugin", "explain", "pipeline"]);
    assert!(told.contains(&format!("http = [\"{site}\"]")), "the line that would grant it: {told}");
    let info = product(&context, &["plugin", "info", "pipeline"]);
    assert!(info.contains("http = [\"*\"]"), "{info}");
    for word in ["http", "http=*", "http=SITE"] {
        let all = run(&context, &["plugin", "grant", "pipeline", word]);
        assert!(all.status != Some(0), "{word}: {all:?}");
    }

    let granted = product(&context, &["plugin", "grant", "pipeline", &format!("http={site}")]);
    assert!(
        granted.contains(&format!("http = [\"{site}\"]")) && granted.contains("secrets=NAME"),
        "{granted}"
    );
    product(&context, &["pipeline", "run", "p.yaml"]);
    assert_eq!(read(&context, "out.jsonl"), numbers(3));
    assert_eq!(kept.asked().len(), 1);
    let other = Origin::start(|_| lines(numbers(1)));
    write(&context, "p.yaml", &file.replace(&site, &other.site()));
    let refused = run(&context, &["pipeline", "run", "p.yaml", "--fresh"]);
    assert!(refused.stderr.contains(&format!("http={}", other.site())), "{refused:?}");

    product(&context, &["plugin", "revoke", "pipeline", &format!("http={site}")]);
    write(&context, "p.yaml", &file);
    assert_eq!(run(&context, &["pipeline", "run", "p.yaml", "--fresh"]).status, Some(1));
    assert_eq!(kept.asked().len(), 1);
}

#[test]
fn a_server_is_sent_a_secret_that_the_user_has_named_and_asked_again_when_it_is_busy() {
    let context = TestContext::new();
    let kept = Kept::default();
    let log = kept.clone();
    let origin = Origin::start(move |asked| {
        log.note(asked);
        match (asked.header("authorization"), log.asked().len()) {
            (Some("Bearer s3cret"), 1) => Told::new(503, "not now").header("retry-after", "1"),
            (Some("Bearer s3cret"), 2) => Told::new(200, "[{\"n\":0},{\"n\":1}]")
                .header("content-type", "application/json")
                .header("link", "</more>; rel=\"next\""),
            (Some("Bearer s3cret"), _) => {
                Told::new(200, "[{\"n\":2}]").header("content-type", "application/json")
            }
            _ => Told::new(401, "who are you?"),
        }
    });
    let site = origin.site();
    let file = format!(
        "[[source]]\nuse = \"http\"\nurl = \"{site}/in\"\nnext = \"link\"\nheaders.authorization = {{ secret = \"KEY\", before = \"Bearer \" }}\n\
         [[sink]]\nuse = \"jsonl\"\npath = \"out.jsonl\"\n"
    );
    write(&context, "p.toml", &file);
    product(&context, &["plugin", "grant", "pipeline", &format!("http={site}")]);
    let refused = run(&context, &["pipeline", "validate", "p.toml"]);
    assert!(refused.stderr.contains("secrets = [\"KEY\"]"), "the line that would grant it: {refused:?}");
    assert!(refused.stderr.contains("p.toml:5:"), "{refused:?}");
    product(&context, &["plugin", "grant", "pipeline", "secrets=KEY"]);
    let secrets = context.data().join("secrets.toml");
    fs::write(&secrets, "[secrets]\nKEY = \"s3cret\"\n").unwrap();
    fs::set_permissions(&secrets, fs::Permissions::from_mode(0o600)).unwrap();
    product(&context, &["pipeline", "run", "p.toml"]);
    assert_eq!(read(&context, "out.jsonl"), numbers(3));
    let paths: Vec<_> = kept.asked().into_iter().map(|asked| asked.path).collect();
    assert_eq!(paths, ["/in", "/in", "/more"]);

    fs::write(&secrets, "[secrets]\nKEY = \"other\"\n").unwrap();
    let refused = run(&context, &["pipeline", "run", "p.toml"]);
    assert!(refused.stderr.contains("answers with status 401: who are you?"), "{refused:?}");
    assert!(!refused.stderr.contains("other"), "{refused:?}");
}

/// `INFERNO_TEST_KILLS` says how often.
#[test]
fn killed_at_random_moments_a_server_that_keeps_to_the_key_has_each_record_once() {
    const COUNT: usize = 2000;
    let kills: usize = std::env::var("INFERNO_TEST_KILLS").map_or(10, |kills| kills.parse().unwrap());
    let context = TestContext::new();
    let kept = Kept::default();
    let log = kept.clone();
    let mut calls = 0;
    let origin = Origin::start(move |asked| {
        if asked.method == "GET" {
            return lines(numbers(COUNT)).header("etag", "\"1\"");
        }
        calls += 1;
        // Every seventh is not taken, and every eleventh is taken, but the client does not hear of it.
        if calls % 7 == 0 {
            return Told::new(503, "busy");
        }
        log.note(asked);
        Told::new(if calls % 11 == 0 { 500 } else { 200 }, "")
    });
    let site = origin.site();
    product(&context, &["plugin", "grant", "pipeline", &format!("http={site}")]);
    write(
        &context,
        "p.toml",
        &format!(
            "[pipeline]\nbatch = 10\ncheckpoint = \"0s\"\n[[source]]\nuse = \"http\"\nurl = \"{site}/in\"\n\
             [[sink]]\nuse = \"http\"\nurl = \"{site}/out\"\nretry = {{ attempts = 9, backoff = \"1ms\" }}\n"
        ),
    );
    let (mut seed, mut killed, mut finished, mut again) = (7_u64, 0, 0, 0);
    let mut check = || {
        assert_eq!(kept.bodies().concat(), numbers(COUNT));
        again += kept.asked().len() - kept.bodies().len();
        assert!(!folder(&context).join("p.dead.jsonl").exists());
        kept.clear();
        finished += 1;
    };
    while killed < kills {
        // A run that was killed behind its end is over, and another one would be another one.
        let verb = if kept.asked().is_empty() { "run" } else { "resume" };
        let mut child = command(&context, &["pipeline", verb, "p.toml"]);
        let mut child = child.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        std::thread::sleep(Duration::from_millis((seed >> 33) % 1200));
        match child.try_wait().unwrap() {
            Some(_) => check(),
            None => {
                child.kill().unwrap();
                child.wait().unwrap();
                killed += 1;
            }
        }
    }
    let verb = if kept.asked().is_empty() { "run" } else { "resume" };
    run(&context, &["pipeline", verb, "p.toml"]);
    check();
    assert!(again > 0, "something was sent twice, or this says nothing");
    println!("killed {killed} times, finished {finished} times; {again} requests came again under their key");
}
