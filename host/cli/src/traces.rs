//! Traces of requests, sent by OTLP to the collector that the user named; without one there are none.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use futures::future::BoxFuture;
use http::HeaderMap;
use opentelemetry::Context;
use opentelemetry::propagation::TextMapPropagator as _;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_http::{Bytes, HeaderExtractor, HeaderInjector, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::Subscriber;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::registry::LookupSpan;
use ureq::Agent;

use crate::failure::Failure;

/// The target of the spans that are meant for traces. The log does not show them.
const TARGET: &str = "traces";
/// How long the collector may take, and how long the end of the program waits for it.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where traces go. Clones are one.
#[derive(Clone, Default)]
pub(crate) struct Traces(Option<SdkTracerProvider>);

impl Traces {
    /// To the collector at this address, such as `http://localhost:4318`. Nothing is sent before there is a span.
    pub(crate) fn to(endpoint: Option<&str>) -> Result<Self, Failure> {
        let Some(endpoint) = endpoint else { return Ok(Self::default()) };
        let address = format!("{}/v1/traces", endpoint.trim_end_matches('/'));
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(Client::new(&address))
            .with_endpoint(&address)
            .with_timeout(PATIENCE)
            .build()
            .map_err(|error| {
                Failure::new(format!("traces cannot be sent to {address}: {error}"))
                    .hint("otlp_endpoint is the address of a collector, such as http://localhost:4318")
            })?;
        let about = Resource::builder().with_service_name("inferno").build();
        let provider = SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(about);
        Ok(Self(Some(provider.build())))
    }

    /// What takes spans out of the program.
    pub(crate) fn layer<S>(&self) -> Option<Box<dyn Layer<S> + Send + Sync>>
    where
        S: Subscriber + for<'a> LookupSpan<'a> + Send + Sync,
    {
        let tracer = self.0.as_ref()?.tracer("inferno");
        let layer = tracing_opentelemetry::layer()
            .with_tracer(tracer)
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_filter(Targets::new().with_target(TARGET, LevelFilter::INFO));
        Some(layer.boxed())
    }

    /// Makes a span a part of the trace that these headers name, and has them name the span.
    pub(crate) fn join(&self, span: &tracing::Span, headers: &mut HeaderMap) {
        if self.0.is_none() {
            return;
        }
        let propagator = TraceContextPropagator::new();
        let parent = propagator.extract_with_context(&Context::new(), &HeaderExtractor(headers));
        if span.set_parent(parent).is_ok() {
            propagator.inject_context(&span.context(), &mut HeaderInjector(headers));
        }
    }

    /// Sends what has not been sent. Blocks.
    pub(crate) fn finish(&self) {
        if let Some(provider) = &self.0
            && let Err(error) = provider.shutdown_with_timeout(PATIENCE)
        {
            tracing::warn!(%error, "the last traces were not sent");
        }
    }
}

/// Sends batches, on the thread that makes them.
struct Client {
    agent: Agent,
    address: String,
    /// It is said once that the collector is away, and not every few seconds.
    away: Arc<AtomicBool>,
}

impl Client {
    fn new(address: &str) -> Self {
        let config = Agent::config_builder()
            .timeout_global(Some(PATIENCE))
            .http_status_as_error(false)
            .max_redirects(0)
            .user_agent(concat!("inferno/", env!("CARGO_PKG_VERSION")));
        Self { agent: config.build().into(), address: address.to_owned(), away: Arc::default() }
    }

    fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let response = self.agent.run(request.map(|body| body.to_vec()))?;
        let (parts, mut body) = response.into_parts();
        Ok(Response::from_parts(parts, body.read_to_vec()?.into()))
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("address", &self.address).finish_non_exhaustive()
    }
}

impl HttpClient for Client {
    fn send_bytes<'life0, 'async_trait>(
        &'life0 self,
        request: Request<Bytes>,
    ) -> BoxFuture<'async_trait, Result<Response<Bytes>, HttpError>>
    where
        'life0: 'async_trait,
        Self: 'async_trait,
    {
        Box::pin(async move {
            let sent = self.send(request);
            let problem = match &sent {
                Ok(answer) if answer.status().is_success() => None,
                Ok(answer) => Some(format!("it answered with status {}", answer.status())),
                Err(error) => Some(error.to_string()),
            };
            if self.away.swap(problem.is_some(), Relaxed) != problem.is_some() {
                match problem {
                    Some(problem) => {
                        tracing::warn!(target: "inferno::traces", "traces cannot be sent to {}: {problem}", self.address);
                    }
                    None => {
                        tracing::warn!(target: "inferno::traces", "traces are sent to {} again", self.address)
                    }
                }
            }
            sent
        })
    }
}
