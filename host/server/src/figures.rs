//! What the listener counts.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::{Method, StatusCode};
use inferno_sandbox::{Exposition, FigureKind, labels};

/// Upper bounds of the buckets of durations, in seconds: from an answer of the host's own to a long chat.
const SECONDS: [f64; 15] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0, 300.0];

/// How many series of requests there may be. Only a plugin that answers with ever other codes makes so many; those
/// beyond are counted without tenant and with the class of their status.
const MAX_SERIES: usize = 10_000;

/// Figures of a listener. The lock is taken once for each request, at its end.
#[derive(Default)]
pub(crate) struct Figures {
    counts: Mutex<Counts>,
    in_flight: AtomicI64,
    connections: AtomicI64,
    sockets: AtomicI64,
    pub(crate) messages_received: AtomicU64,
    pub(crate) messages_sent: AtomicU64,
}

#[derive(Default)]
struct Counts {
    requests: BTreeMap<Kind, u64>,
    traffic: BTreeMap<Whose, Traffic>,
    durations: BTreeMap<(Arc<str>, String), Durations>,
}

/// What requests are counted by.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Kind {
    whose: Whose,
    method: &'static str,
    status: u16,
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Whose {
    mount: Arc<str>,
    plugin: String,
    tenant: String,
}

/// A family: its name, what it is about, and its value of each series.
type Of<T, V> = (&'static str, &'static str, fn(&T) -> V);

#[derive(Default)]
struct Traffic {
    received: u64,
    sent: u64,
    cut: u64,
}

#[derive(Default)]
struct Durations {
    buckets: [u64; SECONDS.len()],
    count: u64,
    sum: f64,
}

/// A request that is over.
pub(crate) struct Finished<'a> {
    pub(crate) method: &'a Method,
    pub(crate) mount: Arc<str>,
    pub(crate) plugin: Option<String>,
    pub(crate) tenant: Option<String>,
    pub(crate) status: u16,
    pub(crate) took: Duration,
    pub(crate) received: u64,
    pub(crate) sent: u64,
    pub(crate) complete: bool,
}

/// One of what there are so many of at the same time.
pub(crate) struct Present {
    figures: Arc<Figures>,
    which: fn(&Figures) -> &AtomicI64,
}

impl Drop for Present {
    fn drop(&mut self) {
        (self.which)(&self.figures).fetch_sub(1, Relaxed);
    }
}

impl Figures {
    pub(crate) fn request(self: &Arc<Self>) -> Present {
        self.one(|figures| &figures.in_flight)
    }

    pub(crate) fn connection(self: &Arc<Self>) -> Present {
        self.one(|figures| &figures.connections)
    }

    pub(crate) fn socket(self: &Arc<Self>) -> Present {
        self.one(|figures| &figures.sockets)
    }

    fn one(self: &Arc<Self>, which: fn(&Self) -> &AtomicI64) -> Present {
        which(self).fetch_add(1, Relaxed);
        Present { figures: Arc::clone(self), which }
    }

    /// Counts a request.
    pub(crate) fn finished(&self, request: Finished<'_>) {
        let Finished { method, mount, plugin, tenant, status, took, received, sent, complete } = request;
        let whose = Whose { mount, plugin: plugin.unwrap_or_default(), tenant: tenant.unwrap_or_default() };
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        // A socket lasts as long as its client likes.
        if status != StatusCode::SWITCHING_PROTOCOLS.as_u16() {
            counts.durations.entry((Arc::clone(&whose.mount), whose.plugin.clone())).or_default().add(took);
        }
        let traffic = counts.traffic.entry(whose.clone()).or_default();
        traffic.received += received;
        traffic.sent += sent;
        traffic.cut += u64::from(!complete);
        let mut kind = Kind { whose, method: known(method), status };
        if counts.requests.len() >= MAX_SERIES && !counts.requests.contains_key(&kind) {
            kind.whose.tenant = String::new();
            kind.status = status / 100 * 100;
        }
        *counts.requests.entry(kind).or_default() += 1;
    }

