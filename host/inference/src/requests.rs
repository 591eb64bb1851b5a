//! The requests of one worker, by their ids.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, Ordering},
    },
    task::Waker,
};

use inferno_backend::{Error, Event};
use tokio::time::Instant;

use crate::{line::Place, lock, mailbox::Mailbox};

/// Why a worker takes nothing any more, and since when.
#[derive(Clone, Debug)]
pub(crate) struct Closed {
    pub(crate) error: Error,
    pub(crate) since: Instant,
}

#[derive(Debug, Default)]
pub(crate) struct Requests {
    table: Mutex<Table>,
    /// Some request has ended well.
    served: AtomicBool,
}

#[derive(Debug, Default)]
struct Table {
    open: HashMap<u64, Entry>,
    closed: Option<Closed>,
}

#[derive(Debug)]
struct Entry {
    mailbox: Arc<Mailbox>,
    place: Place,
}

impl Requests {
    /// Expects events of `id`. A worker that has ended gives the place back.
    pub(crate) fn open(&self, id: u64, place: Place) -> Result<Arc<Mailbox>, Place> {
        let mut table = lock(&self.table);
        if table.closed.is_some() {
            return Err(place);
        }
        let mailbox = Arc::new(Mailbox::default());
        table.open.insert(id, Entry { mailbox: Arc::clone(&mailbox), place });
        Ok(mailbox)
    }

    /// Hands out several events under one lock.
    pub(crate) fn deliver<'a>(&'a self, wake: &'a mut Vec<Waker>) -> Delivery<'a> {
        Delivery { table: lock(&self.table), served: &self.served, wake, now: Instant::now() }
    }

    /// Ends every request with `error` and takes no more. The first reason counts.
    pub(crate) fn close(&self, error: Error) {
        let open = {
            let mut table = lock(&self.table);
            table.closed.get_or_insert_with(|| Closed { error: error.clone(), since: Instant::now() });
            std::mem::take(&mut table.open)
        };
        for entry in open.into_values() {
            let Entry { mailbox, place } = entry;
            place.account.failed(&error);
            // The place first: who reads the error may ask again at once.
            drop(place);
            if let Some(waker) = mailbox.put(Event::Failed(error.clone())) {
                waker.wake();
            }
        }
    }

    pub(crate) fn closed(&self) -> Option<Closed> {
        lock(&self.table).closed.clone()
    }

    pub(crate) fn served(&self) -> bool {
        self.served.load(Ordering::Relaxed)
    }
}

/// Events of one read on their way. Consumers are only collected here, and woken when the lock is gone.
pub(crate) struct Delivery<'a> {
    table: MutexGuard<'a, Table>,
    served: &'a AtomicBool,
    wake: &'a mut Vec<Waker>,
    /// When the read was that these events came with.
    now: Instant,
}

impl Delivery<'_> {
    /// An event of a request. For an unknown id, which had ended or never was, it is dropped.
    pub(crate) fn event(&mut self, id: u64, event: Event) {
        if matches!(event, Event::Done { .. } | Event::Failed(_)) {
            if let Some(entry) = self.table.open.remove(&id) {
                if matches!(event, Event::Done { .. }) {
                    self.served.store(true, Ordering::Relaxed);
                }
                let Entry { mailbox, place } = entry;
                place.account.event(&event, self.now);
                drop(place);
                self.wake.extend(mailbox.put(event));
            }
        } else if let Some(entry) = self.table.open.get(&id) {
            entry.place.account.event(&event, self.now);
            self.wake.extend(entry.mailbox.put(event));
        }
    }
}
