//! A request at a model as a span of its caller's trace, in the words of OpenTelemetry's conventions for generative AI
//! (<https://opentelemetry.io/docs/specs/semconv/gen-ai/>). Where nobody traces, a span is nothing and costs nothing.

use inferno_backend::{Input, Work};
use tracing::{Span, field::Empty};

use crate::Terms;

/// Begins the span; it ends with the last clone.
pub(crate) fn span(model: &str, work: &Work, terms: &Terms) -> Span {
    let operation = operation(work);
    tracing::info_span!(
        target: "traces",
        "model",
        otel.name = format_args!("{operation} {model}"),
        otel.status_code = Empty,
        error.r#type = Empty,
        gen_ai.operation.name = operation,
        gen_ai.request.model = model,
        gen_ai.usage.input_tokens = Empty,
        gen_ai.usage.output_tokens = Empty,
        inferno.cached_tokens = Empty,
        inferno.first_token_ms = Empty,
        inferno.queue_ms = Empty,
        inferno.request_id = terms.request_id.as_deref(),
        inferno.tenant = &*terms.tenant,
    )
}

fn operation(work: &Work) -> &'static str {
    match work {
        Work::Generate(request) => match request.input {
            Input::Chat(_) => "chat",
            Input::Prompt(_) => "text_completion",
        },
        Work::Embed(_) => "embeddings",
        Work::Rank(_) => "rerank",
        Work::Classify(_) => "classify",
        Work::Tensors(_) => "tensors",
        Work::Tokenize(_) => "tokenize",
        Work::Detokenize(_) => "detokenize",
        Work::Count(_) => "count_tokens",
    }
}
