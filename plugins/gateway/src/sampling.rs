//! The parameters that chats, completions and responses share.

use inferno_sdk::inference::{Format, Request};
use inferno_sdk::settings;

use crate::error::ApiError;
use crate::fields::Fields;
use crate::schema::{Field, Kind, Object, may, must};

/// How a client wants the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Delivery {
    Whole,
    Streamed {
        /// A last chunk tells the usage.
        usage: bool,
    },
}

/// The most stop texts that a request may have.
const MAX_STOPS: usize = 4;
/// The most answers to one prompt.
pub(crate) const MAX_ANSWERS: i64 = 8;
/// The most low-rank adapters at once.
const MAX_ADAPTERS: usize = 8;
/// The most alternatives to a token.
pub(crate) const MAX_TOP: i64 = 20;

pub(crate) const MODEL: Field =
    may("model", Kind::Filled, "A name as `/v1/models` gives it. Default: the setting `default_model`.");

/// What all three have.
pub(crate) static SAMPLING: &[Field] = &[
    MODEL,
    may("temperature", Kind::Number(0.0, 2.0), "0 always takes the likeliest token."),
    may("top_p", Kind::Number(0.0, 1.0), "Only tokens whose probabilities add up to this."),
    may(
        "min_p",
        Kind::Number(0.0, 1.0),
        "No tokens less likely than this share of the likeliest. Not OpenAI's.",
    ),
    may(
        "top_k",
        Kind::Integer(-1, i32::MAX as i64),
        "Only so many of the likeliest tokens; 0 and -1: all. Not OpenAI's.",
    ),
    may("repeat_penalty", Kind::Number(0.01, 100.0), "Above 1: fewer repetitions. Not OpenAI's."),
    may("presence_penalty", Kind::Number(-2.0, 2.0), "Above 0: fewer tokens that have occurred."),
    may(
        "frequency_penalty",
        Kind::Number(-2.0, 2.0),
        "Above 0: the fewer, the more often they have occurred.",
    ),
    may("seed", Kind::Integer(i64::MIN, i64::MAX), "The same seed and request give the same answer."),
    may(
        "logit_bias",
        Kind::Tokens(&Kind::Number(-100.0, 100.0)),
        "Added to the logits of tokens, by their numbers.",
    ),
    may(
        "adapters",
        Kind::List(&Kind::Object(&ADAPTER), 0, MAX_ADAPTERS),
        "Low-rank adapters (LoRA). Not OpenAI's.",
    ),
    may("stream", Kind::Boolean, "Server-sent events instead of one answer."),
];

/// What chats and completions have beside it.
pub(crate) static OLDER: &[Field] = &[
    may(
        "stop",
        Kind::OneOf(&[Kind::Filled, Kind::List(&Kind::Filled, 0, MAX_STOPS)]),
        "Texts that end the answer, which does not have them.",
    ),
    may("n", Kind::Integer(1, MAX_ANSWERS), "So many answers; with a seed, each has the next one."),
    may("grammar", Kind::Filled, "The answer is a sentence of this grammar (GBNF). Not OpenAI's."),
    may("stream_options", Kind::Object(&STREAM_OPTIONS), "With `stream` only."),
];

static ADAPTER: Object = Object {
    name: "Adapter",
    fields: &[&[
        must("name", Kind::Filled, "As the model's page gives it."),
        may("scale", Kind::Number(-100.0, 100.0), "How strongly; 1 is as it was trained, and the default."),
    ]],
};

static STREAM_OPTIONS: Object = Object {
    name: "StreamOptions",
    fields: &[&[may("include_usage", Kind::Boolean, "A last chunk tells the usage.")]],
};

/// The model that a request means, or the one that the setting `default_model` names.
pub(crate) fn model(fields: &mut Fields) -> Result<String, ApiError> {
    if let Some(name) = fields.text("model") {
        return Ok(name);
    }
    match settings::get("default_model") {
        Ok(Some(name)) => Ok(name),
        Ok(None) => Err(ApiError::missing("model")),
        Err(error) => Err(ApiError::host(error, "model")),
    }
}

