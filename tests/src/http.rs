//! The smallest client that shows everything: one request for each connection, and nothing hidden.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};

use serde_json::Value;

use crate::serving::PATIENCE;

/// The head of an answer, with the body still to be read.
pub struct Head {
    /// The status.
    pub status: u16,
    headers: Vec<(String, String)>,
    stream: BufReader<TcpStream>,
}

/// A whole answer.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
}

/// An answer that comes as server-sent events. Dropping it hangs up.
pub struct Events {
    lines: BufReader<Chunked>,
}

/// A connection that fails a test instead of waiting for ever.
pub(crate) fn connect(addr: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(addr).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// The bytes of a request that asks for the connection to be closed after it.
pub(crate) fn request(method: &str, path: &str, headers: &[&str], body: Option<&[u8]>) -> Vec<u8> {
    let mut bytes =
        format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n").into_bytes();
    for line in headers {
        bytes.extend_from_slice(line.as_bytes());
        bytes.extend_from_slice(b"\r\n");
    }
    if let Some(body) = body {
        bytes.extend_from_slice(format!("content-length: {}\r\n", body.len()).as_bytes());
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(body.unwrap_or_default());
    bytes
}

/// Sends a request and reads the head of the answer.
pub(crate) fn send(addr: SocketAddr, bytes: &[u8]) -> Head {
    let mut stream = connect(addr);
    // A server may answer, and close, before it has read all.
    let _ = stream.write_all(bytes);
    Head::read(stream)
}

impl Head {
    /// Reads the head of the next answer.
    pub fn read(stream: TcpStream) -> Self {
        let mut stream = BufReader::new(stream);
        let mut line = || {
            let mut line = String::new();
            stream.read_line(&mut line).unwrap_or_else(|error| panic!("no answer: {error}"));
            line.trim_end().to_owned()
        };
        let first = line();
        let status = first.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.unwrap_or_else(|| panic!("not an answer: {first:?}"));
        let mut headers = Vec::new();
        loop {
            let line = line();
            let Some((name, value)) = line.split_once(':') else { break };
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        Self { status, headers, stream }
    }

    /// A header.
    pub fn header(&self, name: &str) -> Option<&str> {
        header(&self.headers, name)
    }

    /// Reads the body to its end.
    pub fn answer(self) -> Answer {
        let Self { status, headers, mut stream } = self;
        let mut body = Vec::new();
        if header(&headers, "transfer-encoding") == Some("chunked") {
            Chunked { stream, left: 0, ended: false }.read_to_end(&mut body).unwrap();
        } else if let Some(len) = header(&headers, "content-length") {
            stream.take(len.parse().unwrap()).read_to_end(&mut body).unwrap();
        } else {
            stream.read_to_end(&mut body).unwrap();
        }
        Answer { status, headers, body: String::from_utf8(body).unwrap() }
    }

    /// Reads the body as events come.
    pub fn events(self) -> Events {
        if self.status != 200 || self.header("content-type") != Some("text/event-stream") {
            panic!("not a stream of events: {:?}", self.answer());
        }
        assert_eq!(self.header("transfer-encoding"), Some("chunked"));
        Events { lines: BufReader::new(Chunked { stream: self.stream, left: 0, ended: false }) }
    }
}

impl Answer {
    /// A header.
    pub fn header(&self, name: &str) -> Option<&str> {
        header(&self.headers, name)
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The message of an error in OpenAI's form, after checking the form and the status.
    pub fn refusal(&self, status: u16) -> String {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.header("content-type"), Some("application/json"), "{self:?}");
        assert!(self.header("x-request-id").is_some(), "{self:?}");
        let json = self.json();
        assert!(json["error"]["type"].is_string(), "{self:?}");
        json["error"]["message"].as_str().unwrap_or_else(|| panic!("{self:?}")).to_owned()
    }
}

impl Events {
    /// The text of the pieces of a chat that are left, which must end well.
    pub fn text(self) -> String {
        let mut text = String::new();
        let mut ended = false;
        for event in self {
            if event == "[DONE]" {
                ended = true;
                continue;
            }
            let event: Value = serde_json::from_str(&event).unwrap();
            assert!(event.get("error").is_none(), "{event}");
            text.push_str(event["choices"][0]["delta"]["content"].as_str().unwrap_or_default());
        }
        assert!(ended, "a stream that is whole ends with [DONE]");
        text
    }
}

impl Iterator for Events {
    type Item = String;

    /// The data of the next event; none at the end of the stream, or where it broke off.
    fn next(&mut self) -> Option<String> {
        let mut line = String::new();
        loop {
            line.clear();
            if self.lines.read_line(&mut line).ok()? == 0 {
                return None;
            }
            if let Some(data) = line.strip_prefix("data: ") {
                return Some(data.trim_end().to_owned());
            }
        }
    }
}

fn header<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

/// Undoes the chunked coding.
struct Chunked {
    stream: BufReader<TcpStream>,
    left: usize,
    ended: bool,
}

impl Read for Chunked {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let torn = || std::io::Error::from(std::io::ErrorKind::UnexpectedEof);
        if self.ended {
            return Ok(0);
        }
        if self.left == 0 {
            let mut line = String::new();
            self.stream.read_line(&mut line)?;
            self.left = usize::from_str_radix(line.trim(), 16).map_err(|_| torn())?;
            if self.left == 0 {
                self.ended = true;
                return Ok(0);
            }
        }
        let room = buffer.len().min(self.left);
        let read = self.stream.read(&mut buffer[..room])?;
        if read == 0 {
            return Err(torn());
        }
        self.left -= read;
        if self.left == 0 {
            self.stream.read_line(&mut String::new())?;
        }
        Ok(read)
    }
}
