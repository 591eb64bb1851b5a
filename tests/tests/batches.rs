//! Batches: each request is answered once, whatever is killed, full, late or not wanted any more.

mod kit;

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use inferno_tests::{Finished, within};
use serde_json::{Value, json};

use kit::{Client, Dice, Office, ask, assert_whole, kills, request, size};

const TOTAL: usize = 2000;

/// Waits until so many more bytes are there, or a little time is over: some are killed before they have begun.
fn until_grown(growth: u64, patience: Duration, length: impl Fn() -> u64, mut ended: impl FnMut() -> bool) {
    let (begin, before) = (Instant::now(), length());
    while length() < before + growth && begin.elapsed() < patience && !ended() {
        std::thread::sleep(Duration::from_micros(200));
    }
}

#[test]
fn a_run_that_is_killed_again_and_again_answers_each_request_once() {
    let office = Office::new("{}");
    office.input((0..TOTAL).map(request));
    // One good run says how long a line is.
    assert_eq!(office.run(&[]).status, Some(0));
    let whole = size(&office.at("out.jsonl"));
    assert_whole(&office.read("out.jsonl"), TOTAL);
    fs::remove_file(office.at("out.jsonl")).unwrap();

    let mut dice = Dice::new();
    let partial = office.at("out.jsonl.partial");
    let (mut killed, mut at_work) = (0, 0);
    while killed < kills() {
        let mut child = office.spawn(&["--resume", "--parallel", "4"]);
        let growth = dice.roll(2 * whole / (kills() + 2));
        let patience = Duration::from_millis(1000 + dice.roll(2000));
        until_grown(growth, patience, || size(&partial), || child.try_wait().unwrap().is_some());
        let was = size(&partial);
        child.kill().unwrap();
        if child.wait().unwrap().success() {
            break;
        }
        killed += 1;
        at_work += u64::from(was > 0);
        assert!(!office.at("out.jsonl").exists(), "what has its name is whole");
    }
    assert!(
        at_work * 2 >= killed && killed * 4 >= kills(),
        "{at_work} of {killed} kills came while it was at work"
    );
    let finished = office.run(&["--resume", "--json"]);
    assert_eq!(finished.status, Some(0), "{finished:?}");
    let summary: Value = serde_json::from_str(&finished.stdout).unwrap();
    assert_eq!((&summary["completed"], &summary["failed"]), (&TOTAL.into(), &0.into()));
    assert_whole(&office.read("out.jsonl"), TOTAL);
    assert!(!partial.exists());
}

/// How much the runs of a batch have written.
fn written(office: &Office, batch: &str) -> u64 {
    let folder = office.kept("local").join("batches").join(batch);
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    let names = entries
        .filter_map(Result::ok)
        .filter(|entry| entry.file_name().to_string_lossy().starts_with("output."));
    names.map(|entry| size(&entry.path())).max().unwrap_or_default()
}

#[test]
fn a_server_that_is_killed_again_and_again_answers_each_request_once() {
    let office = Office::new("{}");
    let input: String = (0..TOTAL).map(request).collect();
    let mut dice = Dice::new();
    let mut server = office.serve();
    let (_, batch) = Client::of(&server).order(&input);
    // About the length of all answers.
    let whole = TOTAL as u64 * 550;
    let mut at_work = 0;
    for _ in 0..kills() {
        let before = written(&office, &batch);
        let growth = dice.roll(2 * whole / (kills() + 2));
        until_grown(growth, Duration::from_secs(6), || written(&office, &batch), || false);
        at_work += u64::from(written(&office, &batch) > before);
        // Dropping it kills it.
        drop(server);
        server = office.serve();
    }
    assert!(at_work * 4 >= kills(), "{at_work} of {} kills came while it was at work", kills());
    let client = Client::of(&server);
    let done = client.ended(&batch);
    assert_eq!(done["status"], "completed", "{done}");
    assert_eq!(done["request_counts"], json!({"total": TOTAL, "completed": TOTAL, "failed": 0}));
    assert!(done["error_file_id"].is_null(), "{done}");
    assert_whole(&client.content(&done["output_file_id"]), TOTAL);
}

