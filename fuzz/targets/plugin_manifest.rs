//! The manifest reader on any text, alone and behind a head that is as it should be; and what is said about a plugin
//! with such a manifest.
#![no_main]

use inferno_plugins::{asks, inspect, pack_parts};
use inferno_sandbox::Manifest;

const HEAD: &str = "[plugin]\nname = \"acme\"\nversion = \"1.0.0\"\ndescription = \"x\"\nlicense = \"MIT\"\n\
    wit = \"0.1\"\n";
const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";
const SBOM: &str = r#"{"bomFormat":"CycloneDX","specVersion":"1.6"}"#;

libfuzzer_sys::fuzz_target!(|text: &str| {
    check(text);
    check(&format!("{HEAD}[roles.command]\n[asks]\n{text}"));
    check(&format!("{HEAD}[roles.{text}"));
});

fn check(text: &str) {
    let Ok(manifest) = Manifest::parse("plugin.toml", text) else { return };
    // Capabilities are written as they are read.
    let again: inferno_sandbox::Capabilities =
        toml::from_str(&manifest.asks.to_toml()).expect("what was read can be written");
    assert_eq!(again, manifest.asks);
    for ask in asks(&manifest).expect("a manifest that was read") {
        for shown in [&ask.sentence, &ask.word, &ask.why.unwrap_or_default(), &ask.item.unwrap_or_default()] {
            assert!(!shown.contains(char::is_control), "{shown:?}");
        }
    }
    if let Ok(package) = pack_parts(text, COMPONENT, SBOM) {
        let inspection = inspect(&package).expect("what was packed can be inspected");
        for shown in inspection.may.iter().chain([&inspection.description, &inspection.license, &inspection.version]) {
            assert!(!shown.contains(char::is_control), "{shown:?}");
        }
    }
}
