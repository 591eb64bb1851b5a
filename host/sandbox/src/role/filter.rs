//! The filter role: stands around http plugins and sees requests, answers and each streamed chunk.

mod exchange;

use bytes::Bytes;
use futures::FutureExt as _;

use super::bindings::filter::exports::inferno::plugin::filter::{
    RequestAction, RequestHead, ResponseAction, ResponseHead,
};
use super::bindings::filter::{Playing, PlayingPre};
use crate::error::Error;
use crate::plugin::Plugin;
use crate::session::Session;
use crate::state::{Caller, State, Surroundings};

pub(crate) type Filter = PlayingPre<State>;

/// A filter around one exchange: one instance sees the request, the answer and its chunks. Dropping it ends it.
pub struct FilterCall(Session<Playing>);

impl Plugin {
    /// Starts the plugin as a filter around one exchange. [`Plugin::filter_exchange`] does all of it.
    pub async fn filter(&self, caller: Caller) -> Result<FilterCall, Error> {
        let filter = self.inner.roles.filter.as_ref().ok_or_else(|| self.plays_no("filter"))?;
        let limits = &self.inner.limits;
        let session =
            Session::open(self, "filter", filter, caller.into(), limits, &Surroundings::Service).await?;
        Ok(FilterCall(session))
    }
}

impl FilterCall {
    /// Before the plugin sees the request; the body is whole.
    pub async fn request(&mut self, head: RequestHead, body: Bytes) -> Result<RequestAction, Error> {
        let action = self
            .0
            .call(move |live| {
                async move {
                    let filter = live.guest.inferno_plugin_filter();
                    filter.call_request(&mut live.store, &head, &body).await
                }
                .boxed()
            })
            .await?;
        match &action {
            RequestAction::Refuse(refusal) if !(400..=599).contains(&refusal.status) => {
                let status = refusal.status;
                Err(self
                    .0
                    .breach(format_args!("it refuses with the status {status}, and may with 400 to 599")))
            }
            _ => Ok(action),
        }
    }

    /// Before the first chunk of the answer.
    pub async fn response(&mut self, head: ResponseHead) -> Result<ResponseAction, Error> {
        self.0
            .call(move |live| {
                async move { live.guest.inferno_plugin_filter().call_response(&mut live.store, &head).await }
                    .boxed()
            })
            .await
    }

    /// A piece of the answer; what is returned goes on in its place, and nothing may be returned until later. `last`
    /// is for the one that is the end.
    pub async fn chunk(&mut self, data: Bytes, last: bool) -> Result<Bytes, Error> {
        self.0
            .call(move |live| {
                async move {
                    let filter = live.guest.inferno_plugin_filter();
                    filter.call_chunk(&mut live.store, &data, last).await
                }
                .boxed()
            })
            .await
            .map(Bytes::from)
    }
}
