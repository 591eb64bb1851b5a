//! `/v1/completions`

use inferno_sdk::http::Response;
use inferno_sdk::inference::{Input, Request};

use crate::error::ApiError;
use crate::fields::Fields;
use crate::run::Company;
use crate::sampling::{self, Delivery};
use crate::schema::{Kind, Object, may, must};
use crate::stream::{Chunks, Form, Frame};
use crate::{Origin, answer, logprobs, run, stream};

/// The field that the host's refusals are about.
const PARAM: &str = "prompt";
/// The most prompts that one request may have, and the most answers; they are worked on at the same time.
const MAX_PROMPTS: usize = 32;
/// OpenAI's default of this older endpoint.
const DEFAULT_TOKENS: u32 = 16;

/// What is asked.
pub(crate) static REQUEST: Object = Object {
    name: "CompletionRequest",
    fields: &[
        &[
            must(
                PARAM,
                Kind::OneOf(&[Kind::Text, Kind::List(&Kind::Text, 1, MAX_PROMPTS)]),
                "A text to continue, or several; no token numbers.",
            ),
            may("max_tokens", Kind::Integer(1, u32::MAX as i64), "Default: 16."),
            may(
                "logprobs",
                Kind::Integer(0, 5),
                "Tells how likely each token was, with so many alternatives.",
            ),
            may("echo", Kind::Boolean, "The answer begins with the prompt; not with `logprobs`."),
            may("suffix", Kind::Only(&["\"\""], "The models here cannot fill in; leave it out."), ""),
            may(
                "best_of",
                Kind::Integer(1, sampling::MAX_ANSWERS),
                "As `n`, since the best are not chosen here.",
            ),
        ],
        sampling::SAMPLING,
        sampling::OLDER,
    ],
};

/// What is answered.
pub(crate) static ANSWER: Object = Object {
    name: "CompletionAnswer",
    fields: &[
        answer::HEAD,
        &[
            must(
                "choices",
                Kind::List(&Kind::Object(&CHOICE), 1, usize::MAX),
                "Those to the first prompt first.",
            ),
            must("usage", Kind::Object(&answer::USAGE), ""),
        ],
    ],
};

static CHOICE: Object = Object {
    name: "CompletionChoice",
    fields: &[&[
        answer::INDEX,
        must("text", Kind::Text, ""),
        must("logprobs", Kind::OneOf(&[Kind::Object(&logprobs::LEGACY), Kind::Null]), ""),
        answer::REASON,
    ]],
};

/// What is to be done.
#[derive(Debug)]
struct Plan {
    prompts: Vec<String>,
    /// So many answers to each prompt.
    n: usize,
    /// Those to the first prompt first.
    requests: Vec<Request>,
    delivery: Delivery,
    echo: bool,
}

pub(crate) async fn answer(fields: Fields, origin: Origin, company: Company) -> Result<Response, ApiError> {
    let Plan { prompts, n, requests, delivery, echo } = parse(fields)?;
    let host = |error| ApiError::host(error, PARAM);
    let (model, logprobs) = (requests[0].model.clone(), requests[0].logprobs.is_some());
    match delivery {
        Delivery::Whole => {
            let mut completions = run::whole(&requests, company).await.map_err(host)?;
            if echo {
                let each = prompts.iter().flat_map(|prompt| std::iter::repeat_n(prompt, n));
                each.zip(&mut completions).for_each(|(prompt, answer)| answer.text.insert_str(0, prompt));
            }
            answer::text(&origin, &model, &completions, n, logprobs)
        }
        Delivery::Streamed { usage } => {
            let form = if logprobs { Form::TextWithLogprobs } else { Form::Text };
            let events = run::streamed(requests).await.map_err(host)?;
            let chunks = Chunks::new(form, Frame::Events, &origin, &model, usage);
            Ok(stream::respond(events, chunks.prompts(n, prompts, echo)))
        }
    }
}

