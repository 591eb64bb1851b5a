//! Figures about plugins: those that the host counts itself and those that plugins report, as text for Prometheus.
//!
//! Plugins are not trusted with it: what they name stands under a name of its own, marked with the plugin and the
//! tenant, and each has room for so many series and no more.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::exposition::{self, Exposition, FigureKind as Kind};

/// How many series a plugin may have.
const MAX_SERIES: usize = 200;
/// How many labels a sample may have.
const MAX_LABELS: usize = 8;
/// Characters of a name and bytes of the value of a label, at most.
const MAX_NAME: usize = 64;
const MAX_VALUE: usize = 128;

/// Upper bounds of the buckets of histograms that count seconds, and of the others.
const SECONDS: [f64; 14] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0];
const AMOUNTS: [f64; 12] =
    [1.0, 4.0, 16.0, 64.0, 256.0, 1_024.0, 4_096.0, 16_384.0, 65_536.0, 262_144.0, 1_048_576.0, 16_777_216.0];

/// A registry of figures. Clones are one.
#[derive(Clone, Default, Debug)]
pub struct Metrics(Arc<Mutex<Registry>>);

#[derive(Default, Debug)]
struct Registry {
    families: BTreeMap<String, Family>,
    /// Series of each plugin.
    series: BTreeMap<String, usize>,
}

#[derive(Debug)]
struct Family {
    kind: Kind,
    help: &'static str,
    /// By labels, as they are written.
    series: BTreeMap<String, Series>,
}

#[derive(Debug)]
enum Series {
    Counter(f64),
    Histogram { bounds: &'static [f64], buckets: Vec<u64>, sum: f64, count: u64 },
}

/// What one call of a plugin came to.
pub(crate) struct Tally<'a> {
    pub(crate) plugin: &'a str,
    pub(crate) tenant: &'a str,
    /// What kind of error ended it.
    pub(crate) error: Option<&'static str>,
    pub(crate) compute: Duration,
    pub(crate) host_calls: u64,
}

impl Metrics {
    /// Everything, in the text format of Prometheus.
    pub fn render(&self) -> String {
        let mut text = Exposition::default();
        self.write(&mut text);
        text.into_text()
    }

    /// Writes everything behind what is there.
    pub fn write(&self, text: &mut Exposition) {
        for (name, family) in &self.registry().families {
            family.write(text, name);
        }
    }

    fn registry(&self) -> MutexGuard<'_, Registry> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a call that has ended.
    pub(crate) fn called(&self, tally: &Tally<'_>) {
        let Tally { plugin, tenant, error, compute, host_calls } = tally;
        let labels = whose(plugin, tenant);
        let mut registry = self.registry();
        registry.count("inferno_plugin_calls_total", "Calls of plugins.", &labels, 1.0);
        if let Some(error) = error {
            let labels = format!("{labels},kind=\"{error}\"");
            registry.count("inferno_plugin_errors_total", "Calls that ended in an error.", &labels, 1.0);
        }
        let help = "Time in which plugins computed.";
        registry.count("inferno_plugin_compute_seconds_total", help, &labels, compute.as_secs_f64());
        let help = "Calls of plugins into the host.";
        #[expect(clippy::cast_precision_loss, reason = "figures are floating-point numbers")]
        registry.count("inferno_plugin_host_calls_total", help, &labels, *host_calls as f64);
    }

    /// Counts a refusal.
    pub(crate) fn denied(&self, plugin: &str, tenant: &str) {
        let help = "Calls into the host that were refused for want of a grant.";
        self.registry().count("inferno_plugin_denials_total", help, &whose(plugin, tenant), 1.0);
    }

