//! What there is to count, as numbers; whoever shows them gives them a form. What is counted for every token costs a
//! few atomic additions and takes no lock.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use inferno_backend::{Error, ErrorKind, Event, Finish, Usage};
use tokio::time::Instant;
use tracing::Span;

/// Upper bounds of the buckets, in seconds; beyond the last one is one more bucket.
const SECONDS: [f64; 17] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0];
const BUCKETS: usize = SECONDS.len() + 1;

/// How many tenants are counted one by one; all further ones are counted as one without a name.
const TENANTS: usize = 1000;

/// Everything since the start.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Figures {
    /// By name. Models that nobody has asked for have none.
    pub models: BTreeMap<String, ModelFigures>,
    /// Bytes that all models together may take, as far as that is known.
    pub memory_budget: Option<u64>,
    /// Bytes that are set aside for the models that are loaded or being loaded.
    pub memory_used: u64,
}

/// Of one model.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ModelFigures {
    /// By tenant.
    pub tenants: BTreeMap<Arc<str>, TenantFigures>,
    /// Seconds from the request to the first piece of its answer.
    pub first_token: Histogram,
    /// Seconds between two pieces of an answer.
    pub between_tokens: Histogram,
    /// Seconds that requests waited for their turn at a loaded model.
    pub queue_wait: Histogram,
    /// Seconds that loading took.
    pub load: Histogram,
    /// Requests that the worker works on now.
    pub active: usize,
    /// Requests that wait for their turn now.
    pub queued: usize,
    /// How often a worker had to be started again.
    pub restarts: u32,
    /// Bytes that are set aside for the model; none while it is not loaded.
    pub memory: Option<u64>,
}

/// Of one tenant at one model.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TenantFigures {
    /// Requests that have ended, by how. How often it never happened is left out.
    pub requests: BTreeMap<Outcome, u64>,
    /// Tokens of prompts.
    pub prompt_tokens: u64,
    /// Tokens of prompts that did not need to be computed again.
    pub cached_tokens: u64,
    /// Tokens that the model wrote.
    pub output_tokens: u64,
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// With an answer.
    Done,
    /// Whoever asked has left.
    Cancelled,
    /// The request or the caller could not be served: it was not valid, or not allowed, or too long.
    Refused,
    /// There was no place for it, or no memory.
    Exhausted,
    /// Its deadline passed.
    Timeout,
    /// The model could not be loaded, or its worker ended.
    Unavailable,
    /// A fault of Inferno or of the backend.
    Internal,
}

impl Outcome {
    const ALL: [Self; 7] = [
        Self::Done,
        Self::Cancelled,
        Self::Refused,
        Self::Exhausted,
        Self::Timeout,
        Self::Unavailable,
        Self::Internal,
    ];

    /// In one word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Cancelled => "cancelled",
            Self::Refused => "refused",
            Self::Exhausted => "exhausted",
            Self::Timeout => "timeout",
            Self::Unavailable => "unavailable",
            Self::Internal => "internal",
        }
    }
}

impl From<ErrorKind> for Outcome {
    fn from(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::Denied | ErrorKind::NotFound | ErrorKind::Invalid | ErrorKind::ContextLength => {
                Self::Refused
            }
            ErrorKind::Exhausted => Self::Exhausted,
            ErrorKind::Unavailable => Self::Unavailable,
            ErrorKind::Timeout => Self::Timeout,
            ErrorKind::Cancelled => Self::Cancelled,
            ErrorKind::Internal => Self::Internal,
        }
    }
}

/// How often a time was how long.
#[derive(Clone, Debug, PartialEq)]
pub struct Histogram {
    /// Upper bounds of the buckets but the last, in seconds.
    pub bounds: &'static [f64],
    /// How often a time lay between the bound before and this one; the last bucket has no bound.
    pub buckets: Vec<u64>,
    /// All times together, in seconds.
    pub sum: f64,
}

impl Histogram {
    /// How many times there were.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }
}

impl Default for Histogram {
    fn default() -> Self {
        Self { bounds: &SECONDS, buckets: vec![0; BUCKETS], sum: 0.0 }
    }
}

#[derive(Debug, Default)]
pub(crate) struct Times {
    buckets: [AtomicU64; BUCKETS],
    micros: AtomicU64,
}

