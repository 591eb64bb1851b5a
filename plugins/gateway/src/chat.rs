//! `/v1/chat/completions`

mod messages;

use inferno_sdk::http::Response;
use inferno_sdk::inference::Request;

pub(crate) use messages::{CALL, CALLED};

use crate::error::ApiError;
use crate::fields::Fields;
use crate::run::Company;
use crate::sampling::{self, Delivery};
use crate::schema::{Kind, Object, may, must};
use crate::stream::{Chunks, Form, Frame};
use crate::tools::{self, Calls};
use crate::{Origin, answer, format, logprobs, run, stream};

/// The field that the host's refusals are about.
const PARAM: &str = "messages";
const MAX_MESSAGES: usize = 100_000;
const MAX_TOKENS: Kind = Kind::Integer(1, u32::MAX as i64);

/// What is asked.
pub(crate) static REQUEST: Object = Object {
    name: "ChatRequest",
    fields: &[
        &[
            must(
                "messages",
                Kind::List(&Kind::Tagged(&messages::MESSAGE), 1, MAX_MESSAGES),
                "What was said so far.",
            ),
            may("max_completion_tokens", MAX_TOKENS, "Default: what the model's context has room for."),
            may("max_tokens", MAX_TOKENS, "The older name of `max_completion_tokens`."),
            may("response_format", Kind::Tagged(&format::CHAT), "What the answer must look like."),
            may("logprobs", Kind::Boolean, "Tells how likely each token was."),
            may(
                "top_logprobs",
                Kind::Integer(0, sampling::MAX_TOP),
                "So many alternatives to each; needs `logprobs`.",
            ),
            may("modalities", Kind::Only(&["[\"text\"]", "[]"], "Only [\"text\"] is."), ""),
            may("audio", Kind::Only(&[], "Leave it out."), ""),
            may("web_search_options", Kind::Only(&[], "Leave it out."), ""),
        ],
        tools::CHAT,
        sampling::SAMPLING,
        sampling::OLDER,
    ],
};

/// What is answered.
pub(crate) static ANSWER: Object = Object {
    name: "ChatAnswer",
    fields: &[
        answer::HEAD,
        &[
            must("choices", Kind::List(&Kind::Object(&CHOICE), 1, usize::MAX), ""),
            must("usage", Kind::Object(&answer::USAGE), ""),
        ],
    ],
};

static CHOICE: Object = Object {
    name: "ChatChoice",
    fields: &[&[
        answer::INDEX,
        must("message", Kind::Object(&answer::MESSAGE), ""),
        must("logprobs", Kind::OneOf(&[Kind::Object(&logprobs::CHAT), Kind::Null]), ""),
        answer::REASON,
    ]],
};

/// A chat, understood.
#[derive(Debug, PartialEq)]
pub(crate) struct Plan {
    /// One for each answer.
    requests: Vec<Request>,
    delivery: Delivery,
    calls: Calls,
}

pub(crate) async fn answer(fields: Fields, origin: Origin, company: Company) -> Result<Response, ApiError> {
    let plan = parse(fields)?;
    match plan.delivery {
        Delivery::Whole => {
            let completions =
                run::whole(&plan.requests, company).await.map_err(|error| refusal(error, &plan.requests))?;
            let Request { model, logprobs, .. } = &plan.requests[0];
            answer::chat(&origin, model, &completions, plan.calls, logprobs.is_some())
        }
        Delivery::Streamed { .. } => {
            let (events, chunks) = start(plan, &origin, Frame::Events).await?;
            Ok(stream::respond(events, chunks))
        }
    }
}

/// Starts a chat of which chunks are told.
pub(crate) async fn start(
    plan: Plan,
    origin: &Origin,
    frame: Frame,
) -> Result<(run::Events, Chunks), ApiError> {
    let Plan { requests, delivery, calls } = plan;
    let usage = delivery == Delivery::Streamed { usage: true };
    let form = if requests[0].logprobs.is_some() { Form::ChatWithLogprobs } else { Form::Chat };
    let chunks =
        Chunks::new(form, frame, origin, &requests[0].model, usage).calls(calls).answers(requests.len());
    let about = requests[..1].to_vec();
    let events = run::streamed(requests).await.map_err(|error| refusal(error, &about))?;
    Ok((events, chunks))
}

/// What the host says, and the field that it is about, as far as that can be known.
fn refusal(error: inferno_sdk::Error, requests: &[Request]) -> ApiError {
    let plain = requests.iter().all(|request| request.tools.is_empty() && request.format.is_none());
    ApiError::host_about(error, PARAM, plain)
}

pub(crate) fn parse(mut fields: Fields) -> Result<Plan, ApiError> {
    let delivery = sampling::delivery(&mut fields)?;
    let messages = messages::messages(fields.list(PARAM).unwrap_or_default())?;
    let mut request = Request::chat(sampling::model(&mut fields)?, messages);
    request.max_tokens = max_tokens(&mut fields)?;
    sampling::apply(&mut fields, &mut request);
    format::chat(&mut fields, &mut request)?;
    let calls = tools::chat(&mut fields, &mut request)?;
    request.logprobs = logprobs(&mut fields)?;
    let mut requests = sampling::several(request, fields.integer("n").unwrap_or(1));
    sampling::share(&mut requests, 0);
    Ok(Plan { requests, delivery, calls })
}

