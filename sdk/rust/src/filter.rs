//! The `filter` role: stands around http plugins and sees requests, answers and each streamed chunk.
//!
//! Implement [`Filter`] and hand the type to [`export_filter!`](crate::export_filter). The manifest says around which
//! paths it stands:
//!
//! ```toml
//! [roles.filter]
//! applies_to = ["/v1/chat/completions"]
//! on_error = "refuse"   # what becomes of an exchange in which the filter fails; or "pass"
//! ```
//!
//! One instance sees one exchange: [`request`](Filter::request), then [`response`](Filter::response), then each
//! [`chunk`](Filter::chunk). What a filter does not need, it leaves out; all three have a default that lets everything
//! pass.
//!
//! ```
//! use inferno_sdk::Error;
//! use inferno_sdk::filter::{Filter, Refusal, RequestAction, RequestHead};
//!
//! /// Refuses prompts that mention a word.
//! #[derive(Default)]
//! struct Taboo;
//!
//! impl Filter for Taboo {
//!     fn request(&mut self, _head: RequestHead, body: Vec<u8>) -> Result<RequestAction, Error> {
//!         if body.windows(6).any(|bytes| bytes == b"xyzzy!") {
//!             return Ok(RequestAction::Refuse(Refusal { status: 400, message: "A hollow voice says no.".into() }));
//!         }
//!         Ok(RequestAction::Pass)
//!     }
//! }
//!
//! inferno_sdk::export_filter!(Taboo);
//! # fn main() {
//! let action = Taboo.request(RequestHead::new("POST", "/v1/chat/completions"), b"say xyzzy!".to_vec()).unwrap();
//! assert!(matches!(action, RequestAction::Refuse(_)));
//! # }
//! ```
//!
//! # Streamed answers
//!
//! A chunk is whatever arrived together: an event may be cut anywhere, and several may come at once. [`sse`] takes
//! chunks apart into whole server-sent events, whose data can be changed while the rest stays as it is.
//! A filter may hold back what it cannot decide yet; with `last` it gives everything out.

pub mod sse;

use std::cell::RefCell;
use std::marker::PhantomData;

use crate::Error;
use crate::bindings::filter::exports::inferno::plugin::filter as wit;
use crate::bindings::inferno::host::types;

/// Stands around an exchange. The default value is its state before the request.
pub trait Filter: Default + 'static {
    /// Before the plugin sees the request; the body is whole. By default it passes.
    fn request(&mut self, head: RequestHead, body: Vec<u8>) -> Result<RequestAction, Error> {
        let _not_looked_at = (head, body);
        Ok(RequestAction::Pass)
    }

    /// Before the first chunk of the answer. By default the answer passes without a look at its chunks.
    fn response(&mut self, head: ResponseHead) -> Result<ResponseAction, Error> {
        let _not_looked_at = head;
        Ok(ResponseAction::Pass)
    }

    /// A piece of the answer; what is returned goes on in its place, and may be nothing until later.
    ///
    /// `last` comes once, with the last bytes or none.
    fn chunk(&mut self, data: Vec<u8>, last: bool) -> Result<Vec<u8>, Error> {
        let _already_the_end = last;
        Ok(data)
    }
}

/// A request without its body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestHead {
    /// As in the request line, such as `POST`.
    pub method: String,
    /// The path and, after `?`, the query, as the client sent them.
    pub target: String,
    /// Names and values. Those that carry keys are left out.
    pub headers: Vec<(String, String)>,
}

impl RequestHead {
    /// A head without headers.
    pub fn new(method: impl Into<String>, target: impl Into<String>) -> Self {
        Self { method: method.into(), target: target.into(), headers: Vec::new() }
    }

    /// The path without the query.
    pub fn path(&self) -> &str {
        self.target.split_once('?').map_or(&*self.target, |(path, _)| path)
    }

    /// The first value of a header. Names are equal in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        find(&self.headers, name)
    }
}

/// What becomes of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RequestAction {
    /// It goes on as it is.
    Pass,
    /// It goes on with this body.
    Replace(Vec<u8>),
    /// The plugin does not see it, and the client is told.
    Refuse(Refusal),
}

/// What a client is told instead of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// 400 to 599.
    pub status: u16,
    /// Why. The host words it in the dialect of the plugin that would have answered.
    pub message: String,
}

/// An answer without its body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResponseHead {
    /// The status.
    pub status: u16,
    /// Names and values.
    pub headers: Vec<(String, String)>,
}

impl ResponseHead {
    /// A head without headers.
    pub fn new(status: u16) -> Self {
        Self { status, headers: Vec::new() }
    }

    /// The same head with a header more.
    #[must_use]
    pub fn with_header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// The first value of a header. Names are equal in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        find(&self.headers, name)
    }

    /// The `content-type` without parameters, in lower case, such as `text/event-stream`; empty if there is none.
    pub fn media_type(&self) -> String {
        let value = self.header("content-type").unwrap_or_default();
        value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
    }
}

/// What becomes of the body of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResponseAction {
    /// Each piece goes through [`Filter::chunk`].
    Filter,
    /// It goes on as it is.
    Pass,
}

fn find<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| &**value)
}