impl Times {
    pub(crate) fn observe(&self, time: Duration) {
        let seconds = time.as_secs_f64();
        let bucket = SECONDS.partition_point(|bound| *bound < seconds);
        self.buckets[bucket].fetch_add(1, Relaxed);
        self.micros.fetch_add(micros(time), Relaxed);
    }

    fn histogram(&self) -> Histogram {
        Histogram {
            bounds: &SECONDS,
            buckets: self.buckets.iter().map(|bucket| bucket.load(Relaxed)).collect(),
            sum: Duration::from_micros(self.micros.load(Relaxed)).as_secs_f64(),
        }
    }
}

/// What is counted of one model.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    tenants: RwLock<HashMap<Arc<str>, Arc<TenantCounters>>>,
    first_token: Times,
    between_tokens: Times,
    queue_wait: Times,
    pub(crate) load: Times,
    pub(crate) starts: AtomicU32,
}

#[derive(Debug, Default)]
struct TenantCounters {
    requests: [AtomicU64; Outcome::ALL.len()],
    prompt_tokens: AtomicU64,
    cached_tokens: AtomicU64,
    output_tokens: AtomicU64,
}

impl Counters {
    /// Where a request of this tenant is counted.
    pub(crate) fn account(self: &Arc<Self>, tenant: &Arc<str>, span: Span) -> Arc<Account> {
        Arc::new(Account {
            model: Arc::clone(self),
            tenant: self.tenant(tenant),
            began: Instant::now(),
            last: AtomicU64::new(0),
            ended: AtomicBool::new(false),
            span,
        })
    }

    fn tenant(&self, name: &Arc<str>) -> Arc<TenantCounters> {
        if let Some(known) = self.tenants.read().unwrap_or_else(PoisonError::into_inner).get(name) {
            return Arc::clone(known);
        }
        let mut tenants = self.tenants.write().unwrap_or_else(PoisonError::into_inner);
        let name = if tenants.len() < TENANTS { Arc::clone(name) } else { Arc::from("") };
        Arc::clone(tenants.entry(name).or_default())
    }

    /// How often a worker had to be started again.
    pub(crate) fn restarts(&self) -> u32 {
        self.starts.load(Relaxed).saturating_sub(1)
    }

    /// All but what is only true now.
    pub(crate) fn figures(&self) -> ModelFigures {
        let tenants = self.tenants.read().unwrap_or_else(PoisonError::into_inner);
        ModelFigures {
            tenants: tenants.iter().map(|(name, counters)| (Arc::clone(name), counters.figures())).collect(),
            first_token: self.first_token.histogram(),
            between_tokens: self.between_tokens.histogram(),
            queue_wait: self.queue_wait.histogram(),
            load: self.load.histogram(),
            restarts: self.restarts(),
            ..ModelFigures::default()
        }
    }
}

impl TenantCounters {
    fn figures(&self) -> TenantFigures {
        let counts = Outcome::ALL.iter().zip(&self.requests);
        let counts = counts.map(|(outcome, count)| (*outcome, count.load(Relaxed)));
        TenantFigures {
            requests: counts.filter(|(_, count)| *count > 0).collect(),
            prompt_tokens: self.prompt_tokens.load(Relaxed),
            cached_tokens: self.cached_tokens.load(Relaxed),
            output_tokens: self.output_tokens.load(Relaxed),
        }
    }
}

/// Where one request is counted. One that is dropped before its end was cancelled.
#[derive(Debug)]
pub(crate) struct Account {
    model: Arc<Counters>,
    tenant: Arc<TenantCounters>,
    began: Instant,
    /// When the last piece of the answer came, in microseconds after the beginning; 0: none has.
    last: AtomicU64,
    ended: AtomicBool,
    /// The request's part of a trace.
    span: Span,
}

impl Account {
    /// It has waited for its turn.
    pub(crate) fn waited(&self, time: Duration) {
        self.model.queue_wait.observe(time);
        self.span.record("inferno.queue_ms", millis(time));
    }