impl Plan {
    /// Leaves room for so many others at the same time.
    pub(crate) fn beside(mut self, others: u32) -> Self {
        sampling::share(&mut self.requests, others);
        self
    }
}

fn max_tokens(fields: &mut Fields) -> Result<Option<u32>, ApiError> {
    let old = fields.integer("max_tokens");
    let new = fields.integer("max_completion_tokens");
    if let (Some(old), Some(new)) = (old, new)
        && old != new
    {
        let why = format!("it is {old}, but 'max_completion_tokens' is {new}. They mean the same; give one.");
        return Err(ApiError::value("max_tokens", why));
    }
    Ok(new.or(old))
}

fn logprobs(fields: &mut Fields) -> Result<Option<u32>, ApiError> {
    let top = fields.integer("top_logprobs").unwrap_or(0);
    match fields.flag("logprobs") {
        Some(true) => Ok(Some(top)),
        _ if top > 0 => Err(ApiError::value("top_logprobs", "it is only allowed when 'logprobs' is true.")),
        _ => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use inferno_sdk::inference::{Format, Message, ToolChoice};

    use super::*;
    use crate::testing::{fields, refused};

    fn parsed(json: &str) -> Result<Plan, ApiError> {
        parse(fields(json, &REQUEST)?)
    }

    /// A chat with these fields more.
    fn with(more: &str) -> Result<Plan, ApiError> {
        parsed(&format!(r#"{{"model":"m","messages":[{{"role":"user","content":"hi"}}],{more}}}"#))
    }

    #[test]
    fn a_chat_arrives_whole() {
        let plan = parsed(
            r#"{"model":"org/m","stream":true,"max_completion_tokens":9,"temperature":0,"logprobs":true,"n":2,"seed":4,
                "top_logprobs":3,"response_format":{"type":"json_object"},"tool_choice":"required",
                "tools":[{"type":"function","function":{"name":"now"}}],"parallel_tool_calls":false,
                "messages":[{"role":"user","content":"hi"}]}"#,
        )
        .unwrap();
        let mut expected = Request::chat("org/m", vec![Message::user("hi")]);
        expected.max_tokens = Some(9);
        expected.temperature = Some(0.0);
        expected.logprobs = Some(3);
        expected.seed = Some(4);
        expected.format = Some(Format::Json(None));
        expected.tool_choice = ToolChoice::Required;
        expected.tools = plan.requests[0].tools.clone();
        assert_eq!(expected.tools[0].name, "now");
        let mut second = expected.clone();
        second.seed = Some(5);
        assert_eq!(plan.requests, [expected, second]);
        assert_eq!(plan.delivery, Delivery::Streamed { usage: false });
        assert!(plan.calls.single);
    }

    #[test]
    fn what_is_not_obeyed_is_refused() {
        let check = |more, param| refused(with(more), 400, param, "unsupported_parameter", "not supported");
        check(r#""modalities":["text","audio"]"#, "modalities");
        check(r#""audio":{"voice":"a"}"#, "audio");
        check(r#""web_search_options":{}"#, "web_search_options");
        refused(with(r#""n":9"#), 400, "n", "invalid_value", "from 1 to 8");
        refused(with(r#""top_logprobs":3"#), 400, "top_logprobs", "invalid_value", "'logprobs' is true");
    }

    #[test]
    fn what_asks_for_nothing_passes() {
        let plain = with(r#""stream":false"#).unwrap();
        let same = |more| assert_eq!(with(more).unwrap(), plain);
        same(
            r#""tools":[],"tool_choice":"none","functions":null,"function_call":"auto","n":1,"logit_bias":{}"#,
        );
        same(r#""response_format":{"type":"text"},"logprobs":false,"top_logprobs":0,"modalities":["text"]"#);
        same(
            r#""user":"u","metadata":{"a":"b"},"store":false,"service_tier":"auto","parallel_tool_calls":true"#,
        );
        same(r#""prediction":null,"reasoning_effort":"low","something_new":[1]"#);
    }

    #[test]
    fn both_names_of_the_token_count_must_agree() {
        let count = |more| with(more).map(|plan| plan.requests[0].max_tokens);
        assert_eq!(count(r#""max_tokens":3"#).unwrap(), Some(3));
        assert_eq!(count(r#""max_tokens":3,"max_completion_tokens":3"#).unwrap(), Some(3));
        let result = count(r#""max_tokens":3,"max_completion_tokens":4"#);
        refused(result, 400, "max_tokens", "invalid_value", "They mean the same");
        refused(count(r#""max_tokens":0"#), 400, "max_tokens", "invalid_value", "from 1");
        refused(count(r#""max_tokens":4294967296"#), 400, "max_tokens", "invalid_value", "4294967296");
    }

    #[test]
    fn a_model_is_a_string() {
        let result = parsed(r#"{"model":5,"messages":[{"role":"user","content":"hi"}]}"#);
        refused(result, 400, "model", "invalid_type", "a string");
    }
}
