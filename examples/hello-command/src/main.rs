//! `inferno hello [NAME]`: greets somebody and has the first chat model tell them a story.

use std::io::{self, Write};
use std::process::ExitCode;

use inferno_sdk::command::{self, Failure};
use inferno_sdk::inference::{self, Message, Request};
use inferno_sdk::models;

fn main() -> ExitCode {
    command::run(hello)
}

fn hello() -> Result<(), Failure> {
    let name = std::env::args().nth(1).unwrap_or_else(|| "world".to_owned());
    let mut out = io::stdout();
    writeln!(out, "Hello, {name}!")?;

    let Some(model) = models::all()?.into_iter().find(|model| model.chats) else {
        writeln!(out, "There is no chat model to tell you a story.")?;
        return Ok(());
    };
    let ask = format!("Tell a very short story about {name}.");
    let mut request = Request::chat(model.name, vec![Message::user(ask)]);
    request.max_tokens = Some(80);
    let story = inference::complete(&request)?;
    writeln!(out, "{}", story.text.trim())?;
    Ok(())
}
