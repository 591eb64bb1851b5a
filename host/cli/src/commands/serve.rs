//! `inferno serve`.

use std::net::SocketAddr;
use std::time::Instant;

use inferno_inference::Inference;
use inferno_inference::models::Model;
use inferno_server::{Config, Error, Server};
use inferno_store::Store;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::args::Serve;
use crate::failure::{Failure, Outcome};
use crate::figures::{Awaited, Told};
use crate::host;
use crate::jobs::{Runner, Until};
use crate::plugins;
use crate::port_owner;
use crate::printer::Printer;
use crate::progress;
use crate::report::Report;
use crate::serving::Serving;
use crate::settings::{Origin, Settings};
use crate::signals::Signals;
use crate::tenants::PerTenant;
use crate::traces::Traces;

pub(crate) fn serve(settings: &Settings, serve: &Serve, traces: &Traces, printer: Printer) -> Outcome {
    let started = Instant::now();
    let runtime = host::server_runtime()?;
    let outcome = runtime.block_on(async {
        let signals =
            Signals::listen().map_err(|error| Failure::new(format!("cannot listen to signals: {error}")))?;
        tokio::select! {
            outcome = start_and_run(settings, serve, (traces, started), printer, signals.clone()) => outcome,
            // The first signal drains, the second one means it.
            () = signals.clone().count(2) => Err(Failure::interrupted()),
        }
    });
    // A blocking task, such as the compilation of a plugin, must not hold up an end that was asked for.
    runtime.shutdown_background();
    traces.finish();
    outcome
}

async fn start_and_run(
    settings: &Settings,
    serve: &Serve,
    (traces, started): (&Traces, Instant),
    printer: Printer,
    signals: Signals,
) -> Outcome {
    let inference = host::inference(settings, host::models(settings)?, settings.inference_sequences)?;
    let store = host::store(settings)?;
    let awaited = Awaited::default();
    let starting = async {
        let serving = load_plugins(settings, &inference, &store, printer).await?;
        let source = PerTenant::new(serving.sandbox().registry().clone(), settings);
        let model = serve.model.as_deref();
        let model =
            model.map(|name| host::find_model(inference.models(), settings, Some(name))).transpose()?;
        let default = model.clone().or_else(|| host::find_model(inference.models(), settings, None).ok());
        let told = Told {
            inference: inference.clone(),
            plugins: serving.sandbox().metrics().clone(),
            default_model: default.map(|model| model.name),
            awaited: awaited.clone(),
            jobs: store.clone(),
            started,
            traces: traces.clone(),
        };
        let server = Server::bind_to(config(settings), source, store.clone())
            .map_err(|error| not_bound(settings, error))?
            .reporting(report(inference.clone()))
            .with_host(told);
        Ok::<_, Failure>((server, serving, model))
    };
    let (server, serving, model) = tokio::select! {
        started = starting => started?,
        () = signals.clone().count(1) => return Err(Failure::interrupted()),
    };
    let address = server.local_addr();
    if !address.ip().is_loopback() && !store.any_keys().map_err(Failure::new)? {
        printer.warning(format_args!(
            "everyone who reaches {address} may use it; `inferno keys create NAME` makes a key, which is then required"
        ));
    }
    printer.note(format_args!("listening on http://{address}"));
    let jobs = Jobs::start(settings, &store, &serving, signals.clone());
    let following = tokio::spawn(serving.follow(printer));
    let running = server.run(async {
        signals.count(1).await;
        printer.note("stopping: requests in flight may end first; another Ctrl-C stops at once");
    });
    // Requests that come meanwhile wait for the model, and `/ready` says that it is not.
    let loading = async {
        match preload(&inference, model, &awaited, printer).await {
            Ok(()) => std::future::pending().await,
            Err(failure) => failure,
        }
    };
    let drained = tokio::select! {
        drained = running => drained,
        failure = loading => {
            jobs.stop().await;
            return Err(failure);
        }
    };
    following.abort();
    jobs.stop().await;
    inference.shutdown(std::time::Duration::ZERO).await;
    if drained.cut > 0 {
        let requests = if drained.cut == 1 { "request was" } else { "requests were" };
        printer.warning(format_args!("{} {requests} cut off after serve.drain", drained.cut));
    }
    Ok(0)
}

/// The jobs that a server runs beside its requests.
struct Jobs {
    runner: Option<JoinHandle<()>>,
    /// They end when this goes.
    stop: oneshot::Sender<()>,
}

