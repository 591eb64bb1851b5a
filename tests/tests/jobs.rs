//! Jobs: what is submitted is done, by whichever process finds the time, and by one at a time.

mod kit;

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use inferno_tests::within;
use serde_json::Value;

use kit::Office;

#[test]
fn a_job_is_run_by_another_process_and_leaves_its_output() {
    let office = Office::new();
    let id = office.submit(&[], &["say", "hello"]);
    assert_eq!(office.state(&id), "queued");
    office.work_once();
    let shown = office.show(&id);
    assert_eq!(
        (&shown["job"]["state"], &shown["job"]["exit_code"]),
        (&"succeeded".into(), &0.into()),
        "{shown}"
    );
    assert_eq!(shown["runs"][0]["outcome"], "succeeded", "{shown}");
    assert_eq!(office.product(&["batch-queue", "logs", &id]), "hello\n");
    let listed = office.product(&["batch-queue", "list"]);
    assert!(listed.contains(&id) && listed.contains("later say hello"), "{listed}");
    let exported = office.product(&["batch-queue", "export"]);
    let line: Value = serde_json::from_str(exported.trim()).unwrap();
    assert_eq!(line, shown, "one line for each job");
    office.product(&["batch-queue", "remove", &id]);
    assert!(office.refused(&["batch-queue", "show", &id]).contains("there is no job"));
    assert!(!office.context.data().join("jobs").join(&id).exists(), "its output goes with it");
}

#[test]
fn old_jobs_are_forgotten_with_their_output() {
    let office = Office::new();
    let id = office.submit(&["--key", "k"], &["say", "hello"]);
    assert_eq!(office.submit(&["--key", "k"], &["say", "hello"]), id, "the key was used before");
    office.work_once();
    assert!(office.context.data().join("jobs").join(&id).exists());
    office.product(&["batch-queue", "work", "--once", "--config", "jobs.keep=1ms"]);
    assert_eq!(office.product(&["batch-queue", "list"]), "");
    assert!(!office.context.data().join("jobs").join(&id).exists());
}

#[test]
fn what_is_no_command_is_refused_at_once() {
    let office = Office::new();
    let said = office.refused(&["batch-queue", "submit", "--", "latter", "say", "x"]);
    assert!(said.contains("there is no command `latter`") && said.contains("`later`"), "{said}");
    let said = office.refused(&["batch-queue", "submit", "--after", "job_0", "--", "later", "say", "x"]);
    assert!(said.contains("there is no job or schedule \"job_0\""), "{said}");
    assert!(office.refused(&["batch-queue", "list", "--state", "late"]).contains("there are queued"));
}

#[test]
fn a_runner_that_is_killed_loses_the_job_to_another() {
    let office = Office::new();
    let id = office.submit(&["--retries", "1"], &["hold", "go"]);
    let mut first = office.worker(&["jobs.lease=1s"]);
    office.notes_are(&["began go"]);
    first.kill();
    assert_eq!(office.state(&id), "running", "as far as anybody knows");

    // Two others look for work; one gets it.
    let mut others = [office.worker(&["jobs.lease=1s"]), office.worker(&["jobs.lease=1s"])];
    office.notes_are(&["began go", "began go"]);
    // Much longer than the lease: a runner that lives renews it.
    thread::sleep(Duration::from_secs(3));
    office.notes_are(&["began go", "began go"]);
    office.let_go("go");
    office.ends(&id, "succeeded");
    office.notes_are(&["began go", "began go", "ended go"]);
    let shown = office.show(&id);
    assert_eq!(shown["job"]["attempts"], 2, "{shown}");
    assert_eq!(shown["runs"][0]["outcome"], "lost", "{shown}");
    assert_eq!(shown["runs"][1]["outcome"], "succeeded", "{shown}");
    for other in &mut others {
        other.interrupt();
    }
}

