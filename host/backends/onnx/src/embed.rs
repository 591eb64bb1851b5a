//! Reads texts as a whole: makes vectors of them, says what they are, and ranks documents.

use std::borrow::Cow;
use std::collections::VecDeque;

use inferno_backend::{Classify, Embed, Emit, Error, ErrorKind, Event, Finish, Rank, Usage};
use ort::session::{Session, SessionInputValue};

use crate::classify;
use crate::config::{Config, Pooling};
use crate::graph::{Encoder, Port};
use crate::texts::{computing, integers, numbers};
use crate::tokenizer::Tokenizer;

/// Texts that are read together at most.
const MOST_TEXTS: usize = 16;
/// Places for tokens in one batch at most, padding included; a longer text is read alone.
const MOST_PLACES: usize = 4096;

/// One text, or a pair.
struct Item {
    tokens: Vec<u32>,
    /// Which tokens belong to the second text of a pair; none where there is but one.
    types: Vec<u32>,
}

/// What is wanted of texts.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Want {
    Vector,
    Labels,
    Score,
}

/// A request that has not ended.
struct Request {
    id: u64,
    want: Want,
    items: VecDeque<Item>,
    prompt_tokens: u32,
    started: bool,
    cancelled: bool,
}

/// The reading half of a model.
pub(crate) struct Reader {
    encoder: Encoder,
    /// Absent: it makes vectors.
    labels: Option<Vec<String>>,
    several: bool,
    pooling: Pooling,
    pad: u32,
    /// Tokens that a text may have.
    room: u32,
    /// Requests that are worked on at once.
    sequences: usize,
    requests: VecDeque<Request>,
}

impl Reader {
    /// For an encoder, or for a classifier.
    pub(crate) fn new(
        encoder: Encoder,
        classifies: bool,
        config: &Config,
        room: u32,
        sequences: u32,
    ) -> Self {
        Self {
            encoder,
            labels: classifies.then(|| config.labels.clone()),
            several: config.several,
            pooling: config.pooling,
            pad: config.pad.unwrap_or(0),
            room,
            sequences: sequences as usize,
            requests: VecDeque::new(),
        }
    }

    /// It gives one number to a pair of texts.
    pub(crate) fn ranks(&self) -> bool {
        self.labels.as_ref().is_some_and(|labels| labels.len() == 1)
    }

    /// Turns texts into vectors.
    pub(crate) fn embed(&mut self, id: u64, work: &Embed, tokenizer: &mut Tokenizer) -> Result<(), Error> {
        if self.labels.is_some() {
            return Err(Error::invalid("the model says what texts are and makes no vectors")
                .hint("choose an embedding model"));
        }
        let items =
            work.inputs.iter().map(|text| Ok(Item { tokens: tokenizer.whole(text)?, types: Vec::new() }));
        let items = items.collect::<Result<_, Error>>()?;
        self.add(id, Want::Vector, items)
    }

    /// Says what texts are.
    pub(crate) fn classify(
        &mut self,
        id: u64,
        work: &Classify,
        tokenizer: &mut Tokenizer,
    ) -> Result<(), Error> {
        if self.labels.is_none() {
            return Err(Error::invalid("the model makes vectors and does not say what texts are")
                .hint("choose a classifier"));
        }
        let items =
            work.inputs.iter().map(|text| Ok(Item { tokens: tokenizer.whole(text)?, types: Vec::new() }));
        let items = items.collect::<Result<_, Error>>()?;
        self.add(id, Want::Labels, items)
    }

    /// Scores documents.
    pub(crate) fn rank(&mut self, id: u64, work: &Rank, tokenizer: &mut Tokenizer) -> Result<(), Error> {
        if !self.ranks() {
            return Err(Error::invalid("the model ranks no documents")
                .hint("choose a model that was made to rank: a classifier with one label"));
        }
        let items = work.documents.iter().map(|document| {
            let (tokens, types) = tokenizer.pair(&work.query, document)?;
            Ok(Item { tokens, types })
        });
        let items = items.collect::<Result<_, Error>>()?;
        self.add(id, Want::Score, items)
    }

