//! WebSockets, as far as no dialect is concerned: a plugin sees one request whose body has a line for each message of
//! the client, and each line of its answer's body becomes a message to the client.

mod lines;
mod relay;

use http::header::{
    CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL,
    SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Version};
use inferno_sandbox::Body;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use crate::access::Entry;
use crate::refusal::Refusal;

pub(crate) use lines::{Said, channel};
pub(crate) use relay::relay;

/// The version of the protocol, the only one that there is.
const VERSION: HeaderValue = HeaderValue::from_static("13");
/// A key is 16 bytes, in Base64.
const KEY_LEN: usize = 24;

/// A client's wish to go on with a WebSocket.
pub(crate) struct Handshake {
    key: HeaderValue,
    protocols: Vec<HeaderValue>,
}

/// A connection that goes on with a WebSocket once the answer that says so is out.
pub(crate) struct Upgrade {
    /// Where what the client says goes.
    pub(crate) said: Said,
    /// What the plugin says.
    pub(crate) answer: Body,
    pub(crate) entry: Entry,
}

impl Handshake {
    /// The wish, if the request has one.
    pub(crate) fn of<B>(request: &Request<B>) -> Result<Option<Self>, Refusal> {
        let headers = request.headers();
        let wished = *request.method() == Method::GET
            && request.version() == Version::HTTP_11
            && has_token(headers, &CONNECTION, "upgrade")
            && has_token(headers, &UPGRADE, "websocket");
        if !wished {
            return Ok(None);
        }
        if headers.get(SEC_WEBSOCKET_VERSION) != Some(&VERSION) {
            return Err(Refusal::websocket_version(VERSION));
        }
        let key = headers.get(SEC_WEBSOCKET_KEY).filter(|key| key.len() == KEY_LEN).ok_or_else(|| {
            Refusal::bad_request("the header sec-websocket-key is not there, or is not 16 bytes in Base64")
        })?;
        let protocols = headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter().cloned().collect();
        Ok(Some(Self { key: key.clone(), protocols }))
    }

    /// Turns a plugin's answer into the one that begins the WebSocket. A protocol that the plugin chose is told only if
    /// the client offered it, since the client would hang up otherwise.
    pub(crate) fn accept<B>(self, answer: Response<B>) -> (Response<()>, B) {
        let (mut parts, body) = answer.into_parts();
        let chosen = parts.headers.remove(SEC_WEBSOCKET_PROTOCOL).filter(|chosen| self.offers(chosen));
        parts.status = StatusCode::SWITCHING_PROTOCOLS;
        for name in [http::header::CONTENT_LENGTH, http::header::CONTENT_TYPE] {
            parts.headers.remove(name);
        }
        let headers = &mut parts.headers;
        if let Ok(accept) = HeaderValue::try_from(derive_accept_key(self.key.as_bytes())) {
            headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
        }
        if let Some(chosen) = chosen {
            headers.insert(SEC_WEBSOCKET_PROTOCOL, chosen);
        }
        (Response::from_parts(parts, ()), body)
    }

    /// What the answer says about the connection.
    pub(crate) fn switch(headers: &mut HeaderMap) {
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    }

    fn offers(&self, chosen: &HeaderValue) -> bool {
        let mut offered = self.protocols.iter().filter_map(|offered| offered.to_str().ok());
        offered.any(|offered| offered.split(',').any(|one| one.trim().as_bytes() == chosen.as_bytes()))
    }
}

/// What of the handshake a plugin does not see. That there is a version tells it that the client has a WebSocket, so
/// it is not there where it has none.
pub(crate) fn clean(headers: &mut HeaderMap, is_websocket: bool) {
    headers.remove(SEC_WEBSOCKET_KEY);
    headers.remove(SEC_WEBSOCKET_EXTENSIONS);
    if !is_websocket {
        headers.remove(SEC_WEBSOCKET_VERSION);
        headers.remove(SEC_WEBSOCKET_PROTOCOL);
    }
}

fn has_token(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    let mut values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.any(|value| value.split(',').any(|one| one.trim().eq_ignore_ascii_case(token)))
}