/// A filter at work, whatever its type.
trait Exchange {
    fn response(&mut self, head: ResponseHead) -> Result<ResponseAction, Error>;
    fn chunk(&mut self, data: Vec<u8>, last: bool) -> Result<Vec<u8>, Error>;
}

impl<T: Filter> Exchange for T {
    fn response(&mut self, head: ResponseHead) -> Result<ResponseAction, Error> {
        Filter::response(self, head)
    }

    fn chunk(&mut self, data: Vec<u8>, last: bool) -> Result<Vec<u8>, Error> {
        Filter::chunk(self, data, last)
    }
}

thread_local! {
    /// The exchange that this instance sees.
    static EXCHANGE: RefCell<Option<Box<dyn Exchange>>> = const { RefCell::new(None) };
}

fn exchange<T: Filter, R>(work: impl FnOnce(&mut dyn Exchange) -> R) -> R {
    EXCHANGE.with_borrow_mut(|exchange| work(exchange.get_or_insert_with(|| Box::new(T::default())).as_mut()))
}

/// What the component exports for a filter.
#[doc(hidden)]
pub struct Exported<T: Filter>(PhantomData<T>);

impl<T: Filter> wit::Guest for Exported<T> {
    fn request(head: wit::RequestHead, body: Vec<u8>) -> Result<wit::RequestAction, types::Error> {
        let mut filter = T::default();
        let head = RequestHead { method: head.method, target: head.path_with_query, headers: head.headers };
        let action = filter.request(head, body)?;
        EXCHANGE.set(Some(Box::new(filter)));
        Ok(match action {
            RequestAction::Pass => wit::RequestAction::Pass,
            RequestAction::Replace(body) => wit::RequestAction::Replace(body),
            RequestAction::Refuse(Refusal { status, message }) => {
                wit::RequestAction::Refuse(wit::Refusal { status, message })
            }
        })
    }

    fn response(head: wit::ResponseHead) -> Result<wit::ResponseAction, types::Error> {
        let head = ResponseHead { status: head.status, headers: head.headers };
        Ok(match exchange::<T, _>(|filter| filter.response(head))? {
            ResponseAction::Filter => wit::ResponseAction::Filter,
            ResponseAction::Pass => wit::ResponseAction::Pass,
        })
    }

    fn chunk(data: Vec<u8>, last: bool) -> Result<Vec<u8>, types::Error> {
        Ok(exchange::<T, _>(|filter| filter.chunk(data, last))?)
    }
}

/// Makes a [`Filter`] this component's `filter` role.
#[macro_export]
macro_rules! export_filter {
    ($filter:ty) => {
        #[cfg(target_family = "wasm")]
        const _: () = {
            type Exported = $crate::filter::Exported<$filter>;
            $crate::bindings::filter::export_filter_world!(
                Exported with_types_in $crate::bindings::filter
            );
        };
        // A native linker would not take the names of the exports; there, the type is only checked.
        #[cfg(not(target_family = "wasm"))]
        const _: ::core::marker::PhantomData<$crate::filter::Exported<$filter>> = ::core::marker::PhantomData;
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;
    use wit::Guest;

    /// Counts chunks, and gives the number out at the end.
    #[derive(Default)]
    struct Count(usize);

    impl Filter for Count {
        fn request(&mut self, head: RequestHead, _body: Vec<u8>) -> Result<RequestAction, Error> {
            self.0 = 10;
            match head.path() {
                "/bad" => Err(Error::new(ErrorKind::Invalid, "bad")),
                path => Ok(RequestAction::Replace(path.as_bytes().to_vec())),
            }
        }

        fn response(&mut self, _head: ResponseHead) -> Result<ResponseAction, Error> {
            Ok(ResponseAction::Filter)
        }

        fn chunk(&mut self, _data: Vec<u8>, last: bool) -> Result<Vec<u8>, Error> {
            self.0 += 1;
            Ok(if last { self.0.to_string().into_bytes() } else { Vec::new() })
        }
    }

    fn head(target: &str) -> wit::RequestHead {
        wit::RequestHead { method: "POST".into(), path_with_query: target.into(), headers: Vec::new() }
    }

    #[test]
    fn what_a_filter_knows_lasts_for_the_exchange() {
        for _ in 0..2 {
            let action = Exported::<Count>::request(head("/a?b"), Vec::new()).unwrap();
            assert!(matches!(action, wit::RequestAction::Replace(body) if body == b"/a"));
            let answer = wit::ResponseHead { status: 200, headers: Vec::new() };
            let action = Exported::<Count>::response(answer).unwrap();
            assert!(matches!(action, wit::ResponseAction::Filter));
            assert_eq!(Exported::<Count>::chunk(vec![1], false).unwrap(), b"");
            assert_eq!(Exported::<Count>::chunk(Vec::new(), true).unwrap(), b"12");
        }
        assert_eq!(Exported::<Count>::request(head("/bad"), Vec::new()).unwrap_err().message, "bad");
    }

    #[test]
    fn media_types_are_compared_without_parameters() {
        let head = ResponseHead::new(200).with_header("Content-Type", "Text/Event-Stream; charset=utf-8");
        assert_eq!(head.media_type(), "text/event-stream");
        assert_eq!(ResponseHead::new(200).media_type(), "");
    }
}
