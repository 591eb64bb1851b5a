//! A server in this process, handlers made of closures, and a client that sends exactly the bytes it is told to.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use inferno_sandbox::{Body, Caller};
use inferno_server::{Config, Drained, Failure, Handler, Host, Server, Source};
use inferno_store::Store;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// Longer than anything that a test waits for; reaching it means that something hangs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// The error template of the stubs.
pub(crate) const TEMPLATE: &str = r#"{"oops":{"text":$message,"kind":$kind,"code":$status}}"#;

type Action =
    dyn Fn(Caller, Request<Body>) -> BoxFuture<'static, Result<Response<Body>, Failure>> + Send + Sync;

/// A handler made of a closure.
pub(crate) struct Stub {
    name: &'static str,
    mounts: Vec<String>,
    exact: Vec<String>,
    websockets: Vec<String>,
    action: Box<Action>,
}

impl Stub {
    pub(crate) fn new<F, R>(mount: &str, action: F) -> Self
    where
        F: Fn(Caller, Request<Body>) -> R + Send + Sync + 'static,
        R: Future<Output = Result<Response<Body>, Failure>> + Send + 'static,
    {
        let action: Box<Action> = Box::new(move |caller, request| Box::pin(action(caller, request)));
        Self {
            name: "stub",
            mounts: vec![mount.to_owned()],
            exact: Vec::new(),
            websockets: Vec::new(),
            action,
        }
    }

    /// Answers with a text.
    pub(crate) fn says(mount: &str, says: &'static str) -> Self {
        Self::new(mount, move |_, _| async move { Ok(text(says)) })
    }

    /// Reads the whole body and answers with its length, or fails with what the body's error says.
    pub(crate) fn counts(mount: &str) -> Self {
        Self::new(mount, |_, request| async move {
            match request.into_body().collect().await {
                Ok(body) => Ok(text(&body.to_bytes().len().to_string())),
                Err(error) => Err(Failure {
                    status: StatusCode::INTERNAL_SERVER_ERROR,
                    message: format!("the stub saw: {error}"),
                }),
            }
        })
    }

    pub(crate) fn named(self, name: &'static str) -> Self {
        Self { name, ..self }
    }

    /// Also at this path, and not below it.
    pub(crate) fn also_at(self, path: &str) -> Self {
        Self { exact: vec![path.to_owned()], ..self }
    }

    /// With WebSockets at this path.
    pub(crate) fn talking_at(self, path: &str) -> Self {
        Self { websockets: vec![path.to_owned()], ..self }
    }
}

impl Handler for Stub {
    fn name(&self) -> &str {
        self.name
    }

    fn mounts(&self) -> Vec<String> {
        self.mounts.clone()
    }

    fn exact(&self) -> Vec<String> {
        self.exact.clone()
    }

    fn error_body(&self) -> Option<&str> {
        Some(TEMPLATE)
    }

    fn websockets(&self) -> Vec<String> {
        self.websockets.clone()
    }

    fn handle(
        &self,
        caller: Caller,
        request: Request<Body>,
    ) -> BoxFuture<'_, Result<Response<Body>, Failure>> {
        (self.action)(caller, request)
    }
}

pub(crate) fn text(text: &str) -> Response<Body> {
    let body = Full::new(Bytes::copy_from_slice(text.as_bytes())).map_err(|never| match never {});
    Response::new(body.boxed_unsync())
}

/// A running server.
pub(crate) struct TestServer {
    pub(crate) addr: SocketAddr,
    pub(crate) store: Store,
    shutdown: Option<oneshot::Sender<()>>,
    task: JoinHandle<Drained>,
}

impl TestServer {
    pub(crate) fn start(stubs: Vec<Stub>) -> Self {
        Self::with(Config::default(), stubs)
    }

    pub(crate) fn with(config: Config, stubs: Vec<Stub>) -> Self {
        let store = Store::in_memory().unwrap();
        let server = Server::bind(config, stubs, store.clone()).unwrap();
        Self::run(server, store)
    }

    /// With plugins that may change.
    pub(crate) fn serving(config: Config, source: impl Source) -> Self {
        let store = Store::in_memory().unwrap();
        let server = Server::bind_to(config, source, store.clone()).unwrap();
        Self::run(server, store)
    }

    /// With what a program tells about itself.
    pub(crate) fn on_behalf_of(config: Config, stubs: Vec<Stub>, host: impl Host) -> Self {
        let store = Store::in_memory().unwrap();
        let server = Server::bind(config, stubs, store.clone()).unwrap().with_host(host);
        Self::run(server, store)
    }

