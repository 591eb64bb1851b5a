//! What the host really lends.

use std::any::Any;
use std::pin::pin;
use std::time::Duration;

use futures::{StreamExt as _, stream};
use inferno_sdk::command;
use inferno_sdk::inference::{self, Completion, End, Request};
use inferno_sdk::models::{self, Model};
use inferno_sdk::step::{Item, Outcome};
use inferno_sdk::{Error, kv, plugins, secrets, web};
use serde_json::Value;

use super::{Call, Done, Host, OpenStep, Reply};

/// The host that runs this plugin.
pub(crate) struct Lent;

impl Host for Lent {
    fn playing(&self, role: &str) -> Result<Vec<String>, Error> {
        plugins::playing(role)
    }

    fn open_step(&self, plugin: &str, config: &Value) -> Result<Box<dyn OpenStep>, Error> {
        Ok(Box::new(Hired(plugins::open_step(plugin, config)?)))
    }

    fn model(&self, name: &str) -> Result<Model, Error> {
        models::get(name)
    }

    fn digest(&self, model: &str) -> Result<String, Error> {
        models::digest(model)
    }

    fn complete(&self, requests: Vec<Request>, parallel: usize, done: Done) {
        command::wait(async move {
            let numbered = requests.into_iter().enumerate();
            let answers = numbered.map(|(number, request)| async move { (number, answer(&request).await) });
            let mut answers = pin!(stream::iter(answers).buffer_unordered(parallel.max(1)));
            let mut done = done;
            while let Some((number, answer)) = answers.next().await {
                done(number, answer);
            }
        });
    }

    fn embed(&self, model: &str, texts: Vec<String>) -> Result<Vec<Vec<f32>>, Error> {
        inference::embed(model, &texts).map(|embedded| embedded.vectors)
    }

    fn tokenize(&self, model: &str, text: &str) -> Result<Vec<u32>, Error> {
        inference::tokenize(model, text, false)
    }

    fn send(&self, call: &Call) -> Result<Box<dyn Reply>, Error> {
        let mut request = match call.method {
            "POST" => web::Request::post(&call.url, call.body.clone()),
            other => web::Request::new(other, &call.url),
        };
        for (name, value) in &call.headers {
            request = request.header(name, value.as_str());
        }
        if let Some(timeout) = call.timeout {
            request = request.timeout(timeout);
        }
        Ok(Box::new(Answered(web::send(request)?)))
    }

    fn secret(&self, name: &str) -> Result<String, Error> {
        secrets::get(name)
    }

    fn try_lock(&self, name: &str) -> Result<Option<Box<dyn Any>>, Error> {
        Ok(kv::try_lock(name)?.map(|lock| Box::new(lock) as Box<dyn Any>))
    }

    fn sleep(&self, time: Duration) {
        std::thread::sleep(time);
    }
}

/// A whole answer, while others are on their way.
async fn answer(request: &Request) -> Result<Completion, Error> {
    let mut generation = inference::generate(request).await?;
    let mut text = String::new();
    while let Some(piece) = generation.next().await {
        text.push_str(&piece);
    }
    let End { finish, stopped_by, usage } = generation.end().await?;
    Ok(Completion { text, tool_calls: Vec::new(), choices: Vec::new(), finish, stopped_by, usage })
}

struct Answered(web::Response);

impl Reply for Answered {
    fn status(&self) -> u16 {
        self.0.status()
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.0.header(name)
    }

    fn chunk(&mut self) -> Result<Option<Vec<u8>>, Error> {
        self.0.read_chunk()
    }
}

struct Hired(plugins::Step);

impl OpenStep for Hired {
    fn submit(&mut self, batch: Vec<Item>) -> Result<Vec<Item>, Error> {
        self.0.submit(batch)
    }

    fn take(&mut self) -> Result<Vec<Outcome>, Error> {
        self.0.take()
    }

    fn finish(self: Box<Self>) -> Result<Vec<Item>, Error> {
        self.0.finish()
    }
}