    /// Takes what a plugin reports, or says why not.
    pub(crate) fn report(
        &self,
        plugin: &str,
        tenant: &str,
        name: &str,
        labels: &[(String, String)],
        sample: Sample,
    ) -> Result<(), String> {
        if !is_name(name) {
            return Err(format!(
                "{name:?} is no name; use 1 to {MAX_NAME} lower-case letters, digits and _, and begin with a letter"
            ));
        }
        let own = exposition::labels(checked(labels)?);
        let comma = if own.is_empty() { "" } else { "," };
        let labels = format!("{}{comma}{own}", whose(plugin, tenant));
        let mut registry = self.registry();
        let room = registry.series.get(plugin).copied().unwrap_or(0) < MAX_SERIES;
        let full = format!("plugin_{name}");
        let kind = sample.kind();
        let family = registry.families.get(&full);
        if family.is_some_and(|family| family.kind != kind) {
            return Err(format!("{name:?} is both a counter and a histogram"));
        }
        if !family.is_some_and(|family| family.series.contains_key(&labels)) {
            if !room {
                registry.count(
                    "inferno_plugin_series_dropped_total",
                    "Samples that were left out since the plugin has too many series.",
                    &whose(plugin, tenant),
                    1.0,
                );
                return Err(format!("the plugin has {MAX_SERIES} series already"));
            }
            *registry.series.entry(plugin.to_owned()).or_default() += 1;
        }
        let family = registry.family(&full, kind, "Reported by a plugin.");
        match sample {
            Sample::Count(by) => family.count(&labels, by),
            Sample::Observe(value) => family.observe(name, &labels, value),
        }
        Ok(())
    }
}

/// What a plugin reports.
#[derive(Clone, Copy)]
pub(crate) enum Sample {
    Count(f64),
    Observe(f64),
}

impl Sample {
    fn kind(self) -> Kind {
        match self {
            Self::Count(_) => Kind::Counter,
            Self::Observe(_) => Kind::Histogram,
        }
    }
}

impl Registry {
    fn family(&mut self, name: &str, kind: Kind, help: &'static str) -> &mut Family {
        let family = || Family { kind, help, series: BTreeMap::new() };
        self.families.entry(name.to_owned()).or_insert_with(family)
    }

    fn count(&mut self, name: &str, help: &'static str, labels: &str, by: f64) {
        self.family(name, Kind::Counter, help).count(labels, by);
    }
}

impl Family {
    fn write(&self, text: &mut Exposition, name: &str) {
        text.family(name, self.kind, self.help);
        for (labels, series) in &self.series {
            match series {
                Series::Counter(sum) => text.sample(name, labels, *sum),
                Series::Histogram { bounds, buckets, sum, count } => {
                    text.histogram(name, labels, (bounds, buckets), (*count, *sum));
                }
            }
        }
    }

    fn count(&mut self, labels: &str, by: f64) {
        match self.series.get_mut(labels) {
            Some(Series::Counter(sum)) => *sum += by,
            Some(Series::Histogram { .. }) => {}
            None => drop(self.series.insert(labels.to_owned(), Series::Counter(by))),
        }
    }

    fn observe(&mut self, name: &str, labels: &str, value: f64) {
        let bounds: &'static [f64] = if name.ends_with("_seconds") { &SECONDS } else { &AMOUNTS };
        let fresh = || Series::Histogram { bounds, buckets: vec![0; bounds.len()], sum: 0.0, count: 0 };
        let series = self.series.entry(labels.to_owned()).or_insert_with(fresh);
        if let Series::Histogram { bounds, buckets, sum, count } = series {
            if let Some(bucket) = bounds.iter().position(|bound| value <= *bound) {
                buckets[bucket] += 1;
            }
            *sum += value;
            *count += 1;
        }
    }
}

fn whose(plugin: &str, tenant: &str) -> String {
    exposition::labels([("plugin", plugin), ("tenant", tenant)])
}

