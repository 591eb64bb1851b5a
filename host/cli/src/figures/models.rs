//! What inference counts, in the words of Prometheus.

use inferno_inference::{Figures, Histogram, ModelFigures, TenantFigures};
use inferno_sandbox::{Exposition, FigureKind, labels};

/// A family: its name, what it is about, and its value of each model or tenant.
type Of<T, V> = (&'static str, &'static str, fn(&T) -> V);
type Times = (&'static str, &'static str, fn(&ModelFigures) -> &Histogram);

pub(super) fn write(text: &mut Exposition, figures: &Figures) {
    write_requests(text, figures);
    write_tokens(text, figures);
    write_times(text, figures);
    write_present(text, figures);
    let memory = [
        ("inferno_memory_budget_bytes", "What all models together may take.", figures.memory_budget),
        ("inferno_memory_reserved_bytes", "What is set aside for models.", Some(figures.memory_used)),
    ];
    for (name, help, value) in memory {
        text.family(name, FigureKind::Gauge, help);
        if let Some(value) = value {
            text.sample(name, "", number(value));
        }
    }
}

fn write_requests(text: &mut Exposition, figures: &Figures) {
    let name = "inferno_model_requests_total";
    text.family(name, FigureKind::Counter, "Requests to models that have ended, by how.");
    for (model, tenant, of) in tenants(figures) {
        for (outcome, count) in &of.requests {
            let pairs = [("model", model), ("tenant", tenant), ("outcome", outcome.as_str())];
            text.sample(name, &labels(pairs), number(*count));
        }
    }
}

fn write_tokens(text: &mut Exposition, figures: &Figures) {
    let families: [Of<TenantFigures, u64>; 3] = [
        ("inferno_model_prompt_tokens_total", "Tokens of prompts.", |of| of.prompt_tokens),
        (
            "inferno_model_cached_prompt_tokens_total",
            "Tokens of prompts that did not need to be computed again.",
            |of| of.cached_tokens,
        ),
        ("inferno_model_output_tokens_total", "Tokens that models wrote.", |of| of.output_tokens),
    ];
    for (name, help, count) in families {
        text.family(name, FigureKind::Counter, help);
        for (model, tenant, of) in tenants(figures) {
            text.sample(name, &labels([("model", model), ("tenant", tenant)]), number(count(of)));
        }
    }
}

fn write_times(text: &mut Exposition, figures: &Figures) {
    let families: [Times; 4] = [
        (
            "inferno_model_time_to_first_token_seconds",
            "Time from the request to the first piece of its answer.",
            |of| &of.first_token,
        ),
        ("inferno_model_inter_token_seconds", "Time from a piece of an answer to the next one.", |of| {
            &of.between_tokens
        }),
        ("inferno_model_queue_wait_seconds", "Time that requests waited for their turn.", |of| {
            &of.queue_wait
        }),
        ("inferno_model_load_seconds", "Time that loading took.", |of| &of.load),
    ];
    for (name, help, of) in families {
        text.family(name, FigureKind::Histogram, help);
        for (model, figures) in &figures.models {
            let Histogram { bounds, buckets, sum } = of(figures);
            let count = of(figures).count();
            text.histogram(name, &labels([("model", model.as_ref())]), (bounds, buckets), (count, *sum));
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "figures are floating-point numbers")]
fn write_present(text: &mut Exposition, figures: &Figures) {
    use FigureKind::{Counter, Gauge};
    let families: [(FigureKind, Of<ModelFigures, Option<f64>>); 4] = [
        (
            Gauge,
            ("inferno_model_requests_active", "Requests that the model works on.", |of| {
                Some(of.active as f64)
            }),
        ),
        (
            Gauge,
            ("inferno_model_queue_depth", "Requests that wait for their turn.", |of| Some(of.queued as f64)),
        ),
        (
            Counter,
            (
                "inferno_model_worker_restarts_total",
                "How often a model's worker had to be started again.",
                |of| Some(of.restarts.into()),
            ),
        ),
        (
            Gauge,
            (
                "inferno_model_memory_bytes",
                "What is set aside for the model; absent while it is not loaded.",
                |of| of.memory.map(number),
            ),
        ),
    ];
    for (kind, (name, help, of)) in families {
        text.family(name, kind, help);
        for (model, figures) in &figures.models {
            if let Some(value) = of(figures) {
                text.sample(name, &labels([("model", model.as_ref())]), value);
            }
        }
    }
}

/// Each model and tenant.
fn tenants(figures: &Figures) -> impl Iterator<Item = (&str, &str, &TenantFigures)> {
    figures.models.iter().flat_map(|(model, of)| {
        of.tenants.iter().map(move |(tenant, of)| (model.as_ref(), tenant.as_ref(), of))
    })
}

#[expect(clippy::cast_precision_loss, reason = "figures are floating-point numbers")]
fn number(value: u64) -> f64 {
    value as f64
}
