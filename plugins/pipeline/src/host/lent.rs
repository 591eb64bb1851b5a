//! What the host really lends.

use std::time::Duration;

use inferno_sdk::inference::{self, Request};
use inferno_sdk::models::{self, Model};
use inferno_sdk::step::{Item, Outcome};
use inferno_sdk::{Error, plugins};
use serde_json::Value;

use super::{Done, Host, OpenStep};

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
        let Model { name, size_bytes, modified, details, .. } = models::get(model)?;
        Ok(format!("{name} {size_bytes} {modified} {details:?}"))
    }

    fn complete(&self, requests: Vec<Request>, _: usize, mut done: Done) {
        for (number, request) in requests.iter().enumerate() {
            done(number, inference::complete(request));
        }
    }

    fn embed(&self, model: &str, texts: Vec<String>) -> Result<Vec<Vec<f32>>, Error> {
        inference::embed(model, &texts).map(|embedded| embedded.vectors)
    }

    fn tokenize(&self, model: &str, text: &str) -> Result<Vec<u32>, Error> {
        inference::tokenize(model, text, false)
    }

    fn sleep(&self, time: Duration) {
        std::thread::sleep(time);
    }
}

struct Hired(plugins::Step);

impl OpenStep for Hired {
    fn process(&mut self, batch: Vec<Item>) -> (Vec<Item>, Result<Vec<Outcome>, Error>) {
        let outcomes = self.0.process(batch.clone());
        (batch, outcomes)
    }

    fn finish(self: Box<Self>) -> Result<Vec<Item>, Error> {
        self.0.finish()
    }
}
