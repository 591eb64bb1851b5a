//! Stored responses: one value of the plugin's own for each, which the host keeps apart by tenant.

use std::time::Duration;

use inferno_sdk::{Error, ErrorKind, kv};
use serde_json::Value;

use crate::error::ApiError;

/// How long a response is kept.
const LIFE: Duration = Duration::from_secs(30 * 24 * 3600);
const PREFIX: &str = "response/";
/// How many of the oldest go at first where there is no room. Each time that this was not enough, twice as many go.
const PUSHED_OUT: usize = 4;
/// How often room is made for one response.
const TRIES: u32 = 10;
/// The longest conversation, in responses and in bytes as they are stored.
const MAX_TURNS: usize = 512;
const MAX_BYTES: usize = 8 * 1024 * 1024;

/// A stored response.
pub(super) struct Record {
    /// As it was answered.
    pub(super) response: Value,
    /// What it was the answer to.
    pub(super) input: Vec<Value>,
    /// In bytes.
    size: usize,
}

/// A part of a conversation.
pub(super) struct Turn {
    pub(super) input: Vec<Value>,
    pub(super) output: Vec<Value>,
}

fn key(id: &str) -> String {
    format!("{PREFIX}{id}")
}

/// Whether responses can be stored at all.
pub(super) fn probe(id: &str) -> Result<(), Error> {
    kv::get(&key(id)).map(drop)
}

/// Stores a response; the oldest make room for it.
pub(super) fn save(id: &str, record: &[u8]) -> Result<(), Error> {
    for attempt in 0..TRIES {
        match kv::set(&key(id), record, Some(LIFE)) {
            Err(error) if error.kind == ErrorKind::Exhausted => {
                let oldest = kv::keys(PREFIX, None)?;
                if oldest.is_empty() {
                    return Err(error);
                }
                for key in oldest.iter().take(PUSHED_OUT << attempt) {
                    kv::delete(key)?;
                }
            }
            done => return done,
        }
    }
    kv::set(&key(id), record, Some(LIFE))
}

/// A response; `param` is the field that names it.
pub(super) fn load(id: &str, param: &str) -> Result<Record, ApiError> {
    let missing = || ApiError::no_response(id, param);
    // No such key can be stored, and the host would say so in words of its own.
    if id.len() > 256 {
        return Err(missing());
    }
    let record = kv::get(&key(id)).map_err(|error| ApiError::host(error, param))?.ok_or_else(missing)?;
    let size = record.len();
    let mut record: Value = serde_json::from_slice(&record).map_err(|_| missing())?;
    let input = record["input"].as_array_mut().map(std::mem::take).unwrap_or_default();
    Ok(Record { response: record["response"].take(), input, size })
}

/// Deletes a response.
pub(super) fn delete(id: &str) -> Result<(), ApiError> {
    load(id, "response_id")?;
    kv::delete(&key(id)).map(drop).map_err(|error| ApiError::host(error, "response_id"))
}

/// The conversation that ends with a response, in order.
pub(super) fn conversation(id: &str) -> Result<Vec<Turn>, ApiError> {
    let mut turns = Vec::new();
    let mut bytes = 0;
    let mut next = Some(id.to_owned());
    while let Some(id) = next {
        let Record { mut response, input, size } = load(&id, super::PREVIOUS)?;
        bytes += size;
        if turns.len() == MAX_TURNS || bytes > MAX_BYTES {
            let why =
                format_args!("the conversation has more than {MAX_TURNS} responses or {MAX_BYTES} bytes.");
            return Err(ApiError::value(super::PREVIOUS, why));
        }
        let output = response["output"].as_array_mut().map(std::mem::take).unwrap_or_default();
        next = response[super::PREVIOUS].as_str().map(str::to_owned);
        turns.push(Turn { input, output });
    }
    turns.reverse();
    Ok(turns)
}