    /// Something of the answer has come.
    pub(crate) fn event(&self, event: &Event, now: Instant) {
        match event {
            Event::Text(_) | Event::ToolCall(_) | Event::Embedding(_) | Event::Tokens(_) => self.piece(now),
            Event::Done { finish, usage } => {
                self.end(if *finish == Finish::Cancelled { Outcome::Cancelled } else { Outcome::Done });
                self.used(*usage);
            }
            Event::Failed(error) => self.failed(error),
            Event::Started { .. } | Event::Choices(_) => {}
        }
    }

    fn piece(&self, now: Instant) {
        let at = now.saturating_duration_since(self.began);
        // Only the worker's reader comes here, so there is no race between reading and writing.
        let last = self.last.swap(micros(at).max(1), Relaxed);
        if last == 0 {
            self.model.first_token.observe(at);
            self.span.record("inferno.first_token_ms", millis(at));
        } else {
            self.model.between_tokens.observe(at.saturating_sub(Duration::from_micros(last)));
        }
    }

    fn used(&self, usage: Usage) {
        self.span.record("gen_ai.usage.input_tokens", usage.prompt_tokens);
        self.span.record("gen_ai.usage.output_tokens", usage.output_tokens);
        self.span.record("inferno.cached_tokens", usage.cached_tokens);
        self.tenant.prompt_tokens.fetch_add(usage.prompt_tokens.into(), Relaxed);
        self.tenant.cached_tokens.fetch_add(usage.cached_tokens.into(), Relaxed);
        self.tenant.output_tokens.fetch_add(usage.output_tokens.into(), Relaxed);
    }

    /// It has ended in an error; the first end counts.
    pub(crate) fn failed(&self, error: &Error) {
        self.end(error.kind.into());
    }

    fn end(&self, outcome: Outcome) {
        if !self.ended.swap(true, Relaxed) {
            let index = Outcome::ALL.iter().position(|other| *other == outcome).unwrap_or_default();
            self.tenant.requests[index].fetch_add(1, Relaxed);
            if outcome != Outcome::Done {
                self.span.record("error.type", outcome.as_str());
                self.span.record("otel.status_code", "ERROR");
            }
        }
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        self.end(Outcome::Cancelled);
    }
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_fall_into_buckets() {
        let times = Times::default();
        for micros in [0, 1000, 1001, 400_000_000] {
            times.observe(Duration::from_micros(micros));
        }
        let histogram = times.histogram();
        assert_eq!(&histogram.buckets[..3], [2, 1, 0]);
        assert_eq!((histogram.buckets[BUCKETS - 1], histogram.count()), (1, 4));
        assert!((histogram.sum - 400.002_001).abs() < 1e-9);
    }

    #[test]
    fn a_request_is_counted_once_with_its_times() {
        let counters = Arc::new(Counters::default());
        let account = counters.account(&Arc::from("acme"), Span::none());
        let at = |ms: u64| account.began + Duration::from_millis(ms);
        account.event(&Event::Started { prompt_tokens: 9 }, at(1));
        for ms in [20, 50, 90] {
            account.event(&Event::Text("a".into()), at(ms));
        }
        let usage = Usage { cached_tokens: 4, ..Usage::new(9, 3) };
        account.event(&Event::Done { finish: Finish::Stop, usage }, at(90));
        drop(account);
        drop(counters.account(&Arc::from("acme"), Span::none()));
        counters.account(&Arc::from("other"), Span::none()).failed(&Error::invalid("no"));
        let figures = counters.figures();
        let acme = &figures.tenants["acme"];
        assert_eq!(acme.requests, [(Outcome::Done, 1), (Outcome::Cancelled, 1)].into());
        assert_eq!((acme.prompt_tokens, acme.cached_tokens, acme.output_tokens), (9, 4, 3));
        assert_eq!(figures.tenants["other"].requests, [(Outcome::Refused, 1)].into());
        assert_eq!((figures.first_token.count(), figures.between_tokens.count()), (1, 2));
        assert!((figures.first_token.sum - 0.02).abs() < 1e-9, "{figures:?}");
        assert!((figures.between_tokens.sum - 0.07).abs() < 1e-9, "{figures:?}");
    }

    #[test]
    fn tenants_without_end_take_no_memory_without_end() {
        let counters = Arc::new(Counters::default());
        for number in 0..TENANTS + 50 {
            counters.tenant(&Arc::from(number.to_string()));
        }
        assert!(counters.figures().tenants.len() <= TENANTS + 1);
    }
}
