//! The `converter` role: turns models from one format into another.
//!
//! Implement [`Converter`] and hand the type to [`export_converter!`](crate::export_converter). The plugin sees two
//! directories and nothing else: what to read in [`INPUT`], and room to write in [`OUTPUT`]. They are read and written
//! with `std::fs`.
//!
//! ```
//! use std::{fs, path::Path};
//! use inferno_sdk::converter::{Converter, INPUT, OUTPUT, Route};
//! use inferno_sdk::{Error, ErrorKind};
//! use serde::Deserialize;
//!
//! struct Lines;
//!
//! #[derive(Deserialize)]
//! #[serde(deny_unknown_fields)]
//! struct Options {
//!     #[serde(default)]
//!     upper: bool,
//! }
//!
//! impl Converter for Lines {
//!     type Options = Options;
//!
//!     fn routes() -> Vec<Route> {
//!         vec![Route::new("text", "vocabulary")]
//!     }
//!
//!     fn convert(_route: Route, options: Options) -> Result<Vec<String>, Error> {
//!         let failed = |error: std::io::Error| Error::new(ErrorKind::Internal, error.to_string());
//!         let text = fs::read_to_string(Path::new(INPUT).join("words.txt")).map_err(failed)?;
//!         let text = if options.upper { text.to_uppercase() } else { text };
//!         fs::write(Path::new(OUTPUT).join("vocabulary.txt"), text).map_err(failed)?;
//!         Ok(vec!["vocabulary.txt".to_owned()])
//!     }
//! }
//!
//! inferno_sdk::export_converter!(Lines);
//! ```

use std::marker::PhantomData;

use serde::de::DeserializeOwned;

use crate::bindings::converter::exports::inferno::plugin::converter as wit;
use crate::bindings::inferno::host::types;
use crate::{Error, config};

/// Where the files to convert are; read-only.
pub const INPUT: &str = "/in";
/// Where the converted files go.
pub const OUTPUT: &str = "/out";

/// Converts models.
pub trait Converter: 'static {
    /// What the user may choose. Nothing to choose: a struct without fields.
    type Options: DeserializeOwned;

    /// What it can convert into what.
    fn routes() -> Vec<Route>;

    /// Converts what is in [`INPUT`] along one of the [`routes`](Self::routes). Returns the names of the files that it
    /// wrote, relative to [`OUTPUT`].
    fn convert(route: Route, options: Self::Options) -> Result<Vec<String>, Error>;
}

/// From one format to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// The format to read.
    pub source: String,
    /// The format to write.
    pub target: String,
}

impl Route {
    /// From `source` to `target`.
    pub fn new(source: impl Into<String>, target: impl Into<String>) -> Self {
        Self { source: source.into(), target: target.into() }
    }
}

/// What the component exports for a converter.
#[doc(hidden)]
pub struct Exported<T: Converter>(PhantomData<T>);

impl<T: Converter> wit::Guest for Exported<T> {
    fn routes() -> Vec<wit::Route> {
        let route = |route: Route| wit::Route { source: route.source, target: route.target };
        T::routes().into_iter().map(route).collect()
    }

    fn convert(route: wit::Route, options: String) -> Result<Vec<String>, types::Error> {
        let options = config::read("converter's options", &options)?;
        Ok(T::convert(Route { source: route.source, target: route.target }, options)?)
    }
}

/// Makes a [`Converter`] this component's `converter` role.
#[macro_export]
macro_rules! export_converter {
    ($converter:ty) => {
        #[cfg(target_family = "wasm")]
        const _: () = {
            type Exported = $crate::converter::Exported<$converter>;
            $crate::bindings::converter::export_converter_world!(
                Exported with_types_in $crate::bindings::converter
            );
        };
        // A native linker would not take the names of the exports; there, the type is only checked.
        #[cfg(not(target_family = "wasm"))]
        const _: ::core::marker::PhantomData<$crate::converter::Exported<$converter>> =
            ::core::marker::PhantomData;
    };
}
