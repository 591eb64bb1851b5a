//! A web server for plugins to reach, and names that stand for what a test says.

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use futures::future::BoxFuture;
use inferno_sandbox::Names;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// Answers according to the path.
pub(crate) struct Web {
    pub(crate) port: u16,
    requests: Arc<AtomicUsize>,
}

impl Web {
    pub(crate) async fn start() -> Self {
        Self::serve(None).await
    }

    pub(crate) async fn start_tls(acceptor: TlsAcceptor) -> Self {
        Self::serve(Some(acceptor)).await
    }

    async fn serve(tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let requests = Arc::new(AtomicUsize::new(0));
        let count = requests.clone();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (tls, count) = (tls.clone(), count.clone());
                tokio::spawn(async move {
                    match tls {
                        None => answer(stream, &count).await,
                        // A client that does not trust the certificate goes away.
                        Some(tls) => match tls.accept(stream).await {
                            Ok(stream) => answer(stream, &count).await,
                            Err(_) => Ok(()),
                        },
                    }
                });
            }
        });
        Self { port, requests }
    }

    /// How many requests have come.
    pub(crate) fn requests(&self) -> usize {
        self.requests.load(SeqCst)
    }
}

async fn answer(stream: impl AsyncRead + AsyncWrite + Unpin, count: &AtomicUsize) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut first = String::new();
    stream.read_line(&mut first).await?;
    let mut host = String::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await?;
        if line.trim().is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("host: ") {
            host = value.trim().to_owned();
        }
    }
    count.fetch_add(1, SeqCst);
    let path = first.split(' ').nth(1).unwrap_or_default();
    let (head, body) = match path {
        "/hello" => ("200 OK".to_owned(), format!("hello {host}")),
        "/large" => ("200 OK".to_owned(), "x".repeat(100_000)),
        "/slow" => std::future::pending().await,
        path => match path.strip_prefix("/to/") {
            Some(location) => (format!("302 Found\r\nlocation: {location}"), String::new()),
            None => ("404 Not Found".to_owned(), String::new()),
        },
    };
    let answer = format!("HTTP/1.1 {head}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    stream.write_all(answer.as_bytes()).await?;
    stream.flush().await
}

/// Names and their addresses.
#[derive(Clone, Default)]
pub(crate) struct Told {
    names: BTreeMap<&'static str, Vec<IpAddr>>,
    asked: Arc<AtomicUsize>,
}

impl Told {
    pub(crate) fn new(names: &[(&'static str, &[&str])]) -> Self {
        let addresses = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
        let names = names.iter().map(|(name, texts)| (*name, addresses(texts))).collect();
        Self { names, asked: Arc::default() }
    }

    /// How often somebody has asked.
    pub(crate) fn asked(&self) -> usize {
        self.asked.load(SeqCst)
    }
}

impl Names for Told {
    fn addresses<'a>(&'a self, name: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>> {
        self.asked.fetch_add(1, SeqCst);
        let addresses = self.names.get(name).cloned().ok_or(io::ErrorKind::NotFound.into());
        Box::pin(async move { addresses })
    }
}
