//! The `catalog` role: says what can be installed.
//!
//! Implement [`Catalog`] and hand the type to [`export_catalog!`](crate::export_catalog). The plugin only proposes:
//! the host downloads what [`resolve`](Catalog::resolve) names, checks the digest and installs it.
//!
//! ```
//! use inferno_sdk::catalog::{Artifact, Catalog, Entry, Kind, Page};
//! use inferno_sdk::{Error, ErrorKind};
//!
//! struct One;
//!
//! impl Catalog for One {
//!     fn search(query: &str, _cursor: Option<&str>) -> Result<Page, Error> {
//!         let entry = Entry {
//!             kind: Kind::Model,
//!             name: "tiny".to_owned(),
//!             version: "1.0.0".to_owned(),
//!             summary: "A very small model".to_owned(),
//!         };
//!         let entries = if entry.name.contains(query) { vec![entry] } else { Vec::new() };
//!         Ok(Page { entries, next: None })
//!     }
//!
//!     fn resolve(name: &str, _version: Option<&str>) -> Result<Vec<Artifact>, Error> {
//!         if name != "tiny" {
//!             return Err(Error::new(ErrorKind::NotFound, format!("there is no {name:?} here")));
//!         }
//!         Ok(vec![Artifact {
//!             url: "https://models.example.com/tiny.gguf".to_owned(),
//!             digest: format!("sha256:{}", "0".repeat(64)),
//!             size_bytes: 1024,
//!         }])
//!     }
//! }
//!
//! inferno_sdk::export_catalog!(One);
//! ```

use std::fmt;
use std::marker::PhantomData;

use serde::{Deserialize, Serialize};

use crate::Error;
use crate::bindings::catalog::exports::inferno::plugin::catalog as wit;
use crate::bindings::inferno::host::types;

/// Knows what can be installed.
pub trait Catalog: 'static {
    /// What fits a query; an empty query fits everything. `cursor` is the `next` of the page before.
    fn search(query: &str, cursor: Option<&str>) -> Result<Page, Error>;

    /// What to download for an entry; without a version, for its newest.
    fn resolve(name: &str, version: Option<&str>) -> Result<Vec<Artifact>, Error>;
}

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Kind {
    /// A model.
    Model,
    /// A plugin.
    Plugin,
    /// A pipeline.
    Pipeline,
}

impl Kind {
    /// As the host calls it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::Plugin => "plugin",
            Self::Pipeline => "pipeline",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Something that can be installed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What it is.
    pub kind: Kind,
    /// What [`Catalog::resolve`] is asked for.
    pub name: String,
    /// Its version.
    pub version: String,
    /// One line for people.
    pub summary: String,
}

/// A part of what was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// In the order in which people should see them.
    pub entries: Vec<Entry>,
    /// Where the next page begins; `None`: this is the last.
    pub next: Option<String>,
}

/// A file to download.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Artifact {
    /// Where it is.
    pub url: String,
    /// `sha256:` and 64 hexadecimal digits.
    pub digest: String,
    /// Its exact size.
    pub size_bytes: u64,
}

/// What the component exports for a catalog.
#[doc(hidden)]
pub struct Exported<T: Catalog>(PhantomData<T>);

impl<T: Catalog> wit::Guest for Exported<T> {
    fn search(query: String, cursor: Option<String>) -> Result<wit::Page, types::Error> {
        let page = T::search(&query, cursor.as_deref())?;
        let entry = |entry: Entry| wit::Entry {
            kind: entry.kind.as_str().to_owned(),
            name: entry.name,
            version: entry.version,
            summary: entry.summary,
        };
        Ok(wit::Page { entries: page.entries.into_iter().map(entry).collect(), next: page.next })
    }

    fn resolve(name: String, version: Option<String>) -> Result<Vec<wit::Artifact>, types::Error> {
        let artifact = |artifact: Artifact| wit::Artifact {
            url: artifact.url,
            digest: artifact.digest,
            size_bytes: artifact.size_bytes,
        };
        Ok(T::resolve(&name, version.as_deref())?.into_iter().map(artifact).collect())
    }
}

/// Makes a [`Catalog`] this component's `catalog` role.
#[macro_export]
macro_rules! export_catalog {
    ($catalog:ty) => {
        #[cfg(target_family = "wasm")]
        const _: () = {
            type Exported = $crate::catalog::Exported<$catalog>;
            $crate::bindings::catalog::export_catalog_world!(
                Exported with_types_in $crate::bindings::catalog
            );
        };
        // A native linker would not take the names of the exports; there, the type is only checked.
        #[cfg(not(target_family = "wasm"))]
        const _: ::core::marker::PhantomData<$crate::catalog::Exported<$catalog>> =
            ::core::marker::PhantomData;
    };
}
