//! A run that is only tried: records that are given in place of those of a source, and sinks that write nothing.

use std::cell::RefCell;
use std::rc::Rc;

use serde_json::Value;

use crate::engine::Trace;
use crate::error::Error;
use crate::node::{Pull, Pulled, Refused, Room, Sink, Source};
use crate::plan::{Plan, Work};
use crate::record::Record;

/// What arrived where, in order.
pub(crate) type Arrived = Rc<RefCell<Vec<(String, Value)>>>;

/// What is tried.
#[derive(Default)]
pub(crate) struct Trial {
    /// A source, and what it gives in place of its own; all others then give nothing.
    pub(crate) input: Option<(String, Vec<Value>)>,
    /// Takes what would be written.
    pub(crate) arrived: Option<Arrived>,
    /// Sees what each node hands on.
    pub(crate) trace: Option<Trace>,
}

impl Trial {
    /// Puts itself in place of sources and sinks.
    pub(crate) fn take_part(&mut self, plan: &mut Plan) {
        let input = self.input.take();
        for made in &mut plan.nodes {
            match (&made.work, &input) {
                (Work::Source(_), Some((name, values))) => {
                    let values = if *name == made.name { values.clone() } else { Vec::new() };
                    made.work = Work::Source(Box::new(Given::new(&made.name, values)));
                }
                (Work::Sink(_), _) => {
                    let arrived = self.arrived.clone();
                    made.work = Work::Sink(Box::new(Shown { name: made.name.clone(), arrived }));
                }
                _ => {}
            }
        }
    }
}

/// Records that are given.
struct Given(std::vec::IntoIter<Record>);

impl Given {
    fn new(name: &str, values: Vec<Value>) -> Self {
        let record = |(n, value)| Record::from_value(format!("{name}:{n}"), value);
        Self((1..).zip(values).map(record).collect::<Vec<_>>().into_iter())
    }
}

impl Source for Given {
    fn start(&mut self, _: Option<&Value>) -> Result<(), Error> {
        Ok(())
    }

    fn pull(&mut self, room: Room) -> Result<Pull, Error> {
        let batch: Vec<_> = self.0.by_ref().take(room.records).map(Pulled::Record).collect();
        Ok(if batch.is_empty() { Pull::End } else { Pull::Batch(batch) })
    }

    fn position(&self) -> Value {
        Value::Null
    }
}

/// Shows what would be written.
struct Shown {
    name: String,
    arrived: Option<Arrived>,
}

impl Sink for Shown {
    fn start(&mut self, _: Option<&Value>) -> Result<(), Error> {
        Ok(())
    }

    fn write(&mut self, batch: &[Record]) -> Result<Vec<Refused>, Error> {
        let mut refused = Vec::new();
        for (index, record) in batch.iter().enumerate() {
            match record.clone().value() {
                Err(why) => refused.push(Refused { index, why, retry: false }),
                Ok(value) => {
                    if let Some(arrived) = &self.arrived {
                        arrived.borrow_mut().push((self.name.clone(), value.clone()));
                    }
                }
            }
        }
        Ok(refused)
    }

    fn commit(&mut self) -> Result<Value, Error> {
        Ok(Value::Null)
    }
}
