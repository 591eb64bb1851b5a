//! What a request may ask for.

use inferno_backend::{Error, ErrorKind, Generate};

/// The most likely tokens that are told in the place of one.
const MOST_TOP: u32 = 20;
/// What a bias may be, either way.
const GREATEST_BIAS: f32 = 100.0;

/// Refuses what this model cannot do, whatever its context.
pub fn check(request: &Generate, vocabulary: i32) -> Result<(), Error> {
    request.sampling.check()?;
    if request.max_tokens == Some(0) {
        return Err(Error::invalid("max_tokens is 0, but must be at least 1")
            .hint("leave it out for as much as the context has room for"));
    }
    if let Some(wish) = request.logprobs.filter(|&wish| wish > MOST_TOP) {
        return Err(Error::invalid(format!("logprobs is {wish}, but must be between 0 and {MOST_TOP}")));
    }
    for &(token, bias) in &request.logit_bias {
        if i64::from(token) >= i64::from(vocabulary) {
            return Err(Error::invalid(format!(
                "logit_bias names the token {token}, but there are {vocabulary}"
            ))
            .hint("ask for the tokens of a text to learn their numbers"));
        }
        if !(-GREATEST_BIAS..=GREATEST_BIAS).contains(&bias) {
            return Err(Error::invalid(format!(
                "the logit_bias of token {token} is {bias}, but must be between -{GREATEST_BIAS} and {GREATEST_BIAS}"
            )));
        }
    }
    Ok(())
}

/// A prompt that leaves no room for an answer; says so with both numbers.
pub fn too_long(length: &str, room: u32) -> Error {
    Error::new(
        ErrorKind::ContextLength,
        format!(
            "the prompt has {length} tokens, but the model's context has room for {room}, answer included"
        ),
    )
    .hint("shorten the prompt, or load the model with a longer context if it was trained with one")
}
