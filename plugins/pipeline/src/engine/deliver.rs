//! A batch on its way from node to node: attempts, and what becomes of records that fail.

use std::mem;

use super::Run;
use crate::error::Error;
use crate::file::settings::OnError;
use crate::node::{Beside, Outcome, Refused};
use crate::plan::Work;
use crate::record::Record;

/// Why a record is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// It is the record's own fault: unless the file says otherwise, it goes to the dead letters.
    Record,
    /// It is the node's fault: unless the file says otherwise, the run stops.
    Node,
}

impl Run {
    /// Hands what a node gave to all who take from it, no more at a time than there is room for.
    pub(super) fn pass_on(&mut self, at: usize, records: Vec<Record>) -> Result<(), Error> {
        self.nodes[at].counts.passed += records.len() as u64;
        if let Some(trace) = &mut self.trace {
            trace(&self.nodes[at].made.name, &records);
        }
        let mut batch = Vec::new();
        let mut bytes = 0;
        for record in records {
            bytes += record.size();
            batch.push(record);
            if batch.len() >= self.settings.room.records || bytes >= self.settings.room.bytes {
                self.fan_out(at, mem::take(&mut batch))?;
                bytes = 0;
            }
        }
        self.fan_out(at, batch)
    }

    fn fan_out(&mut self, at: usize, batch: Vec<Record>) -> Result<(), Error> {
        if batch.is_empty() {
            return Ok(());
        }
        let to = self.nodes[at].to.clone();
        let Some(((last, input), others)) = to.split_last() else { return Ok(()) };
        for (other, input) in others {
            self.deliver(*other, *input, batch.clone())?;
        }
        self.deliver(*last, *input, batch)
    }

    fn deliver(&mut self, at: usize, input: usize, batch: Vec<Record>) -> Result<(), Error> {
        self.nodes[at].counts.taken += batch.len() as u64;
        match self.nodes[at].made.work {
            Work::Sink(_) => self.write(at, batch),
            _ => self.work(at, input, batch),
        }
    }

    /// Has a step work on a batch, and hands on what comes out; of a step that works beside, what came of an older one.
    fn work(&mut self, at: usize, input: usize, batch: Vec<Record>) -> Result<(), Error> {
        let Some(room) = self.beside(at).map(|beside| beside.room()) else {
            let outcomes = self.process(at, input, batch)?;
            let outcomes = self.retry(at, input, outcomes)?;
            return self.hand_on(at, outcomes);
        };
        let older = if self.nodes[at].begun.len() < room { None } else { self.end(at)? };
        let named = self.naming(at);
        if let Some(beside) = self.beside(at) {
            beside.begin(input, batch).map_err(named)?;
            self.nodes[at].begun.push_back(input);
        }
        older.map_or(Ok(()), |outcomes| self.hand_on(at, outcomes))
    }

    fn beside(&mut self, at: usize) -> Option<&mut dyn Beside> {
        match &mut self.nodes[at].made.work {
            Work::Step(step) => step.beside(),
            _ => None,
        }
    }

    /// Waits for the oldest batch that a step works on beside this.
    fn end(&mut self, at: usize) -> Result<Option<Vec<Outcome>>, Error> {
        let Some(input) = self.nodes[at].begun.pop_front() else { return Ok(None) };
        let named = self.naming(at);
        let Some(beside) = self.beside(at) else { return Ok(None) };
        let outcomes = beside.end().map_err(named)?;
        self.retry(at, input, outcomes).map(Some)
    }

    /// The same, and hands on what came of it. False: there was none.
    pub(super) fn end_one(&mut self, at: usize) -> Result<bool, Error> {
        let Some(outcomes) = self.end(at)? else { return Ok(false) };
        self.hand_on(at, outcomes)?;
        Ok(true)
    }

    /// Says whose error it is.
    fn naming(&self, at: usize) -> impl Fn(Error) -> Error + use<> {
        let node = &self.nodes[at].made;
        let whose = match node.work {
            Work::Sink(_) => format!("the sink `{}`", node.name),
            _ => format!("the step `{}`", node.name),
        };
        move |error| Error { message: format!("{whose}: {}", error.message), ..error }
    }