#[test]
fn a_runner_that_is_stopped_gives_its_job_back() {
    let office = Office::new();
    let id = office.submit(&["--retries", "0"], &["hold", "go"]);
    let mut first = office.worker(&[]);
    office.notes_are(&["began go"]);
    first.interrupt();
    let shown = office.show(&id);
    assert_eq!((&shown["job"]["state"], &shown["job"]["attempts"]), (&"queued".into(), &0.into()), "{shown}");
    assert_eq!(shown["runs"][0]["outcome"], "released", "{shown}");
    office.let_go("go");
    office.work_once();
    let shown = office.show(&id);
    assert_eq!(
        (&shown["job"]["state"], &shown["job"]["attempts"]),
        (&"succeeded".into(), &1.into()),
        "{shown}"
    );
}

#[test]
fn cancelling_stops_the_plugin() {
    let office = Office::new();
    for args in [&["spin"][..], &["hold", "never"]] {
        fs::remove_file(office.notes()).ok();
        let id = office.submit(&[], args);
        let mut worker = office.worker(&[]);
        office.notes_are(&[&format!("began {}", args[args.len() - 1])]);
        office.product(&["batch-queue", "cancel", &id]);
        office.ends(&id, "cancelled");
        // The worker is free again.
        let next = office.submit(&[], &["say", "next"]);
        office.ends(&next, "succeeded");
        worker.interrupt();
    }
    let waiting = office.submit(&[], &["say", "never"]);
    office.product(&["batch-queue", "cancel", &waiting]);
    assert_eq!(office.state(&waiting), "cancelled");
    assert!(office.refused(&["batch-queue", "cancel", &waiting]).contains("it is cancelled"));
}

#[test]
fn failures_are_tried_again_until_they_are_spent() {
    let office = Office::new();
    let lucky = office.submit(&["--retries", "5", "--backoff", "10ms"], &["try", "3"]);
    let mut worker = office.worker(&[]);
    office.ends(&lucky, "succeeded");
    office.notes_are(&["tried", "tried", "tried"]);
    assert_eq!(office.show(&lucky)["job"]["attempts"], 3);

    let unlucky = office.submit(&["--retries", "1", "--backoff", "10ms"], &["try", "100"]);
    office.ends(&unlucky, "dead");
    let shown = office.show(&unlucky);
    assert_eq!(shown["job"]["error"], "it failed 2 times, at last: error: no luck", "{shown}");
    assert_eq!(shown["job"]["exit_code"], 1, "{shown}");
    assert_eq!(office.product(&["batch-queue", "logs", &unlucky, "--run", "1"]), "error: no luck\n");

    fs::remove_file(office.notes()).unwrap();
    let late = office.submit(&["--retries", "0", "--timeout", "300ms"], &["hold", "never"]);
    office.ends(&late, "failed");
    assert_eq!(office.show(&late)["job"]["error"], "it took longer than its limit of 300 ms");
    office.product(&["batch-queue", "retry", &unlucky]);
    office.ends(&unlucky, "dead");
    worker.interrupt();
}

#[test]
fn jobs_follow_one_another() {
    let office = Office::new();
    let first = office.submit(&["--priority", "-5"], &["note", "first"]);
    let second = office.submit(&["--after", &first, "--priority", "9"], &["note", "second"]);
    let failing = office.submit(&["--retries", "0", "--after", &second], &["no such thing"]);
    let never = office.submit(&["--after", &failing], &["note", "never"]);
    assert_eq!(office.state(&second), "blocked");
    office.work_once();
    office.notes_are(&["did first", "did second"]);
    assert_eq!(office.state(&failing), "failed");
    let shown = office.show(&never);
    assert_eq!(shown["job"]["state"], "cancelled", "{shown}");
    assert_eq!(shown["job"]["error"], format!("it was to follow {failing}, which failed"), "{shown}");
}

