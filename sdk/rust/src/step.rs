//! The `step` role: works on the records of a pipeline, batch by batch.
//!
//! Implement [`Step`] and hand the type to [`export_step!`](crate::export_step). One instance sees a whole run, so what
//! the struct holds stays from batch to batch.
//!
//! ```
//! use inferno_sdk::Error;
//! use inferno_sdk::step::{Item, Outcome, Step};
//! use serde::Deserialize;
//! use serde_json::Value;
//!
//! /// Counts the words of a field.
//! struct Words {
//!     field: String,
//! }
//!
//! #[derive(Deserialize)]
//! #[serde(deny_unknown_fields)]
//! struct Config {
//!     field: String,
//! }
//!
//! impl Step for Words {
//!     type Config = Config;
//!
//!     fn open(config: Config) -> Result<Self, Error> {
//!         Ok(Self { field: config.field })
//!     }
//!
//!     fn process(&mut self, batch: Vec<Item>) -> Result<Vec<Outcome>, Error> {
//!         Ok(batch.into_iter().map(|item| self.count(item).into()).collect())
//!     }
//! }
//!
//! impl Words {
//!     // In a function for one item, `?` ends with the outcome that fits the failure.
//!     fn count(&self, item: Item) -> Result<Item, Outcome> {
//!         let mut data: Value = item.read()?;
//!         let Some(text) = data[&self.field].as_str() else {
//!             return Err(Outcome::Reject(format!("it has no text in the field {:?}", self.field)));
//!         };
//!         data["words"] = text.split_whitespace().count().into();
//!         item.with(&data)
//!     }
//! }
//!
//! inferno_sdk::export_step!(Words);
//! # fn main() {
//! let mut words = Words::open(Config { field: "text".to_owned() }).unwrap();
//! let batch = vec![Item { id: "1".to_owned(), data: r#"{"text":"a fox"}"#.to_owned() }];
//! let Outcome::Emit(items) = &words.process(batch).unwrap()[0] else { panic!() };
//! assert_eq!(items[0].data, r#"{"text":"a fox","words":2}"#);
//! # }
//! ```
//!
//! # Failures
//!
//! An [`Outcome`] is about one item: [`Retry`](Outcome::Retry) where trying again may help, [`Reject`](Outcome::Reject)
//! where it never will, [`Drop`](Outcome::Drop) where leaving it out is the point of the step. An `Err` from
//! [`process`](Step::process) fails the whole batch; it is for a step that cannot work at all.

use std::cell::RefCell;
use std::marker::PhantomData;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::bindings::inferno::host::{types, work as wit};
use crate::bindings::step::exports::inferno::plugin::step::Guest;
use crate::{Error, ErrorKind, config};

/// A step of a pipeline: [`open`](Self::open), any number of [`process`](Self::process), [`finish`](Self::finish).
pub trait Step: Sized + 'static {
    /// What the pipeline configures. Nothing to configure: a struct without fields.
    type Config: DeserializeOwned;

    /// Checks the configuration and gets ready.
    fn open(config: Self::Config) -> Result<Self, Error>;

    /// One outcome for each item, in order. An error fails the whole batch.
    fn process(&mut self, batch: Vec<Item>) -> Result<Vec<Outcome>, Error>;

    /// After the last batch: what the step kept until now, such as a sum over all items. By default, nothing.
    fn finish(&mut self) -> Result<Vec<Item>, Error> {
        Ok(Vec::new())
    }
}

/// A record of a pipeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// Stays the same from source to sink, so that a rerun can tell what was done.
    pub id: String,
    /// JSON text, usually an object. Large bytes belong into files.
    pub data: String,
}

impl Item {
    /// An item made of a value. A value that is no JSON, such as a map with keys that are no text, is rejected.
    pub fn new(id: impl Into<String>, data: &impl Serialize) -> Result<Self, Outcome> {
        let data = serde_json::to_string(data)
            .map_err(|error| Outcome::Reject(format!("what the step made is no JSON: {error}")))?;
        Ok(Self { id: id.into(), data })
    }

