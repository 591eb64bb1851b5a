//! A verb that exports `wasi:cli/run` of WASI 0.3. It succeeds if its only argument is `yes`.

mod wit {
    wit_bindgen::generate!({
        path: [
            "../../../wit/deps/wasi-clocks",
            "../../../wit/deps/wasi-random",
            "../../../wit/deps/wasi-filesystem",
            "../../../wit/deps/wasi-sockets",
            "../../../wit/deps/wasi-cli",
            "../../../wit/deps/wasi-http",
            "../../../wit/host",
            "../../../wit/plugin",
        ],
        world: "inferno:plugin/command",
        generate_all,
    });
}

struct Verb;

#[expect(unsafe_code, reason = "generated code")]
mod exported {
    use super::{Verb, wit};

    wit::export!(Verb with_types_in wit);
}

impl wit::exports::wasi::cli::run::Guest for Verb {
    async fn run() -> Result<(), ()> {
        wit::wasi::clocks::monotonic_clock::wait_for(1_000_000).await;
        let said: Vec<String> = std::env::args().skip(1).collect();
        if said == ["yes"] { Ok(()) } else { Err(()) }
    }
}
