//! Tapes: what is on them, and what a replay does with them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use inferno_sandbox::{Budget, ErrorKind, Own, Plugin, Recording, Secrets, Setup, Span, Tape, TapeHead};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::guests::{ROLES, VERB, guest};
use crate::lab::{ASKS_ALL, Lab, ask, caller, manifest, ok};
use crate::web::Web;

const DAY: &str = "/probe/day?model=fast";

/// A folder with a tape in it.
struct Shelf(TempDir);

impl Shelf {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn file(&self) -> PathBuf {
        self.0.path().join("run.tape")
    }

    fn text(&self) -> String {
        fs::read_to_string(self.file()).unwrap()
    }

    fn lines(&self) -> Vec<Value> {
        self.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn write(&self, lines: &[Value]) {
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        fs::write(self.file(), text).unwrap();
    }

    fn recorder(&self, plugin: &Plugin, input: Value) -> Tape {
        Tape::record(&self.file(), TapeHead::now(plugin, "http", Vec::new(), input)).unwrap()
    }

    fn player(&self) -> Tape {
        Tape::replay(Recording::open(&self.file()).unwrap())
    }

    /// Asks once, with a tape.
    async fn ask(&self, tape: &Tape, plugin: &Plugin, uri: &str) -> Result<(u64, String), String> {
        let asked = ask(&plugin.taped(tape), uri, "once upon a time").await;
        let outcome = match &asked {
            Ok((status, text)) => json!({ "status": status, "text": text }),
            Err(error) => json!({ "error": error.to_string() }),
        };
        let calls = tape.finish(outcome).map_err(|error| {
            assert_eq!(error.kind(), ErrorKind::Tape);
            error.to_string()
        })?;
        Ok((calls, asked.map_or_else(|error| error.to_string(), |(_, text)| text)))
    }

    async fn record(&self, plugin: &Plugin, uri: &str) -> (u64, String) {
        self.ask(&self.recorder(plugin, Value::Null), plugin, uri).await.unwrap()
    }

    async fn replay(&self, plugin: &Plugin, uri: &str) -> Result<(u64, String), String> {
        self.ask(&self.player(), plugin, uri).await
    }
}

/// Where there is nothing: no model, no stored value, no grant.
fn nothing() -> (Lab, Plugin) {
    let lab = Lab::new();
    let probe = lab.granted(ASKS_ALL, "");
    (lab, probe)
}

async fn recorded(uri: &str) -> (Shelf, u64, String) {
    let (lab, shelf) = (Lab::new(), Shelf::new());
    lab.model("fast", 0);
    let (calls, text) = shelf.record(&lab.probe(ASKS_ALL), uri).await;
    (shelf, calls, text)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_is_had_again_with_nothing_behind_it() {
    let (shelf, calls, text) = recorded(DAY).await;
    assert!(text.starts_with("day 1 ") && text.contains("once upon a time"), "{text}");
    let (_lab, probe) = nothing();
    for _ in 0..2 {
        assert_eq!(shelf.replay(&probe, DAY).await, Ok((calls, text.clone())));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tape_tells_what_was_asked_and_what_came_of_it() {
    let (shelf, calls, text) = recorded(DAY).await;
    let lines = shelf.lines();
    let head = &lines[0]["tape"];
    assert_eq!((&head["format"], &head["plugin"], &head["wit"]), (&json!(1), &json!("probe"), &json!("0.1")));
    assert_eq!(
        lines.last().unwrap()["end"],
        json!({ "calls": calls, "outcome": { "status": 200, "text": text } })
    );
    let of = |name: &str| {
        let call = lines.iter().find(|line| line["call"]["name"] == name);
        let call = &call.unwrap_or_else(|| panic!("{name} is not on the tape"))["call"];
        let done = lines.iter().find(|line| line["done"]["number"] == call["number"]).unwrap();
        (call["args"].clone(), done["done"].clone())
    };
    let (args, done) = of("inferno:host/inference.complete");
    assert_eq!(args["model"], "fast");
    assert_eq!(args["messages"][0]["content"], "once upon a time");
    assert_eq!(args["sampling"]["seed"], Value::Null, "the plugin has set none");
    assert_eq!(done["result"]["Ok"]["text"], "once upon a time");
    let note = &done["note"];
    assert!(note["digest"].as_str().unwrap().starts_with("sha256:"), "{note}");
    assert!(note["seed"].is_u64(), "{note}");
    assert_eq!(of("inferno:host/kv.add").1["result"], json!({ "Ok": 1 }));
    assert_eq!(of("inferno:host/kv.get").1["result"], json!({ "Ok": { "hex": "ff0061" } }));
    for name in [
        "wasi:clocks/wall-clock.now",
        "wasi:clocks/monotonic-clock.now",
        "wasi:random/random",
        "wasi:cli/print",
    ] {
        of(name);
    }
    assert_eq!(of("wasi:random/insecure").0, json!({ "bytes": 32 }));
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn a_tape_is_its_owners_and_never_written_over() {
    use std::os::unix::fs::PermissionsExt as _;
    let (shelf, ..) = recorded("/probe/hello").await;
    assert_eq!(fs::metadata(shelf.file()).unwrap().permissions().mode() & 0o777, 0o600);
    let (_lab, probe) = nothing();
    let head = TapeHead::now(&probe, "http", Vec::new(), Value::Null);
    let error = Tape::record(&shelf.file(), head).err().unwrap();
    assert!(error.hint().unwrap().contains("never written over"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_streamed_answer_comes_in_the_same_pieces() {
    let uri = "/probe/generate?model=fast";
    let (shelf, calls, text) = recorded(uri).await;
    assert!(text.ends_with("\nFinishReason::Stop 4 once upon a time"), "{text}");
    let (_lab, probe) = nothing();
    assert_eq!(shelf.replay(&probe, uri).await, Ok((calls, text)));
    // One that the plugin does not hear to its end.
    let uri = "/probe/generate?model=slow&stop-after=1";
    let (lab, shelf) = (Lab::new(), Shelf::new());
    lab.model("slow", 20);
    let recorded = shelf.record(&lab.probe(ASKS_ALL), uri).await;
    assert_eq!(shelf.replay(&probe, uri).await, Ok(recorded));
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_are_had_again_as_well() {
    for uri in [
        "/probe/complete?model=nobody",
        "/probe/generate?model=nobody",
        "/probe/embed?model=nobody",
        "/probe/model?name=x",
    ] {
        let (shelf, calls, text) = recorded(uri).await;
        assert!(text.starts_with("ErrorKind::NotFound"), "{text}");
        let lab = Lab::new();
        lab.model("nobody", 0);
        assert_eq!(shelf.replay(&lab.probe(ASKS_ALL), uri).await, Ok((calls, text)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_difference_is_named() {
    let (shelf, calls, _) = recorded("/probe/kv-get?key=a").await;
    assert_eq!(calls, 1);
    let (_lab, probe) = nothing();
    let of = async |uri: &str| shelf.replay(&probe, uri).await.unwrap_err();
    let text = of("/probe/kv-get?key=b").await;
    assert_eq!(
        text,
        "the run differs from the tape: call 1 (inferno:host/kv.get): at key: expected \"a\", found \"b\""
    );
    let text = of("/probe/kv-delete?key=a").await;
    assert_eq!(
        text,
        "the run differs from the tape: call 1: expected inferno:host/kv.get {\"key\":\"a\"}, found inferno:host/kv.delete {\"key\":\"a\"}"
    );
    let text = of("/probe/hello").await;
    assert_eq!(
        text,
        "the run differs from the tape: call 1 was not made: expected inferno:host/kv.get {\"key\":\"a\"}"
    );
    let text = of(DAY).await;
    assert!(
        text.contains("call 1: expected inferno:host/kv.get {\"key\":\"a\"}, found wasi:clocks/"),
        "{text}"
    );

    let (shelf, ..) = recorded("/probe/hello").await;
    let text = shelf.replay(&probe, "/probe/kv-get?key=a").await.unwrap_err();
    assert_eq!(
        text,
        "the run differs from the tape: call 1 is one too many: expected the end, found inferno:host/kv.get {\"key\":\"a\"}"
    );
    let text = shelf.replay(&probe, "/probe/count").await.unwrap_err();
    assert_eq!(
        text,
        "the run differs from the tape: what came of it: at text: expected \"hello\", found \"1\""
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_was_changed_on_the_tape_shows() {
    let (shelf, ..) = recorded(DAY).await;
    let mut lines = shelf.lines();
    let line =
        lines.iter_mut().find(|line| line["done"]["result"]["Ok"]["text"] == "once upon a time").unwrap();
    line["done"]["result"]["Ok"]["text"] = json!("twice");
    shelf.write(&lines);
    let (_lab, probe) = nothing();
    let text = shelf.replay(&probe, DAY).await.unwrap_err();
    assert!(text.starts_with("the run differs from the tape: what came of it: at text: expected "), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_tape_is_an_error_that_names_the_line() {
    let (shelf, ..) = recorded(DAY).await;
    let text = shelf.text();
    let lines: Vec<&str> = text.lines().collect();
    let read = |text: &str| {
        fs::write(shelf.file(), text).unwrap();
        let error = Recording::open(&shelf.file()).err().unwrap_or_else(|| panic!("{text}"));
        assert_eq!(error.kind(), ErrorKind::Tape);
        error.to_string()
    };
    // Cut anywhere, it is no tape.
    for end in (0..text.len() - 1).step_by(7).filter(|end| text.is_char_boundary(*end)) {
        let error = read(&text[..end]);
        assert!(error.contains("it breaks off"), "{end}: {error}");
    }
    let with = |index: usize, line: &str| {
        let mut lines = lines.clone();
        lines[index] = line;
        lines.join("\n") + "\n"
    };
    let future = lines[0].replace("\"format\":1", "\"format\":2");
    let last = lines.len() - 1;
    for (text, words) in [
        (with(0, "hello"), "line 1: this is no tape"),
        (with(0, "{}"), "line 1: this is no tape"),
        (with(0, &future), "line 1: the tape has the format 2, and this version of Inferno plays format 1"),
        (with(0, lines[1]), "line 1: a tape begins with its head"),
        (with(1, lines[0]), "line 2: there is a second head"),
        (with(1, "{\"call\":{}}"), "line 2: "),
        (with(1, "\u{0}\u{1}"), "line 2: "),
        (with(2, lines[1]), "line 3: call 1 follows call 1"),
        (with(2, "{\"done\":{\"number\":9,\"result\":1}}"), "line 3: call 9 is not under way"),
        (with(2, "{\"part\":{\"number\":0,\"value\":1}}"), "line 3: call 0 is not under way"),
        (with(last, "{\"end\":{\"calls\":1,\"outcome\":{}}}"), "it tells of 1 calls"),
        (format!("{text}{{}}\n"), "there is more after its end"),
    ] {
        let error = read(&text);
        assert!(error.contains(words), "{words}: {error}");
    }
    let error = Recording::open(Path::new("/nowhere/run.tape")).err().unwrap();
    assert!(error.to_string().contains("/nowhere/run.tape"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_that_is_too_long_is_not_read_to_its_end() {
    let shelf = Shelf::new();
    // A hole in a file takes no room on the disk, and has no end of line.
    fs::File::create(shelf.file()).unwrap().set_len(400 << 20).unwrap();
    let error = Recording::open(&shelf.file()).err().unwrap();
    assert!(error.to_string().contains("line 1 is longer than"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_came_of_a_call_must_fit_it() {
    let (shelf, ..) = recorded("/probe/kv-get?key=a").await;
    let mut lines = shelf.lines();
    lines[2]["done"]["result"] = json!("x");
    shelf.write(&lines);
    let (_lab, probe) = nothing();
    let text = shelf.replay(&probe, "/probe/kv-get?key=a").await.unwrap_err();
    assert!(
        text.starts_with("the tape is damaged: what came of call 1 (inferno:host/kv.get) does not fit"),
        "{text}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_was_ended_is_ended_there_again() {
    let (lab, shelf) = (Lab::new(), Shelf::new());
    lab.model("fast", 0);
    let probe = lab.probe(&format!("{ASKS_ALL}[limits]\nmodel_tokens = 5"));
    let uri = "/probe/complete?model=fast&tokens=4&times=2";
    let (_, text) = shelf.record(&probe, uri).await;
    assert!(text.contains("model"), "{text}");
    let (_lab, probe) = nothing();
    let (_, again) = shelf.replay(&probe, uri).await.unwrap();
    assert!(again.contains("the run on the tape was ended during call 2"), "{again}");
}

#[tokio::test(flavor = "multi_thread")]
async fn values_of_secrets_are_not_on_a_tape() {
    let with = |value: &str| {
        let secrets = BTreeMap::from([("API_KEY".to_owned(), value.to_owned())]);
        let lab = Lab::serving(|_, services| services.secrets = Secrets::new(secrets));
        let probe = lab.probe("[asks]\nsecrets = ['API_KEY']");
        (lab, probe)
    };
    let (shelf, uri) = (Shelf::new(), "/probe/secret?name=API_KEY");
    let (_lab, probe) = with("hush-hush");
    let recorded = shelf.record(&probe, uri).await;
    assert_eq!(recorded.1, "hush-hush");
    assert!(!shelf.text().contains("hush"), "{}", shelf.text());
    assert_eq!(shelf.replay(&probe, uri).await, Ok(recorded));

    let (_lab, other) = with("another");
    let text = shelf.replay(&other, uri).await.unwrap_err();
    assert_eq!(
        text,
        "the run differs from the tape: call 1 (inferno:host/secrets.get): the secret \"API_KEY\" is not the one with which the tape was made"
    );
    let (_lab, nobody) = nothing();
    assert!(shelf.replay(&nobody, uri).await.unwrap_err().contains("is not the one"));
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_to_other_machines_are_not_sent_again() {
    let (lab, web, shelf) = (Lab::new(), Web::start().await, Shelf::new());
    let port = web.port;
    let probe = lab.granted(
        &format!("[asks]\nhttp = ['http://localhost:{port}']"),
        &format!("[[grant]]\nplugin = 'probe'\ndigest = 'DIGEST'\nhttp = ['http://localhost:{port}']"),
    );
    let uri = format!("/probe/fetch?url=http://localhost:{port}/hello");
    let recorded = shelf.record(&probe, &uri).await;
    assert_eq!((recorded.1.as_str(), web.requests()), (&*format!("200  hello localhost:{port}"), 1));
    let (_lab, bare) = nothing();
    assert_eq!(shelf.replay(&bare, &uri).await, Ok(recorded));
    assert_eq!(web.requests(), 1);
    let text =
        shelf.replay(&bare, &format!("/probe/fetch?url=http://localhost:{port}/other")).await.unwrap_err();
    assert!(text.contains("(wasi:http/client.send): at uri: expected \"http://localhost:"), "{text}");
    // A refusal is an answer as well.
    let (shelf, uri) = (Shelf::new(), "/probe/fetch?url=http://elsewhere.example/");
    let recorded = shelf.record(&probe, uri).await;
    assert!(recorded.1.contains("HttpRequestDenied"), "{}", recorded.1);
    assert_eq!(shelf.replay(&bare, uri).await, Ok(recorded));
}

#[tokio::test(flavor = "multi_thread")]
async fn other_plugins_are_not_put_to_work_again() {
    let (lab, shelf) = (Lab::new(), Shelf::new());
    let probe = lab.probe("[asks]\nplugins = ['*']");
    let roles = manifest("roles", "[roles.step]\n[roles.judge]", "");
    lab.sandbox.registry().insert(lab.load(&roles, guest(ROLES)).unwrap());
    let (_lab, bare) = nothing();
    for uri in [
        "/probe/judge?plugin=roles&config=exact",
        "/probe/step?plugin=roles&config=count",
        "/probe/steps?plugin=roles&config=count",
        "/probe/playing?role=judge",
    ] {
        let shelf = Shelf::new();
        let recorded = shelf.record(&probe, uri).await;
        assert_eq!(shelf.replay(&bare, uri).await, Ok(recorded), "{uri}");
    }
    let recorded = shelf.record(&probe, "/probe/judge?plugin=none&config=exact").await;
    assert!(recorded.1.contains("NotFound"), "{}", recorded.1);
    assert_eq!(shelf.replay(&bare, "/probe/judge?plugin=none&config=exact").await, Ok(recorded));
}

#[tokio::test(flavor = "multi_thread")]
async fn budgets_and_settings_stay_as_they_are() {
    let lab = Lab::new();
    let budget = Budget { amount: 100, per: Span::seconds(100 * 365 * 24 * 3600) };
    let setup = Setup {
        all: Own {
            quota: BTreeMap::from([("tokens".to_owned(), budget)]),
            settings: json!({ "mode": { "a": [1, 2.5] } }).as_object().unwrap().clone(),
        },
        ..Setup::default()
    };
    let grant = "[[grant]]\nplugin = 'probe'\ndigest = 'DIGEST'\nquota = ['tokens']";
    let probe = lab.granted_and_set("[asks]\nquota = ['tokens']", grant, setup);
    let (_lab, bare) = nothing();
    for uri in [
        "/probe/spend?budget=tokens&amount=60&spent=40",
        "/probe/split?budget=tokens&amount=20&part=5",
        "/probe/reserve-and-drop?budget=tokens&amount=5",
        "/probe/spend?budget=tokens&amount=90",
        "/probe/remaining?budget=tokens",
        "/probe/setting?key=mode",
        "/probe/measure?name=things&amount=3",
        "/probe/log",
    ] {
        let shelf = Shelf::new();
        let recorded = shelf.record(&probe, uri).await;
        let left = ok(&probe, "/probe/remaining?budget=tokens", "").await;
        for plugin in [&probe, &bare] {
            assert_eq!(shelf.replay(plugin, uri).await, Ok(recorded.clone()), "{uri}");
        }
        assert_eq!(
            ok(&probe, "/probe/remaining?budget=tokens", "").await,
            left,
            "{uri}: a replay spends nothing"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_command_reads_and_prints_is_on_the_tape() {
    let (lab, shelf) = (Lab::new(), Shelf::new());
    let verb = lab.load(&manifest("verb", "[roles.command]", ""), guest(VERB)).unwrap();
    let args = |words: &[&str]| words.iter().map(ToString::to_string).collect::<Vec<_>>();
    let run = async |tape: &Tape, words: &[&str]| {
        let status = verb.taped(tape).command(caller("local"), args(words)).await;
        tape.finish(json!({ "status": status.ok() })).map_err(|error| error.to_string())
    };
    let head = TapeHead::now(&verb, "command", args(&["say", "bye"]), json!("one\ntwo\n"));
    let calls = run(&Tape::record(&shelf.file(), head).unwrap(), &["say", "bye"]).await.unwrap();
    let printed: Vec<Value> = shelf
        .lines()
        .into_iter()
        .filter(|line| line["call"]["name"].as_str().is_some_and(|name| name.starts_with("wasi:cli/std")))
        .map(|line| line["call"]["args"]["line"]["text"].clone())
        .collect();
    assert!(printed.len() > 3 && printed[1..3] == [json!("ONE\n"), json!("TWO\n")], "{}", shelf.text());
    assert!(printed.contains(&json!("bye")) && printed.contains(&json!("over\n")), "{printed:?}");
    assert_eq!(run(&shelf.player(), &["say", "bye"]).await, Ok(calls));
    let text = run(&shelf.player(), &["say", "hello"]).await.unwrap_err();
    assert!(text.contains("(wasi:cli/stdout): at line.text: expected \"bye\", found \"hello\""), "{text}");
    let text = run(&shelf.player(), &["exit"]).await.unwrap_err();
    assert!(text.contains("was not made"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn images_are_told_by_their_digests() {
    let lab = Lab::new();
    lab.seer("seer");
    let probe = lab.probe(ASKS_ALL);
    let shelf = Shelf::new();
    let uri = "/probe/complete?model=seer&image=70000";
    let (_, text) = shelf.record(&probe, uri).await;
    assert!(text.starts_with("[70000 bytes]once"), "{text}");
    assert!(shelf.text().len() < 20_000, "the image itself is not on the tape");
    let lines = shelf.lines();
    let call = lines.iter().find(|line| line["call"]["name"] == "inferno:host/inference.complete").unwrap();
    let asked = &call["call"]["args"]["images"];
    assert!(asked[0].as_str().is_some_and(|digest| digest.starts_with("sha256:")), "{call}");
    assert_eq!(shelf.replay(&probe, uri).await.unwrap().1, text);
    let other = shelf.replay(&probe, "/probe/complete?model=seer&image=70001").await.unwrap_err();
    assert!(other.contains("images"), "{other}");
}
