//! The package reader on any bytes, on a package in which some bytes were changed, and on any component inside one. What
//! it reads, it must be able to write again as the same bytes; what it says must be harmless to show.
#![no_main]

use std::sync::LazyLock;

use inferno_plugins::{inspect, pack_parts, read};

const HEADER: &[u8] = b"\0asm\x0d\0\x01\0";
const MANIFEST: &str = "[plugin]\nname = \"acme\"\nversion = \"1.0.0\"\ndescription = \"x\"\nlicense = \"MIT\"\n\
    wit = \"0.1\"\n[roles.command]\n";
const SBOM: &str = r#"{"bomFormat":"CycloneDX","specVersion":"1.6"}"#;

static PACKAGE: LazyLock<Vec<u8>> =
    LazyLock::new(|| pack_parts(MANIFEST, HEADER, SBOM).expect("a package as it should be"));

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    check(bytes);
    if let Some((at, changes)) = bytes.split_first() {
        let mut changed = PACKAGE.clone();
        for (old, change) in changed.iter_mut().skip(usize::from(*at)).zip(changes) {
            *old ^= change;
        }
        check(&changed);
    }
    if let Ok(package) = pack_parts(MANIFEST, &[HEADER, bytes].concat(), SBOM) {
        check(&package);
    }
});

fn check(bytes: &[u8]) {
    match read(bytes) {
        Ok(packed) => {
            let again = pack_parts(&packed.manifest_text, packed.package.wasm(), &packed.sbom)
                .expect("what was read can be written");
            assert!(bytes.starts_with(&again), "what is before the signature has one form");
            assert!(packed.signer.is_some() || again.len() == bytes.len(), "and nothing else follows");
            if let Ok(inspection) = inspect(bytes) {
                let names = inspection.imports.iter().chain(&inspection.exports);
                for text in names.map(|interface| &interface.name).chain(&inspection.may) {
                    assert!(!text.contains(char::is_control), "{text:?}");
                }
            }
        }
        Err(error) => assert!(!error.to_string().contains('\x1b')),
    }
}
