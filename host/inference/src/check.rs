//! Refuses what no model could answer, before a process is involved.

use inferno_backend::{Embed, Error, Generate, Input, ModelInfo};

/// Is this a request at all?
pub(crate) fn generate(request: &Generate) -> Result<(), Error> {
    request.sampling.check()?;
    match &request.input {
        Input::Prompt(text) if text.is_empty() => return Err(Error::invalid("the prompt is empty")),
        Input::Chat(messages) if messages.is_empty() => {
            return Err(Error::invalid("the chat has no messages, but must have at least 1"));
        }
        Input::Prompt(_) | Input::Chat(_) => {}
    }
    if request.max_tokens == Some(0) {
        return Err(Error::invalid("max_tokens is 0, but must be at least 1"));
    }
    if request.stop.iter().any(String::is_empty) {
        return Err(Error::invalid("a stop text is empty: it would end every answer before it begins"));
    }
    Ok(())
}

/// Are these texts to embed at all?
pub(crate) fn embed(request: &Embed) -> Result<(), Error> {
    if request.inputs.is_empty() {
        return Err(Error::invalid("there are no texts to embed, but there must be at least 1"));
    }
    match request.inputs.iter().position(String::is_empty) {
        Some(index) => Err(Error::invalid(format!("text {index} of those to embed is empty"))),
        None => Ok(()),
    }
}

/// Can this model write an answer to it?
pub(crate) fn can_generate(model: &str, info: &ModelInfo, chat: bool) -> Result<(), Error> {
    if !info.generates {
        return Err(Error::invalid(format!("model {model} makes embeddings and writes no text")));
    }
    if chat && !info.chats {
        return Err(
            Error::invalid(format!("model {model} has no chat template")).hint("Send a plain prompt.")
        );
    }
    Ok(())
}

/// Can this model make vectors?
pub(crate) fn can_embed(model: &str, info: &ModelInfo) -> Result<(), Error> {
    if info.embeds { Ok(()) } else { Err(Error::invalid(format!("model {model} makes no embeddings"))) }
}

#[cfg(test)]
mod tests {
    use inferno_backend::{ErrorKind, Sampling};

    use super::*;

    fn prompt(text: &str) -> Generate {
        Generate {
            input: Input::Prompt(text.into()),
            max_tokens: None,
            sampling: Sampling::default(),
            stop: vec![],
        }
    }

    fn refused<T: std::fmt::Debug>(outcome: Result<T, Error>, word: &str) {
        let error = outcome.expect_err(word);
        assert_eq!(error.kind, ErrorKind::Invalid);
        assert!(error.message.contains(word), "{error}");
    }

    #[test]
    fn what_is_no_request_is_refused_by_name() {
        generate(&prompt("a")).expect("a plain prompt is fine");
        refused(generate(&prompt("")), "prompt is empty");
        refused(generate(&Generate { input: Input::Chat(vec![]), ..prompt("a") }), "messages");
        refused(generate(&Generate { max_tokens: Some(0), ..prompt("a") }), "max_tokens");
        refused(generate(&Generate { stop: vec!["x".into(), String::new()], ..prompt("a") }), "stop");
        let sampling = Sampling { temperature: f32::NAN, ..Sampling::default() };
        refused(generate(&Generate { sampling, ..prompt("a") }), "temperature");
        refused(embed(&Embed { inputs: vec![] }), "no texts");
        refused(embed(&Embed { inputs: vec!["a".into(), String::new()] }), "text 1");
    }

    #[test]
    fn what_the_model_cannot_do_is_refused() {
        let info = ModelInfo {
            context: 8,
            sequences: 1,
            embeds: false,
            generates: true,
            chats: false,
            device: "CPU".into(),
        };
        can_generate("m", &info, false).expect("it generates");
        refused(can_generate("m", &info, true), "chat template");
        refused(can_generate("m", &ModelInfo { generates: false, ..info.clone() }, false), "no text");
        refused(can_embed("m", &info), "no embeddings");
    }
}
