//! Refuses what no model could answer, before a process is involved.

use inferno_backend::{
    Ability, Classify, Constraint, Embed, Error, Generate, Image, Input, ModelInfo, Rank, ToolChoice,
};

/// The most alternatives of a token that may be asked for, as in the interface that users know.
const MOST_LOGPROBS: u32 = 20;
/// Images of one request.
const MOST_IMAGES: usize = 64;
/// Bytes of all of them; what is beside them fits into the same frame.
const MOST_IMAGE_BYTES: usize = 48 << 20;

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
    if let Some((_, bias)) = request.logit_bias.iter().find(|(_, bias)| !(-100.0..=100.0).contains(bias)) {
        return Err(Error::invalid(format!("a logit bias is {bias}, but must be between -100 and 100")));
    }
    if let Some(top) = request.logprobs.filter(|top| *top > MOST_LOGPROBS) {
        return Err(Error::invalid(format!("{top} logprobs are wanted, but at most {MOST_LOGPROBS} can be")));
    }
    images(request)?;
    tools(request)
}

fn images(request: &Generate) -> Result<(), Error> {
    request.check_images()?;
    if request.images.len() > MOST_IMAGES {
        let count = request.images.len();
        return Err(Error::invalid(format!("there are {count} images, but at most {MOST_IMAGES} can be")));
    }
    if let Some(index) = request.images.iter().position(|Image(bytes)| bytes.is_empty()) {
        return Err(Error::invalid(format!("image {} is empty", index + 1)));
    }
    let bytes: usize = request.images.iter().map(|Image(bytes)| bytes.len()).sum();
    if bytes > MOST_IMAGE_BYTES {
        return Err(Error::invalid(format!(
            "the images take {bytes} bytes, but at most {MOST_IMAGE_BYTES} can be sent at once"
        ))
        .hint("make them smaller: models look at a thousand pixels each way or so"));
    }
    Ok(())
}

fn tools(request: &Generate) -> Result<(), Error> {
    let calls = !matches!(request.tool_choice, ToolChoice::Auto | ToolChoice::None);
    if request.tools.is_empty() {
        return match calls {
            true => Err(Error::invalid("a tool must be called, but there are no tools")),
            false => Ok(()),
        };
    }
    if matches!(request.input, Input::Prompt(_)) {
        return Err(Error::invalid("tools can be given in a chat, not with a plain prompt"));
    }
    if calls && request.constraint.is_some() {
        return Err(Error::invalid("the answer cannot be both a call of a tool and what a format asks for"));
    }
    match &request.tool_choice {
        ToolChoice::Named(name) if request.tools.iter().all(|tool| tool.name != *name) => {
            let names: Vec<_> = request.tools.iter().map(|tool| tool.name.as_str()).collect();
            Err(Error::invalid(format!("the tool {name:?} must be called, but there is none of that name"))
                .hint(format!("There are: {}.", names.join(", "))))
        }
        _ => Ok(()),
    }
}

/// What of it not every model can do, each with its name for people.
pub(crate) fn needs(request: &Generate) -> Vec<(Ability, &'static str)> {
    let mut needs = Vec::new();
    let mut need = |is: bool, ability, name| {
        if is {
            needs.push((ability, name));
        }
    };
    need(!request.adapters.is_empty(), Ability::Adapters, "adapters");
    need(matches!(request.constraint, Some(Constraint::Grammar(_))), Ability::Grammar, "grammars");
    need(matches!(request.constraint, Some(Constraint::Json(_))), Ability::JsonSchema, "JSON schemas");
    need(!request.logit_bias.is_empty(), Ability::LogitBias, "logit biases");
    need(request.logprobs.is_some(), Ability::Logprobs, "logprobs");
    let calls = |message: &inferno_backend::Message| !message.tool_calls.is_empty();
    let called = matches!(&request.input, Input::Chat(messages) if messages.iter().any(calls));
    need(called || !request.tools.is_empty(), Ability::Tools, "tools");
    need(!request.images.is_empty(), Ability::Vision, "images");
    needs
}

