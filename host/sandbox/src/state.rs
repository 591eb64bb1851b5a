//! What the host keeps for one call of a plugin. It lives in the call's store and dies with it.

use std::sync::Arc;

use wasmtime::component::{HasData, ResourceTable};
use wasmtime_wasi::{WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpHooks, WasiHttpView};

use crate::Services;
use crate::effect::Effect;
use crate::limits::{Limit, Limits};
use crate::meter::{Growth, Meter, Reached};
use crate::stdio::LogStream;

/// How many resources (requests, streams, waits, ...) a call may hold at once.
pub(crate) const MAX_RESOURCES: usize = 4096;
/// How many random bytes a plugin gets at a time.
const MAX_RANDOM: u64 = 64 << 10;

/// On whose behalf a plugin is called.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Whose data the call works on.
    pub tenant: String,
    /// What ties the lines of the log together.
    pub request_id: String,
}

/// Who does something, for the log.
#[derive(Debug)]
pub(crate) struct Actor {
    pub(crate) plugin: String,
    pub(crate) caller: Caller,
}

/// What all calls of a plugin share.
pub(crate) struct Shared {
    pub(crate) effect: Effect,
    pub(crate) settings: serde_json::Map<String, serde_json::Value>,
    pub(crate) services: Services,
}

/// The state of one call.
pub(crate) struct State {
    pub(crate) shared: Arc<Shared>,
    pub(crate) actor: Arc<Actor>,
    pub(crate) table: ResourceTable,
    pub(crate) meter: Arc<Meter>,
    pub(crate) growth: Growth,
    limits: Arc<Limits>,
    /// Bytes that the host holds for the plugin in resources that the plugin fills.
    held: u64,
    wasi: WasiCtx,
    http: WasiHttpCtx,
    hooks: NoOutgoing,
}

/// What the plugin's standard streams and arguments are.
pub(crate) enum Surroundings<'a> {
    /// Nothing but the log to write to.
    Service,
    /// The terminal of the person who gave the command, and these arguments.
    Command(&'a [String]),
}

impl State {
    pub(crate) fn new(
        shared: Arc<Shared>,
        caller: Caller,
        limits: Arc<Limits>,
        meter: Arc<Meter>,
        around: &Surroundings<'_>,
    ) -> Self {
        let actor = Arc::new(Actor { plugin: shared.effect.plugin.clone(), caller });
        let mut table = ResourceTable::new();
        table.set_max_capacity(MAX_RESOURCES);
        Self {
            growth: Growth::new(&limits, meter.clone()),
            wasi: wasi(&actor, around),
            shared,
            actor,
            table,
            meter,
            limits,
            held: 0,
            http: WasiHttpCtx::new(),
            hooks: NoOutgoing,
        }
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Counts bytes that the host is about to hold for the plugin until [`State::release`].
    pub(crate) fn hold(&mut self, bytes: usize) -> Result<(), Reached> {
        self.held = self.held.saturating_add(bytes as u64);
        if self.held > self.limits.host_call_data.0 { Err(Reached(Limit::HostCallData)) } else { Ok(()) }
    }

    pub(crate) fn release(&mut self, bytes: usize) {
        self.held = self.held.saturating_sub(bytes as u64);
    }
}

/// No files, no environment, no network; clocks and random numbers are everybody's.
fn wasi(actor: &Arc<Actor>, around: &Surroundings<'_>) -> WasiCtx {
    let mut wasi = WasiCtxBuilder::new();
    wasi.allow_tcp(false).allow_udp(false).allow_ip_name_lookup(false).max_random_size(MAX_RANDOM);
    match around {
        Surroundings::Service => {
            wasi.stdout(LogStream::new(actor.clone(), "stdout"))
                .stderr(LogStream::new(actor.clone(), "stderr"));
        }
        Surroundings::Command(args) => {
            wasi.inherit_stdio().arg(&actor.plugin).args(args);
        }
    }
    wasi.build()
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl WasiHttpView for State {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { ctx: &mut self.http, table: &mut self.table, hooks: &mut self.hooks }
    }
}

/// Plugins answer requests and send none. The interface for sending is not linked either; this is the second lock.
pub(crate) struct NoOutgoing;

type Sent = (
    http::Response<wasmtime_wasi_http::WasiBody>,
    Box<dyn Future<Output = Result<(), wasmtime_wasi_http::Error>> + Send>,
);

impl WasiHttpHooks for NoOutgoing {
    fn send_request(
        &mut self,
        _request: http::Request<wasmtime_wasi_http::WasiBody>,
        _options: Option<wasmtime_wasi_http::RequestOptions>,
        _done: Box<dyn Future<Output = Result<(), wasmtime_wasi_http::Error>> + Send>,
    ) -> Box<dyn Future<Output = Result<Sent, wasmtime_wasi_http::Error>> + Send> {
        Box::new(async { Err(wasmtime_wasi_http::Error::HttpRequestDenied) })
    }
}

/// How generated bindings reach the state.
pub(crate) struct Host;

impl HasData for Host {
    type Data<'a> = &'a mut State;
}
