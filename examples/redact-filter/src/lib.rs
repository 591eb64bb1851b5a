//! Masks e-mail addresses in prompts and in answers, streamed ones too.

mod address;
mod json;
mod stream;
#[cfg(test)]
mod tests;

use inferno_sdk::filter::{Filter, Refusal, RequestAction, RequestHead, ResponseAction, ResponseHead};
use inferno_sdk::{Error, ErrorKind};

use crate::json::{Malformed, Part, Value};
use crate::stream::Stream;

/// The largest answer that is looked at as a whole.
const WHOLE: usize = 16 * 1024 * 1024;

/// One exchange.
#[derive(Default)]
pub struct Redact {
    answer: Answer,
}

#[derive(Default)]
enum Answer {
    /// Not begun.
    #[default]
    None,
    /// A JSON text, collected.
    Whole(Vec<u8>),
    /// Server-sent events.
    Stream(Box<Stream>),
}

inferno_sdk::export_filter!(Redact);

impl Filter for Redact {
    fn request(&mut self, _head: RequestHead, body: Vec<u8>) -> Result<RequestAction, Error> {
        let refuse =
            |message: &str| Ok(RequestAction::Refuse(Refusal { status: 400, message: message.to_owned() }));
        let Ok(text) = std::str::from_utf8(&body) else {
            return refuse("The body is not UTF-8, so that addresses in it cannot be masked.");
        };
        if wants_logprobs(text) {
            return refuse("logprobs would give away the tokens of masked addresses. Leave it out.");
        }
        match redact(text) {
            Ok(None) => Ok(RequestAction::Pass),
            Ok(Some(redacted)) => Ok(RequestAction::Replace(redacted.into_bytes())),
            Err(Malformed) => refuse("The body is not JSON, so that addresses in it cannot be masked."),
        }
    }

    fn response(&mut self, head: ResponseHead) -> Result<ResponseAction, Error> {
        if let Some(encoding) = head.header("content-encoding").filter(|encoding| *encoding != "identity") {
            return Err(Error::new(
                ErrorKind::Invalid,
                format!("the answer is encoded with {encoding}, so that addresses in it cannot be masked"),
            ));
        }
        let media_type = head.media_type();
        self.answer = if media_type == "text/event-stream" {
            Answer::Stream(Box::default())
        } else if media_type == "application/json" || media_type.ends_with("+json") {
            Answer::Whole(Vec::new())
        } else {
            return Ok(ResponseAction::Pass);
        };
        Ok(ResponseAction::Filter)
    }

    fn chunk(&mut self, data: Vec<u8>, last: bool) -> Result<Vec<u8>, Error> {
        match &mut self.answer {
            Answer::None => Ok(data),
            Answer::Stream(stream) => stream.chunk(&data, last),
            Answer::Whole(body) => {
                if body.len() + data.len() > WHOLE {
                    return Err(Error::new(
                        ErrorKind::Invalid,
                        format!("the answer is larger than {WHOLE} bytes"),
                    ));
                }
                body.extend_from_slice(&data);
                if !last {
                    return Ok(Vec::new());
                }
                let body = std::mem::take(body);
                let redacted = std::str::from_utf8(&body).map_err(|_| Malformed).and_then(redact);
                match redacted {
                    Ok(redacted) => Ok(redacted.map_or(body, String::into_bytes)),
                    Err(Malformed) => Err(Error::new(
                        ErrorKind::Invalid,
                        "the answer says that it is JSON but is not, so that addresses in it cannot be masked",
                    )),
                }
            }
        }
    }
}

/// A JSON text with the addresses in its strings masked; `None`: there are none.
fn redact(json: &str) -> Result<Option<String>, Malformed> {
    if !has_sign(json) {
        return Ok(None);
    }
    let mut edits = Vec::new();
    json::walk(json, |path, value| {
        if let Value::Text(range) = value
            && let Some(masked) = masked(path, &json[range.clone()])?
        {
            edits.push((range, masked));
        }
        Ok(())
    })?;
    Ok((!edits.is_empty()).then(|| json::replace(json, &edits)))
}

/// A string with addresses masked, as it is written; `None`: it stays. The model's name may look like an address.
fn masked(path: &[Part<'_>], quoted: &str) -> Result<Option<String>, Malformed> {
    let stays = !has_sign(quoted) || path == [Part::Key("model")];
    if stays {
        return Ok(None);
    }
    let masked = address::mask(&json::decode(quoted)?);
    Ok(masked.map(|masked| json::encode(&masked, quoted)))
}

/// Whether there is an at sign in a JSON text, in either of its spellings.
fn has_sign(json: &str) -> bool {
    json.contains('@') || json.contains("\\u0040")
}

/// Whether the request asks for the tokens themselves.
fn wants_logprobs(json: &str) -> bool {
    let mut wants = false;
    if json.contains("logprobs") {
        // A text that is no JSON is found out later.
        let _malformed = json::walk(json, |path, value| {
            let (Value::Text(range) | Value::Other(range)) = value;
            let off = matches!(&json[range], "false" | "null");
            wants |= !off && path == [Part::Key("logprobs")];
            Ok(())
        });
    }
    wants
}