/// Takes over what says how to choose tokens and when to stop.
pub(crate) fn apply(fields: &mut Fields, request: &mut Request) {
    request.temperature = fields.number("temperature");
    // 0 is a usual way to say "only the likeliest token"; the host's range begins just above.
    request.top_p = fields.number("top_p").map(|p| p.max(f32::MIN_POSITIVE));
    request.min_p = fields.number("min_p");
    // -1 is a usual way to turn it off.
    request.top_k = fields.integer::<i64>("top_k").map(|k| u32::try_from(k).unwrap_or(0));
    request.repeat_penalty = fields.number("repeat_penalty");
    request.presence_penalty = fields.number("presence_penalty");
    request.frequency_penalty = fields.number("frequency_penalty");
    request.seed = fields.integer::<i64>("seed").map(i64::cast_unsigned);
    request.stop = fields.texts("stop");
    let bias = fields.object("logit_bias").map(Fields::rest).unwrap_or_default();
    #[expect(clippy::cast_possible_truncation, reason = "samplers compute in single precision")]
    let bias = bias.iter().filter_map(|(token, bias)| Some((token.parse().ok()?, bias.as_f64()? as f32)));
    request.logit_bias = bias.collect();
    request.adapters = fields.list("adapters").into_iter().flatten().map(adapter).collect();
    if let Some(grammar) = fields.text("grammar") {
        request.format = Some(Format::Grammar(grammar));
    }
}

fn adapter(value: serde_json::Value) -> (String, f32) {
    let mut fields = Fields::of(value);
    (fields.text("name").unwrap_or_default(), fields.number("scale").unwrap_or(1.0))
}

/// `stream` and `stream_options`.
pub(crate) fn delivery(fields: &mut Fields) -> Result<Delivery, ApiError> {
    let streamed = fields.flag("stream").unwrap_or(false);
    match fields.object("stream_options") {
        Some(_) if !streamed => {
            Err(ApiError::value("stream_options", "it is only allowed when 'stream' is true."))
        }
        Some(mut options) => Ok(Delivery::Streamed { usage: options.flag("include_usage").unwrap_or(false) }),
        None if streamed => Ok(Delivery::Streamed { usage: false }),
        None => Ok(Delivery::Whole),
    }
}

/// The same request `n` times; with a seed, each has the next one.
pub(crate) fn several(request: Request, n: usize) -> Vec<Request> {
    let mut all = vec![request; n];
    for (by, request) in (0..).zip(&mut all) {
        request.seed = request.seed.map(|seed| seed.wrapping_add(by));
    }
    all
}

/// What models may write for one call of the plugin. The host ends a call that has them write more.
const MODEL_TOKENS: u32 = 1_000_000;