    fn add(&mut self, id: u64, want: Want, items: VecDeque<Item>) -> Result<(), Error> {
        let mut prompt_tokens: u32 = 0;
        for (index, item) in items.iter().enumerate() {
            let tokens = u32::try_from(item.tokens.len()).unwrap_or(u32::MAX);
            if tokens > self.room {
                let room = self.room;
                let message = format!("text {index} has {tokens} tokens, but the model reads at most {room}");
                return Err(Error::new(ErrorKind::ContextLength, message).hint("split the text"));
            }
            if tokens == 0 {
                return Err(Error::invalid(format!("text {index} has no tokens")));
            }
            prompt_tokens = prompt_tokens.saturating_add(tokens);
        }
        let request = Request { id, want, items, prompt_tokens, started: false, cancelled: false };
        self.requests.push_back(request);
        Ok(())
    }

    /// Ends a request; its end is told in the next step.
    pub(crate) fn cancel(&mut self, id: u64) {
        if let Some(request) = self.requests.iter_mut().find(|request| request.id == id) {
            request.cancelled = true;
        }
    }

    /// Reads one batch. False: there is nothing left to do.
    pub(crate) fn step(&mut self, session: &mut Session, emit: Emit<'_>) -> bool {
        self.requests.retain(|request| {
            if request.cancelled {
                emit(request.id, Event::Done { finish: Finish::Cancelled, usage: request.usage() });
            }
            !request.cancelled
        });
        for request in self.requests.iter_mut().take(self.sequences).filter(|request| !request.started) {
            request.started = true;
            emit(request.id, Event::Started { prompt_tokens: request.prompt_tokens });
        }
        let batch = self.take();
        if !batch.is_empty() {
            match self.run(session, &batch) {
                Ok(events) => batch.iter().zip(events).for_each(|((id, ..), event)| emit(*id, event)),
                Err(error) => {
                    self.requests.retain(|request| {
                        let part = batch.iter().any(|(id, ..)| *id == request.id);
                        if part {
                            emit(request.id, Event::Failed(error.clone()));
                        }
                        !part
                    });
                }
            }
        }
        self.requests.retain(|request| {
            let done = request.started && request.items.is_empty();
            if done {
                emit(request.id, Event::Done { finish: Finish::Stop, usage: request.usage() });
            }
            !done
        });
        !self.requests.is_empty()
    }

    /// The texts of the next batch: one of each request in turn.
    fn take(&mut self) -> Vec<(u64, Want, Item)> {
        let (mut batch, mut longest) = (Vec::new(), 0);
        loop {
            let before = batch.len();
            for request in self.requests.iter_mut().take(self.sequences) {
                let Some(item) = request.items.front() else { continue };
                let places = item.tokens.len().max(longest) * (batch.len() + 1);
                if batch.len() == MOST_TEXTS || (places > MOST_PLACES && !batch.is_empty()) {
                    return batch;
                }
                longest = item.tokens.len().max(longest);
                batch.extend(request.items.pop_front().map(|item| (request.id, request.want, item)));
            }
            if batch.len() == before {
                return batch;
            }
        }
    }