fn is_name(name: &str) -> bool {
    (1..=MAX_NAME).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

/// The labels in order, so that the same ones name the same series.
fn checked(labels: &[(String, String)]) -> Result<BTreeMap<&str, &str>, String> {
    if labels.len() > MAX_LABELS {
        return Err(format!("it has {} labels; {MAX_LABELS} are allowed", labels.len()));
    }
    let mut sorted = BTreeMap::new();
    for (name, value) in labels {
        if !is_name(name) || matches!(name.as_str(), "plugin" | "tenant" | "le") {
            return Err(format!("no label may be named {name:?}"));
        }
        if value.len() > MAX_VALUE {
            return Err(format!("the value of label {name:?} is longer than {MAX_VALUE} bytes"));
        }
        if sorted.insert(name.as_str(), value.as_str()).is_some() {
            return Err(format!("label {name:?} is there twice"));
        }
    }
    Ok(sorted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(metrics: &Metrics, name: &str, labels: &[(&str, &str)], sample: Sample) -> Result<(), String> {
        let labels: Vec<(String, String)> =
            labels.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
        metrics.report("acme", "t", name, &labels, sample)
    }

    #[test]
    fn what_is_counted_is_written() {
        let metrics = Metrics::default();
        for error in [None, Some("trap")] {
            metrics.called(&Tally {
                plugin: "acme",
                tenant: "t",
                error,
                compute: Duration::from_millis(1500),
                host_calls: 3,
            });
        }
        metrics.denied("acme", "t");
        report(&metrics, "hits", &[("b", "x\"\n\\y"), ("a", "1")], Sample::Count(2.0)).unwrap();
        report(&metrics, "hits", &[("a", "1"), ("b", "x\"\n\\y")], Sample::Count(3.0)).unwrap();
        for value in [0.002, 3.0, 100.0] {
            report(&metrics, "wait_seconds", &[], Sample::Observe(value)).unwrap();
        }
        let text = metrics.render();
        for line in [
            "# TYPE inferno_plugin_calls_total counter",
            "inferno_plugin_calls_total{plugin=\"acme\",tenant=\"t\"} 2",
            "inferno_plugin_errors_total{plugin=\"acme\",tenant=\"t\",kind=\"trap\"} 1",
            "inferno_plugin_compute_seconds_total{plugin=\"acme\",tenant=\"t\"} 3",
            "inferno_plugin_host_calls_total{plugin=\"acme\",tenant=\"t\"} 6",
            "inferno_plugin_denials_total{plugin=\"acme\",tenant=\"t\"} 1",
            "plugin_hits{plugin=\"acme\",tenant=\"t\",a=\"1\",b=\"x\\\"\\n\\\\y\"} 5",
            "# TYPE plugin_wait_seconds histogram",
            "plugin_wait_seconds_bucket{plugin=\"acme\",tenant=\"t\",le=\"0.001\"} 0",
            "plugin_wait_seconds_bucket{plugin=\"acme\",tenant=\"t\",le=\"0.0025\"} 1",
            "plugin_wait_seconds_bucket{plugin=\"acme\",tenant=\"t\",le=\"5\"} 2",
            "plugin_wait_seconds_bucket{plugin=\"acme\",tenant=\"t\",le=\"+Inf\"} 3",
            "plugin_wait_seconds_sum{plugin=\"acme\",tenant=\"t\"} 103.002",
            "plugin_wait_seconds_count{plugin=\"acme\",tenant=\"t\"} 3",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n\n{text}");
        }
    }

    #[test]
    fn a_plugin_cannot_fill_the_registry() {
        let metrics = Metrics::default();
        for n in 0..MAX_SERIES {
            report(&metrics, "n", &[("n", &n.to_string())], Sample::Count(1.0)).unwrap();
        }
        let error = report(&metrics, "other", &[], Sample::Count(1.0)).unwrap_err();
        assert!(error.contains("series already"), "{error}");
        // Those that it has go on.
        report(&metrics, "n", &[("n", "0")], Sample::Count(1.0)).unwrap();
        metrics.report("another", "t", "n", &[], Sample::Count(1.0)).unwrap();
        let text = metrics.render();
        assert!(
            text.contains("inferno_plugin_series_dropped_total{plugin=\"acme\",tenant=\"t\"} 1\n"),
            "{text}"
        );
    }

    #[test]
    fn a_plugin_cannot_pass_for_another() {
        let metrics = Metrics::default();
        let check = |name: &str, labels: &[(&str, &str)]| {
            report(&metrics, name, labels, Sample::Count(1.0)).unwrap_err();
        };
        check("n", &[("plugin", "other")]);
        check("n", &[("tenant", "other")]);
        check("n", &[("le", "1")]);
        check("n", &[("a", "1"), ("a", "2")]);
        check("n", &[("a}", "1")]);
        check("n", &[("a", &"x".repeat(MAX_VALUE + 1))]);
        for name in ["", "N", "9", "n n", "n{a=\"b\"}", "n\n", &"n".repeat(MAX_NAME + 1)] {
            check(name, &[]);
        }
        report(&metrics, "n", &[], Sample::Count(1.0)).unwrap();
        report(&metrics, "n", &[], Sample::Observe(1.0)).unwrap_err();
        assert_eq!(metrics.render().lines().filter(|line| !line.starts_with('#')).count(), 1);
    }
}
