//! The `judge` role: scores answers of a model.
//!
//! Implement [`Judge`] and hand the type to [`export_judge!`](crate::export_judge).
//!
//! ```
//! use inferno_sdk::Error;
//! use inferno_sdk::judge::{Judge, Sample, Verdict};
//! use serde::Deserialize;
//!
//! struct Short;
//!
//! #[derive(Deserialize)]
//! #[serde(deny_unknown_fields)]
//! struct Config {
//!     words: usize,
//! }
//!
//! impl Judge for Short {
//!     type Config = Config;
//!
//!     fn judge(config: Config, samples: Vec<Sample>) -> Result<Vec<Verdict>, Error> {
//!         let judge = |sample: &Sample| {
//!             let words = sample.answer.split_whitespace().count();
//!             Verdict::of(words <= config.words, format!("{words} words; at most {} were wanted", config.words))
//!         };
//!         Ok(samples.iter().map(judge).collect())
//!     }
//! }
//!
//! inferno_sdk::export_judge!(Short);
//! # fn main() {
//! let samples = vec![Sample::new("Say hello.", "Hello!")];
//! assert!(Short::judge(Config { words: 3 }, samples).unwrap()[0].pass);
//! # }
//! ```

use std::marker::PhantomData;

use serde::de::DeserializeOwned;

use crate::bindings::inferno::host::{types, work as wit};
use crate::bindings::judge::exports::inferno::plugin::judge::Guest;
use crate::{Error, config};

/// Scores answers.
pub trait Judge: 'static {
    /// What a suite configures. Nothing to configure: a struct without fields.
    type Config: DeserializeOwned;

    /// One verdict for each sample, in order. An error fails all of them; an answer that is merely bad does not.
    fn judge(config: Self::Config, samples: Vec<Sample>) -> Result<Vec<Verdict>, Error>;
}

/// An answer to judge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// What the model was asked.
    pub prompt: String,
    /// What it wrote.
    pub answer: String,
    /// What was wanted, where the suite says it.
    pub expected: Option<String>,
}

impl Sample {
    /// An answer of which nobody said what was wanted.
    pub fn new(prompt: impl Into<String>, answer: impl Into<String>) -> Self {
        Self { prompt: prompt.into(), answer: answer.into(), expected: None }
    }
}

/// What a judge thinks of an answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// It is good enough.
    pub pass: bool,
    /// How good, from 0 to 1.
    pub score: f64,
    /// Why; for people.
    pub reason: String,
}

impl Verdict {
    /// A verdict without shades: the score is 1 or 0.
    pub fn of(pass: bool, reason: impl Into<String>) -> Self {
        Self { pass, score: f64::from(u8::from(pass)), reason: reason.into() }
    }
}

impl From<wit::Sample> for Sample {
    fn from(sample: wit::Sample) -> Self {
        Self { prompt: sample.prompt, answer: sample.answer, expected: sample.expected }
    }
}

impl From<Sample> for wit::Sample {
    fn from(sample: Sample) -> Self {
        Self { prompt: sample.prompt, answer: sample.answer, expected: sample.expected }
    }
}

impl From<wit::Verdict> for Verdict {
    fn from(verdict: wit::Verdict) -> Self {
        Self { pass: verdict.pass, score: verdict.score, reason: verdict.reason }
    }
}

impl From<Verdict> for wit::Verdict {
    fn from(verdict: Verdict) -> Self {
        Self { pass: verdict.pass, score: verdict.score, reason: verdict.reason }
    }
}

/// What the component exports for a judge.
#[doc(hidden)]
pub struct Exported<T: Judge>(PhantomData<T>);

impl<T: Judge> Guest for Exported<T> {
    fn judge(config: String, samples: Vec<wit::Sample>) -> Result<Vec<wit::Verdict>, types::Error> {
        let config = config::read("judge's configuration", &config)?;
        let verdicts = T::judge(config, samples.into_iter().map(Sample::from).collect())?;
        Ok(verdicts.into_iter().map(Into::into).collect())
    }
}

/// Makes a [`Judge`] this component's `judge` role.
#[macro_export]
macro_rules! export_judge {
    ($judge:ty) => {
        #[cfg(target_family = "wasm")]
        const _: () = {
            type Exported = $crate::judge::Exported<$judge>;
    $crate::bindings::judge::export_judge_world!(Exported with_types_in $crate::bindings::judge);
        };
        // A native linker would not take the names of the exports; there, the type is only checked.
        #[cfg(not(target_family = "wasm"))]
        const _: ::core::marker::PhantomData<$crate::judge::Exported<$judge>> = ::core::marker::PhantomData;
    };
}
