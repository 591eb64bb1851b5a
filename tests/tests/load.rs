//! Many clients for a while, some of whom leave, and workers that are killed under them: nothing leaks, nothing is stuck,
//! and nobody pays for another's misfortune.
//!
//! `INFERNO_LOAD_SECONDS` says how long; by default long enough to see that it works.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use inferno_tests::{Events, Server, TestContext, within};
use serde_json::{Value, json};

const CLIENTS: usize = 200;
/// Room for all of them, at work and waiting.
const ROOM: [&str; 2] = ["inference.sequences=16", "inference.queue=200"];

fn seconds() -> Duration {
    let seconds = std::env::var("INFERNO_LOAD_SECONDS").ok().and_then(|seconds| seconds.parse().ok());
    Duration::from_secs(seconds.unwrap_or(8))
}

/// What became of the streams.
#[derive(Debug, Default)]
struct Count {
    whole: AtomicUsize,
    left: AtomicUsize,
    failed: AtomicUsize,
}

/// How a stream ended.
enum End {
    Whole,
    /// An error that was told as an event.
    Told,
}

/// Follows a stream to its end; one that breaks off without a word fails the test.
fn follow(events: Events) -> End {
    let mut last = String::new();
    for event in events {
        if event == "[DONE]" {
            return End::Whole;
        }
        last = event;
    }
    let last: Value = serde_json::from_str(&last).unwrap_or_else(|_| panic!("it broke off after {last:?}"));
    assert!(last["error"]["message"].is_string(), "it broke off after {last}");
    End::Told
}

/// Streams from many clients until the time is up. Every third client leaves in mid-answer, each at another place.
fn stream_from_many(server: &Server, model: &str, count: &Count, until: Instant) {
    thread::scope(|scope| {
        for client in 0..CLIENTS {
            scope.spawn(move || {
                for turn in 0.. {
                    if Instant::now() >= until {
                        return;
                    }
                    let mut events = server.stream(model, "Tell me a short story about a fox named Mia.");
                    if client % 3 == 0 {
                        events.by_ref().take(1 + (client + 7 * turn) % 40).for_each(drop);
                        count.left.fetch_add(1, Relaxed);
                        continue;
                    }
                    match follow(events) {
                        End::Whole => count.whole.fetch_add(1, Relaxed),
                        End::Told => count.failed.fetch_add(1, Relaxed),
                    };
                }
            });
        }
    });
}

/// KiB that a process has in memory.
fn resident(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

fn open_files(process: u32) -> usize {
    std::fs::read_dir(format!("/proc/{process}/fd")).unwrap().count()
}

#[test]
fn two_hundred_streams_leave_nothing_behind() {
    let context = TestContext::new();
    let server = context.serve(&ROOM);
    let count = Count::default();
    // What is allocated once is allocated in the first round.
    stream_from_many(&server, "storyteller", &count, Instant::now() + seconds() / 2);
    let processes = || [vec![server.process()], server.workers()].concat();
    let files = within("connections stay open", || {
        let files = open_files(server.process());
        (files < CLIENTS / 2).then_some(files)
    });
    let before: u64 = processes().into_iter().map(resident).sum();

    stream_from_many(&server, "storyteller", &count, Instant::now() + seconds());
    assert!(count.whole.load(Relaxed) > CLIENTS && count.left.load(Relaxed) > CLIENTS / 3, "{count:?}");
    assert_eq!(count.failed.load(Relaxed), 0, "{count:?}");
    within("files stay open", || (open_files(server.process()) <= files + 4).then_some(()));
    let after: u64 = processes().into_iter().map(resident).sum();
    // What is kept warm goes on growing a little; one instance for each stream would be more than a mebibyte each.
    assert!(after < before + (96 << 10), "{before} KiB before, {after} KiB after {count:?}");

    // No place is lost: all of them can be had at once, and those who left hold none.
    thread::scope(|scope| {
        let waiting: Vec<_> =
            (0..CLIENTS).map(|_| scope.spawn(|| server.chat("storyteller", "Hello.").status)).collect();
        assert!(waiting.into_iter().all(|status| status.join().unwrap() == 200));
    });
}

#[test]
fn killed_workers_cost_their_own_requests_only() {
    let context = TestContext::new();
    context.echo_model("steady", r#"{"tokens_per_second": 200}"#);
    let server = context.serve(&ROOM);
    server.assert_says("steady", "hello", "hello");
    let steady = server.workers();
    let until = Instant::now() + seconds();
    let (told, whole) = (AtomicUsize::new(0), AtomicUsize::new(0));
    thread::scope(|scope| {
        for _ in 0..24 {
            scope.spawn(|| {
                while Instant::now() < until {
                    let body = json!({"model": "storyteller", "stream": true,
                        "messages": [{"role": "user", "content": "Tell me a short story."}]});
                    let body = body.to_string();
                    let head = server.send("POST", "/v1/chat/completions", &[], Some(body.as_bytes()));
                    // While the next worker is not there yet, requests are refused for a moment, with a word.
                    if head.status != 200 {
                        let answer = head.answer();
                        answer.refusal(503);
                        assert!(answer.header("retry-after").is_some(), "{answer:?}");
                        thread::sleep(Duration::from_millis(50));
                        continue;
                    }
                    match follow(head.events()) {
                        End::Whole => whole.fetch_add(1, Relaxed),
                        End::Told => told.fetch_add(1, Relaxed),
                    };
                }
            });
            scope.spawn(|| {
                while Instant::now() < until {
                    assert_eq!(server.stream("steady", "one two three four").text(), "one two three four");
                }
            });
        }
        while Instant::now() < until {
            thread::sleep(Duration::from_millis(1500));
            let victim = server.workers().into_iter().find(|worker| !steady.contains(worker));
            if let Some(victim) = victim {
                server.kill_worker(victim);
            }
        }
    });
    assert!(told.load(Relaxed) > 0, "no worker was killed in mid-answer");
    assert!(whole.load(Relaxed) > 0, "no answer came through between two deaths");
    within("it does not recover", || (server.chat("storyteller", "Hello.").status == 200).then_some(()));
}
