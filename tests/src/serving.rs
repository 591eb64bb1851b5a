use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::http::{self, Answer, Events, Head};

/// Longer than anything that a test waits for; reaching it means that something hangs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A running `inferno serve`. Dropping it kills it.
pub struct Server {
    child: Child,
    addr: SocketAddr,
    said: Arc<Mutex<String>>,
}

impl Server {
    /// Starts it and waits until it listens.
    pub fn start(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let said = Arc::new(Mutex::new(String::new()));
        let (found, addr) = mpsc::channel();
        let sink = Arc::clone(&said);
        thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                if let Some((_, addr)) = line.split_once("listening on http://") {
                    let _ = found.send(addr.trim().parse().unwrap());
                }
                let mut said = sink.lock().unwrap();
                said.push_str(&line);
                said.push('\n');
            }
        });
        let Ok(addr) = addr.recv_timeout(PATIENCE) else {
            let _ = child.kill();
            panic!("inferno serve does not listen; it said: {}", said.lock().unwrap());
        };
        Self { child, addr, said }
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Its process.
    pub fn process(&self) -> u32 {
        self.child.id()
    }

    /// What it said on standard error so far.
    pub fn said(&self) -> String {
        self.said.lock().unwrap().clone()
    }

    /// A plain connection, for bytes that no client would send.
    pub fn connect(&self) -> TcpStream {
        http::connect(self.addr)
    }

    /// Sends a request with further header lines, and a body if there is one.
    pub fn send(&self, method: &str, path: &str, headers: &[&str], body: Option<&[u8]>) -> Head {
        http::send(self.addr, &http::request(method, path, headers, body))
    }

    /// `GET`.
    pub fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], None).answer()
    }

    /// `POST` of JSON.
    pub fn post(&self, path: &str, body: &Value) -> Answer {
        self.post_text(path, &body.to_string())
    }

    /// `POST` of a text that claims to be JSON.
    pub fn post_text(&self, path: &str, body: &str) -> Answer {
        self.send("POST", path, &["content-type: application/json"], Some(body.as_bytes())).answer()
    }

    /// Says something to a model and waits for the whole answer.
    pub fn chat(&self, model: &str, content: &str) -> Answer {
        let messages = serde_json::json!([{"role": "user", "content": content}]);
        self.post("/v1/chat/completions", &serde_json::json!({"model": model, "messages": messages}))
    }

    /// Says something to a model and follows the answer.
    pub fn stream(&self, model: &str, content: &str) -> Events {
        let messages = serde_json::json!([{"role": "user", "content": content}]);
        let body = serde_json::json!({"model": model, "messages": messages, "stream": true}).to_string();
        self.send("POST", "/v1/chat/completions", &["content-type: application/json"], Some(body.as_bytes()))
            .events()
    }

    /// Says something to a model, which must answer with this.
    #[track_caller]
    pub fn assert_says(&self, model: &str, content: &str, answer: &str) {
        let whole = self.chat(model, content);
        assert_eq!(whole.status, 200, "{whole:?}\n{}", self.said());
        assert_eq!(whole.json()["choices"][0]["message"]["content"], answer, "{whole:?}");
    }

    /// Its worker processes.
    pub fn workers(&self) -> Vec<u32> {
        let parent = self.child.id();
        let processes = std::fs::read_dir("/proc").unwrap().filter_map(Result::ok);
        let ids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
        ids.filter(|id| parent_of(*id) == Some(parent)).collect()
    }

    /// Kills a worker as the system does when memory is short.
    pub fn kill_worker(&self, worker: u32) {
        signal(worker, Signal::KILL);
    }

    /// Presses Ctrl-C.
    pub fn interrupt(&self) {
        signal(self.child.id(), Signal::INT);
    }

    /// Waits for its end.
    pub fn ended(&mut self) -> ExitStatus {
        within("inferno serve does not end", || self.child.try_wait().unwrap())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            // The test harness shows this with the failure.
            let said = self.said.lock().map(|said| said.clone()).unwrap_or_default();
            let _ = std::io::Write::write_all(&mut std::io::stderr(), said.as_bytes());
        }
    }
}

fn signal(process: u32, signal: Signal) {
    let id = Pid::from_raw(process.try_into().unwrap()).unwrap();
    kill_process(id, signal).unwrap();
}

/// Looks again and again until there is something.
pub fn within<T>(failure: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
        if let Some(found) = look() {
            return found;
        }
        thread::sleep(Duration::from_millis(5));
    }
    panic!("{failure}");
}

/// The parent of a process, from the fourth field of its `stat`, which follows the name in parentheses.
fn parent_of(process: u32) -> Option<u32> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_whitespace().nth(1)?.parse().ok()
}