/// Are these documents to score at all?
pub(crate) fn rank(request: &Rank) -> Result<(), Error> {
    if request.documents.is_empty() {
        return Err(Error::invalid("there are no documents to rank, but there must be at least 1"));
    }
    if request.query.is_empty() {
        return Err(Error::invalid("the query is empty"));
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

/// Are these texts to say anything of at all?
pub(crate) fn classify(request: &Classify) -> Result<(), Error> {
    match request.inputs.iter().position(String::is_empty) {
        _ if request.inputs.is_empty() => {
            Err(Error::invalid("there are no texts to classify, but there must be at least 1"))
        }
        Some(index) => Err(Error::invalid(format!("text {index} of those to classify is empty"))),
        None => Ok(()),
    }
}

/// Can this model write an answer to it?
pub(crate) fn can_generate(
    model: &str,
    info: &ModelInfo,
    chat: bool,
    needs: &[(Ability, &'static str)],
) -> Result<(), Error> {
    if !info.generates {
        let what = match info.abilities.contains(&Ability::Classify) {
            _ if info.embeds => "makes embeddings",
            true => "classifies texts",
            false => "computes with tensors",
        };
        return Err(Error::invalid(format!("model {model} {what} and writes no text")));
    }
    if chat && !info.chats {
        return Err(
            Error::invalid(format!("model {model} has no chat template")).hint("Send a plain prompt.")
        );
    }
    needs.iter().try_for_each(|(ability, name)| can(model, info, *ability, name))
}

/// Has this model an ability? `name` is what it cannot do otherwise.
pub(crate) fn can(model: &str, info: &ModelInfo, ability: Ability, name: &str) -> Result<(), Error> {
    if info.abilities.contains(&ability) {
        return Ok(());
    }
    if ability == Ability::Vision {
        return Err(Error::invalid(format!("model {model} has no vision: it takes text only")).hint(
            "Models that see have a projector beside them (mmproj-*.gguf); `inferno models info` shows it.",
        ));
    }
    Err(Error::invalid(format!("model {model} cannot do {name}"))
        .hint("`inferno models info` shows what a model can do."))
}

/// Can this model make vectors?
pub(crate) fn can_embed(model: &str, info: &ModelInfo) -> Result<(), Error> {
    if info.embeds { Ok(()) } else { Err(Error::invalid(format!("model {model} makes no embeddings"))) }
}

#[cfg(test)]
mod tests {
    use inferno_backend::{ErrorKind, Message, Role, Sampling, Tool};
    use serde_json::Value;

    use super::*;

    fn prompt(text: &str) -> Generate {
        Generate::new(Input::Prompt(text.into()))
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
        let info = ModelInfo { generates: true, ..ModelInfo::new(8, 1, "CPU") };
        can_generate("m", &info, false, &[]).expect("it generates");
        refused(can_generate("m", &info, true, &[]), "chat template");
        refused(can_generate("m", &ModelInfo { generates: false, ..info.clone() }, false, &[]), "no text");
        refused(can_embed("m", &info), "no embeddings");
    }

    #[test]
    fn what_not_every_model_can_do_is_asked_of_it() {
        let fancy = Generate {
            logit_bias: vec![(1, 2.0)],
            logprobs: Some(0),
            constraint: Some(Constraint::Json(Value::Null)),
            adapters: vec![("pirate".into(), 1.0)],
            ..prompt("a")
        };
        generate(&fancy).expect("a request");
        let mut info = ModelInfo { generates: true, ..ModelInfo::new(8, 1, "CPU") };
        for (ability, name) in needs(&fancy) {
            refused(can_generate("m", &info, false, &needs(&fancy)), name);
            info.abilities.insert(ability);
        }
        can_generate("m", &info, false, &needs(&fancy)).expect("it has all that it takes");
        assert_eq!(info.abilities.len(), 4);
    }

    #[test]
    fn images_are_bounded_and_need_a_model_that_sees() {
        let seen = |images: Vec<Image>| {
            let message = Message { images: vec![0; images.len()], ..Message::new(Role::User, "?") };
            Generate { images, ..Generate::new(Input::Chat(vec![message])) }
        };
        let image = || Image(vec![1]);
        generate(&seen(vec![image(), image()])).expect("a request");
        refused(generate(&seen(vec![image(), Image(Vec::new())])), "image 2 is empty");
        refused(generate(&seen(vec![image(); 65])), "65 images");
        refused(generate(&seen(vec![Image(vec![0; MOST_IMAGE_BYTES / 2 + 1]); 2])), "50331650 bytes");
        refused(generate(&Generate { images: vec![image()], ..prompt("a") }), "1 came with them");
        let mut info = ModelInfo { generates: true, chats: true, ..ModelInfo::new(8, 1, "CPU") };
        let needs = needs(&seen(vec![image()]));
        refused(can_generate("m", &info, true, &needs), "model m has no vision");
        info.abilities.insert(Ability::Vision);
        can_generate("m", &info, true, &needs).expect("it sees");
    }

    #[test]
    fn tools_must_make_sense() {
        let tool = Tool { name: "look".into(), description: String::new(), parameters: Value::Null };
        let chat = || Generate {
            tools: vec![tool.clone()],
            ..Generate::new(Input::Chat(vec![Message::new(Role::User, "hi")]))
        };
        generate(&chat()).expect("a request");
        let choose = |tool_choice| Generate { tool_choice, ..chat() };
        generate(&choose(ToolChoice::Named("look".into()))).expect("a request");
        refused(generate(&choose(ToolChoice::Named("loop".into()))), "loop");
        refused(generate(&Generate { tools: vec![], ..choose(ToolChoice::Required) }), "no tools");
        let constraint = Some(Constraint::Json(Value::Null));
        refused(generate(&Generate { constraint, ..choose(ToolChoice::Required) }), "both");
        refused(generate(&Generate { tools: vec![tool.clone()], ..prompt("a") }), "plain prompt");
        refused(generate(&Generate { logprobs: Some(21), ..prompt("a") }), "21 logprobs");
        refused(generate(&Generate { logit_bias: vec![(0, f32::NAN)], ..prompt("a") }), "logit bias");
    }
}
