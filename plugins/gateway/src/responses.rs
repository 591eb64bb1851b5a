//! `/v1/responses`: answers that can be stored, so that a later request goes on from them.

mod events;
mod items;
mod reply;
mod store;

use std::hash::{BuildHasher, RandomState};

use inferno_sdk::http::Response;
use inferno_sdk::inference::{Input, Message, Request};
use inferno_sdk::{ErrorKind, log};
use serde::Serialize;
use serde_json::{Map, Value};

pub(crate) use reply::{DELETED, EVENT, ITEMS, RESPONSE};
use reply::{Echo, Reply};

use crate::error::ApiError;
use crate::fields::Fields;
use crate::run::Company;
use crate::schema::{Field, Kind, Object, may, must};
use crate::tools::{self, Calls};
use crate::{answer, format, run, sampling, stream};

const INPUT: &str = "input";
const PREVIOUS: &str = "previous_response_id";
/// What `include` has to name to get log-probabilities.
const LOGPROBS: &str = "message.output_text.logprobs";

/// What is asked.
pub(crate) static REQUEST: Object = Object {
    name: "ResponseRequest",
    fields: &[
        &[
            must(
                INPUT,
                Kind::OneOf(&[Kind::Text, Kind::List(&Kind::Tagged(&items::ITEM), 1, 100_000)]),
                "What the user says, or items of the conversation.",
            ),
            may(
                "instructions",
                Kind::Text,
                "Goes before the conversation; not taken over by the next response.",
            ),
            may(PREVIOUS, Kind::Filled, "The response whose conversation goes on."),
            may("store", Kind::Boolean, "Whether the response is kept for 30 days. Default: true."),
            may(
                "max_output_tokens",
                Kind::Integer(1, u32::MAX as i64),
                "Default: what the context has room for.",
            ),
            may("text", Kind::Object(&TEXT), "What the answer must look like."),
            may(
                "include",
                Kind::List(&Kind::Text, 0, 64),
                "`message.output_text.logprobs` tells log-probabilities.",
            ),
            may("top_logprobs", Kind::Integer(0, sampling::MAX_TOP), "So many alternatives to each token."),
            may("metadata", Kind::Map(&Kind::Text), "Kept and given back."),
            may(
                "truncation",
                Kind::Only(&["\"disabled\""], "Only \"disabled\" is: nothing is cut silently."),
                "",
            ),
            may("background", Kind::Only(&["false"], "Only false is."), ""),
            may("conversation", Kind::Only(&[], "Use 'previous_response_id'."), ""),
            may("prompt", Kind::Only(&[], "Give 'input' and 'instructions'."), ""),
        ],
        tools::FLAT,
        sampling::SAMPLING,
    ],
};

static TEXT: Object =
    Object { name: "ResponseText", fields: &[&[may("format", Kind::Tagged(&format::FLAT), "")]] };

/// The query of the list of input items.
pub(crate) const PAGE: &[Field] = &[
    may("limit", Kind::Integer(1, 100), "At most so many. Default: 20."),
    may("order", Kind::Word(&["asc", "desc"]), "Default: `desc`, the last first."),
    may("after", Kind::Text, "Those after the item with this id."),
];

/// A request, understood.
struct Ask {
    request: Request,
    /// What this request added to the conversation.
    input: Vec<Value>,
    echo: Echo,
    calls: Calls,
    streamed: bool,
}

/// A response as it is stored.
#[derive(Serialize)]
struct Record<'a> {
    response: &'a Reply,
    input: &'a [Value],
}

/// What is needed to store a response when it is whole.
struct Keeper {
    input: Vec<Value>,
}

impl Keeper {
    /// Stores it, if that was asked for and works; `store` of the reply says whether.
    fn keep(&self, reply: &mut Reply) {
        if !reply.echo.store {
            return;
        }
        let record = answer::json(&Record { response: reply, input: &self.input });
        if let Err(error) = store::save(&reply.id, &record) {
            log::warn(&format!("the response {} is not stored: {error}", reply.id));
            reply.echo.store = false;
        }
    }
}