#[test]
fn the_paused_wait_and_a_drain_waits_for_those_that_run() {
    let office = Office::new();
    let paused = office.submit(&[], &["note", "paused"]);
    office.product(&["batch-queue", "pause", &paused]);
    office.work_once();
    assert_eq!(office.state(&paused), "paused");
    office.product(&["batch-queue", "resume", &paused]);

    office.product(&["batch-queue", "pause"]);
    office.work_once();
    assert_eq!(office.state(&paused), "queued", "the whole queue is paused");
    office.product(&["batch-queue", "resume"]);
    office.work_once();
    office.notes_are(&["did paused"]);

    let held = office.submit(&[], &["hold", "go"]);
    let mut worker = office.worker(&[]);
    office.notes_are(&["did paused", "began go"]);
    let next = office.submit(&[], &["note", "next"]);
    let said = office.refused(&["batch-queue", "drain", "--timeout", "100ms"]);
    assert!(said.contains("1 job still runs"), "{said}");
    office.let_go("go");
    office.product(&["batch-queue", "drain"]);
    assert_eq!((office.state(&held), office.state(&next)), ("succeeded".to_owned(), "queued".to_owned()));
    office.product(&["batch-queue", "resume"]);
    office.ends(&next, "succeeded");
    worker.interrupt();
}

#[test]
fn logs_follow_a_job_to_its_end() {
    let office = Office::new();
    let id = office.submit(&[], &["hold", "go"]);
    let mut follower = office.spawn(&["batch-queue", "logs", "--follow", &id]);
    let mut worker = office.worker(&[]);
    office.notes_are(&["began go"]);
    office.let_go("go");
    let (printed, said) = follower.told();
    assert_eq!(printed, "holding\n");
    assert!(said.contains("succeeded"), "{said}");
    worker.interrupt();

    let id = office.submit(&[], &["print", "100000"]);
    office.product(&["batch-queue", "work", "--once", "--config", "jobs.log_bytes=1KiB"]);
    assert_eq!(office.state(&id), "succeeded", "a job does not fail because it prints much");
    let kept = office.product(&["batch-queue", "logs", &id]);
    assert!(kept.len() < 1100 && kept.contains("the rest was not kept"), "{} bytes", kept.len());
}

#[test]
fn schedules_are_made_listed_paused_and_removed() {
    let office = Office::new();
    let create = [
        "batch-queue",
        "create",
        "--schedule",
        "0 2 * * *",
        "--time-zone",
        "Europe/Berlin",
        "--max-runs",
        "3",
    ];
    let id = office.product(&[&create[..], &["--", "later", "say", "good night"]].concat());
    let id = id.trim();
    let list = || {
        let listed = office.product(&["batch-queue", "list", "--schedules", "--json"]);
        serde_json::from_str::<Value>(&listed).unwrap()
    };
    let schedule = &list()[0];
    assert_eq!(schedule["id"], id);
    assert_eq!(schedule["time_zone"], "Europe/Berlin");
    assert!(schedule["next_run"].is_u64() && schedule["max_runs"] == 3, "{schedule}");
    assert!(office.product(&["batch-queue", "show", id]).contains("later say 'good night'"));
    office.product(&["batch-queue", "pause", id]);
    assert_eq!(list()[0]["enabled"], false);
    office.product(&["batch-queue", "resume", id]);
    assert_eq!(list()[0]["enabled"], true);
    office.product(&["batch-queue", "remove", id]);
    assert_eq!(list(), Value::Array(vec![]));

    let wrong = ["batch-queue", "create", "--schedule", "0 2 * *", "--", "later", "say", "x"];
    let said = office.refused(&wrong);
    assert!(said.contains("\"0 2 * *\"") && said.contains("such as"), "{said}");
}

#[test]
fn a_server_runs_what_others_submit_and_tells_of_it() {
    let office = Office::new();
    let server = office.context.serve(&["serve.metrics=anyone"]);
    let id = office.submit(&[], &["hold", "go"]);
    office.notes_are(&["began go"]);
    let figures = || server.get("/metrics").body;
    assert!(figures().contains("inferno_jobs{state=\"running\"} 1\n"), "{}", figures());
    office.let_go("go");
    office.ends(&id, "succeeded");
    assert!(figures().contains("inferno_jobs{state=\"running\"} 0\n"), "{}", figures());
    drop(server);

    let server = office.context.serve(&["jobs.enabled=false"]);
    let idle = office.submit(&[], &["say", "x"]);
    // As long as a server that ran jobs would take to notice this one.
    thread::sleep(Duration::from_secs(1));
    assert_eq!(office.state(&idle), "queued");
    drop(server);
}

