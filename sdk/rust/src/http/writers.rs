use serde::Serialize;

use super::{BodyWriter, Cut, Response};

/// Writes server-sent events with JSON data; see [`Response::events`].
pub struct EventWriter(Writer);

/// Writes lines of JSON; see [`Response::json_lines`].
pub struct LineWriter(Writer);

/// Collects what goes out together: each write costs a step to the host and back.
struct Writer {
    body: BodyWriter,
    waiting: Vec<u8>,
}

impl Writer {
    fn new(body: BodyWriter) -> Self {
        Self { body, waiting: Vec::with_capacity(1024) }
    }

    fn json<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Cut> {
        serde_json::to_writer(&mut self.waiting, value)
            .map_err(|error| Cut::Failed(format!("a value cannot be written as JSON: {error}")))
    }
}

impl EventWriter {
    /// Adds an event to what goes out next. `name` is its type, where the clients go by it.
    pub fn put<T: Serialize + ?Sized>(&mut self, name: Option<&str>, data: &T) -> Result<(), Cut> {
        let Self(writer) = self;
        if let Some(name) = name {
            writer.waiting.extend_from_slice(b"event: ");
            writer.waiting.extend_from_slice(name.as_bytes());
            writer.waiting.push(b'\n');
        }
        writer.waiting.extend_from_slice(b"data: ");
        writer.json(data)?;
        writer.waiting.extend_from_slice(b"\n\n");
        Ok(())
    }

    /// Adds an event whose data is this text, such as `[DONE]`. It must not have line ends.
    pub fn put_text(&mut self, data: &str) {
        let Self(writer) = self;
        writer.waiting.extend_from_slice(b"data: ");
        writer.waiting.extend_from_slice(data.as_bytes());
        writer.waiting.extend_from_slice(b"\n\n");
    }

    /// Sends what was added, and waits until it is taken.
    pub async fn flush(&mut self) -> Result<(), Cut> {
        self.0.body.write(&mut self.0.waiting).await
    }
}

impl LineWriter {
    /// Adds a line to what goes out next.
    pub fn put<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Cut> {
        self.0.json(value)?;
        self.0.waiting.push(b'\n');
        Ok(())
    }

    /// Sends what was added, and waits until it is taken.
    pub async fn flush(&mut self) -> Result<(), Cut> {
        self.0.body.write(&mut self.0.waiting).await
    }
}

impl Response {
    /// An answer that is this value as JSON.
    pub fn json<T: Serialize + ?Sized>(status: u16, value: &T) -> Self {
        match serde_json::to_vec(value) {
            Ok(bytes) => Self::new(status, bytes).header("content-type", "application/json"),
            Err(error) => Self::text(500, format!("the answer cannot be written as JSON: {error}")),
        }
    }

    /// An answer of server-sent events with JSON data, as they happen. See [`Response::stream`].
    ///
    /// ```
    /// use inferno_sdk::http::Response;
    ///
    /// let response = Response::events(async |mut events| {
    ///     events.put(Some("greeting"), "hello")?;
    ///     events.put_text("[DONE]");
    ///     events.flush().await
    /// });
    /// # let _ = response;
    /// ```
    pub fn events<F>(write: F) -> Self
    where
        F: AsyncFnOnce(EventWriter) -> Result<(), Cut> + 'static,
    {
        Self::stream(200, async move |body| write(EventWriter(Writer::new(body))).await)
            .header("content-type", "text/event-stream")
            .header("cache-control", "no-cache")
            // Proxies such as nginx would otherwise hold the events back.
            .header("x-accel-buffering", "no")
    }

    /// An answer of lines of JSON (`application/x-ndjson`), as they happen. See [`Response::stream`].
    pub fn json_lines<F>(write: F) -> Self
    where
        F: AsyncFnOnce(LineWriter) -> Result<(), Cut> + 'static,
    {
        Self::stream(200, async move |body| write(LineWriter(Writer::new(body))).await)
            .header("content-type", "application/x-ndjson")
            .header("cache-control", "no-cache")
            .header("x-accel-buffering", "no")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::http::testing::now;

    #[test]
    fn events_have_a_name_and_one_line_of_data() {
        let response = Response::events(async |mut events| {
            events.put(Some("greeting"), "two\nlines")?;
            events.flush().await?;
            events.put(None, &[1, 2])?;
            events.put_text("[DONE]");
            events.flush().await
        });
        assert_eq!(response.get_header("content-type"), Some("text/event-stream"));
        let expected = b"event: greeting\ndata: \"two\\nlines\"\n\ndata: [1,2]\n\ndata: [DONE]\n\n";
        assert_eq!(now(response.into_bytes()).unwrap(), expected);
    }

    #[test]
    fn lines_are_json() {
        let response = Response::json_lines(async |mut lines| {
            lines.put("a\nb")?;
            lines.put(&[1])?;
            lines.flush().await
        });
        assert_eq!(response.get_header("content-type"), Some("application/x-ndjson"));
        assert_eq!(now(response.into_bytes()).unwrap(), b"\"a\\nb\"\n[1]\n");
    }

    #[test]
    fn what_cannot_be_json_is_no_answer() {
        let odd = BTreeMap::from([((1, 2), 3)]);
        assert_eq!(Response::json(200, &odd).status(), 500);
        assert_eq!(Response::json(201, "x").get_header("content-type"), Some("application/json"));
        let response = Response::json_lines(async move |mut lines| lines.put(&odd));
        assert!(matches!(now(response.into_bytes()), Err(Cut::Failed(why)) if why.contains("JSON")));
    }
}