    fn run(server: Server, store: Store) -> Self {
        let addr = server.local_addr();
        let (shutdown, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(server.run(async move {
            let _ = stopped.await;
        }));
        Self { addr, store, shutdown: Some(shutdown), task }
    }

    pub(crate) async fn connect(&self) -> Client {
        Client { stream: TcpStream::connect(self.addr).await.unwrap(), buffer: Vec::new() }
    }

    /// Sends a request on a connection of its own and returns the answer.
    pub(crate) async fn send(&self, request: &str) -> Answer {
        let mut client = self.connect().await;
        client.write(request).await;
        client.answer().await
    }

    /// `GET` of a path, with further header lines.
    pub(crate) async fn get(&self, path: &str, headers: &[&str]) -> Answer {
        self.send(&head("GET", path, headers)).await
    }

    pub(crate) fn begin_shutdown(&mut self) {
        let _ = self.shutdown.take().unwrap().send(());
    }

    pub(crate) async fn ended(self) -> Drained {
        within(self.task).await.unwrap()
    }
}

/// The head of a request.
pub(crate) fn head(method: &str, path: &str, headers: &[&str]) -> String {
    let mut head = format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\n");
    for line in headers {
        head.push_str(line);
        head.push_str("\r\n");
    }
    head + "\r\n"
}

/// Fails the test if something takes too long.
pub(crate) async fn within<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(PATIENCE, future).await.expect("nothing may hang")
}

/// One connection.
pub(crate) struct Client {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Client {
    pub(crate) async fn write(&mut self, bytes: impl AsRef<[u8]>) {
        within(self.stream.write_all(bytes.as_ref())).await.unwrap();
    }

    /// Like [`Client::write`], for bytes that the server may refuse to take.
    pub(crate) async fn try_write(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        within(self.stream.write_all(bytes.as_ref())).await.is_ok()
    }

    /// Reads until the text has come, and returns all that has come so far.
    pub(crate) async fn read_until(&mut self, end: &str) -> String {
        while !String::from_utf8_lossy(&self.buffer).contains(end) {
            let before = self.buffer.len();
            within(self.stream.read_buf(&mut self.buffer)).await.unwrap();
            assert_ne!(self.buffer.len(), before, "closed after {:?}", String::from_utf8_lossy(&self.buffer));
        }
        String::from_utf8_lossy(&self.buffer).into_owned()
    }

    /// All that comes until the server closes.
    pub(crate) async fn rest(&mut self) -> Vec<u8> {
        within(self.stream.read_to_end(&mut self.buffer)).await.unwrap();
        std::mem::take(&mut self.buffer)
    }

    /// The next answer. Interim answers (1xx) are skipped.
    pub(crate) async fn answer(&mut self) -> Answer {
        loop {
            self.read_until("\r\n\r\n").await;
            let at = self.buffer.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
            let head = String::from_utf8(self.buffer.drain(..at + 4).collect()).unwrap();
            let mut answer = Answer::parse(&head);
            if answer.status >= 200 {
                answer.body = self.body(&answer).await;
                return answer;
            }
        }
    }

    async fn body(&mut self, answer: &Answer) -> String {
        if answer.header("transfer-encoding") == Some("chunked") {
            let raw = self.read_until("0\r\n\r\n").await;
            self.buffer.clear();
            return unchunk(&raw);
        }
        let len: usize = answer.header("content-length").map_or(0, |len| len.parse().unwrap());
        while self.buffer.len() < len {
            let read = within(self.stream.read_buf(&mut self.buffer)).await.unwrap();
            assert_ne!(read, 0, "the body was torn");
        }
        String::from_utf8(self.buffer.drain(..len).collect()).unwrap()
    }
}

fn unchunk(mut raw: &str) -> String {
    let mut body = String::new();
    while let Some((len, rest)) = raw.split_once("\r\n") {
        let len = usize::from_str_radix(len, 16).unwrap();
        if len == 0 {
            break;
        }
        body.push_str(&rest[..len]);
        raw = &rest[len + 2..];
    }
    body
}

/// What a server said.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Answer {
    fn parse(head: &str) -> Self {
        let mut lines = head.lines();
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers = lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        Self { status, headers, body: String::new() }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The text of a refusal in the stubs' own form, after checking the form.
    pub(crate) fn oops(&self) -> String {
        let json = self.json();
        assert_eq!(self.header("content-type"), Some("application/json"), "{self:?}");
        assert_eq!(json["oops"]["code"], self.status, "{self:?}");
        json["oops"]["text"].as_str().unwrap().to_owned()
    }
}

/// Tells when it is dropped.
pub(crate) struct DropBell(Option<oneshot::Sender<()>>);

impl DropBell {
    pub(crate) fn new() -> (Self, oneshot::Receiver<()>) {
        let (bell, rung) = oneshot::channel();
        (Self(Some(bell)), rung)
    }
}

impl Drop for DropBell {
    fn drop(&mut self) {
        if let Some(bell) = self.0.take() {
            let _ = bell.send(());
        }
    }
}

/// A closure's state that its first call takes.
pub(crate) struct Once<T>(Arc<std::sync::Mutex<Option<T>>>);

impl<T> Once<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(Arc::new(std::sync::Mutex::new(Some(value))))
    }

    pub(crate) fn take(&self) -> T {
        self.0.lock().unwrap().take().expect("called once")
    }
}
