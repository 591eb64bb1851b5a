//! Somebody with many requests.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use inferno_tests::{Finished, Server, TestContext, within};
use serde_json::{Value, json};

/// How often a run is killed; 200 before a release.
pub(super) fn kills() -> u64 {
    std::env::var("INFERNO_KILLS").map_or(20, |kills| kills.parse().unwrap())
}

/// A request that its model answers with what it was asked.
pub(super) fn request(n: usize) -> String {
    let said = json!([{"role": "user", "content": format!("say {n}")}]);
    ask(&format!("r{n}"), &json!({"model": "parrot", "messages": said}))
}

/// A line of an input.
pub(super) fn ask(id: &str, body: &Value) -> String {
    let line = json!({"custom_id": id, "method": "POST", "url": "/v1/chat/completions", "body": body});
    format!("{line}\n")
}

/// Lines of answers: each request exactly once, with the answer that belongs to it.
#[track_caller]
pub(super) fn assert_whole(text: &str, total: usize) {
    let mut seen = vec![0_u32; total];
    assert!(text.is_empty() || text.ends_with('\n'), "the last line is whole");
    for line in text.lines() {
        let line: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        let n: usize = line["custom_id"].as_str().unwrap()[1..].parse().unwrap();
        seen[n] += 1;
        let said = &line["response"]["body"]["choices"][0]["message"]["content"];
        assert_eq!(
            (said, &line["response"]["status_code"]),
            (&json!(format!("say {n}")), &json!(200)),
            "{line}"
        );
        assert!(line["error"].is_null(), "{line}");
    }
    let odd: Vec<_> = seen.iter().enumerate().filter(|(_, times)| **times != 1).take(5).collect();
    assert!(odd.is_empty(), "not exactly once: {odd:?}");
}

/// Numbers that differ from run to run.
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new() -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        Self(u64::try_from(now.as_nanos() & u128::from(u64::MAX)).unwrap() | 1)
    }

    /// From 0 to below this.
    pub(super) fn roll(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % below.max(1)
    }
}

pub(super) struct Office {
    pub(super) context: TestContext,
}

impl Office {
    /// `settings` are those of the model.
    pub(super) fn new(settings: &str) -> Self {
        let context = TestContext::new();
        context.echo_model("parrot", settings);
        fs::create_dir(context.home().join("work")).unwrap();
        Self { context }
    }

    /// The folder in which commands run.
    pub(super) fn at(&self, name: &str) -> PathBuf {
        self.context.home().join("work").join(name)
    }

    /// Writes an input.
    pub(super) fn input(&self, lines: impl IntoIterator<Item = String>) {
        fs::write(self.at("in.jsonl"), lines.into_iter().collect::<String>()).unwrap();
    }

    pub(super) fn command(&self, more: &[&str]) -> Command {
        let mut command = self.context.command(&["batch", "run", "in.jsonl", "--output", "out.jsonl"]);
        command.args(more).current_dir(self.at("")).stderr(Stdio::piped()).stdout(Stdio::piped());
        command
    }

    pub(super) fn run(&self, more: &[&str]) -> Finished {
        Finished::of(&mut self.command(more))
    }

    pub(super) fn spawn(&self, more: &[&str]) -> Child {
        self.command(more).spawn().unwrap()
    }

    pub(super) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.at(name)).unwrap()
    }

    /// Where the gateway keeps what belongs to one tenant.
    pub(super) fn kept(&self, tenant: &str) -> PathBuf {
        self.context.data().join("plugin-data/gateway").join(tenant)
    }

    /// A server whose jobs go on soon after one before it was killed.
    pub(super) fn serve(&self) -> Server {
        self.context.serve(&["jobs.lease=1s"])
    }
}

/// The size of a file, if it is there.
pub(super) fn size(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |about| about.len())
}

/// A client of the API, with a key or without.
pub(super) struct Client<'a> {
    pub(super) server: &'a Server,
    pub(super) key: Option<&'a str>,
}

impl<'a> Client<'a> {
    pub(super) fn of(server: &'a Server) -> Self {
        Self { server, key: None }
    }

    fn ask(&self, method: &str, path: &str, kind: &str, body: Option<&[u8]>) -> inferno_tests::Answer {
        let kind = format!("content-type: {kind}");
        let key = self.key.map(|key| format!("authorization: Bearer {key}"));
        let headers: Vec<&str> = [Some(&*kind), key.as_deref()].into_iter().flatten().collect();
        self.server.send(method, path, &headers, body).answer()
    }

    pub(super) fn get(&self, path: &str) -> inferno_tests::Answer {
        self.ask("GET", path, "text/plain", None)
    }

    pub(super) fn delete(&self, path: &str) -> inferno_tests::Answer {
        self.ask("DELETE", path, "text/plain", None)
    }

    /// Uploads a file.
    pub(super) fn upload(&self, content: &[u8]) -> inferno_tests::Answer {
        let head = b"--xx\r\ncontent-disposition: form-data; name=\"purpose\"\r\n\r\nbatch\r\n\
            --xx\r\ncontent-disposition: form-data; name=\"file\"; filename=\"in.jsonl\"\r\n\r\n";
        let body = [head, content, b"\r\n--xx--\r\n"].concat();
        self.ask("POST", "/v1/files", "multipart/form-data; boundary=xx", Some(&body))
    }

    pub(super) fn create(&self, file: &str) -> inferno_tests::Answer {
        let body =
            json!({"input_file_id": file, "endpoint": "/v1/chat/completions", "completion_window": "24h"});
        self.ask("POST", "/v1/batches", "application/json", Some(body.to_string().as_bytes()))
    }

    /// Uploads an input and orders its batch; gives both ids.
    #[track_caller]
    pub(super) fn order(&self, input: &str) -> (String, String) {
        let id = |answer: inferno_tests::Answer| {
            assert_eq!(answer.status, 200, "{answer:?}");
            answer.json()["id"].as_str().unwrap().to_owned()
        };
        let file = id(self.upload(input.as_bytes()));
        let batch = id(self.create(&file));
        (file, batch)
    }

    pub(super) fn batch(&self, id: &str) -> Value {
        let answer = self.get(&format!("/v1/batches/{id}"));
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()
    }

    pub(super) fn cancel(&self, id: &str) -> inferno_tests::Answer {
        self.ask("POST", &format!("/v1/batches/{id}/cancel"), "application/json", Some(b""))
    }

    /// Waits until a batch is over.
    #[track_caller]
    pub(super) fn ended(&self, id: &str) -> Value {
        within(&format!("{id} does not end: {}", self.batch(id)), || {
            let batch = self.batch(id);
            let status = batch["status"].as_str().unwrap();
            ["completed", "failed", "expired", "cancelled"].contains(&status).then_some(batch)
        })
    }

    /// The content of a file.
    #[track_caller]
    pub(super) fn content(&self, id: &Value) -> String {
        let answer = self.get(&format!("/v1/files/{}/content", id.as_str().unwrap()));
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.body
    }
}
