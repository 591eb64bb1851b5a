use futures::future::BoxFuture;
use http::{Request, Response, StatusCode};
use inferno_sandbox::{Body, Caller, Plugin};

/// Why a handler has no answer of its own; the host words one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What stands for it in HTTP, 4xx or 5xx.
    pub status: StatusCode,
    /// What happened and what to do about it, for the client.
    pub message: String,
}

/// What the listener needs of a plugin, and all that it knows about one.
pub trait Handler: Send + Sync + 'static {
    /// For messages and the log.
    fn name(&self) -> &str;
    /// The paths whose requests it wants, such as `/v1`; a request goes to the longest that fits.
    fn mounts(&self) -> Vec<String>;
    /// Single paths whose requests it wants as well, without what is below them.
    fn exact(&self) -> Vec<String> {
        Vec::new()
    }
    /// How the host words its own refusals there: a text in which `$message`, `$kind` and `$status` become JSON
    /// values. None: problem+json, RFC 9457.
    fn error_body(&self) -> Option<&str>;
    /// The paths at which it speaks over WebSockets. It gets a request whose body has a line for each message of the
    /// client, marked as a [`Conversation`](inferno_sandbox::Conversation); the lines of its answer with status 200 are
    /// messages to the client, and any other answer is given to it as it is.
    fn websockets(&self) -> Vec<String> {
        Vec::new()
    }
    /// Answers a request. Dropping the future or the answer's body ends the work.
    fn handle(
        &self,
        caller: Caller,
        request: Request<Body>,
    ) -> BoxFuture<'_, Result<Response<Body>, Failure>>;
}

impl From<inferno_sandbox::Error> for Failure {
    fn from(error: inferno_sandbox::Error) -> Self {
        let status = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let message = match error.hint() {
            Some(hint) => format!("{error}\n{hint}"),
            None => error.to_string(),
        };
        Self { status, message }
    }
}

impl Handler for Plugin {
    fn name(&self) -> &str {
        Plugin::name(self)
    }

    fn mounts(&self) -> Vec<String> {
        self.http_mounts()
    }

    fn exact(&self) -> Vec<String> {
        self.http_exact()
    }

    fn error_body(&self) -> Option<&str> {
        Plugin::error_body(self)
    }

    fn websockets(&self) -> Vec<String> {
        Plugin::websockets(self)
    }

    fn handle(
        &self,
        caller: Caller,
        request: Request<Body>,
    ) -> BoxFuture<'_, Result<Response<Body>, Failure>> {
        Box::pin(async move { Ok(Plugin::handle(self, caller, request).await?) })
    }
}

/// What comes inside of a filter: the next filter, or the plugin that answers.
pub type Next<'a> =
    Box<dyn FnOnce(Request<Body>) -> BoxFuture<'a, Result<Response<Body>, Failure>> + Send + 'a>;

/// What the listener needs of a plugin that stands around others.
pub trait Filter: Send + Sync + 'static {
    /// The paths around which it stands; all below them belong to them.
    fn applies_to(&self) -> Vec<String>;
    /// Whether it does so for this tenant.
    fn is_for(&self, _tenant: &str) -> bool {
        true
    }
    /// Has a look at a request, lets `next` answer it or not, and has a look at the answer.
    fn handle<'a>(
        &'a self,
        caller: Caller,
        request: Request<Body>,
        next: Next<'a>,
    ) -> BoxFuture<'a, Result<Response<Body>, Failure>>;
}

impl Filter for Plugin {
    fn applies_to(&self) -> Vec<String> {
        self.filter_paths()
    }

    fn handle<'a>(
        &'a self,
        caller: Caller,
        request: Request<Body>,
        next: Next<'a>,
    ) -> BoxFuture<'a, Result<Response<Body>, Failure>> {
        Box::pin(self.filter_exchange(caller, request, next))
    }
}