impl Jobs {
    /// Runs them until the first signal, where the configuration wants that.
    fn start(settings: &Settings, store: &Store, serving: &Serving, signals: Signals) -> Self {
        let (stop, stopped) = oneshot::channel();
        let runner = settings.jobs_enabled.then(|| {
            let runner = Runner::serving(settings.clone(), store.clone(), serving.sandbox().clone());
            tokio::spawn(runner.run(Until::Stopped, async {
                tokio::select! {
                    () = signals.count(1) => {}
                    _ = stopped => {}
                }
            }))
        });
        Self { runner, stop }
    }

    /// Returns when those that ran are back in the queue.
    async fn stop(self) {
        drop(self.stop);
        if let Some(runner) = self.runner
            && let Err(error) = runner.await
        {
            tracing::warn!(%error, "the runner of jobs failed");
        }
    }
}

fn report(inference: Inference) -> inferno_server::Report {
    Box::new(move || serde_json::to_value(Report::of(&inference)).unwrap_or_default())
}

async fn load_plugins(
    settings: &Settings,
    inference: &Inference,
    store: &Store,
    printer: Printer,
) -> Result<Serving, Failure> {
    let (settings, inference, store) = (settings.clone(), inference.clone(), store.clone());
    // The first start compiles each plugin, which takes a moment and blocks.
    progress::during(printer, "preparing plugins", |share| {
        tokio::task::spawn_blocking(move || {
            let sandbox = plugins::sandbox(&settings, inference, store)?;
            Serving::start(settings, sandbox, &share)
        })
    })
    .await
    .map_err(|error| Failure::new(format!("loading the plugins failed: {error}")))?
}

async fn preload(
    inference: &Inference,
    model: Option<Model>,
    awaited: &Awaited,
    printer: Printer,
) -> Result<(), Failure> {
    let Some(model) = model else { return Ok(()) };
    awaited.set(Some(0.0));
    let label = format!("loading {}", model.name);
    progress::during(printer, &label, async |share| {
        let tell = |loaded| {
            share.set(loaded);
            awaited.set(Some(loaded));
        };
        inference.load_on(&model, tell).await
    })
    .await?;
    awaited.set(None);
    Ok(())
}

fn config(settings: &Settings) -> Config {
    Config {
        addr: SocketAddr::new(settings.serve_host, settings.serve_port),
        allowed_hosts: settings.serve_allowed_hosts.0.clone(),
        allowed_origins: settings.serve_allowed_origins.0.clone(),
        max_connections: settings.serve_max_connections,
        max_body: settings.serve_max_body.0,
        header_timeout: settings.serve_header_timeout.0,
        body_idle_timeout: settings.serve_body_idle_timeout.0,
        body_timeout: settings.serve_body_timeout.0,
        write_timeout: settings.serve_write_timeout.0,
        drain: settings.serve_drain.0,
        ping_interval: settings.serve_ping_interval.0,
        metrics: settings.serve_metrics.into(),
        ..Config::default()
    }
}

/// Says who has the port, who asked for it, and how to ask for another.
fn not_bound(settings: &Settings, error: Error) -> Failure {
    let asked = |key: &str| match settings.origin(key) {
        Some(Origin::Default) | None => format!("the default of {key}"),
        Some(origin) => format!("{key} from {origin}"),
    };
    match error {
        Error::Busy { addr } => {
            let owner = port_owner::find(addr.port()).unwrap_or_else(|| "another program".to_owned());
            Failure::new(format!(
                "cannot listen on {addr} ({}): {owner} already listens there",
                asked("serve.port")
            ))
            .hint(
                "choose another port with --port, INFERNO_SERVE_PORT or `serve.port` in a configuration file; \
                 `--port 0` takes any free one",
            )
        }
        Error::Forbidden { addr } => {
            Failure::new(format!("cannot listen on {addr} ({}): this user may not", asked("serve.port")))
                .hint("ports below 1024 are for administrators; choose another one with --port")
        }
        Error::Listen { .. } => Failure::new(format!("{error} ({})", asked("serve.host")))
            .hint("choose an address of this machine with --host"),
        Error::Mount { .. } => Failure::new(error),
        Error::MountTaken { ref second, .. } => {
            let hint =
                format!("`plugins.{second}.enabled = false` in a configuration file turns one of them off");
            Failure::new(error).hint(hint)
        }
    }
}