    /// Writes all of them.
    #[expect(clippy::cast_precision_loss, reason = "figures are floating-point numbers")]
    pub(crate) fn write(&self, text: &mut Exposition) {
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let name = "inferno_http_requests_total";
        text.family(name, FigureKind::Counter, "Requests whose answer is over.");
        for (Kind { whose, method, status }, count) in &counts.requests {
            let status = status.to_string();
            let pairs = [("method", *method), ("status", &*status)].into_iter().chain(whose.pairs());
            text.sample(name, &labels(pairs), *count as f64);
        }
        let traffic: [Of<Traffic, u64>; 3] = [
            ("inferno_http_request_bytes_total", "Bytes of the bodies of requests.", |t| t.received),
            ("inferno_http_response_bytes_total", "Bytes of the bodies of answers.", |t| t.sent),
            ("inferno_http_responses_cut_total", "Answers that broke off before their end.", |t| t.cut),
        ];
        for (name, help, of) in traffic {
            text.family(name, FigureKind::Counter, help);
            for (whose, traffic) in &counts.traffic {
                text.sample(name, &labels(whose.pairs()), of(traffic) as f64);
            }
        }
        let name = "inferno_http_request_duration_seconds";
        text.family(name, FigureKind::Histogram, "Time from a request's head to the end of its answer.");
        for ((mount, plugin), Durations { buckets, count, sum }) in &counts.durations {
            let labels = labels([("mount", &**mount), ("plugin", plugin)]);
            text.histogram(name, &labels, (&SECONDS, buckets), (*count, *sum));
        }
        drop(counts);
        let present = [
            ("inferno_http_requests_in_flight", "Requests that are being answered.", &self.in_flight),
            ("inferno_http_connections", "Connections of clients.", &self.connections),
            ("inferno_websocket_connections", "Connections that are WebSockets.", &self.sockets),
        ];
        for (name, help, value) in present {
            text.family(name, FigureKind::Gauge, help);
            text.sample(name, "", value.load(Relaxed) as f64);
        }
        let name = "inferno_websocket_messages_total";
        text.family(name, FigureKind::Counter, "Messages over WebSockets.");
        let directions = [("received", &self.messages_received), ("sent", &self.messages_sent)];
        for (direction, value) in directions {
            text.sample(name, &labels([("direction", direction)]), value.load(Relaxed) as f64);
        }
    }
}

impl Whose {
    fn pairs(&self) -> [(&'static str, &str); 3] {
        [("mount", &*self.mount), ("plugin", &*self.plugin), ("tenant", &*self.tenant)]
    }
}

impl Durations {
    fn add(&mut self, took: Duration) {
        let seconds = took.as_secs_f64();
        if let Some(bucket) = SECONDS.iter().position(|bound| seconds <= *bound) {
            self.buckets[bucket] += 1;
        }
        self.count += 1;
        self.sum += seconds;
    }
}

/// Clients may invent methods.
fn known(method: &Method) -> &'static str {
    let known = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
    known.into_iter().find(|known| *known == method.as_str()).unwrap_or("other")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plugin_cannot_fill_the_memory() {
        let figures = Figures::default();
        for tenant in 0..200 {
            for status in 200..300 {
                figures.finished(Finished {
                    method: &Method::from_bytes(b"INVENTED").unwrap(),
                    mount: "/v1".into(),
                    plugin: None,
                    tenant: Some(tenant.to_string()),
                    status,
                    took: Duration::from_millis(3),
                    received: 1,
                    sent: 2,
                    complete: true,
                });
            }
        }
        let mut text = Exposition::default();
        figures.write(&mut text);
        let text = text.into_text();
        assert!(
            text.lines().filter(|line| line.starts_with("inferno_http_requests_total")).count()
                <= MAX_SERIES + 1
        );
        let rest = r#"inferno_http_requests_total{method="other",status="200",mount="/v1",plugin="",tenant=""} 10000"#;
        assert!(text.lines().any(|line| line == rest));
    }
}
