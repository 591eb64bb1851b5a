//! The requests of one model: a bounded number of seats, of which as many are at the worker as it works on at once. The
//! others wait here for their turn, where giving up costs nothing and a worker that dies takes nobody along.

use std::{
    pin::pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use inferno_backend::{Error, ErrorKind};
use tokio::{
    sync::{Notify, OwnedSemaphorePermit, Semaphore, oneshot},
    time::{Instant, timeout_at},
};

use crate::{Config, Terms, figures::Account, lock, queue::Queue};

/// When a full queue is worth another try, at least and at most.
const SOON: Duration = Duration::from_secs(1);
const LATE: Duration = Duration::from_secs(60);

/// The requests of one model.
#[derive(Debug)]
pub(crate) struct Line {
    model: String,
    limit: usize,
    seats: Arc<Semaphore>,
    state: Mutex<State>,
    /// Somebody wants to know when the last one has left.
    pub(crate) watched: AtomicBool,
    pub(crate) left: Notify,
    /// Told whenever a model becomes idle, whichever it is.
    idle: Arc<Notify>,
}

#[derive(Debug)]
struct State {
    /// How many may be at the worker.
    capacity: usize,
    running: usize,
    queue: Queue<Waiter>,
    next_id: u64,
    /// How long a request is at the worker, of late.
    service: Duration,
    /// When the last one left.
    used: Instant,
}

#[derive(Debug)]
struct Waiter {
    seat: Seat,
    turn: oneshot::Sender<Result<Place, Error>>,
}

/// One of a model's bounded seats.
#[derive(Debug)]
pub(crate) struct Seat {
    permit: Option<OwnedSemaphorePermit>,
    line: Arc<Line>,
    pub(crate) account: Arc<Account>,
}

/// A seat whose turn it is. A request holds it until the worker says that it has ended: a cancelled one is work for the
/// worker until then, and callers that come and go cannot pile up more than the bound.
#[derive(Debug)]
pub(crate) struct Place {
    seat: Option<Seat>,
    since: Instant,
    pub(crate) account: Arc<Account>,
}

impl Line {
    pub(crate) fn new(model: &str, config: &Config, idle: Arc<Notify>) -> Self {
        let capacity = config.sequences as usize;
        let limit = capacity.saturating_add(config.queue).min(Semaphore::MAX_PERMITS);
        Self {
            model: model.to_owned(),
            limit,
            seats: Arc::new(Semaphore::new(limit)),
            state: Mutex::new(State {
                capacity,
                running: 0,
                queue: Queue::default(),
                next_id: 0,
                service: Duration::ZERO,
                used: Instant::now(),
            }),
            watched: AtomicBool::new(false),
            left: Notify::new(),
            idle,
        }
    }

    /// Takes a seat. Where all are taken, one of those who wait may have to leave: see [`Queue::displace`].
    pub(crate) fn enter(self: &Arc<Self>, terms: &Terms, account: &Arc<Account>) -> Result<Seat, Error> {
        if let Ok(permit) = Arc::clone(&self.seats).try_acquire_owned() {
            let account = Arc::clone(account);
            return Ok(Seat { permit: Some(permit), line: Arc::clone(self), account });
        }
        let displaced = lock(&self.state).queue.displace(&terms.tenant, terms.background);
        let Some(Waiter { mut seat, turn }) = displaced else { return Err(self.full()) };
        let permit = seat.permit.take();
        // Whoever has stopped listening has no need of the news.
        turn.send(Err(self.full())).ok();
        Ok(Seat { permit, line: Arc::clone(self), account: Arc::clone(account) })
    }

    fn full(&self) -> Error {
        let (name, limit) = (&self.model, self.limit);
        let after = {
            let state = lock(&self.state);
            let rounds = (state.queue.len() + 1).div_ceil(state.capacity.max(1));
            state.service.saturating_mul(u32::try_from(rounds).unwrap_or(u32::MAX))
        };
        Error::new(
            ErrorKind::Exhausted,
            format!("model {name} has {limit} requests already, and no place for more"),
        )
        .hint("Try again later, or raise inference.queue or inference.sequences.")
        .retry_after(after.clamp(SOON, LATE))
    }

    /// How many a worker that has started takes at once.
    pub(crate) fn set_capacity(self: &Arc<Self>, capacity: usize) {
        lock(&self.state).capacity = capacity.max(1);
        while self.serve_next() {}
    }

    /// Waits until the model has no request any more.
    pub(crate) async fn drained(&self) {
        loop {
            let mut idle = pin!(self.idle.notified());
            // Before looking, so that nothing that changes meanwhile is missed.
            idle.as_mut().enable();
            if self.is_idle() {
                return;
            }
            idle.await;
        }
    }

    /// Nobody wants anything of the model.
    pub(crate) fn is_idle(&self) -> bool {
        self.seats.available_permits() == self.limit
    }

    /// When the last request left; now, where there is one.
    pub(crate) fn used(&self) -> Instant {
        if self.is_idle() { lock(&self.state).used } else { Instant::now() }
    }

    /// A request has come or gone, or something else happened that counts as use.
    pub(crate) fn touch(&self) {
        lock(&self.state).used = Instant::now();
    }

    /// How many requests are at the worker, and how many wait for their turn.
    pub(crate) fn counts(&self) -> (usize, usize) {
        let state = lock(&self.state);
        (state.running, state.queue.len())
    }

    /// Gives the turn to whoever is next, if there is room and someone.
    fn serve_next(self: &Arc<Self>) -> bool {
        let next = {
            let mut state = lock(&self.state);
            if state.running >= state.capacity {
                return false;
            }
            let Some(next) = state.queue.pop() else { return false };
            state.running += 1;
            next
        };
        // One that has just stopped waiting leaves its place by dropping it.
        drop(next.turn.send(Ok(Place::new(next.seat))));
        true
    }

    fn leave(self: &Arc<Self>, since: Instant) {
        {
            let mut state = lock(&self.state);
            state.running -= 1;
            let took = since.elapsed();
            state.service = if state.service.is_zero() { took } else { (state.service * 3 + took) / 4 };
        }
        self.serve_next();
    }
}

impl Seat {
    /// Waits for the turn of this seat. Where there is room at the worker, it is at once.
    pub(crate) async fn turn(self, terms: &Terms) -> Result<Place, Error> {
        let (line, account) = (Arc::clone(&self.line), Arc::clone(&self.account));
        let since = Instant::now();
        let (mut waiting, turn) = {
            let mut state = lock(&line.state);
            if state.running < state.capacity && state.queue.is_empty() {
                state.running += 1;
                drop(state);
                account.waited(Duration::ZERO);
                return Ok(Place::new(self));
            }
            let (sender, turn) = oneshot::channel();
            state.next_id += 1;
            let id = state.next_id;
            state.queue.push(&terms.tenant, terms.background, id, Waiter { seat: self, turn: sender });
            (Waiting { line: &line, id: Some(id) }, turn)
        };
        let told = match terms.deadline {
            Some(deadline) => timeout_at(deadline, turn).await,
            None => Ok(turn.await),
        };
        match told {
            Ok(told) => {
                waiting.id = None;
                account.waited(since.elapsed());
                told.unwrap_or_else(|_| {
                    Err(Error::internal(format!("the queue of model {} is gone", line.model)))
                })
            }
            Err(_) => Err(line.too_late(since.elapsed())),
        }
    }
}

impl Line {
    fn too_late(&self, waited: Duration) -> Error {
        let (running, waiting) = self.counts();
        let (name, waited) = (&self.model, waited.as_secs_f32());
        Error::new(
            ErrorKind::Timeout,
            format!(
                "the request waited {waited:.1} s for model {name}, which works on {running} others while {waiting} \
                 wait, and its deadline has passed"
            ),
        )
        .hint("Allow more time, or raise inference.sequences.")
    }
}

/// One who waits and may stop waiting at any time.
struct Waiting<'a> {
    line: &'a Line,
    id: Option<u64>,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if let Some(id) = self.id {
            let left = lock(&self.line.state).queue.remove(id);
            // Not under the lock: the seat tells others that it is free.
            drop(left);
        }
    }
}