    /// Its data, as the type that the step wants. Data of another type is rejected.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, Outcome> {
        serde_json::from_str(&self.data)
            .map_err(|error| Outcome::Reject(format!("the item's data does not fit: {error}")))
    }

    /// The same item with other data.
    pub fn with(self, data: &impl Serialize) -> Result<Self, Outcome> {
        Self::new(self.id, data)
    }
}

/// What became of one item of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// These items go on; none means that it was absorbed, such as by an aggregation.
    Emit(Vec<Item>),
    /// It failed, and trying again may help; for people, why.
    Retry(String),
    /// It failed and always will; for people, why. It goes to the dead letters.
    Reject(String),
    /// It is left out on purpose; for people, why.
    Drop(String),
}

/// The item goes on.
impl From<Item> for Outcome {
    fn from(item: Item) -> Self {
        Self::Emit(vec![item])
    }
}

/// What a function for one item returns, where `Err` is any outcome that ends its work.
impl From<Result<Item, Outcome>> for Outcome {
    fn from(result: Result<Item, Outcome>) -> Self {
        result.map_or_else(|outcome| outcome, Self::from)
    }
}

/// So that `?` works on calls of the host: [`Retry`](Outcome::Retry) if trying again may help, else
/// [`Reject`](Outcome::Reject).
impl From<Error> for Outcome {
    fn from(error: Error) -> Self {
        match error.kind {
            ErrorKind::Exhausted | ErrorKind::Unavailable | ErrorKind::Timeout | ErrorKind::Cancelled => {
                Self::Retry(error.to_string())
            }
            _ => Self::Reject(error.to_string()),
        }
    }
}

impl From<wit::Item> for Item {
    fn from(item: wit::Item) -> Self {
        Self { id: item.id, data: item.data }
    }
}

impl From<Item> for wit::Item {
    fn from(item: Item) -> Self {
        Self { id: item.id, data: item.data }
    }
}

impl From<wit::Outcome> for Outcome {
    fn from(outcome: wit::Outcome) -> Self {
        match outcome {
            wit::Outcome::Emit(items) => Self::Emit(items.into_iter().map(Item::from).collect()),
            wit::Outcome::Retry(why) => Self::Retry(why),
            wit::Outcome::Reject(why) => Self::Reject(why),
            wit::Outcome::Drop(why) => Self::Drop(why),
        }
    }
}

impl From<Outcome> for wit::Outcome {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Emit(items) => Self::Emit(items.into_iter().map(Into::into).collect()),
            Outcome::Retry(why) => Self::Retry(why),
            Outcome::Reject(why) => Self::Reject(why),
            Outcome::Drop(why) => Self::Drop(why),
        }
    }
}

/// A step once it is open, whatever its configuration was.
trait Open {
    fn process(&mut self, batch: Vec<Item>) -> Result<Vec<Outcome>, Error>;
    fn finish(&mut self) -> Result<Vec<Item>, Error>;
}

impl<T: Step> Open for T {
    fn process(&mut self, batch: Vec<Item>) -> Result<Vec<Outcome>, Error> {
        Step::process(self, batch)
    }

    fn finish(&mut self) -> Result<Vec<Item>, Error> {
        Step::finish(self)
    }
}

thread_local! {
    /// The step of this instance.
    static STEP: RefCell<Option<Box<dyn Open>>> = const { RefCell::new(None) };
}

fn opened<R>(work: impl FnOnce(&mut dyn Open) -> Result<R, Error>) -> Result<R, Error> {
    STEP.with_borrow_mut(|step| match step {
        Some(step) => work(step.as_mut()),
        None => Err(Error::new(ErrorKind::Invalid, "the step was called before it was opened")),
    })
}

/// What the component exports for a step.
#[doc(hidden)]
pub struct Exported<T: Step>(PhantomData<T>);

