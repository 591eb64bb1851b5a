//! Events and JSON as bytes: the same in the C ABI and in the worker's frames.

use std::borrow::Cow;
use std::path::PathBuf;

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{Choice, Detect, Error, Event, Finish, Generate, Image, Token, Usage, Work, abi};

#[derive(Serialize, Deserialize)]
struct Started {
    prompt_tokens: u32,
}

#[derive(Serialize, Deserialize)]
struct Done {
    finish: Finish,
    usage: Usage,
    /// Beside the finish, so that those who do not know it see an answer that stopped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    stopped_by: Option<u32>,
}

/// What a backend says about itself.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Describe {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) formats: Vec<String>,
    /// Backends from before there was such a thing say nothing.
    #[serde(default)]
    pub(crate) detect: Vec<Detect>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) needs: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) reads: Vec<PathBuf>,
}

/// `value` as JSON; `what` names it in the error.
pub(crate) fn to_json(what: &str, value: &impl Serialize) -> Result<Vec<u8>, Error> {
    serde_json::to_vec(value)
        .map_err(|error| Error::internal(format!("cannot write {what} as JSON: {error}")))
}

/// A value from JSON; `what` names it in the error.
pub(crate) fn from_json<T: DeserializeOwned>(what: &str, json: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(json)
        .map_err(|error| Error::internal(format!("{what} is not as expected: {error}")))
}

/// A request as JSON. Its images stand behind that as they are: a zero, which is no part of any JSON, then the length
/// of each and its bytes.
pub(crate) fn encode_work(work: &Work) -> Result<Vec<u8>, Error> {
    check_numbers(work)?;
    let mut bytes = to_json("the work", work)?;
    let (Work::Generate(generate) | Work::Count(generate)) = work else { return Ok(bytes) };
    generate.check_images()?;
    if generate.images.is_empty() {
        return Ok(bytes);
    }
    bytes.reserve_exact(1 + generate.images.iter().map(|Image(data)| 4 + data.len()).sum::<usize>());
    bytes.push(0);
    for Image(data) in &generate.images {
        let length = u32::try_from(data.len())
            .map_err(|_| Error::invalid(format!("an image has {} bytes, which is too many", data.len())))?;
        bytes.extend(length.to_le_bytes());
        bytes.extend(data);
    }
    Ok(bytes)
}

/// The opposite of [`encode_work`].
pub(crate) fn decode_work(bytes: &[u8]) -> Result<Work, Error> {
    let (json, behind) = match bytes.iter().position(|byte| *byte == 0) {
        Some(at) => (&bytes[..at], &bytes[at + 1..]),
        None => (bytes, &[][..]),
    };
    let mut work = from_json("the work", json)?;
    check_numbers(&work)?;
    match &mut work {
        Work::Generate(generate) | Work::Count(generate) => {
            generate.images = decode_images(behind)?;
            generate.check_images()?;
        }
        _ if behind.is_empty() => {}
        _ => return Err(Error::internal("images came with work that looks at none")),
    }
    Ok(work)
}

fn decode_images(mut bytes: &[u8]) -> Result<Vec<Image>, Error> {
    let mut images = Vec::new();
    while !bytes.is_empty() {
        let cut = || Error::internal("an image that came with the work is cut off");
        let (length, rest) = bytes.split_first_chunk::<4>().ok_or_else(cut)?;
        let length = usize::try_from(u32::from_le_bytes(*length)).map_err(|_| cut())?;
        let (data, rest) = rest.split_at_checked(length).ok_or_else(cut)?;
        images.push(Image(data.to_vec()));
        bytes = rest;
    }
    Ok(images)
}

/// JSON has no infinities: they would be written as `null`, and come out of numbers beyond an `f32`.
fn check_numbers(work: &Work) -> Result<(), Error> {
    let (Work::Generate(generate) | Work::Count(generate)) = work else { return Ok(()) };
    let Generate { sampling, logit_bias, adapters, .. } = generate;
    let mut numbers = vec![
        ("temperature", sampling.temperature),
        ("top_p", sampling.top_p),
        ("min_p", sampling.min_p),
        ("repeat_penalty", sampling.repeat_penalty),
        ("presence_penalty", sampling.presence_penalty),
        ("frequency_penalty", sampling.frequency_penalty),
    ];
    numbers.extend(logit_bias.iter().map(|(_, bias)| ("logit_bias", *bias)));
    numbers.extend(adapters.iter().map(|(_, scale)| ("an adapter's scale", *scale)));
    match numbers.iter().find(|(_, value)| !value.is_finite()) {
        Some((name, value)) => Err(Error::invalid(format!("{name} is {value}, which is no number"))),
        None => Ok(()),
    }
}