fn parse(mut fields: Fields) -> Result<Plan, ApiError> {
    let delivery = sampling::delivery(&mut fields)?;
    let prompts = fields.texts(PARAM);
    let n = fields.integer("n").unwrap_or(1);
    if fields.integer("best_of").is_some_and(|best: usize| best != n) {
        return Err(ApiError::unsupported(
            "best_of",
            "Only the value of 'n' is; ask for more answers instead.",
        ));
    }
    if prompts.len() * n > MAX_PROMPTS {
        let why = format!(
            "{} prompts make {} answers, but at most {MAX_PROMPTS} are made.",
            prompts.len(),
            prompts.len() * n
        );
        return Err(ApiError::value("n", why));
    }
    let echo = fields.flag("echo").unwrap_or(false);
    let mut request = Request::prompt(sampling::model(&mut fields)?, String::new());
    request.max_tokens = Some(fields.integer("max_tokens").unwrap_or(DEFAULT_TOKENS));
    request.logprobs = fields.integer("logprobs");
    if echo && request.logprobs.is_some() {
        let why = "the prompt's own log-probabilities are not known, so that it cannot go with 'logprobs'.";
        return Err(ApiError::value("echo", why));
    }
    sampling::apply(&mut fields, &mut request);
    let with = |prompt: &String| {
        let mut request = request.clone();
        request.input = Input::Prompt(prompt.clone());
        sampling::several(request, n)
    };
    let mut requests: Vec<Request> = prompts.iter().flat_map(with).collect();
    sampling::share(&mut requests, 0);
    Ok(Plan { prompts, n, requests, delivery, echo })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{fields, refused};

    fn parsed(json: &str) -> Result<Plan, ApiError> {
        parse(fields(json, &REQUEST)?)
    }

    #[test]
    fn each_prompt_becomes_requests() {
        let plan = parsed(
            r#"{"model":"m","prompt":["a",""],"max_tokens":5,"seed":1,"echo":false,"best_of":2,"n":2,"suffix":"",
                "logprobs":3}"#,
        )
        .unwrap();
        let expected = |prompt, seed| {
            let mut request = Request::prompt("m", prompt);
            request.max_tokens = Some(5);
            request.seed = Some(seed);
            request.logprobs = Some(3);
            request
        };
        assert_eq!(plan.requests, [expected("a", 1), expected("a", 2), expected("", 1), expected("", 2)]);
        assert_eq!((plan.delivery, plan.n, plan.echo), (Delivery::Whole, 2, false));
    }

    #[test]
    fn openais_default_length_is_kept() {
        let plan = parsed(r#"{"model":"m","prompt":"a","stream":true,"echo":true}"#).unwrap();
        assert_eq!((plan.requests[0].max_tokens, plan.echo), (Some(16), true));
        assert_eq!(plan.delivery, Delivery::Streamed { usage: false });
    }

    #[test]
    fn what_cannot_be_names_its_field() {
        let check = |more: &str, param, code, says| {
            refused(parsed(&format!("{{\"model\":\"m\",{more}}}")), 400, param, code, says);
        };
        check(r#""n":1"#, "prompt", "missing_required_parameter", "prompt");
        check(r#""prompt":7"#, "prompt", "invalid_type", "a string or an array of strings");
        check(r#""prompt":[]"#, "prompt", "invalid_value", "at least one item");
        check(r#""prompt":[1,2]"#, "prompt[0]", "invalid_type", "a string, but got a number");
        check(r#""prompt":[[1,2]]"#, "prompt[0]", "invalid_type", "a string, but got an array");
        check(&format!("\"prompt\":[{}\"\"]", "\"\",".repeat(32)), "prompt", "invalid_value", "at most 32");
        check(r#""prompt":["a","b","c","d","e"],"n":8"#, "n", "invalid_value", "40 answers");
        check(r#""prompt":"a","suffix":"b""#, "suffix", "unsupported_parameter", "cannot fill in");
        check(r#""prompt":"a","best_of":2"#, "best_of", "unsupported_parameter", "the value of 'n'");
        check(r#""prompt":"a","logprobs":6"#, "logprobs", "invalid_value", "from 0 to 5");
        check(r#""prompt":"a","logprobs":0,"echo":true"#, "echo", "invalid_value", "'logprobs'");
        check(r#""prompt":"a","max_tokens":0"#, "max_tokens", "invalid_value", "from 1");
    }
}