impl Place {
    fn new(seat: Seat) -> Self {
        let account = Arc::clone(&seat.account);
        Self { seat: Some(seat), since: Instant::now(), account }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some(seat) = self.seat.take() else { return };
        let line = Arc::clone(&seat.line);
        drop(seat);
        line.leave(self.since);
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let Some(permit) = self.permit.take() else { return };
        self.line.touch();
        drop(permit);
        if self.line.is_idle() {
            if self.line.watched.load(Ordering::SeqCst) {
                self.line.left.notify_one();
            }
            self.line.idle.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::future::poll_immediate;

    use super::*;
    use crate::{WorkerCommand, figures::Counters};

    struct Kit {
        line: Arc<Line>,
        counters: Arc<Counters>,
    }

    impl Kit {
        fn new(sequences: u32, queue: usize) -> Self {
            let worker = WorkerCommand { program: "/bin/true".into(), args: Vec::new() };
            let config = Config { sequences, queue, ..Config::new(worker) };
            Self { line: Arc::new(Line::new("m", &config, Arc::default())), counters: Arc::default() }
        }

        fn enter(&self, terms: &Terms) -> Result<Seat, Error> {
            self.line.enter(terms, &self.counters.account(&terms.tenant, tracing::Span::none()))
        }

        async fn place(&self, terms: &Terms) -> Result<Place, Error> {
            self.enter(terms)?.turn(terms).await
        }
    }

    #[tokio::test]
    async fn places_are_taken_at_once_and_handed_on_in_turn() {
        let (kit, a, b) = (Kit::new(1, 8), Terms::of("a"), Terms::of("b"));
        let held = poll_immediate(kit.place(&a)).await.expect("there is room").expect("a place");
        let wait = async |name, terms| (name, kit.place(terms).await.expect("its turn"));
        let mut waiting: Vec<_> =
            [("a1", &a), ("a2", &a), ("b1", &b)].map(|(name, terms)| Box::pin(wait(name, terms))).into();
        for wait in &mut waiting {
            assert!(poll_immediate(wait).await.is_none());
        }
        assert_eq!(kit.line.counts(), (1, 3));
        drop(held);
        let mut order = Vec::new();
        while !waiting.is_empty() {
            let ((name, place), _, rest) = futures::future::select_all(waiting).await;
            order.push(name);
            assert_eq!(kit.line.counts(), (1, rest.len()));
            drop(place);
            waiting = rest;
        }
        assert_eq!(order, ["a1", "b1", "a2"]);
        assert!(kit.line.is_idle());
    }

    #[tokio::test]
    async fn a_deadline_ends_waiting_and_leaves_nothing() {
        let kit = Kit::new(1, 1);
        let held = kit.place(&Terms::default()).await.expect("a place");
        let terms = Terms { deadline: Some(Instant::now() + Duration::from_millis(20)), ..Terms::of("a") };
        let error = kit.place(&terms).await.expect_err("nobody leaves");
        assert_eq!(error.kind, ErrorKind::Timeout);
        assert!(error.message.contains("waited 0.0 s for model m"), "{error}");
        assert_eq!(kit.line.counts(), (1, 0));
        drop(held);
        kit.place(&Terms::default()).await.expect("the place is free");
    }

    #[tokio::test]
    async fn a_full_queue_tells_how_long_its_requests_take() {
        let (kit, terms) = (Kit::new(1, 1), Terms::default());
        let mut held = kit.place(&terms).await.expect("a place");
        held.since -= Duration::from_secs(20);
        drop(held);
        let held = kit.place(&terms).await.expect("a place");
        let mut waiting = Box::pin(kit.place(&terms));
        assert!(poll_immediate(&mut waiting).await.is_none());
        let error = kit.enter(&terms).expect_err("full");
        assert_eq!(error.kind, ErrorKind::Exhausted);
        let after = error.retry_after_ms.expect("it says when");
        assert!((40_000..41_000).contains(&after), "two rounds of 20 s: {after}");
        drop(waiting);
        kit.enter(&terms).expect("who stopped waiting left a seat");
        drop(held);
    }

    #[tokio::test]
    async fn one_tenant_cannot_keep_the_others_out() {
        let (kit, greedy, other) = (Kit::new(1, 2), Terms::of("greedy"), Terms::of("other"));
        let held = kit.place(&greedy).await.expect("a place");
        let (mut first, mut second) = (Box::pin(kit.place(&greedy)), Box::pin(kit.place(&greedy)));
        assert!(poll_immediate(&mut first).await.is_none() && poll_immediate(&mut second).await.is_none());
        assert!(kit.enter(&greedy).is_err(), "its own seats are full");
        let mut third = Box::pin(kit.place(&other));
        assert!(poll_immediate(&mut third).await.is_none(), "it waits");
        let displaced = second.await.expect_err("it had to leave");
        assert_eq!(displaced.kind, ErrorKind::Exhausted);
        drop(held);
        drop(first.await.expect("its turn"));
        drop(third.await.expect("its turn"));
        assert!(kit.line.is_idle());
    }

    #[tokio::test]
    async fn a_turn_that_nobody_waits_for_goes_to_the_next() {
        let (kit, terms) = (Kit::new(1, 4), Terms::default());
        let held = kit.place(&terms).await.expect("a place");
        let (mut first, mut second) = (Box::pin(kit.place(&terms)), Box::pin(kit.place(&terms)));
        assert!(poll_immediate(&mut first).await.is_none() && poll_immediate(&mut second).await.is_none());
        drop(held);
        // It has its turn already and never learns it.
        drop(first);
        drop(poll_immediate(&mut second).await.expect("its turn").expect("a place"));
        assert_eq!(kit.line.counts(), (0, 0));
    }

    #[tokio::test]
    async fn a_worker_that_takes_more_has_more_at_once() {
        let (kit, terms) = (Kit::new(1, 4), Terms::default());
        let held = kit.place(&terms).await.expect("a place");
        let mut waiting = Box::pin(kit.place(&terms));
        assert!(poll_immediate(&mut waiting).await.is_none());
        kit.line.set_capacity(2);
        drop((held, poll_immediate(&mut waiting).await.expect("its turn")));
    }
}
