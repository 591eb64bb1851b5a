//! What the host really lends.

use std::time::Duration;

use futures::StreamExt as _;
use futures::stream;
use inferno_sdk::inference::{self, Completion, Request};
use inferno_sdk::models::{self, Model};
use inferno_sdk::step::{Item, Outcome};
use inferno_sdk::{Error, plugins};
use serde_json::Value;

use super::{Host, OpenStep};

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

    fn complete(&self, requests: Vec<Request>, parallel: usize) -> Vec<Result<Completion, Error>> {
        let _ = parallel;
        requests.iter().map(inference::complete).collect()
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