#[test]
fn a_server_that_stops_gives_its_job_back() {
    let office = Office::new();
    let mut server = office.context.serve(&[]);
    let id = office.submit(&["--retries", "0"], &["hold", "go"]);
    office.notes_are(&["began go"]);
    server.interrupt();
    assert!(server.ended().success(), "{}", server.said());
    assert_eq!(office.state(&id), "queued");
}

#[test]
fn requests_come_before_jobs() {
    let office = Office::new();
    // One at a time, ten words a second.
    office.context.echo_model("slow", r#"{"tokens_per_second": 10, "context": 100000}"#);
    let server = office.context.serve(&["inference.sequences=1", "jobs.concurrent=3"]);
    server.assert_says("slow", "warm", "warm");
    let long = "one two three four five six seven eight nine ten eleven twelve";
    let jobs: Vec<String> = (0..3).map(|_| office.submit(&[], &["ask", "slow", long])).collect();
    within("no job runs", || jobs.iter().all(|id| office.state(id) == "running").then_some(()));
    let asked = Instant::now();
    server.assert_says("slow", "hello", "hello");
    let waited = asked.elapsed();
    let left = jobs.iter().filter(|id| office.state(id) == "running").count();
    // What was being answered ended first, and nothing else: otherwise all three would have.
    assert!(left >= 2, "{left} jobs were left after {waited:?}");
    for id in &jobs {
        office.ends(id, "succeeded");
    }
}

#[test]
fn a_plugin_submits_runs_of_itself_and_sees_no_others() {
    let office = Office::new();
    let mine = office.submit(&[], &["say", "of the user"]);
    let said = |args: &[&str]| office.product(&[&["later"], args].concat()).trim().to_owned();
    let id = said(&["submit", "say", "by itself"]);
    assert_eq!(said(&["state", &id]), "Queued after 0 None");
    assert_eq!(said(&["all"]), id);
    let shown = office.show(&id);
    assert_eq!(
        (&shown["job"]["submitter"], &shown["job"]["workdir"]),
        (&"plugin:later".into(), &Value::Null),
        "{shown}"
    );
    assert!(office.refused(&["later", "state", &mine]).contains("has no job"));
    assert!(office.refused(&["later", "cancel", &mine]).contains("has no job"));
    office.work_once();
    assert_eq!(said(&["state", &id]), "Succeeded after 1 None");
    assert_eq!(office.product(&["batch-queue", "logs", &id]), "by itself\n");

    let once = said(&["submit-once", "k", "note", "nowhere"]);
    assert_eq!(said(&["submit-once", "k", "note", "nowhere"]), once, "the key was used before");
    office.work_once();
    let state = said(&["state", &once]);
    assert!(state.starts_with("Failed after 1 Some"), "jobs of plugins have no folder: {state}");

    let cancelled = said(&["submit", "say", "never"]);
    said(&["cancel", &cancelled]);
    assert_eq!(said(&["state", &cancelled]), "Cancelled after 0 None");
    let full = ["later", "submit", "say", "x", "--config", "jobs.per_plugin=1"];
    let config = ["--config", "jobs.per_plugin=1"];
    office.product(&[&config[..], &full[..4]].concat());
    let said = office.refused(&[&config[..], &full[..4]].concat());
    assert!(said.contains("1 jobs of plugin:later") && said.contains("jobs.per_plugin"), "{said}");
}

#[test]
fn what_a_plugin_does_with_jobs_is_on_its_tape() {
    let office = Office::new();
    let record = ["plugin", "record", "later", "--tape", "day.tape", "--"];
    office.product(&[&record[..], &["submit", "say", "x"]].concat());
    let before = office.product(&["batch-queue", "list", "--json"]);
    let replayed = office.product(&["plugin", "replay", "day.tape"]);
    assert!(replayed.contains("2 calls, as on the tape"), "{replayed}");
    assert_eq!(office.product(&["batch-queue", "list", "--json"]), before, "a replay submits nothing");
}

#[test]
fn without_the_grant_a_plugin_submits_nothing() {
    let office = Office::granted("workdir=write");
    let said = office.refused(&["later", "submit", "say", "x"]);
    assert!(said.contains("jobs of its own") && said.contains("jobs = true"), "{said}");
    assert_eq!(office.product(&["batch-queue", "list"]), "");
}
