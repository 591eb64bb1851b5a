//! `wasi:http/client`, and `outgoing-handler` of WASI 0.2: requests to other machines. Needs the `http` grant for scheme,
//! host and port, and each address that the host's name stands for has to be one of the open network. The host follows
//! no redirects: each step is a request of its own, and checked like the first.

mod address;
mod exchange;
mod names;
mod network;
mod send;

use std::sync::Arc;

use tokio::sync::Semaphore;
use wasmtime::component::Linker;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttp, WasiHttpHooks, WasiHttpView as _};

use crate::ask::Need;
use crate::site::Target;
use crate::state::{Actor, Shared, State};
use crate::tape::Tape;

pub use names::{Names, SystemNames};
pub use network::Network;

/// How many requests a call may have under way at once.
const MAX_OPEN: usize = 16;

pub(super) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    use wasmtime_wasi_http::{p2::bindings::http::outgoing_handler, p3::bindings::http::client};
    client::add_to_linker::<_, WasiHttp>(linker, State::http)?;
    outgoing_handler::add_to_linker::<_, WasiHttp>(linker, State::http)
}

/// A response, and the work that keeps its connection going.
type Sent = (http::Response<WasiBody>, Box<dyn Future<Output = Result<(), Error>> + Send>);

/// The requests of one call.
pub(crate) struct Requests {
    shared: Arc<Shared>,
    actor: Arc<Actor>,
    open: Arc<Semaphore>,
    tape: Tape,
}

impl Requests {
    pub(crate) fn new(shared: Arc<Shared>, actor: Arc<Actor>, tape: Tape) -> Self {
        Self { shared, actor, open: Arc::new(Semaphore::new(MAX_OPEN)), tape }
    }

    fn admit(&self, request: &http::Request<WasiBody>) -> Result<Target, Error> {
        if request.method() == http::Method::CONNECT {
            return Err(Error::HttpRequestMethodInvalid);
        }
        let target = Target::of(request.uri()).map_err(|why| {
            let message = format!("a request to {:?} was refused: {why}", request.uri());
            refuse(&self.shared, &self.actor, &message, "", "HTTP-request-URI-invalid");
            Error::HttpRequestUriInvalid
        })?;
        match self.shared.effect.check("wasi:http", Need::Http(&target)) {
            Ok(()) => Ok(target),
            Err(denial) => {
                refuse(&self.shared, &self.actor, &denial.message, &denial.hint, "HTTP-request-denied");
                Err(Error::HttpRequestDenied)
            }
        }
    }
}

/// The interface has no place for words, so they go to the log, beside the code that the plugin gets.
fn refuse(shared: &Shared, actor: &Actor, message: &str, hint: &str, code: &str) {
    shared.refuse(actor, &format!("{message}; it was told {code}"), hint);
}

impl WasiHttpHooks for Requests {
    fn send_request(
        &mut self,
        request: http::Request<WasiBody>,
        options: Option<RequestOptions>,
        _done: Box<dyn Future<Output = Result<(), Error>> + Send>,
    ) -> Box<dyn Future<Output = Result<Sent, Error>> + Send> {
        if self.tape.is_replaying() {
            return Box::new(exchange::again(self.tape.clone(), request));
        }
        let admitted = self.admit(&request);
        let room = self.open.clone().try_acquire_owned();
        let (shared, actor) = (self.shared.clone(), self.actor.clone());
        let send = async move |request| {
            let target = admitted?;
            let room = room.map_err(|_| Error::ConnectionLimitReached)?;
            let network = &shared.services.network;
            let addresses = network.addresses(&target, options.as_ref()).await?;
            if let Some((address, kind)) = address::prohibited(&target, &addresses) {
                let message = format!(
                    "plugin \"{}\" sent a request to {target}, which stands for {address}, {kind}: such addresses are refused unless the grant names them",
                    actor.plugin
                );
                let itself = Target { host: crate::site::Host::Address(address), ..target };
                let lead = match shared.effect.asked.asks_for(Need::Http(&itself)) {
                    true => "if that is meant, grant the address itself, and have it send to that",
                    false => "if that is meant, let the plugin ask for the address itself, and grant it",
                };
                let hint = format!("{lead}: http = [\"{itself}\"]");
                refuse(&shared, &actor, &message, &hint, "destination-IP-prohibited");
                return Err(Error::DestinationIpProhibited);
            }
            send::send(network, &target, &addresses, request, options, room).await
        };
        match self.tape.is_on() {
            true => Box::new(exchange::kept(self.tape.clone(), request, send)),
            false => Box::new(send(request)),
        }
    }
}
