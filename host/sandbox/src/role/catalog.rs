//! The catalog role: says what can be installed. The plugin proposes; what it says is checked for its form and is
//! nothing but a proposal.

use futures::FutureExt as _;

use super::bindings::catalog::exports::inferno::plugin::catalog::{Artifact, Page};
use super::bindings::catalog::{Playing, PlayingPre};
use crate::error::Error;
use crate::plugin::Plugin;
use crate::session::Session;
use crate::state::{Caller, State, Surroundings};

pub(crate) type Catalog = PlayingPre<State>;

impl Plugin {
    /// What fits a query; an empty query fits everything. `cursor` is the `next` of the page before.
    pub async fn search(&self, caller: Caller, query: &str, cursor: Option<&str>) -> Result<Page, Error> {
        let (query, cursor) = (query.to_owned(), cursor.map(str::to_owned));
        let mut session = self.catalog(caller).await?;
        let page: Page = session
            .call(move |live| {
                async move {
                    let catalog = live.guest.inferno_plugin_catalog();
                    catalog.call_search(&mut live.store, &query, cursor.as_deref()).await
                }
                .boxed()
            })
            .await?;
        let kinds = ["model", "plugin", "pipeline"];
        match page.entries.iter().find(|entry| !kinds.contains(&entry.kind.as_str())) {
            Some(entry) => Err(session.breach(format_args!(
                "its entry {:?} is of the kind {:?}, and a kind is one of {}",
                entry.name,
                entry.kind,
                kinds.join(", ")
            ))),
            None => Ok(page),
        }
    }

    /// What to download for an entry; without a version, for its newest.
    pub async fn resolve(
        &self,
        caller: Caller,
        name: &str,
        version: Option<&str>,
    ) -> Result<Vec<Artifact>, Error> {
        let (name, version) = (name.to_owned(), version.map(str::to_owned));
        let mut session = self.catalog(caller).await?;
        let artifacts: Vec<Artifact> = session
            .call(move |live| {
                async move {
                    let catalog = live.guest.inferno_plugin_catalog();
                    catalog.call_resolve(&mut live.store, &name, version.as_deref()).await
                }
                .boxed()
            })
            .await?;
        match artifacts.iter().find(|artifact| !is_digest(&artifact.digest)) {
            Some(artifact) => Err(session.breach(format_args!(
                "the digest of {:?} is {:?}, which is not \"sha256:\" and 64 hexadecimal digits",
                artifact.url, artifact.digest
            ))),
            None => Ok(artifacts),
        }
    }

    async fn catalog(&self, caller: Caller) -> Result<Session<Playing>, Error> {
        let catalog = self.inner.roles.catalog.as_ref().ok_or_else(|| self.plays_no("catalog"))?;
        let limits = &self.inner.limits;
        Session::open(self, "catalog", catalog, caller.into(), limits, &Surroundings::Service).await
    }
}

fn is_digest(text: &str) -> bool {
    let hex = text.strip_prefix("sha256:");
    hex.is_some_and(|hex| hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_hexdigit()))
}
