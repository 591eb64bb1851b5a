//! The text format of Prometheus.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::{Family, Kind, Series};

pub(super) fn family(text: &mut String, name: &str, family: &Family) {
    let kind = match family.kind {
        Kind::Counter => "counter",
        Kind::Histogram => "histogram",
    };
    let _ = writeln!(text, "# HELP {name} {}\n# TYPE {name} {kind}", family.help);
    for (labels, series) in &family.series {
        match series {
            Series::Counter(sum) => {
                let _ = writeln!(text, "{name}{{{labels}}} {}", number(*sum));
            }
            Series::Histogram { bounds, buckets, sum, count } => {
                let mut below = 0;
                for (bound, bucket) in bounds.iter().zip(buckets) {
                    below += bucket;
                    let _ = writeln!(text, "{name}_bucket{{{labels},le=\"{}\"}} {below}", number(*bound));
                }
                let _ = writeln!(text, "{name}_bucket{{{labels},le=\"+Inf\"}} {count}");
                let _ = writeln!(text, "{name}_sum{{{labels}}} {}", number(*sum));
                let _ = writeln!(text, "{name}_count{{{labels}}} {count}");
            }
        }
    }
}

/// Labels to put behind others.
pub(super) fn labels(labels: &BTreeMap<&str, &str>) -> String {
    labels.iter().fold(String::new(), |mut text, (name, value)| {
        let _ = write!(text, ",{name}=\"{}\"", escaped(value));
        text
    })
}

pub(super) fn escaped(value: &str) -> String {
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

pub(super) fn number(value: f64) -> String {
    if value.is_nan() {
        "NaN".to_owned()
    } else if value.is_infinite() {
        if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned()
    } else {
        value.to_string()
    }
}
