//! A catalog whose index is the files of one directory.

mod index;
#[cfg(test)]
mod tests;

use std::path::Path;

use inferno_sdk::Error;
use inferno_sdk::catalog::{Artifact, Catalog, Page};

use crate::index::Index;

/// What the manifest asks for; which directory that is, the user says.
const CATALOG: &str = "/catalog";

struct Files;

inferno_sdk::export_catalog!(Files);

impl Catalog for Files {
    fn search(query: &str, cursor: Option<&str>) -> Result<Page, Error> {
        Ok(Index::read(Path::new(CATALOG))?.search(query, cursor))
    }

    fn resolve(name: &str, version: Option<&str>) -> Result<Vec<Artifact>, Error> {
        Index::read(Path::new(CATALOG))?.resolve(name, version)
    }
}
