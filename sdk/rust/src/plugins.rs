//! Other plugins, put to work by this one. Needs the `plugins` grant for their names.
//!
//! The host runs each in its own sandbox, with its own grants, and charges the caller.
//!
//! ```no_run
//! # fn main() -> Result<(), inferno_sdk::Error> {
//! use inferno_sdk::plugins;
//! use inferno_sdk::step::{Item, Outcome};
//! use serde_json::json;
//!
//! let mut step = plugins::open_step("acme-docs", &json!({ "field": "path" }))?;
//! for outcome in step.process(vec![Item::new("1", &json!({ "path": "a.txt" })).unwrap()])? {
//!     if let Outcome::Emit(items) = outcome {
//!         // ... goes on ...
//!     }
//! }
//! let kept = step.finish()?;
//! # Ok(())
//! # }
//! ```

use serde::Serialize;

use crate::bindings::inferno::host::plugins as wit;
use crate::judge::{Sample, Verdict};
use crate::step::{Item, Outcome};
use crate::{Error, ErrorKind};

/// The plugins that this one may call and that play a role, such as `step` or `judge`, ordered by name.
pub fn playing(role: &str) -> Result<Vec<String>, Error> {
    Ok(wit::playing(role)?)
}

/// Starts a step of another plugin. `config` is what that plugin's documentation asks for.
pub fn open_step(plugin: &str, config: &impl Serialize) -> Result<Step, Error> {
    Ok(Step(wit::open_step(plugin, &json(config)?)?))
}

/// Has another plugin judge answers; one verdict for each sample, in order.
pub fn judge(plugin: &str, config: &impl Serialize, samples: Vec<Sample>) -> Result<Vec<Verdict>, Error> {
    let samples: Vec<_> = samples.into_iter().map(Into::into).collect();
    Ok(wit::judge(plugin, &json(config)?, &samples)?.into_iter().map(Verdict::from).collect())
}

/// A step at work: one instance of the plugin that sees every batch. Dropping it ends the instance.
#[derive(Debug)]
pub struct Step(wit::Step);

impl Step {
    /// Hands over a batch; one outcome for each item, in order.
    pub fn process(&mut self, batch: Vec<Item>) -> Result<Vec<Outcome>, Error> {
        let batch: Vec<_> = batch.into_iter().map(Into::into).collect();
        Ok(self.0.process(&batch)?.into_iter().map(Outcome::from).collect())
    }

    /// Hands over a batch and returns at once, with the batch, of which the host has a copy: the step works on it beside
    /// the caller. It has one batch at a time.
    ///
    /// ```no_run
    /// # use inferno_sdk::plugins::Step;
    /// # fn work(one: &mut Step, other: &mut Step, batches: [Vec<inferno_sdk::step::Item>; 2]) -> Result<(), inferno_sdk::Error> {
    /// let [first, second] = batches;
    /// one.submit(first)?;
    /// other.submit(second)?;
    /// let outcomes = [one.take()?, other.take()?];
    /// # Ok(())
    /// # }
    /// ```
    pub fn submit(&mut self, batch: Vec<Item>) -> Result<Vec<Item>, Error> {
        let batch: Vec<_> = batch.into_iter().map(Into::into).collect();
        self.0.submit(&batch)?;
        Ok(batch.into_iter().map(Item::from).collect())
    }

    /// Waits for the batch that was submitted; one outcome for each item, in order.
    pub fn take(&mut self) -> Result<Vec<Outcome>, Error> {
        Ok(self.0.take()?.into_iter().map(Outcome::from).collect())
    }

    /// Ends the step and returns what it kept until now.
    pub fn finish(self) -> Result<Vec<Item>, Error> {
        Ok(self.0.finish()?.into_iter().map(Item::from).collect())
    }
}

fn json(config: &impl Serialize) -> Result<String, Error> {
    serde_json::to_string(config).map_err(|error| {
        Error::new(ErrorKind::Invalid, format!("the configuration for a plugin is no JSON: {error}"))
    })
}
