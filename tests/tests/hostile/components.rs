//! Components that no compiler makes.

use std::fmt::Write as _;

/// A command that does nothing.
pub(crate) fn command() -> Vec<u8> {
    wat("")
}

/// One that imports this many interfaces which nobody has.
pub(crate) fn importing(count: usize) -> Vec<u8> {
    let mut text = String::new();
    for at in 0..count {
        let _ = write!(text, "(import \"evil:many/interface-{at}\" (instance (export \"f\" (func))))");
    }
    wat(&text)
}

/// One that imports this many functions of an interface that every host has.
pub(crate) fn importing_functions(count: usize) -> Vec<u8> {
    let mut text = String::new();
    for at in 0..count {
        let _ = write!(text, "(export \"function-{at}\" (func))");
    }
    wat(&format!("(import \"inferno:host/kv@0.1.0\" (instance {text}))"))
}

/// One that imports something by a name that is none.
pub(crate) fn with_import(name: &str) -> Vec<u8> {
    // The text format would not take it: a right name of the same length is written over.
    let right = format!("e:x/{}", "y".repeat(name.len() - 4));
    let mut bytes = wat(&format!("(import \"{right}\" (instance))"));
    let at = bytes.windows(right.len()).position(|window| window == right.as_bytes()).unwrap();
    bytes[at..at + right.len()].copy_from_slice(name.as_bytes());
    bytes
}

fn wat(imports: &str) -> Vec<u8> {
    wat::parse_str(format!(
        "(component {imports}
            (core module $m (func (export \"run\") (result i32) (i32.const 0)))
            (core instance $i (instantiate $m))
            (func $run (result (result)) (canon lift (core func $i \"run\")))
            (instance $exported (export \"run\" (func $run)))
            (export \"wasi:cli/run@0.2.0\" (instance $exported)))"
    ))
    .unwrap()
}
