//! Answers requests under `/{{name}}` with the number of words in their body.

use inferno_sdk::http::{Handler, Request, Response};

/// The longest text that is counted.
const LONGEST: usize = 64 * 1024;

struct Words;

impl Handler for Words {
    async fn handle(mut request: Request) -> Response {
        match request.read_body(LONGEST).await {
            Ok(body) => Response::text(200, count(&body)),
            Err(error) => Response::text(error.status(), error.to_string()),
        }
    }
}

inferno_sdk::export_http!(Words);

fn count(body: &[u8]) -> String {
    format!("{} words\n", String::from_utf8_lossy(body).split_whitespace().count())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_counted() {
        assert_eq!(count(b"a small fox"), "3 words\n");
        assert_eq!(count(b""), "0 words\n");
    }
}