#[test]
fn refusals_stand_apart_and_are_told() {
    let office = Office::new("{}");
    let said = json!([{"role": "user", "content": "say 1"}]);
    office.input([
        request(0),
        ask("none", &json!({"model": "none", "messages": said})),
        ask("r1", &json!({"messages": said})),
        ask("hot", &json!({"model": "parrot", "messages": said, "temperature": 9})),
    ]);
    let finished = office.run(&["--errors", "err.jsonl"]);
    assert_eq!(finished.status, Some(1));
    assert!(finished.stderr.contains("in.jsonl:3: Missing required parameter: 'body.model'"), "{finished:?}");
    assert!(!office.at("out.jsonl").exists() && !office.at("out.jsonl.partial").exists());

    let finished = office.run(&["--errors", "err.jsonl", "--model", "parrot", "--json"]);
    assert_eq!(finished.status, Some(1), "{finished:?}");
    assert!(finished.stderr.contains("2 of 4 requests failed: see err.jsonl"), "{finished:?}");
    let summary: Value = serde_json::from_str(&finished.stdout).unwrap();
    assert_eq!((&summary["total"], &summary["failed"]), (&4.into(), &2.into()), "{summary}");
    assert_whole(&office.read("out.jsonl"), 2);
    let errors = office.read("err.jsonl");
    let errors: Vec<Value> = errors.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let seen = |id: &str| {
        let line = errors.iter().find(|line| line["custom_id"] == id).unwrap();
        let response = &line["response"];
        (response["status_code"].clone(), response["body"]["error"]["param"].clone())
    };
    assert_eq!(seen("none"), (404.into(), "model".into()));
    assert_eq!(seen("hot"), (400.into(), "temperature".into()));

    let again = office.run(&["--model", "parrot"]);
    assert!(again.stderr.contains("is there already") && again.status == Some(1), "{again:?}");
    let together = office.run(&["--force", "--model", "parrot"]);
    assert!(together.stderr.contains("see out.jsonl"), "{together:?}");
    assert_eq!(office.read("out.jsonl").lines().count(), 4);
    let other = office.run(&["--force", "--model", "parrot", "--endpoint", "/v1/embeddings"]);
    assert!(other.stderr.contains("does not match the batch's endpoint"), "{other:?}");
}

#[test]
fn a_full_disk_stops_a_run_that_can_go_on() {
    let office = Office::new("{}");
    office.input((0..2 * TOTAL).map(request));
    // What is compiled is kept, and is larger.
    assert_eq!(office.run(&[]).status, Some(0));
    let whole = size(&office.at("out.jsonl"));
    fs::remove_file(office.at("out.jsonl")).unwrap();

    // No file may be longer than half of it, in blocks of 512 bytes; without the signal that would end the program. That
    // is more than the engine needs for the plugin's memory, which is a file too.
    let inner = office.command(&[]);
    let program = inner.get_program().to_owned();
    let mut limited = Command::new("sh");
    limited
        .arg("-c")
        .arg(format!("trap '' XFSZ; ulimit -f {}; exec \"$0\" \"$@\"", whole / 1024))
        .arg(program);
    limited.args(inner.get_args()).env_clear().current_dir(office.at(""));
    for (name, value) in inner.get_envs() {
        limited.env(name, value.unwrap());
    }
    let finished = Finished::of(&mut limited);
    assert_eq!(finished.status, Some(1), "{finished:?}");
    let told = finished.stderr.contains("the run stopped: ") && finished.stderr.contains("--resume goes on");
    assert!(told && finished.stderr.contains("out.jsonl.partial"), "{finished:?}");
    let kept = size(&office.at("out.jsonl.partial"));
    assert!(kept > whole / 4 && kept <= whole / 2 + 512, "{kept} of {whole}");

    assert!(office.run(&[]).stderr.contains("a run stopped before its end"));
    let finished = office.run(&["--resume"]);
    assert_eq!(finished.status, Some(0), "{finished:?}");
    assert_whole(&office.read("out.jsonl"), 2 * TOTAL);
}

