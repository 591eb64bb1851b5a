//! Plugins that answer requests by WASI 0.2's `wasi:http/incoming-handler`, as other tools make them.

use http::HeaderValue;
use http::header::HOST;
use http_body_util::BodyExt as _;
use tokio::sync::oneshot;
use wasmtime_wasi_http::p2::bindings::http::types::Scheme;
use wasmtime_wasi_http::{WasiBody, WasiHttpView as _};

pub(super) use wasmtime_wasi_http::p2::bindings::ProxyPre;

use super::{Body, SECRET_HEADERS, refused, to_wasi};
use crate::state::State;

/// See [`super::Service::answer`].
pub(super) async fn answer(
    proxy: ProxyPre<State>,
    plugin: &str,
    mut store: wasmtime::Store<State>,
    request: http::Request<Body>,
    sender: oneshot::Sender<http::Response<WasiBody>>,
) -> wasmtime::Result<()> {
    let mut request = request.map(|body| body.map_err(to_wasi));
    let has_authority = request.uri().authority().is_some();
    let headers = request.headers_mut();
    for name in &SECRET_HEADERS {
        headers.remove(name);
    }
    if !has_authority && !headers.contains_key(HOST) {
        // Such a request of HTTP/1.0 names no host; in WASI 0.2 every request does.
        headers.insert(HOST, HeaderValue::from_static("localhost"));
    }
    let (answered, mut refusal) = oneshot::channel();
    let request = store.data_mut().http().new_incoming_request(Scheme::Http, request)?;
    let answer = store.data_mut().http().new_response_outparam_from_callback(move |result| match result {
        // Nobody waits any longer if the client has gone away; then all of this is about to be dropped.
        Ok(response) => drop(sender.send(response)),
        Err(code) => drop(answered.send(code)),
    })?;
    let proxy = proxy.instantiate_async(&mut store).await?;
    proxy.wasi_http_incoming_handler().call_handle(&mut store, request, answer).await?;
    match refusal.try_recv() {
        Ok(code) => Err(refused(plugin, &code.into()).into()),
        Err(_) => Ok(()),
    }
}
