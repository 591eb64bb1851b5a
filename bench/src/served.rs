//! This server as a client sees it: `inferno serve` in a process of its own, spoken to over HTTP.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::SendRequest;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};

use crate::direct::Pass;
use crate::workload::{self, MAX_TOKENS};

/// A running server, killed when dropped.
pub(crate) struct Server {
    process: Child,
    address: String,
}

impl Server {
    /// Starts it on a free port and waits until it says where it listens.
    pub(crate) fn start(program: &Path, home: &Path, settings: &[(&str, String)]) -> Result<Self> {
        let mut command = isolated(program, home);
        command.args(["serve", "--port", "0"]).envs(settings.iter().map(|(k, v)| (k, v)));
        let mut process = command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn()?;
        let mut lines = BufReader::new(process.stderr.take().context("standard error")?).lines();
        while let Some(line) = lines.next().transpose()? {
            let Some((_, rest)) = line.split_once("http://") else { continue };
            let address = rest.split_whitespace().next().unwrap_or_default().trim_end_matches('/').to_owned();
            std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
            return Ok(Self { process, address });
        }
        bail!("the server ended before it listened: {}", process.wait()?)
    }

    /// Starts another server, which listens on `port` of this machine, and waits until its `/health` says that it is
    /// well.
    pub(crate) async fn other(mut command: Command, port: u16) -> Result<Self> {
        let process = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        let mut server = Self { process, address: format!("127.0.0.1:{port}") };
        while server.process.try_wait()?.is_none() {
            if server.is_well().await {
                return Ok(server);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        bail!("{command:?} ended before it listened")
    }

    async fn is_well(&self) -> bool {
        let Ok(mut client) = self.connect().await else { return false };
        client.send("GET", "/health", None).await.is_ok()
    }

    /// The process, which may have children.
    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// A connection that is kept for many requests.
    pub(crate) async fn connect(&self) -> Result<Client> {
        Client::connect(&self.address).await
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The program with nothing of the user's: its own home and no settings.
pub(crate) fn isolated(program: &Path, home: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(home).env_clear().env("HOME", home).envs(std::env::var("PATH").map(|p| ("PATH", p)));
    command
}

/// One kept connection.
pub(crate) struct Client {
    sender: SendRequest<Full<Bytes>>,
}

impl Client {
    /// A new connection.
    pub(crate) async fn connect(address: &str) -> Result<Self> {
        let stream = tokio::net::TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(Self { sender })
    }

    /// Sends a request and reads the answer's head.
    pub(crate) async fn send(
        &mut self,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Response<hyper::body::Incoming>> {
        let bytes = body.map_or_else(Bytes::new, |b| Bytes::from(b.to_string()));
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "localhost")
            .header("content-type", "application/json");
        self.sender.ready().await?;
        let response = self.sender.send_request(request.body(Full::new(bytes))?).await?;
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status();
        bail!(
            "{method} {path} gave {status}: {}",
            String::from_utf8_lossy(&response.into_body().collect().await?.to_bytes())
        )
    }

    /// Sends a request and reads the whole answer; the time it took in microseconds.
    pub(crate) async fn timed(&mut self, method: &str, path: &str, body: Option<&Value>) -> Result<f64> {
        let begin = Instant::now();
        self.send(method, path, body).await?.into_body().collect().await?;
        Ok(begin.elapsed().as_secs_f64() * 1e6)
    }
}

/// The workload through the server, `at_once` streams at a time.
pub(crate) async fn pass(server: &Server, model: &str, at_once: usize) -> Result<Pass> {
    let mut clients = Vec::new();
    for _ in 0..at_once {
        clients.push(server.connect().await?);
    }
    let mut done = Pass { tokens: 0, seconds: 0.0, first_token_ms: Vec::new(), texts: Vec::new() };
    let begin = Instant::now();
    for group in workload::prompts().chunks(at_once) {
        let mut running = Vec::new();
        for (prompt, client) in group.iter().zip(std::mem::take(&mut clients)) {
            running.push(tokio::spawn(stream(client, model.to_owned(), prompt.clone())));
        }
        for task in running {
            let (client, answer) = task.await??;
            clients.push(client);
            done.tokens += answer.tokens;
            done.first_token_ms.push(answer.first_token_ms);
            done.texts.push(answer.text);
        }
    }
    done.seconds = begin.elapsed().as_secs_f64();
    Ok(done)
}

struct Answer {
    tokens: u64,
    first_token_ms: f64,
    text: String,
}

async fn stream(mut client: Client, model: String, prompt: String) -> Result<(Client, Answer)> {
    let body = json!({"model": model, "prompt": prompt, "max_tokens": MAX_TOKENS, "temperature": 0, "stream": true,
        "stream_options": {"include_usage": true}});
    let begin = Instant::now();
    let mut response = client.send("POST", "/v1/completions", Some(&body)).await?.into_body();
    let (mut bytes, mut first) = (Vec::new(), None);
    while let Some(frame) = response.frame().await {
        if let Ok(data) = frame?.into_data() {
            first.get_or_insert_with(|| begin.elapsed());
            bytes.extend_from_slice(&data);
        }
    }
    let mut answer = Answer {
        tokens: 0,
        first_token_ms: first.context("an empty answer")?.as_secs_f64() * 1000.0,
        text: String::new(),
    };
    for event in
        String::from_utf8(bytes)?.lines().filter_map(|l| l.strip_prefix("data: ")).filter(|e| *e != "[DONE]")
    {
        let event: Value = serde_json::from_str(event)?;
        if let Some(error) = event.get("error") {
            bail!("the stream ended with {error}");
        }
        answer.text.push_str(event["choices"][0]["text"].as_str().unwrap_or_default());
        answer.tokens = event["usage"]["completion_tokens"].as_u64().unwrap_or(answer.tokens);
    }
    Ok((client, answer))
}
