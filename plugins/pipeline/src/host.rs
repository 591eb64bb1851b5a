//! What the host lends, as a trait, so that tests run without one.

use std::any::Any;
use std::time::Duration;

use inferno_sdk::Error;
use inferno_sdk::inference::{Completion, Request};
use inferno_sdk::models::Model;
use inferno_sdk::step::{Item, Outcome};
use serde_json::Value;

mod lent;

pub(crate) use lent::Lent;

/// What takes answers.
pub(crate) type Done = Box<dyn FnMut(usize, Result<Completion, Error>)>;

/// What the host lends to this plugin.
pub(crate) trait Host {
    /// The installed plugins that play a role and may be called.
    fn playing(&self, role: &str) -> Result<Vec<String>, Error>;

    /// Starts a step of another plugin.
    fn open_step(&self, plugin: &str, config: &Value) -> Result<Box<dyn OpenStep>, Error>;

    /// An installed model.
    fn model(&self, name: &str) -> Result<Model, Error>;

    /// The digest of a model's file.
    fn digest(&self, model: &str) -> Result<String, Error>;

    /// Asks models, so many at a time, and hands each answer over as it comes, with the number of its request.
    fn complete(&self, requests: Vec<Request>, parallel: usize, done: Done);

    /// Vectors of texts, in order.
    fn embed(&self, model: &str, texts: Vec<String>) -> Result<Vec<Vec<f32>>, Error>;

    /// The tokens of a text.
    fn tokenize(&self, model: &str, text: &str) -> Result<Vec<u32>, Error>;

    /// Sends a request, and waits until its answer begins, whatever it says.
    fn send(&self, call: &Call) -> Result<Box<dyn Reply>, Error>;

    /// A secret of the user.
    fn secret(&self, name: &str) -> Result<String, Error>;

    /// Takes a lock that one holder has at a time, however the holder ends; `None`: somebody has it.
    fn try_lock(&self, name: &str) -> Result<Option<Box<dyn Any>>, Error>;

    /// Does nothing for so long.
    fn sleep(&self, time: Duration);
}

/// A request over HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Call {
    pub(crate) method: &'static str,
    pub(crate) url: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// How long it may take to connect, to answer, and between two pieces of the answer, if not as long as the host says.
    pub(crate) timeout: Option<Duration>,
}

/// What came back.
pub(crate) trait Reply {
    fn status(&self) -> u16;

    /// A header, if it is there and is text. Names are equal in any case.
    fn header(&self, name: &str) -> Option<&str>;

    /// The next piece of the body; `None` at its end.
    fn chunk(&mut self) -> Result<Option<Vec<u8>>, Error>;
}

/// A step of another plugin, at work.
pub(crate) trait OpenStep {
    /// Hands over a batch, on which it works beside the caller; gives the batch back as it was. One at a time.
    fn submit(&mut self, batch: Vec<Item>) -> Result<Vec<Item>, Error>;

    /// Waits for that batch: one outcome for each item, in order.
    fn take(&mut self) -> Result<Vec<Outcome>, Error>;

    /// Ends it, and gives what it kept.
    fn finish(self: Box<Self>) -> Result<Vec<Item>, Error>;
}
