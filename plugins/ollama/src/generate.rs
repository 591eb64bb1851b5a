//! `/api/generate`

use inferno_sdk::inference::{Message, Request};
use inferno_sdk::json::Fields;
use serde_json::Value;

use crate::ask::{self, Ask, Form, is_empty, refuse};
use crate::error::ApiError;
use crate::models;

pub(crate) fn parse(body: &mut Fields) -> Result<Ask, ApiError> {
    read(body, |model| Ok(models::find(model)?.chats))
}

/// `chats` tells whether a model has a chat template.
fn read(body: &mut Fields, chats: impl FnOnce(&str) -> Result<bool, ApiError>) -> Result<Ask, ApiError> {
    refuse_unsupported(body)?;
    let model = ask::model(body)?;
    let prompt = body.string("prompt")?.unwrap_or_default();
    let system = body.string("system")?.filter(|text| !text.is_empty());
    let images = ask::images(body)?;
    let raw = body.boolean("raw")?.unwrap_or(false);
    if raw && system.is_some() {
        return Err(ApiError::invalid("`raw` takes the prompt as it is, so there can be no `system`"));
    }
    if raw && !images.is_empty() {
        return Err(ApiError::invalid("`raw` takes the prompt as it is, so there can be no `images`"));
    }
    // Without a prompt the model is only loaded, or unloaded.
    let request = if prompt.is_empty() && images.is_empty() {
        None
    } else if !raw && chats(&model)? {
        let system = system.map(Message::system);
        let mut user = Message::user("");
        images.into_iter().for_each(|image| user.show(image));
        user.content = prompt;
        Some(Request::chat(model.as_str(), system.into_iter().chain([user]).collect()))
    } else if !images.is_empty() {
        return Err(ApiError::invalid(format!(
            "{model} has no chat template, so it can be shown no `images`"
        )));
    } else {
        let text = system.map_or(prompt.clone(), |system| format!("{system}\n\n{prompt}"));
        Some(Request::prompt(model.as_str(), text))
    };
    ask::parse(body, Form::Generate, model, request)
}

/// What would change the answer if it were obeyed. Values that ask for nothing pass.
fn refuse_unsupported(body: &mut Fields) -> Result<(), ApiError> {
    refuse(body, "suffix", "Leave it out.", is_empty)?;
    refuse(body, "template", "Set `raw` and send the whole prompt.", is_empty)?;
    refuse(body, "context", "Send the conversation to /api/chat.", is_empty)?;
    for picture in ["width", "height", "steps"] {
        refuse(body, picture, "The models here write text only.", |value: &Value| *value == 0)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{fields, says};

    fn parsed(json: &str, chats: bool) -> Result<Ask, ApiError> {
        read(&mut fields(json), |_| Ok(chats))
    }

    fn request(json: &str, chats: bool) -> Request {
        parsed(json, chats).unwrap().request.unwrap()
    }

    #[test]
    fn a_model_that_chats_is_spoken_to() {
        let body = r#"{"model":"m","prompt":"p","system":"s","images":[],"suffix":"","context":[]}"#;
        let messages = vec![Message::system("s"), Message::user("p")];
        assert_eq!(request(body, true), Request::chat("m", messages));
        assert_eq!(
            request(r#"{"model":"m","prompt":"p"}"#, true),
            Request::chat("m", vec![Message::user("p")])
        );
    }

    #[test]
    fn a_model_that_sees_is_shown_images() {
        let request = request(r#"{"model":"m","prompt":"p","images":["aGk="]}"#, true);
        let mut message = Message::user("");
        message.show(*b"hi");
        message.content = "p".into();
        assert_eq!(request, Request::chat("m", vec![message]));
    }

    #[test]
    fn otherwise_the_prompt_is_continued() {
        assert_eq!(request(r#"{"model":"m","prompt":"p"}"#, false), Request::prompt("m", "p"));
        assert_eq!(request(r#"{"model":"m","prompt":"p","raw":true}"#, true), Request::prompt("m", "p"));
        let body = r#"{"model":"m","prompt":"p","system":"s"}"#;
        assert_eq!(request(body, false), Request::prompt("m", "s\n\np"));
    }

    #[test]
    fn without_a_prompt_there_is_nothing_to_answer() {
        assert_eq!(parsed(r#"{"model":"m","keep_alive":0}"#, true).unwrap().request, None);
    }

    #[test]
    fn what_cannot_be_names_its_field() {
        let check = |more: &str, text: &str| says(parsed(&format!(r#"{{"model":"m",{more}}}"#), true), text);
        check(r#""prompt":1"#, "`prompt` must be a string");
        check(r#""images":["%"]"#, "`images[0]`: it is no base64");
        check(r#""images":["aGk="],"raw":true"#, "there can be no `images`");
        let blind = parsed(r#"{"model":"m","prompt":"p","images":["aGk="]}"#, false);
        says(blind, "m has no chat template");
        check(r#""suffix":"x""#, "`suffix` is not supported");
        check(r#""template":"x""#, "`template` is not supported");
        check(r#""context":[1]"#, "`context` is not supported");
        check(r#""width":512"#, "`width` is not supported");
        check(r#""raw":true,"system":"s""#, "there can be no `system`");
    }
}
