//! The `http` role: answers requests under the paths that the manifest mounts.
//!
//! Implement [`Handler`] and hand the type to [`export_http!`](crate::export_http). Each request gets a fresh instance
//! of the component, so nothing is left over from one request to the next; what must stay goes to [`kv`](crate::kv).
//!
//! A body may be streamed, in step with its reader:
//!
//! ```
//! use inferno_sdk::http::{Handler, Request, Response};
//!
//! struct Count;
//!
//! impl Handler for Count {
//!     async fn handle(_request: Request) -> Response {
//!         Response::stream(200, async |mut body| {
//!             for n in 0..3 {
//!                 body.write(&mut format!("{n}\n").into_bytes()).await?;
//!             }
//!             Ok(())
//!         })
//!         .header("content-type", "text/plain")
//!     }
//! }
//!
//! inferno_sdk::export_http!(Count);
//! ```
//!
//! [`Response::events`] and [`Response::json_lines`] write server-sent events and lines of JSON.
//! When the client hangs up, the host ends the instance, and `write` says so should the plugin still run.

mod request;
mod response;
mod writers;

use std::future::Future;
use std::marker::PhantomData;

pub use request::{BodyError, Headers, Method, Request};
pub use response::{BodyWriter, Cut, Response};
pub use writers::{EventWriter, LineWriter};

use crate::bindings::exports::wasi::http::handler as wit;

/// Answers requests.
pub trait Handler: 'static {
    /// Answers one request. Written as `async fn handle(request: Request) -> Response`.
    fn handle(request: Request) -> impl Future<Output = Response>;
}

/// Runs beside the handler, and on after its response was returned, until it ends or the client hangs up.
pub fn spawn(task: impl Future<Output = ()> + 'static) {
    wit_bindgen::spawn_local(task);
}

/// What the component exports for a handler.
#[doc(hidden)]
pub struct Exported<T: Handler>(PhantomData<T>);

impl<T: Handler> wit::Guest for Exported<T> {
    async fn handle(request: wit::Request) -> Result<wit::Response, wit::ErrorCode> {
        T::handle(Request::from_host(request)).await.into_host()
    }
}

/// Makes a [`Handler`] this component's `http` role.
#[macro_export]
macro_rules! export_http {
    ($handler:ty) => {
        #[cfg(target_family = "wasm")]
        const _: () = {
            type Exported = $crate::http::Exported<$handler>;
    $crate::bindings::export_http_world!(Exported with_types_in $crate::bindings);
        };
        // A native linker would not take the names of the exports; there, the type is only checked.
        #[cfg(not(target_family = "wasm"))]
        const _: ::core::marker::PhantomData<$crate::http::Exported<$handler>> = ::core::marker::PhantomData;
    };
}

#[cfg(test)]
mod testing {
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    /// The outcome of a future that never has to wait.
    pub(crate) fn now<T>(future: impl Future<Output = T>) -> T {
        match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(value) => value,
            Poll::Pending => panic!("the future waits"),
        }
    }
}
