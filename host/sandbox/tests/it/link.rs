//! Components that do not fit are refused when they are loaded, in words that say what was expected and found.

use inferno_sandbox::{Error, ErrorKind};

use crate::guests::{PROBE, PROXY, VERB, guest};
use crate::lab::{Lab, manifest};

const COMMAND: &str = "[roles.command]";

fn refused(wasm: Vec<u8>, roles: &str) -> Error {
    Lab::new().load(&manifest("odd", roles, ""), wasm).unwrap_err()
}

fn check(text: &str, expect: &str) {
    let error = refused(wat::parse_str(text).unwrap(), COMMAND);
    assert_eq!(error.kind(), ErrorKind::Link);
    assert_eq!(error.to_string(), format!("plugin \"odd\" does not fit this host: {expect}"));
    assert!(error.hint().unwrap().contains("inferno:host/kv@0.1.0"), "{:?}", error.hint());
}

#[tokio::test]
async fn an_unknown_interface() {
    check(
        "(component (import \"acme:db/sql@1.0.0\" (instance (export \"query\" (func (param \"q\" string))))))",
        "it imports acme:db/sql@1.0.0, which this host does not know",
    );
}

#[tokio::test]
async fn another_version_of_a_known_interface() {
    check(
        "(component (import \"inferno:host/settings@0.2.0\" (instance
            (export \"get\" (func (param \"key\" string) (result string))))))",
        "it expects inferno:host/settings@0.2.0, and this host has inferno:host/settings@0.1.0",
    );
}

#[tokio::test]
async fn a_function_that_this_version_does_not_have() {
    check(
        "(component (import \"inferno:host/settings@0.1.3\" (instance (export \"set\" (func (param \"key\" string))))))",
        "component imports instance `inferno:host/settings@0.1.3`, but a matching implementation was not found in the linker: instance export `set` has the wrong type: function implementation is missing",
    );
}

#[tokio::test]
async fn a_function_of_another_type() {
    let error = refused(
        wat::parse_str(
            "(component (import \"inferno:host/settings@0.1.0\" (instance
                (export \"get\" (func (param \"key\" u32) (result (option string)))))))",
        )
        .unwrap(),
        COMMAND,
    );
    let text = error.to_string();
    assert!(text.contains("expected `string` found `u32`"), "{text}");
    assert!(text.contains("`inferno:host/settings@0.1.0`") && text.contains("`get`"), "{text}");
}

#[tokio::test]
async fn a_role_that_the_component_does_not_play() {
    let error = refused(guest(VERB), "[roles.http]\nmounts = ['/x']");
    assert_eq!(error.kind(), ErrorKind::Link);
    assert_eq!(
        error.to_string(),
        "plugin \"odd\" names [roles.http] in its plugin.toml, for which its component must export wasi:http/handler@0.3.0 or wasi:http/incoming-handler of WASI 0.2; it exports wasi:cli/run@0.2.0"
    );
    let error = refused(guest(PROXY), COMMAND);
    // Of which version is for the crate to say that the guest was built with.
    let expect = "must export wasi:cli/run of WASI 0.2 or 0.3; it exports wasi:http/incoming-handler@0.2.";
    assert!(error.to_string().contains(expect), "{error}");
}

#[tokio::test]
async fn what_is_not_a_component() {
    for bytes in
        [b"not wasm at all".to_vec(), wat::parse_str("(module)").unwrap(), guest(PROBE)[..1000].to_vec()]
    {
        let error = refused(bytes, COMMAND);
        assert_eq!(error.kind(), ErrorKind::Compile);
        assert!(error.to_string().starts_with("plugin \"odd\" is not a component that can run: "), "{error}");
        assert!(error.hint().unwrap().contains("wasm32-wasip2"));
    }
}
