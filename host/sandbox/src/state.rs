//! What the host keeps for one call of a plugin. It lives in the call's store and dies with it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use wasmtime::component::{HasData, ResourceTable};
use wasmtime_wasi::p2::pipe::MemoryInputPipe;
use wasmtime_wasi::{WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpHooks, WasiHttpView};

use crate::Services;
use crate::ask::Access;
use crate::call::Account;
use crate::capability::http::Requests;
use crate::chain::Payer;
use crate::data::Data;
use crate::effect::Effect;
use crate::error::{Error, ErrorKind};
use crate::folders::Folder;
use crate::lent::Lent;
use crate::limits::{Limit, Limits};
use crate::meter::{Growth, Meter, Reached};
use crate::registry::Directory;
use crate::role::command::{CommandRun, Streams};
use crate::setup::Budget;
use crate::stdio::{Counted, LogStream};
use crate::tape::{self, Output, Tape};
use crate::workdir;

/// How many resources (requests, streams, waits, ...) a call may hold at once.
pub(crate) const MAX_RESOURCES: usize = 4096;
/// How many random bytes a plugin gets at a time.
const MAX_RANDOM: u64 = 64 << 10;
/// Where a converter finds what it reads, and where it writes.
const INPUT: &str = "/in";
const OUTPUT: &str = "/out";

/// On whose behalf a plugin is called.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Whose data the call works on.
    pub tenant: String,
    /// What ties the lines of the log together.
    pub request_id: String,
    /// Nobody waits for it: its requests to models have their turn when no others wait.
    pub background: bool,
}

/// Who does something, for the log.
#[derive(Debug)]
pub(crate) struct Actor {
    pub(crate) plugin: String,
    pub(crate) caller: Caller,
}

/// What all calls of a plugin share, for one tenant or for all that nothing of their own was set for.
pub(crate) struct Shared {
    pub(crate) effect: Effect,
    pub(crate) settings: serde_json::Map<String, serde_json::Value>,
    pub(crate) quota: BTreeMap<String, Budget>,
    pub(crate) folders: Vec<Folder>,
    pub(crate) data: Option<Data>,
    /// Where the host keeps files of its own.
    pub(crate) reserved: Arc<[PathBuf]>,
    pub(crate) services: Services,
    /// The other plugins.
    pub(crate) directory: Directory,
}

/// The state of one call.
pub(crate) struct State {
    pub(crate) shared: Arc<Shared>,
    pub(crate) actor: Arc<Actor>,
    pub(crate) table: ResourceTable,
    pub(crate) meter: Arc<Meter>,
    pub(crate) growth: Growth,
    /// On which the calls into the host are.
    pub(crate) tape: Tape,
    /// The plugins at work on behalf of one another, from the one that the host called to this one.
    chain: Arc<[String]>,
    limits: Arc<Limits>,
    /// Bytes that the host holds for the plugin in resources that the plugin fills.
    held: u64,
    /// How many locks the plugin holds.
    pub(crate) locks: usize,
    /// The folders that the plugin finds.
    pub(crate) lent: Lent,
    wasi: WasiCtx,
    http: WasiHttpCtx,
    hooks: Requests,
}

/// What the plugin's standard streams and arguments are.
pub(crate) enum Surroundings<'a> {
    /// Nothing but the log to write to.
    Service,
    /// Those of a command.
    Command(&'a CommandRun),
    /// The log, and the two directories of a conversion in place of those that were granted.
    Conversion { input: &'a Path, output: &'a Path },
}

impl Surroundings<'_> {
    /// Nobody waits for the thread on which the plugin waits for a file: a command of a process of its own, or a
    /// conversion. To read and write there is then cheaper than to hand it to another thread.
    fn is_alone(&self) -> bool {
        match self {
            Self::Service => false,
            Self::Command(run) => matches!(run.streams, Streams::Process),
            Self::Conversion { .. } => true,
        }
    }
}

impl State {
    pub(crate) fn new(
        shared: Arc<Shared>,
        caller: Caller,
        chain: Arc<[String]>,
        limits: Arc<Limits>,
        meter: Arc<Meter>,
        around: &Surroundings<'_>,
        tape: Tape,
    ) -> Result<Self, Error> {
        let actor = Arc::new(Actor { plugin: shared.effect.plugin.clone(), caller });
        let mut table = ResourceTable::new();
        table.set_max_capacity(MAX_RESOURCES);
        let (wasi, lent) = wasi(&shared, &actor, &meter, around, &tape)?;
        Ok(Self {
            growth: Growth::new(&limits, meter.clone()),
            wasi,
            lent,
            hooks: Requests::new(shared.clone(), actor.clone(), tape.clone()),
            tape,
            shared,
            actor,
            chain,
            table,
            meter,
            limits,
            held: 0,
            locks: 0,
            http: WasiHttpCtx::new(),
        })
    }