    fn run(&self, session: &mut Session, batch: &[(u64, Want, Item)]) -> Result<Vec<Event>, Error> {
        let Encoder { tokens, mask, types, positions, output, each } = &self.encoder;
        let longest = batch.iter().map(|(.., item)| item.tokens.len()).max().unwrap_or(0);
        let shape = [batch.len(), longest];
        let padded = |port: &Port, pad: u32, row: &dyn Fn(&Item) -> Vec<u32>| {
            let mut all = Vec::with_capacity(batch.len() * longest);
            for (.., item) in batch {
                let mut row = row(item);
                row.resize(longest, pad);
                all.extend(row.into_iter().map(i64::from));
            }
            integers(port, shape, all)
        };
        let mut inputs: Vec<(Cow<'_, str>, SessionInputValue<'_>)> = Vec::with_capacity(4);
        let read = padded(tokens, self.pad, &|item| item.tokens.clone())?;
        inputs.push((Cow::Borrowed(&tokens.name), read.into()));
        if let Some(mask) = mask {
            let read = padded(mask, 0, &|item| vec![1; item.tokens.len()])?;
            inputs.push((Cow::Borrowed(&mask.name), read.into()));
        }
        if let Some(types) = types {
            inputs.push((Cow::Borrowed(&types.name), padded(types, 0, &|item| item.types.clone())?.into()));
        }
        if let Some(positions) = positions {
            let all = |_: &Item| (0..u32::try_from(longest).unwrap_or(u32::MAX)).collect();
            inputs.push((Cow::Borrowed(&positions.name), padded(positions, 0, &all)?.into()));
        }
        let outputs = session.run(inputs).map_err(computing)?;
        let value =
            outputs.get(output).ok_or_else(|| Error::internal(format!("the graph gave no `{output}`")))?;
        let (shape, values) = numbers(value, |shape| Some(0..shape.iter().product()))?;
        let width = match shape[..] {
            [rows, length, width] if *each && rows == batch.len() && length == longest => length * width,
            [rows, width] if !each && rows == batch.len() => width,
            _ => return Err(Error::internal(format!("the graph gave {shape:?} for {} texts", batch.len()))),
        };
        // An output without numbers has no rows to cut it into.
        let rows = values.chunks_exact(width.max(1));
        if rows.len() != batch.len() {
            return Err(Error::internal("the graph gave no numbers for a text"));
        }
        batch
            .iter()
            .zip(rows)
            .map(|((_, want, item), row)| self.event(*want, row, item.tokens.len(), longest))
            .collect()
    }

    /// What one text's part of the output says.
    fn event(&self, want: Want, row: &[f32], tokens: usize, longest: usize) -> Result<Event, Error> {
        match want {
            Want::Vector if self.encoder.each => {
                let width = row.len() / longest.max(1);
                Ok(Event::Embedding(unit(pool(row, width, tokens, self.pooling))?))
            }
            Want::Vector => Ok(Event::Embedding(unit(row.iter().copied().map(f64::from).collect())?)),
            Want::Labels => {
                let labels = self.labels.as_deref().unwrap_or_default();
                Ok(Event::Text(classify::line(row, labels, self.several)?))
            }
            Want::Score => Ok(Event::Embedding(row.first().copied().into_iter().collect())),
        }
    }
}

impl Request {
    fn usage(&self) -> Usage {
        Usage::new(self.prompt_tokens, 0)
    }
}

/// One vector of those of the tokens, without padding.
fn pool(row: &[f32], width: usize, tokens: usize, pooling: Pooling) -> Vec<f64> {
    let vectors: Vec<&[f32]> = row.chunks_exact(width.max(1)).take(tokens).collect();
    let widened =
        |vector: Option<&&[f32]>| vector.map(|vector| vector.iter().copied().map(f64::from).collect());
    match pooling {
        Pooling::First => widened(vectors.first()).unwrap_or_default(),
        Pooling::Last => widened(vectors.last()).unwrap_or_default(),
        Pooling::Mean => {
            let mut sum = vec![0.0; width];
            for vector in &vectors {
                sum.iter_mut().zip(*vector).for_each(|(sum, &value)| *sum += f64::from(value));
            }
            sum.iter_mut().for_each(|sum| *sum /= vectors.len().max(1) as f64);
            sum
        }
    }
}

/// The same direction with length one.
fn unit(vector: Vec<f64>) -> Result<Vec<f32>, Error> {
    let length = vector.iter().map(|value| value * value).sum::<f64>().sqrt();
    if !length.is_finite() {
        return Err(Error::internal("the graph gave a vector that is no number"));
    }
    let length = if length == 0.0 { 1.0 } else { length };
    Ok(vector.into_iter().map(|value| (value / length) as f32).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_is_no_part_of_a_vector() {
        let row = [1.0, 0.0, 3.0, 4.0, 100.0, 100.0];
        assert_eq!(pool(&row, 2, 2, Pooling::Mean), [2.0, 2.0]);
        assert_eq!(pool(&row, 2, 2, Pooling::First), [1.0, 0.0]);
        assert_eq!(pool(&row, 2, 2, Pooling::Last), [3.0, 4.0]);
        assert_eq!(unit(vec![3.0, 4.0]).unwrap(), [0.6, 0.8]);
        assert_eq!(unit(vec![0.0]).unwrap(), [0.0]);
        assert!(unit(vec![f64::NAN]).is_err());
    }
}
