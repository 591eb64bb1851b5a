//! Catalogs.

use serde_json::{Value, json};

use super::cases::{CatalogCase, Expected};
use super::{Report, compare, refused};
use crate::error::{Error, ErrorKind};
use crate::plugin::Plugin;
use crate::role::bindings::catalog::exports::inferno::plugin::catalog::{Artifact, Entry};
use crate::state::Caller;

pub(super) async fn check(report: &mut Report, plugin: &Plugin, caller: &Caller, cases: &[CatalogCase]) {
    for case in cases {
        let first = ask(plugin, caller, case).await;
        let second = match case.deterministic {
            true => Some(ask(plugin, caller, case).await),
            false => None,
        };
        let expected = Expected { expect: case.expect.clone(), error: case.error.clone() };
        report.add("catalog", &case.name, compare(&first, second.as_ref(), &expected));
    }
    let unknown = plugin.resolve(caller.clone(), "no such name", None).await;
    report.add("catalog", "a name that nobody knows is refused", refused(&unknown, None));
}

async fn ask(plugin: &Plugin, caller: &Caller, case: &CatalogCase) -> Result<Value, Error> {
    match (&case.search, &case.resolve) {
        (Some(query), None) => {
            let page = plugin.search(caller.clone(), query, case.cursor.as_deref()).await?;
            let entry = |entry: &Entry| json!({ "kind": entry.kind, "name": entry.name, "version": entry.version, "summary": entry.summary });
            let entries: Value = page.entries.iter().map(entry).collect();
            Ok(json!({ "entries": entries, "next": page.next }))
        }
        (None, Some(name)) => {
            let artifacts = plugin.resolve(caller.clone(), name, case.version.as_deref()).await?;
            let artifact = |artifact: &Artifact| json!({ "url": artifact.url, "digest": artifact.digest, "size_bytes": artifact.size_bytes });
            Ok(artifacts.iter().map(artifact).collect())
        }
        _ => Err(Error::new(ErrorKind::Manifest, "the case needs either `search` or `resolve`")),
    }
}