pub(crate) async fn answer(fields: Fields, company: Company) -> Result<Response, ApiError> {
    let id = new_id();
    let Ask { request, input, echo, calls, streamed } = parse(fields, &id)?;
    let refusal =
        |error| ApiError::host_about(error, INPUT, request.tools.is_empty() && request.format.is_none());
    let keeper = Keeper { input };
    if streamed {
        let events = run::streamed(vec![request.clone()]).await.map_err(refusal)?;
        let writer = events::Writer::new(Reply::new(id, echo), keeper, calls);
        return Ok(stream::sse(async move |body| writer.write(events, body).await));
    }
    let completion = run::single(&request, company).await.map_err(refusal)?;
    let mut reply = Reply::new(id, echo);
    reply.complete(completion)?;
    keeper.keep(&mut reply);
    Ok(answer::respond(&reply))
}

fn parse(mut fields: Fields, id: &str) -> Result<Ask, ApiError> {
    let mut echo = Echo::default();
    echo.tools = fields.peek("tools").cloned();
    echo.tool_choice = fields.peek("tool_choice").cloned();
    echo.text = fields.peek("text").cloned();
    echo.metadata = fields.peek("metadata").cloned();
    let mut request = Request::prompt("", "");
    format::flat(&fields, &mut request)?;
    let calls = tools::flat(&fields, &mut request)?;
    sampling::apply(&mut fields, &mut request);
    request.model = sampling::model(&mut fields)?;
    request.max_tokens = fields.integer("max_output_tokens");
    let top = fields.integer("top_logprobs");
    if fields.texts("include").iter().any(|word| word == LOGPROBS) {
        request.logprobs = Some(top.unwrap_or(0));
    }
    echo.take(&request, top, calls);
    echo.instructions = fields.text("instructions");
    echo.previous = fields.text(PREVIOUS);
    echo.store = may_store(fields.flag("store"), id)?;
    let input = items::normal(fields.take(INPUT), id);
    let mut messages: Vec<Message> = Vec::new();
    messages.extend(echo.instructions.iter().map(Message::system));
    if let Some(previous) = &echo.previous {
        for record in store::conversation(previous)? {
            items::add(&mut messages, record.input, PREVIOUS)?;
            items::add(&mut messages, record.output, PREVIOUS)?;
        }
    }
    items::add(&mut messages, input.clone(), INPUT)?;
    request.input = Input::Chat(messages);
    sampling::share(std::slice::from_mut(&mut request), 0);
    let streamed = fields.flag("stream").unwrap_or(false);
    Ok(Ask { request, input, echo, calls, streamed })
}

/// Whether the response will be stored. Where the plugin may not and nobody insists, it is not.
fn may_store(asked: Option<bool>, id: &str) -> Result<bool, ApiError> {
    if asked == Some(false) {
        return Ok(false);
    }
    match store::probe(id) {
        Ok(()) => Ok(true),
        Err(error) if asked.is_none() && error.kind == ErrorKind::Denied => Ok(false),
        Err(error) => Err(ApiError::host(error, "store")),
    }
}

/// Ids begin with the time, so that the oldest come first where they are listed.
fn new_id() -> String {
    let random = RandomState::new();
    format!("resp_{:012x}{:016x}", crate::since_1970().as_millis(), random.hash_one(0))
}

/// `GET /v1/responses/{id}`
pub(crate) fn one(id: &str) -> Result<Response, ApiError> {
    Ok(answer::respond(&store::load(id, "response_id")?.response))
}

/// `DELETE /v1/responses/{id}`
pub(crate) fn delete(id: &str) -> Result<Response, ApiError> {
    store::delete(id)?;
    let mut deleted = Map::new();
    deleted.insert("id".to_owned(), id.into());
    deleted.insert("object".to_owned(), "response".into());
    deleted.insert("deleted".to_owned(), true.into());
    Ok(answer::respond(&deleted))
}

/// `GET /v1/responses/{id}/input_items`
pub(crate) fn input_items(id: &str, mut page: Fields) -> Result<Response, ApiError> {
    let record = store::load(id, "response_id")?;
    let limit = page.integer("limit").unwrap_or(20);
    let descending = page.text("order").as_deref() != Some("asc");
    Ok(answer::respond(&reply::page(record.input, limit, descending, page.text("after").as_deref())))
}

#[cfg(test)]
mod tests;