    /// Where it is written down what this call comes to.
    pub(crate) fn account(&self) -> Account {
        Account { metrics: self.shared.services.metrics.clone(), actor: self.actor.clone() }
    }

    /// This call as the one that pays for another plugin's work.
    pub(crate) fn payer(&self) -> Payer {
        Payer { meter: self.meter.clone(), plugins: self.chain.clone(), for_itself: false }
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

/// The folders that were granted, no environment and no sockets; clocks and random numbers are everybody's.
fn wasi(
    shared: &Shared,
    actor: &Arc<Actor>,
    meter: &Arc<Meter>,
    around: &Surroundings<'_>,
    tape: &Tape,
) -> Result<(WasiCtx, Lent), Error> {
    let mut wasi = WasiCtxBuilder::new();
    let mut lent = Lent::default();
    wasi.allow_tcp(false).allow_udp(false).allow_ip_name_lookup(false).max_random_size(MAX_RANDOM);
    match around {
        Surroundings::Service | Surroundings::Conversion { .. } => {
            let stream = |name| LogStream::new(actor.clone(), meter.clone(), tape.clone(), name);
            wasi.stdout(stream("stdout")).stderr(stream("stderr"));
        }
        Surroundings::Command(run) => {
            wasi.arg(&run.verb).args(&run.args);
            streams(&mut wasi, &run.streams, meter, tape);
            work_in(run.workdir.as_deref(), shared, &mut wasi, &mut lent)?;
        }
    }
    // A task that waits for the disk is one thread less for the others: here there is nobody else, or the disk is the work.
    wasi.allow_blocking_current_thread(around.is_alone());
    if tape.is_on() {
        tape::lend(tape, &mut wasi);
    }
    if let Surroundings::Conversion { input, output } = around {
        for (host, name, access) in [(input, INPUT, Access::Read), (output, OUTPUT, Access::Write)] {
            lend(&mut wasi, host, name, access)?;
            lent.add(name, *host, access);
        }
    } else {
        for folder in &shared.folders {
            folder.lend(&actor.plugin, &mut wasi, &mut lent)?;
        }
    }
    if let Some(data) = &shared.data {
        data.lend(&actor.caller.tenant, &mut wasi, &mut lent)?;
    }
    Ok((wasi.build(), lent))
}

/// The folder in which a command is run, for one that was granted it.
fn work_in(
    folder: Option<&Path>,
    shared: &Shared,
    wasi: &mut WasiCtxBuilder,
    lent: &mut Lent,
) -> Result<(), Error> {
    shared.effect.tell_missing_workdir();
    match (folder, shared.effect.workdir()) {
        (Some(folder), Some(access)) => {
            workdir::lend(&shared.effect.plugin, folder, access, &shared.reserved, wasi, lent)
        }
        _ => Ok(()),
    }
}

/// The standard streams of a command; with a tape, its standard input. A replay prints nothing.
fn streams(wasi: &mut WasiCtxBuilder, streams: &Streams, meter: &Arc<Meter>, tape: &Tape) {
    match (tape.standard_input(), streams) {
        (Some(text), _) => wasi.stdin(MemoryInputPipe::new(text)),
        (None, Streams::Process) => wasi.inherit_stdin(),
        (None, Streams::Written { .. }) => wasi.stdin(MemoryInputPipe::new("")),
    };
    let counted = |name| (meter.clone(), tape.is_on().then(|| Output::new(tape.clone(), name)));
    let (out, err) = (counted("wasi:cli/stdout"), counted("wasi:cli/stderr"));
    if tape.is_replaying() {
        wasi.stdout(Counted::new(tokio::io::empty(), out)).stderr(Counted::new(tokio::io::empty(), err));
        return;
    }
    match streams {
        Streams::Process => {
            wasi.stdout(Counted::new(tokio::io::stdout(), out)).stderr(Counted::new(tokio::io::stderr(), err))
        }
        Streams::Written { stdout, stderr } => {
            wasi.stdout(Counted::new(stdout.clone(), out)).stderr(Counted::new(stderr.clone(), err))
        }
    };
}

/// Opens a folder for the plugin, which knows it by another name.
fn lend(wasi: &mut WasiCtxBuilder, folder: &Path, name: &str, access: Access) -> Result<(), Error> {
    wasi.preopened_dir(folder, name, access.permissions()).map(|_| ()).map_err(|error| {
        Error::new(ErrorKind::Host, format!("the folder {} cannot be opened: {error:#}", folder.display()))
    })
}

impl Shared {
    /// Writes down that something was refused to a plugin, and what would allow it.
    pub(crate) fn refuse(&self, actor: &Actor, message: &str, hint: &str) {
        let Caller { tenant, request_id, .. } = &actor.caller;
        self.services.metrics.denied(&actor.plugin, tenant);
        tracing::info!(target: "inferno::denied", plugin = actor.plugin, tenant, request_id, hint, "{message}");
    }
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

/// Hooks for where a request is only put together, outside of any call: with these none is ever sent.
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