impl<T: Step> Guest for Exported<T> {
    fn open(config: String) -> Result<(), types::Error> {
        let step = T::open(config::read("step's configuration", &config)?)?;
        STEP.set(Some(Box::new(step)));
        Ok(())
    }

    fn process(batch: Vec<wit::Item>) -> Result<Vec<wit::Outcome>, types::Error> {
        let batch = batch.into_iter().map(Item::from).collect();
        let outcomes = opened(|step| step.process(batch))?;
        Ok(outcomes.into_iter().map(Into::into).collect())
    }

    fn finish() -> Result<Vec<wit::Item>, types::Error> {
        Ok(opened(|step| step.finish())?.into_iter().map(Into::into).collect())
    }
}

/// Makes a [`Step`] this component's `step` role.
#[macro_export]
macro_rules! export_step {
    ($step:ty) => {
        #[cfg(target_family = "wasm")]
        const _: () = {
            type Exported = $crate::step::Exported<$step>;
    $crate::bindings::step::export_step_world!(Exported with_types_in $crate::bindings::step);
        };
        // A native linker would not take the names of the exports; there, the type is only checked.
        #[cfg(not(target_family = "wasm"))]
        const _: ::core::marker::PhantomData<$crate::step::Exported<$step>> = ::core::marker::PhantomData;
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    /// Keeps every item until the end.
    struct Keep(Vec<Item>);

    impl Step for Keep {
        type Config = BTreeMap<String, u8>;

        fn open(config: Self::Config) -> Result<Self, Error> {
            if config.contains_key("bad") {
                return Err(Error::new(ErrorKind::Invalid, "bad"));
            }
            Ok(Self(Vec::new()))
        }

        fn process(&mut self, batch: Vec<Item>) -> Result<Vec<Outcome>, Error> {
            let outcomes = batch.iter().map(|_| Outcome::Emit(Vec::new())).collect();
            self.0.extend(batch);
            Ok(outcomes)
        }

        fn finish(&mut self) -> Result<Vec<Item>, Error> {
            Ok(std::mem::take(&mut self.0))
        }
    }

    fn item(id: &str) -> wit::Item {
        wit::Item { id: id.to_owned(), data: "{}".to_owned() }
    }

    #[test]
    fn a_step_lasts_from_open_to_finish() {
        assert!(
            Exported::<Keep>::process(vec![item("0")]).unwrap_err().message.contains("before it was opened")
        );
        assert_eq!(Exported::<Keep>::open(r#"{"bad":1}"#.to_owned()).unwrap_err().message, "bad");
        assert!(Exported::<Keep>::open("[]".to_owned()).unwrap_err().message.contains("does not fit"));
        Exported::<Keep>::open(String::new()).unwrap();
        for id in ["1", "2"] {
            let outcomes = Exported::<Keep>::process(vec![item(id)]).unwrap();
            assert!(matches!(&*outcomes, [wit::Outcome::Emit(items)] if items.is_empty()), "{outcomes:?}");
        }
        let kept: Vec<_> = Exported::<Keep>::finish().unwrap().into_iter().map(|item| item.id).collect();
        assert_eq!(kept, ["1", "2"]);
    }

    #[test]
    fn failures_of_the_host_say_whether_to_try_again() {
        let outcome = |kind| Outcome::from(Error::new(kind, "m"));
        assert_eq!(outcome(ErrorKind::Unavailable), Outcome::Retry("m".to_owned()));
        assert_eq!(outcome(ErrorKind::Exhausted), Outcome::Retry("m".to_owned()));
        assert_eq!(outcome(ErrorKind::Denied), Outcome::Reject("m".to_owned()));
        assert_eq!(outcome(ErrorKind::Invalid), Outcome::Reject("m".to_owned()));
    }

    #[test]
    fn data_that_does_not_fit_is_rejected() {
        let item = Item { id: "1".to_owned(), data: "{".to_owned() };
        assert!(matches!(item.read::<u8>(), Err(Outcome::Reject(why)) if why.contains("does not fit")));
    }
}
