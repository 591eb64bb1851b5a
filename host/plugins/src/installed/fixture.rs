//! A small plugin in many versions, for tests.

use crate::keys::SecretKey;
use crate::packed::{pack_parts, sign};
use crate::source::Incoming;

pub(crate) const MANIFEST: &str = "[plugin]\nname = \"acme\"\nversion = \"1.0.0\"\ndescription = \"A test\"\n\
    license = \"MIT\"\nwit = \"0.1\"\n[roles.command]\n";
const SBOM: &str = r#"{"bomFormat":"CycloneDX","specVersion":"1.6","components":[],"compositions":[{"aggregate":"unknown"}]}"#;

pub(crate) fn manifest(version: &str, asks: &str) -> String {
    format!("{}[asks]\n{asks}\n", MANIFEST.replace("1.0.0", version))
}

pub(crate) fn component() -> Vec<u8> {
    let text = "(component (import \"inferno:host/kv@0.1.0\" (instance)) (instance $run) \
        (export \"wasi:cli/run@0.3.0\" (instance $run)))";
    wat::parse_str(text).unwrap()
}

pub(crate) fn incoming(version: &str, asks: &str) -> Incoming {
    incoming_of(&manifest(version, asks))
}

pub(crate) fn incoming_of(manifest: &str) -> Incoming {
    Incoming::packed(&pack_parts(manifest, &component(), SBOM).unwrap(), "/from/here.wasm").unwrap()
}

pub(crate) fn signed(version: &str, asks: &str, key: &SecretKey) -> Incoming {
    let packed = pack_parts(&manifest(version, asks), &component(), SBOM).unwrap();
    Incoming::packed(&sign(&packed, key).unwrap(), "https://a.example/acme.wasm").unwrap()
}