    fn hand_on(&mut self, at: usize, outcomes: Vec<Outcome>) -> Result<(), Error> {
        let mut records = Vec::with_capacity(outcomes.len());
        for outcome in outcomes {
            match outcome {
                Outcome::One(record) => records.push(record),
                Outcome::Many(several) => records.extend(several),
                Outcome::Drop => self.nodes[at].counts.dropped += 1,
                Outcome::Reject(record, why) => self.lose(at, record, &why, Cause::Record)?,
                Outcome::Fail(record, why) => self.lose(at, record, &why, Cause::Node)?,
                Outcome::Retry(record, why) => {
                    let attempts = self.nodes[at].made.retry.attempts;
                    self.lose(at, record, &format!("{why} (after {attempts} attempts)"), Cause::Record)?;
                }
            }
        }
        self.pass_on(at, records)
    }

    fn process(&mut self, at: usize, input: usize, batch: Vec<Record>) -> Result<Vec<Outcome>, Error> {
        let count = batch.len();
        let named = self.naming(at);
        let made = &mut self.nodes[at].made;
        let Work::Step(step) = &mut made.work else { return Ok(Vec::new()) };
        let outcomes = step.process(input, batch).map_err(named)?;
        if outcomes.len() != count {
            return Err(Error::new(format!(
                "the step `{}` told {} outcomes for {count} records",
                made.name,
                outcomes.len()
            )));
        }
        Ok(outcomes)
    }

    /// Tries again what may work yet, each record in its place.
    fn retry(&mut self, at: usize, input: usize, mut outcomes: Vec<Outcome>) -> Result<Vec<Outcome>, Error> {
        let retry = self.nodes[at].made.retry.clone();
        for attempt in 1..retry.attempts.get() {
            let again = |(_, outcome): &(usize, &Outcome)| matches!(outcome, Outcome::Retry(..));
            let places: Vec<usize> =
                outcomes.iter().enumerate().filter(again).map(|(place, _)| place).collect();
            if places.is_empty() {
                break;
            }
            self.host.sleep(retry.wait(attempt));
            self.nodes[at].counts.retries += places.len() as u64;
            let mut batch = Vec::with_capacity(places.len());
            for place in &places {
                if let Outcome::Retry(record, _) = mem::replace(&mut outcomes[*place], Outcome::Drop) {
                    batch.push(record);
                }
            }
            for (place, outcome) in places.into_iter().zip(self.process(at, input, batch)?) {
                outcomes[place] = outcome;
            }
        }
        Ok(outcomes)
    }

    /// Has a sink write a batch.
    fn write(&mut self, at: usize, mut batch: Vec<Record>) -> Result<(), Error> {
        let retry = self.nodes[at].made.retry.clone();
        for attempt in 1.. {
            let refused = self.hand_over(at, &batch)?;
            self.nodes[at].counts.passed += (batch.len() - refused.len()) as u64;
            if refused.is_empty() {
                break;
            }
            let mut records: Vec<_> = batch.into_iter().map(Some).collect();
            batch = Vec::new();
            for Refused { index, why, retry: again } in refused {
                let Some(record) = records.get_mut(index).and_then(Option::take) else { continue };
                if again && attempt < retry.attempts.get() {
                    batch.push(record);
                } else if again {
                    // What a sink cannot take for so long is the fault of where it leads to.
                    self.lose(at, record, &format!("{why} (after {attempt} attempts)"), Cause::Node)?;
                } else {
                    self.lose(at, record, &why, Cause::Record)?;
                }
            }
            if batch.is_empty() {
                break;
            }
            self.nodes[at].counts.retries += batch.len() as u64;
            self.host.sleep(retry.wait(attempt));
        }
        Ok(())
    }

    fn hand_over(&mut self, at: usize, batch: &[Record]) -> Result<Vec<Refused>, Error> {
        let named = self.naming(at);
        let Work::Sink(sink) = &mut self.nodes[at].made.work else { return Ok(Vec::new()) };
        sink.write(batch).map_err(named)
    }

    /// Does with a record that failed for good what the file says.
    pub(super) fn lose(&mut self, at: usize, record: Record, why: &str, cause: Cause) -> Result<(), Error> {
        let node = &mut self.nodes[at];
        let usual = match cause {
            Cause::Record => OnError::DeadLetter,
            Cause::Node => OnError::Stop,
        };
        match node.made.on_error.unwrap_or(usual) {
            OnError::Drop => node.counts.dropped += 1,
            OnError::DeadLetter => {
                node.counts.dead += 1;
                self.dead.add(&node.made.name, record, why)?;
            }
            OnError::Stop => {
                let name = &node.made.name;
                return Err(Error::new(format!("`{name}` failed at the record {}: {why}", record.id)).hint(
                    "mend it and go on with `inferno pipeline resume`, or let it pass with `on_error = \"dead-letter\"`",
                ));
            }
        }
        Ok(())
    }
}