#[test]
fn a_bad_input_is_told_line_by_line() {
    let office = Office::new("{}");
    let server = office.serve();
    let client = Client::of(&server);
    let good = request(1);
    let input = format!("{}{{oops\n{}", request(0), good.replace("POST", "GET"));
    let (_, batch) = client.order(&input);
    let failed = client.ended(&batch);
    assert_eq!(
        (&failed["status"], &failed["errors"]["object"]),
        (&"failed".into(), &"list".into()),
        "{failed}"
    );
    let problems: Vec<(&Value, &Value)> = failed["errors"]["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|problem| (&problem["code"], &problem["line"]))
        .collect();
    assert_eq!(problems, [(&"invalid_json_line".into(), &2.into()), (&"invalid_method".into(), &3.into())]);
    let (_, batch) = client.order(&format!("{good}{good}"));
    let failed = client.ended(&batch);
    assert_eq!(failed["errors"]["data"][0]["code"], "duplicate_custom_id", "{failed}");
    let shown =
        office.context.command(&["batch", "show", &batch]).current_dir(office.at("")).output().unwrap();
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert!(shown.contains("failed") && shown.contains("line 2: The custom_id 'r1'"), "{shown}");
}

#[test]
fn a_batch_that_is_cancelled_keeps_what_is_answered() {
    // Two words a second each, sixteen at once.
    let office = Office::new(r#"{"tokens_per_second": 4}"#);
    let server = office.serve();
    let client = Client::of(&server);
    let (file, batch) = client.order(&(0..500).map(request).collect::<String>());
    assert!(client.delete(&format!("/v1/files/{file}")).refusal(400).contains(&batch));
    within("nothing is answered", || {
        (client.batch(&batch)["request_counts"]["completed"].as_u64() > Some(0)).then_some(())
    });
    let asked = client.cancel(&batch);
    assert_eq!((asked.status, &asked.json()["status"]), (200, &"cancelling".into()), "{asked:?}");
    let done = client.ended(&batch);
    assert_eq!(done["status"], "cancelled", "{done}");
    let counts = &done["request_counts"];
    let completed = counts["completed"].as_u64().unwrap();
    assert!((1..500).contains(&completed) && counts["failed"] == 0, "{counts}");
    let output = client.content(&done["output_file_id"]);
    assert_eq!(output.lines().count() as u64, completed);
    assert!(client.cancel(&batch).refusal(400).contains("cancelled"));
    assert_eq!(client.delete(&format!("/v1/files/{file}")).status, 200);
    let listed =
        office.context.command(&["batch", "list", "--json"]).current_dir(office.at("")).output().unwrap();
    let listed: Value = serde_json::from_slice(&listed.stdout).unwrap();
    assert_eq!((&listed[0]["id"], &listed[0]["status"]), (&batch.into(), &"cancelled".into()), "{listed}");
}

#[test]
fn a_batch_that_nobody_worked_on_in_time_expires() {
    let office = Office::new("{}");
    let server = office.context.serve(&["jobs.enabled=false"]);
    let (_, batch) = Client::of(&server).order(&(0..3).map(request).collect::<String>());
    assert_eq!(Client::of(&server).batch(&batch)["status"], "validating");
    drop(server);
    // A day later.
    let path: PathBuf = office.kept("local").join("batches").join(&batch).join("order.json");
    let mut order: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    order["expires_at"] = order["created_at"].clone();
    fs::write(&path, order.to_string()).unwrap();
    let server = office.serve();
    let client = Client::of(&server);
    let done = client.ended(&batch);
    assert_eq!(done["status"], "expired", "{done}");
    assert_eq!(done["request_counts"], json!({"total": 3, "completed": 0, "failed": 3}));
    assert_eq!(client.content(&done["error_file_id"]).matches("\"code\":\"batch_expired\"").count(), 3);
    assert!(done["output_file_id"].is_null());
}

#[test]
fn tenants_have_files_and_batches_of_their_own() {
    let office = Office::new("{}");
    let key = |tenant: &str| {
        office.context.product(&["keys", "create", tenant, "--tenant", tenant]).trim().to_owned()
    };
    let keys = [key("ann"), key("bob")];
    let server = office.serve();
    let [ann, bob] = [0, 1].map(|one: usize| Client { server: &server, key: Some(&keys[one]) });
    let (file, batch) = ann.order(&request(0));
    let done = ann.ended(&batch);
    assert_eq!(done["status"], "completed", "{done}");
    let output = done["output_file_id"].as_str().unwrap();
    for path in
        [format!("/v1/files/{file}"), format!("/v1/files/{output}/content"), format!("/v1/batches/{batch}")]
    {
        assert_eq!((ann.get(&path).status, bob.get(&path).status), (200, 404), "{path}");
    }
    assert_eq!(bob.delete(&format!("/v1/files/{file}")).status, 404);
    assert_eq!(bob.create(&file).status, 400);
    for path in ["/v1/files", "/v1/batches"] {
        assert_eq!(bob.get(path).json()["data"], json!([]), "{path}");
    }
    assert_eq!(ann.get("/v1/files").json()["data"].as_array().unwrap().len(), 2);
    assert!(office.kept("ann").is_dir());
}

#[test]
fn files_larger_than_the_plugins_memory_come_and_go() {
    let office = Office::new("{}");
    let server = office.context.serve(&["serve.max_body=128MiB"]);
    let client = Client::of(&server);
    let content = "x".repeat(79) + "\n";
    let content = content.repeat(1 << 20);
    let file = client.upload(content.as_bytes());
    assert_eq!(file.status, 200, "{file:?}");
    assert_eq!(file.json()["bytes"], content.len());
    assert!(client.content(&file.json()["id"]) == content, "it is another");
}

#[test]
fn without_its_grants_the_gateway_says_which_it_lacks() {
    let office = Office::new("{}");
    office.context.product(&["plugin", "revoke", "gateway", "data"]);
    let server = office.serve();
    let refusal = Client::of(&server).upload(b"{}").refusal(403);
    assert!(refusal.contains("inferno plugin grant gateway data"), "{refusal}");
    server.assert_says("parrot", "hello", "hello");
    drop(server);
    office.context.product(&["plugin", "grant", "gateway", "data"]);
    office.context.product(&["plugin", "revoke", "gateway", "jobs"]);
    let server = office.serve();
    let client = Client::of(&server);
    let file = client.upload(request(0).as_bytes()).json()["id"].as_str().unwrap().to_owned();
    let refusal = client.create(&file).refusal(403);
    assert!(refusal.contains("jobs"), "{refusal}");
    assert_eq!(client.get("/v1/batches").json()["data"], json!([]));
}
