//! Answers the requests of a batch as they would be over HTTP, by the same code and in this process.

use inferno_sdk::http::{Method, Response};

use super::engine::{Answer, Answers};
use super::input::Ask;
use crate::error::ApiError;
use crate::fields::Fields;
use crate::run::Company;
use crate::{Origin, disk, route};

/// The handlers of the gateway.
pub(crate) struct Gateway;

impl Answers for Gateway {
    async fn answer(&self, ask: &Ask) -> Answer {
        let response = respond(ask).await.unwrap_or_else(ApiError::into_response);
        let status = response.status();
        let after = response.get_header("retry-after-ms").and_then(|millis| millis.parse().ok());
        let retry_after = after.map(std::time::Duration::from_millis);
        match response.into_bytes().await {
            Ok(body) => Answer { status, body, retry_after },
            // It breaks the connection over HTTP.
            Err(cut) => Answer { status: 500, body: cut.to_string().into_bytes(), retry_after: None },
        }
    }
}

async fn respond(ask: &Ask) -> Result<Response, ApiError> {
    let endpoint = route::find(&Method::Post, ask.url)?.endpoint;
    let Some(object) = endpoint.body else { return Err(ApiError::unknown_url("POST", ask.url)) };
    let fields = Fields::parse(ask.body.clone(), object)?;
    if fields.peek("stream").and_then(serde_json::Value::as_bool) == Some(true) {
        let why = "the requests of a batch are answered as a whole. Leave it out.";
        return Err(ApiError::value("stream", why));
    }
    let id = disk::new_id("");
    crate::create(endpoint.route, fields, |prefix| Origin::new(prefix, &id), Company::Others).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::now;

    #[test]
    fn what_is_wrong_with_a_request_is_its_answer() {
        let answer = |url, body: &str| {
            let ask = Ask { custom_id: "a".into(), url, body: body.as_bytes().to_vec() };
            let answer = now(Gateway.answer(&ask));
            (
                answer.status,
                serde_json::from_slice::<serde_json::Value>(&answer.body).unwrap()["error"].clone(),
            )
        };
        let (status, error) = answer("/v1/completions", r#"{"model":"m","prompt":7}"#);
        assert_eq!((status, &error["param"]), (400, &"prompt".into()));
        let (status, error) = answer("/v1/chat/completions", r#"{"model":"m","messages":[],"stream":true}"#);
        assert_eq!((status, &error["param"]), (400, &"messages".into()));
        let (status, error) = answer("/v1/responses", r#"{"model":"m","input":"a","stream":true}"#);
        assert_eq!((status, &error["param"]), (400, &"stream".into()));
    }
}