/// Sees to it that requests, and so many `others` like them at the same time, cannot go beyond what models may write.
pub(crate) fn share(requests: &mut [Request], others: u32) {
    let requests_at_once =
        u32::try_from(requests.len()).unwrap_or(u32::MAX).saturating_mul(others.saturating_add(1));
    let most = MODEL_TOKENS / requests_at_once.max(1);
    for request in requests {
        // A single one without a limit is given one by the host, which knows the model's context.
        if requests_at_once > 1 || request.max_tokens.is_some() {
            request.max_tokens = Some(request.max_tokens.map_or(most, |wanted| wanted.min(most)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{fields, refused};

    static ALL: Object = Object { name: "All", fields: &[SAMPLING, OLDER] };

    fn applied(json: &str) -> Result<Request, ApiError> {
        let mut request = Request::prompt("m", "p");
        fields(json, &ALL).map(|mut fields| apply(&mut fields, &mut request)).map(|()| request)
    }

    #[test]
    fn every_field_arrives() {
        let request = applied(
            r#"{"temperature":0.5,"top_p":0.25,"min_p":0.125,"top_k":7,"repeat_penalty":1.5,"presence_penalty":-2,
                "frequency_penalty":2,"seed":42,"stop":["a","b"],"n":1,"logit_bias":{"7":-100,"9":1.5},
                "adapters":[{"name":"pirate"},{"name":"poet","scale":0.5}],"grammar":"root ::= \"a\""}"#,
        )
        .unwrap();
        let mut expected = Request::prompt("m", "p");
        expected.temperature = Some(0.5);
        expected.top_p = Some(0.25);
        expected.min_p = Some(0.125);
        expected.top_k = Some(7);
        expected.repeat_penalty = Some(1.5);
        expected.presence_penalty = Some(-2.0);
        expected.frequency_penalty = Some(2.0);
        expected.seed = Some(42);
        expected.stop = vec!["a".into(), "b".into()];
        expected.logit_bias = vec![(7, -100.0), (9, 1.5)];
        expected.adapters = vec![("pirate".into(), 1.0), ("poet".into(), 0.5)];
        expected.format = Some(Format::Grammar("root ::= \"a\"".into()));
        assert_eq!(request, expected);
        assert_eq!(applied("{}").unwrap(), Request::prompt("m", "p"));
    }

    #[test]
    fn usual_spellings_of_off_are_understood() {
        let request = applied(r#"{"top_p":0,"top_k":-1,"seed":-1,"stop":"."}"#).unwrap();
        assert_eq!(request.top_p, Some(f32::MIN_POSITIVE));
        assert_eq!(request.top_k, Some(0));
        assert_eq!(request.seed, Some(u64::MAX));
        assert_eq!(request.stop, ["."]);
    }

    #[test]
    fn what_cannot_be_names_its_field() {
        let check = |json, param, code, says| refused(applied(json), 400, param, code, says);
        check(r#"{"temperature":2.1}"#, "temperature", "invalid_value", "from 0 to 2");
        check(r#"{"temperature":"hot"}"#, "temperature", "invalid_type", "a string");
        check(r#"{"top_p":1.5}"#, "top_p", "invalid_value", "from 0 to 1");
        check(r#"{"top_k":-2}"#, "top_k", "invalid_value", "-2");
        check(r#"{"presence_penalty":3}"#, "presence_penalty", "invalid_value", "from -2 to 2");
        check(r#"{"frequency_penalty":-3}"#, "frequency_penalty", "invalid_value", "from -2 to 2");
        check(r#"{"repeat_penalty":0}"#, "repeat_penalty", "invalid_value", "from 0.01");
        check(r#"{"seed":1.5}"#, "seed", "invalid_type", "a decimal");
        check(r#"{"n":9}"#, "n", "invalid_value", "from 1 to 8");
        check(r#"{"n":0}"#, "n", "invalid_value", "from 1");
        check(r#"{"logit_bias":{"a":1}}"#, "logit_bias", "invalid_value", "'a'");
        check(r#"{"logit_bias":{"5":101}}"#, "logit_bias.5", "invalid_value", "from -100 to 100");
        check(r#"{"stop":["a","b","c","d","e"]}"#, "stop", "invalid_value", "at most 4");
        check(r#"{"stop":""}"#, "stop", "invalid_value", "empty");
        check(r#"{"stop":[1]}"#, "stop[0]", "invalid_type", "a string");
        check(r#"{"stop":1}"#, "stop", "invalid_type", "a string or an array");
        check(r#"{"adapters":[{}]}"#, "adapters[0].name", "missing_required_parameter", "name");
    }

    #[test]
    fn each_of_several_has_the_next_seed() {
        let mut request = Request::prompt("m", "p");
        assert_eq!(several(request.clone(), 2), [request.clone(), request.clone()]);
        request.seed = Some(u64::MAX);
        let seeds: Vec<_> = several(request, 3).into_iter().map(|request| request.seed).collect();
        assert_eq!(seeds, [Some(u64::MAX), Some(0), Some(1)]);
    }

    #[test]
    fn requests_at_once_share_what_models_may_write() {
        let shared = |wanted: &[Option<u32>], others| {
            let with = |max_tokens: &Option<u32>| {
                let mut request = Request::prompt("m", "p");
                request.max_tokens = *max_tokens;
                request
            };
            let mut requests: Vec<Request> = wanted.iter().map(with).collect();
            share(&mut requests, others);
            requests.into_iter().map(|request| request.max_tokens).collect::<Vec<_>>()
        };
        assert_eq!(shared(&[None], 0), [None]);
        assert_eq!(shared(&[Some(u32::MAX)], 0), [Some(1_000_000)]);
        assert_eq!(shared(&[None, Some(7)], 0), [Some(500_000), Some(7)]);
        assert_eq!(shared(&[None], 3), [Some(250_000)]);
    }

    #[test]
    fn stream_options_need_a_stream() {
        let how = |json| fields(json, &ALL).and_then(|mut fields| delivery(&mut fields));
        assert_eq!(how("{}").unwrap(), Delivery::Whole);
        assert_eq!(how(r#"{"stream":false,"stream_options":null}"#).unwrap(), Delivery::Whole);
        assert_eq!(how(r#"{"stream":true}"#).unwrap(), Delivery::Streamed { usage: false });
        let json = r#"{"stream":true,"stream_options":{"include_usage":true,"include_obfuscation":false}}"#;
        assert_eq!(how(json).unwrap(), Delivery::Streamed { usage: true });
        refused(how(r#"{"stream_options":{}}"#), 400, "stream_options", "invalid_value", "'stream' is true");
        refused(how(r#"{"stream":"yes"}"#), 400, "stream", "invalid_type", "a boolean");
        let json = r#"{"stream":true,"stream_options":{"include_usage":1}}"#;
        refused(how(json), 400, "stream_options.include_usage", "invalid_type", "a number");
    }
}
