//! What the tests share.

use inferno_plugins::{SecretKey, pack_parts, sign};
use inferno_sandbox::Capabilities;

pub(crate) const SBOM: &str = r#"{"bomFormat":"CycloneDX","specVersion":"1.6","components":[{"type":"library","name":"a","version":"1"}]}"#;

pub(crate) fn manifest(name: &str, asks: &str) -> String {
    format!(
        "[plugin]\nname = \"{name}\"\nversion = \"1.0.0\"\ndescription = \"A test\"\nlicense = \"MIT\"\nwit = \"0.1\"\n\
         [roles.command]\n[asks]\n{asks}\n"
    )
}

pub(crate) fn component() -> Vec<u8> {
    wat::parse_str(
        "(component (core module (func)) (instance $run) (export \"wasi:cli/run@0.3.0\" (instance $run)))",
    )
    .unwrap()
}

pub(crate) fn unsigned(name: &str, asks: &str) -> Vec<u8> {
    pack_parts(&manifest(name, asks), &component(), SBOM).unwrap()
}

pub(crate) fn key() -> SecretKey {
    SecretKey::create(&tempfile::tempdir().unwrap().path().join("key")).unwrap()
}

pub(crate) fn signed(key: &SecretKey) -> Vec<u8> {
    sign(&unsigned("acme", "kv = true"), key).unwrap()
}

pub(crate) fn caps(text: &str) -> Capabilities {
    toml::from_str(text).unwrap()
}

/// Numbers that look random and are the same in every run.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % end as u64) as usize
    }

    pub(crate) fn one_of<'a, T>(&mut self, list: &'a [T]) -> &'a T {
        &list[self.below(list.len())]
    }
}
