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

use std::path::Path;

use serde::Serialize;

use crate::bindings::inferno::host::plugins as wit;
use crate::converter::Route;
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

/// What a converter turns into what.
pub fn routes(plugin: &str) -> Result<Vec<Route>, Error> {
    Ok(wit::routes(plugin)?.into_iter().map(|(source, target)| Route { source, target }).collect())
}

/// Has a converter turn what is in the folder `input` along a route, into the folder `output`; `options` is what that
/// plugin's documentation asks for. Both are, or lie in, folders that this plugin was lent itself. Returns the names of the
/// files that it wrote, relative to `output`.
///
/// The converter works in an instance of its own, beside this one: several may be under way at once.
///
/// ```no_run
/// # async fn f() -> Result<(), inferno_sdk::Error> {
/// use std::path::Path;
/// use inferno_sdk::converter::Route;
/// use inferno_sdk::plugins;
/// use serde_json::json;
///
/// let route = Route::new("text", "vocabulary");
/// let written = plugins::convert("acme-words", &route, &json!({}), Path::new("books"), Path::new("out")).await?;
/// # Ok(())
/// # }
/// ```
pub async fn convert(
    plugin: &str,
    route: &Route,
    options: &impl Serialize,
    input: &Path,
    output: &Path,
) -> Result<Vec<String>, Error> {
    let (source, target) = (route.source.clone(), route.target.clone());
    let (input, output) = (whole(input)?, whole(output)?);
    Ok(wit::convert(plugin.to_owned(), source, target, json(options)?, input, output).await?)
}

/// A path as the host knows it, which knows of no current directory.
fn whole(path: &Path) -> Result<String, Error> {
    let unknown = |error: std::io::Error| {
        Error::new(ErrorKind::Internal, format!("cannot tell the working directory: {error}"))
    };
    let path = if path.is_absolute() {
        path.to_owned()
    } else {
        std::env::current_dir().map_err(unknown)?.join(path)
    };
    path.into_os_string().into_string().map_err(|path| {
        Error::new(ErrorKind::Invalid, format!("the path {} is not valid UTF-8", path.display()))
    })
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
