//! Figures as text, in the format that Prometheus reads.

use std::fmt::Write as _;

/// Text in the format of Prometheus, as far as it is written. A family comes first, then its samples.
#[derive(Clone, Default, Debug)]
pub struct Exposition(String);

/// What a family's samples are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FigureKind {
    /// Only ever more.
    Counter,
    /// What is so now.
    Gauge,
    /// How often something was how much.
    Histogram,
}

impl Exposition {
    /// What it is served as.
    pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

    /// Begins a family. Each has one place in the text.
    pub fn family(&mut self, name: &str, kind: FigureKind, help: &str) {
        let kind = match kind {
            FigureKind::Counter => "counter",
            FigureKind::Gauge => "gauge",
            FigureKind::Histogram => "histogram",
        };
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    /// A sample of a counter or a gauge; `labels` are as [`labels`] writes them.
    pub fn sample(&mut self, name: &str, labels: &str, value: f64) {
        let value = number(value);
        let _ = match labels {
            "" => writeln!(self.0, "{name} {value}"),
            labels => writeln!(self.0, "{name}{{{labels}}} {value}"),
        };
    }

    /// A histogram: in each bucket how often a value lay between the bound before and its own, in `count` how often
    /// there was one at all.
    pub fn histogram(
        &mut self,
        name: &str,
        labels: &str,
        (bounds, buckets): (&[f64], &[u64]),
        (count, sum): (u64, f64),
    ) {
        let comma = if labels.is_empty() { "" } else { "," };
        let mut below = 0;
        for (bound, bucket) in bounds.iter().zip(buckets) {
            below += bucket;
            let bound = number(*bound);
            let _ = writeln!(self.0, "{name}_bucket{{{labels}{comma}le=\"{bound}\"}} {below}");
        }
        let _ = writeln!(self.0, "{name}_bucket{{{labels}{comma}le=\"+Inf\"}} {count}");
        #[expect(clippy::cast_precision_loss, reason = "figures are floating-point numbers")]
        let samples = [("sum", sum), ("count", count as f64)];
        for (what, value) in samples {
            self.sample(&format!("{name}_{what}"), labels, value);
        }
    }

    /// The text.
    pub fn into_text(self) -> String {
        self.0
    }
}

/// Labels, as they stand between braces.
pub fn labels<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let mut text = String::new();
    for (name, value) in pairs {
        if !text.is_empty() {
            text.push(',');
        }
        let _ = write!(text, "{name}=\"{}\"", escaped(value));
    }
    text
}

fn escaped(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    for c in value.chars() {
        match c {
            '\\' => text.push_str("\\\\"),
            '"' => text.push_str("\\\""),
            '\n' => text.push_str("\\n"),
            c if c.is_control() => text.push('\u{fffd}'),
            c => text.push(c),
        }
    }
    text
}

fn number(value: f64) -> String {
    if value.is_nan() {
        "NaN".to_owned()
    } else if value.is_infinite() {
        if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned()
    } else {
        value.to_string()
    }
}
