//! One request, from its submission to its end.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use inferno_backend::{Embed, Emit, Event, Finish, Generate, StopMatcher, Usage};

use crate::{embedding, words};

/// A request in work.
pub(crate) struct Request {
    pub(crate) id: u64,
    prompt_tokens: u32,
    output_tokens: u32,
    announced: bool,
    cancelled: bool,
    job: Job,
}

enum Job {
    Write { answer: VecDeque<String>, limit: u32, stops: StopMatcher, pace: Pace },
    Embed { inputs: VecDeque<String>, length: u32 },
}

/// When the tokens of a request are due.
struct Pace {
    /// Between two tokens; zero: at once.
    interval: Duration,
    started: Option<Instant>,
}

impl Request {
    /// Writes `answer`, at most `limit` tokens of it.
    pub(crate) fn write(
        id: u64,
        prompt_tokens: u32,
        answer: &str,
        limit: u32,
        work: Generate,
        interval: Duration,
    ) -> Self {
        let answer = words::split(answer).into_iter().map(str::to_owned).collect();
        let pace = Pace { interval, started: None };
        let job = Job::Write { answer, limit, stops: StopMatcher::new(work.stop), pace };
        Self::new(id, prompt_tokens, job)
    }

    /// Makes vectors of `length` values.
    pub(crate) fn embed(id: u64, prompt_tokens: u32, work: Embed, length: u32) -> Self {
        let job = Job::Embed { inputs: work.inputs.into(), length };
        Self::new(id, prompt_tokens, job)
    }

    fn new(id: u64, prompt_tokens: u32, job: Job) -> Self {
        Self { id, prompt_tokens, output_tokens: 0, announced: false, cancelled: false, job }
    }

    /// Starts the clock.
    pub(crate) fn start(&mut self, now: Instant) {
        if let Job::Write { pace, .. } = &mut self.job {
            pace.started = Some(now);
        }
    }

    /// Makes its next piece of work its last.
    pub(crate) fn cancel(&mut self) {
        self.cancelled = true;
    }

    /// When it may go on; nothing: at once.
    pub(crate) fn due(&self) -> Option<Instant> {
        match &self.job {
            _ if self.cancelled => None,
            // The end of an answer is no token and waits for none.
            Job::Write { answer, limit, .. } if answer.is_empty() || *limit == 0 => None,
            Job::Write { pace, .. } if pace.interval.is_zero() => None,
            Job::Write { pace, .. } => {
                pace.started.map(|start| start + pace.interval * (self.output_tokens + 1))
            }
            Job::Embed { .. } => None,
        }
    }

    /// Says that it is in work, the first time.
    pub(crate) fn announce(&mut self, emit: Emit<'_>) {
        if !self.announced {
            self.announced = true;
            emit(self.id, Event::Started { prompt_tokens: self.prompt_tokens });
        }
    }

    /// Writes one token or makes one vector, or ends. True: it has ended.
    pub(crate) fn advance(&mut self, emit: Emit<'_>) -> bool {
        let id = self.id;
        let Some(finish) = self.work(&mut |event| emit(id, event)) else { return false };
        let usage = Usage::new(self.prompt_tokens, self.output_tokens);
        emit(id, Event::Done { finish, usage });
        true
    }

    /// One piece of work; why that was the last one, if it was.
    fn work(&mut self, emit: &mut dyn FnMut(Event)) -> Option<Finish> {
        match &mut self.job {
            _ if self.cancelled => Some(Finish::Cancelled),
            Job::Write { answer, limit, stops, .. } => {
                let mut text = |text: String| {
                    if !text.is_empty() {
                        emit(Event::Text(text));
                    }
                };
                let token = if *limit > 0 { answer.pop_front() } else { None };
                if let Some(token) = token {
                    self.output_tokens += 1;
                    let stop = stops.push(&token);
                    text(stop.emit);
                    if let Some(number) = stop.stopped {
                        return Some(Finish::StoppedBy(number));
                    }
                    if !answer.is_empty() && self.output_tokens < *limit {
                        return None;
                    }
                }
                text(stops.finish());
                Some(if answer.is_empty() { Finish::Stop } else { Finish::Length })
            }
            Job::Embed { inputs, length } => {
                if let Some(input) = inputs.pop_front() {
                    emit(Event::Embedding(embedding::embed(&input, *length)));
                }
                inputs.is_empty().then_some(Finish::Stop)
            }
        }
    }
}
