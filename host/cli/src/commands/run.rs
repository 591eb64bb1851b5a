//! `inferno run`.

mod chat;
mod image;
mod labels;
mod prompt;
mod tensors;

use inferno_inference::{Ability, Finish, Generate, Input, Message, Role, Usage};
use serde::Serialize;

use crate::args::{self, Run};
use crate::failure::{Failure, Outcome};
use crate::host;
use crate::printer::Printer;
use crate::session::{Answer, Session};
use crate::settings::Settings;

pub(crate) fn run(settings: &Settings, run: &Run, printer: Printer) -> Outcome {
    let model = run.model.as_deref().or(run.model_option.as_deref());
    if let Some(input) = &run.input {
        return tensors::run(settings, model, input, printer);
    }
    let typed = run.prompt.as_deref().or(run.prompt_option.as_deref());
    // What is wrong with the request is said before a model is loaded for it.
    let sampling = sampling(&run.sampling)?;
    let prompt = prompt::find(typed, std::io::stdin())?;
    if prompt.is_none() && (run.json || run.raw) {
        let option = if run.json { "--json" } else { "--raw" };
        return Err(Failure::usage(format!("{option} needs a prompt, since there is no chat with it"))
            .hint("give one with --prompt or on standard input"));
    }
    let images = image::read_all(&run.images)?;
    let request = |input: Input| Generate {
        max_tokens: run.sampling.max_tokens,
        sampling: sampling.clone(),
        stop: run.sampling.stop.clone(),
        ..Generate::new(input)
    };
    let runtime = host::runtime()?;
    let session = runtime.block_on(Session::open(settings, model, run.mmproj.as_deref(), printer))?;
    let outcome = match prompt {
        None => chat::chat(&runtime, &session, run.system.as_deref(), images, &request, printer),
        Some(prompt) => runtime.block_on(async {
            if session.info.abilities.contains(&Ability::Classify) {
                return labels::tell(&session, prompt, run.json, printer).await;
            }
            let mut request = request(input(run, &session, prompt, printer)?);
            request.images = images;
            if run.json {
                as_json(&session, request, printer).await
            } else {
                as_text(&session, request, printer).await
            }
        }),
    };
    runtime.block_on(session.close());
    outcome
}

fn sampling(flags: &args::Sampling) -> Result<inferno_inference::Sampling, Failure> {
    let default = inferno_inference::Sampling::default();
    let sampling = inferno_inference::Sampling {
        temperature: flags.temperature.unwrap_or(default.temperature),
        top_k: flags.top_k.unwrap_or(default.top_k),
        top_p: flags.top_p.unwrap_or(default.top_p),
        min_p: flags.min_p.unwrap_or(default.min_p),
        repeat_penalty: flags.repeat_penalty.unwrap_or(default.repeat_penalty),
        presence_penalty: flags.presence_penalty.unwrap_or(default.presence_penalty),
        frequency_penalty: flags.frequency_penalty.unwrap_or(default.frequency_penalty),
        seed: flags.seed,
    };
    sampling.check().map_err(|error| Failure::usage(error.message))?;
    Ok(sampling)
}

/// A chat of one message where the model has a template, else plain text.
fn input(run: &Run, session: &Session, prompt: String, printer: Printer) -> Result<Input, Failure> {
    if run.raw {
        return Ok(Input::Prompt(prompt));
    }
    if !session.info.chats {
        if run.system.is_some() {
            return Err(Failure::usage(format!(
                "model {} has no chat template, so --system cannot work",
                session.model.name
            ))
            .hint("put the instructions into the prompt"));
        }
        if !run.images.is_empty() {
            return Err(Failure::usage(format!(
                "model {} has no chat template, so --image cannot work",
                session.model.name
            )));
        }
        if printer.interactive {
            printer.note(format_args!(
                "model {} has no chat template: it continues the prompt as plain text",
                session.model.name
            ));
        }
        return Ok(Input::Prompt(prompt));
    }
    let system = run.system.as_deref().map(|content| Message::new(Role::System, content));
    let asked = image::shown(Message::new(Role::User, prompt), run.images.len());
    Ok(Input::Chat(system.into_iter().chain([asked]).collect()))
}

async fn as_text(session: &Session, request: Generate, printer: Printer) -> Outcome {
    let mut last = None;
    let answer = session
        .answer(request, |text| {
            last = text.chars().next_back().or(last);
            printer.text(text)
        })
        .await;
    // The prompt of a shell should not stand behind the last word, not even after Ctrl-C or a failure.
    if last.is_some_and(|last| last != '\n') {
        printer.text("\n")?;
    }
    match answer?.finish {
        Finish::Cancelled => Err(Failure::interrupted()),
        Finish::Stop | Finish::StoppedBy(_) | Finish::Length | Finish::ToolCalls => Ok(0),
    }
}

#[derive(Serialize)]
struct Json<'a> {
    model: &'a str,
    text: &'a str,
    finish: Finish,
    usage: Option<Usage>,
    timings: Timings,
}

#[derive(Serialize)]
struct Timings {
    load_ms: f64,
    first_token_ms: Option<f64>,
    total_ms: f64,
    tokens_per_second: Option<f64>,
}

async fn as_json(session: &Session, request: Generate, printer: Printer) -> Outcome {
    let answer: Answer = session.answer(request, |_| Ok(())).await?;
    if answer.finish == Finish::Cancelled {
        return Err(Failure::interrupted());
    }
    let milliseconds = |time: std::time::Duration| time.as_secs_f64() * 1e3;
    printer.json(&Json {
        model: &session.model.name,
        text: &answer.text,
        finish: answer.finish,
        usage: answer.usage,
        timings: Timings {
            load_ms: milliseconds(session.load),
            first_token_ms: answer.first.map(milliseconds),
            total_ms: milliseconds(answer.total),
            tokens_per_second: answer.decode_rate(),
        },
    })?;
    Ok(0)
}