/// As [`check_numbers`], for what comes back.
fn check_logprobs(choices: &[Choice]) -> Result<(), Error> {
    let mut tokens = choices.iter().flat_map(|choice| choice.top.iter().chain([&choice.token]));
    match tokens.find(|token| !token.logprob.is_finite()) {
        Some(Token { id, logprob, .. }) => {
            Err(Error::internal(format!("the logprob of token {id} is {logprob}, which is no number")))
        }
        None => Ok(()),
    }
}

/// The event's kind, one of [`abi`]'s constants, and its data.
pub(crate) fn encode_event(event: &Event) -> Result<(u32, Cow<'_, [u8]>), Error> {
    Ok(match event {
        Event::Started { prompt_tokens } => {
            let json = to_json("the start of a request", &Started { prompt_tokens: *prompt_tokens })?;
            (abi::STARTED, json.into())
        }
        Event::Text(text) => (abi::TEXT, text.as_bytes().into()),
        Event::Embedding(vector) => {
            (abi::EMBEDDING, vector.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>().into())
        }
        Event::Done { finish, usage } => {
            let (finish, stopped_by) = match *finish {
                Finish::StoppedBy(number) => (Finish::Stop, Some(number)),
                finish => (finish, None),
            };
            let json = to_json("the end of a request", &Done { finish, usage: *usage, stopped_by })?;
            (abi::DONE, json.into())
        }
        Event::Failed(error) => (abi::FAILED, to_json("an error", error)?.into()),
        Event::Tokens(tokens) => {
            (abi::TOKENS, tokens.iter().flat_map(|token| token.to_le_bytes()).collect::<Vec<u8>>().into())
        }
        Event::Choices(choices) => {
            check_logprobs(choices)?;
            (abi::CHOICES, to_json("the likelihood of tokens", choices)?.into())
        }
        Event::ToolCall(call) => (abi::TOOL_CALL, to_json("a call of a tool", call)?.into()),
    })
}

/// The opposite of [`encode_event`].
pub(crate) fn decode_event(kind: u32, data: &[u8]) -> Result<Event, Error> {
    match kind {
        abi::STARTED => {
            let Started { prompt_tokens } = from_json("the start of a request", data)?;
            Ok(Event::Started { prompt_tokens })
        }
        abi::TEXT => match std::str::from_utf8(data) {
            Ok(text) => Ok(Event::Text(text.to_owned())),
            Err(error) => Err(Error::internal(format!("the text of an answer is not UTF-8: {error}"))),
        },
        abi::EMBEDDING => {
            let (values, rest) = data.as_chunks::<4>();
            if !rest.is_empty() {
                let bytes = data.len();
                return Err(Error::internal(format!("an embedding has {bytes} bytes, not a multiple of 4")));
            }
            let values: Vec<f32> = values.iter().copied().map(f32::from_le_bytes).collect();
            if let Some(index) = values.iter().position(|value| !value.is_finite()) {
                let value = values[index];
                return Err(Error::internal(format!(
                    "value {index} of an embedding is {value}, which is no number"
                )));
            }
            Ok(Event::Embedding(values))
        }
        abi::DONE => {
            let Done { finish, usage, stopped_by } = from_json("the end of a request", data)?;
            let finish = match (finish, stopped_by) {
                (Finish::Stop, Some(number)) => Finish::StoppedBy(number),
                (finish, _) => finish,
            };
            Ok(Event::Done { finish, usage })
        }
        abi::FAILED => Ok(Event::Failed(from_json("an error", data)?)),
        abi::TOKENS => {
            let (tokens, rest) = data.as_chunks::<4>();
            if !rest.is_empty() {
                let bytes = data.len();
                return Err(Error::internal(format!("tokens have {bytes} bytes, not a multiple of 4")));
            }
            Ok(Event::Tokens(tokens.iter().copied().map(u32::from_le_bytes).collect()))
        }
        abi::CHOICES => {
            let choices: Vec<Choice> = from_json("the likelihood of tokens", data)?;
            check_logprobs(&choices)?;
            Ok(Event::Choices(choices))
        }
        abi::TOOL_CALL => Ok(Event::ToolCall(from_json("a call of a tool", data)?)),
        other => Err(Error::internal(format!("there is no event of kind {other}"))),
    }
}
