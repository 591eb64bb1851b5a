//! What the binary carries with it, so that it works alone.

use inferno_sandbox::{Origin, Package};

/// A plugin as it was built with this binary.
pub(crate) struct BundledPlugin {
    pub(crate) manifest: &'static str,
    pub(crate) wasm: &'static [u8],
}

/// The plugins that are there without being installed. They get no privilege: they can be replaced by a directory
/// of the same name, and an entry in grants.toml takes away what they ask for.
///
/// The build script lists them.
pub(crate) const PLUGINS: &[BundledPlugin] = include!(concat!(env!("OUT_DIR"), "/bundled.rs"));

/// Whether a plugin of this name is part of the program.
pub(crate) fn is_bundled(name: &str) -> bool {
    PLUGINS.iter().any(|plugin| {
        Package::new(plugin.manifest, plugin.wasm, Origin::Bundled)
            .is_ok_and(|package| package.manifest().plugin.name == name)
    })
}

/// The name of the demo model.
pub(crate) const DEMO_NAME: &str = "storyteller";

/// Its file.
pub(crate) const DEMO_MODEL: &[u8] =
    include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/storyteller/storyteller.gguf"));

/// The SHA-256 of [`DEMO_MODEL`] in hexadecimal, computed when the binary was built.
pub(crate) const DEMO_DIGEST: &str = env!("INFERNO_DEMO_DIGEST");
