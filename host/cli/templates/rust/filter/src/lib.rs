//! Refuses requests whose body mentions a forbidden word. Answers pass as they are; `Filter::chunk` would see them.

use inferno_sdk::Error;
use inferno_sdk::filter::{Filter, Refusal, RequestAction, RequestHead};

const FORBIDDEN: &str = "xyzzy";

/// One exchange: a request, its answer, and each piece of it.
#[derive(Default)]
struct Taboo;

impl Filter for Taboo {
    fn request(&mut self, _head: RequestHead, body: Vec<u8>) -> Result<RequestAction, Error> {
        if String::from_utf8_lossy(&body).contains(FORBIDDEN) {
            let message = format!("the word {FORBIDDEN} is not spoken here");
            return Ok(RequestAction::Refuse(Refusal { status: 400, message }));
        }
        Ok(RequestAction::Pass)
    }
}

inferno_sdk::export_filter!(Taboo);

#[cfg(test)]
mod tests {
    use super::*;

    fn action(body: &str) -> RequestAction {
        let head = RequestHead::new("POST", "/v1/chat/completions");
        Taboo.request(head, body.as_bytes().to_vec()).unwrap()
    }

    #[test]
    fn only_the_word_is_refused() {
        assert!(matches!(action("say xyzzy"), RequestAction::Refuse(_)));
        assert_eq!(action("say hello"), RequestAction::Pass);
    }
}
