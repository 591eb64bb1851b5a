//! What no plugin should do.

use crate::wit::inferno::host::{inference, log, settings};
use crate::wit::wasi::clocks::monotonic_clock;
use crate::wit::wasi::http::types::Response;
use crate::{Query, respond, text};

pub(crate) async fn wait(milliseconds: u64) {
    monotonic_clock::wait_for(milliseconds * 1_000_000).await;
}

/// Does it, or answers 404.
pub(crate) async fn call(name: &str, query: &Query) -> Response {
    match name {
        "panic" => crash(),
        "spin" => spin(),
        "sleep" => {
            wait(query.number("ms").unwrap_or(0)).await;
            text(200, "slept")
        }
        "grow" => {
            let mut held: Vec<Vec<u8>> = Vec::new();
            loop {
                held.push(vec![1; 1 << 20]);
            }
        }
        "flood" => loop {
            settings::get("nothing");
        },
        // Each call is small, but the host has to keep them all.
        "hoard" => {
            let request = inference::Request::new("any");
            let piece = "x".repeat(64 << 10);
            loop {
                request.message(inference::Role::User, &piece);
            }
        }
        "hoard-resources" => {
            let mut held = Vec::new();
            loop {
                held.push(inference::Request::new("any"));
            }
        }
        "heave" => {
            log::log(log::Level::Trace, &"x".repeat(query.number("bytes").unwrap_or(0) as usize), &[]);
            text(200, "heaved")
        }
        "start-then-panic" => respond(200, &[], async |mut out| {
            out.write_all(b"so far".to_vec()).await;
            crash()
        }),
        "start-then-spin" => respond(200, &[], async |mut out| {
            out.write_all(b"so far".to_vec()).await;
            spin()
        }),
        "start-then-sleep" => respond(200, &[], async |mut out| {
            out.write_all(b"so far".to_vec()).await;
            wait(3_600_000).await;
        }),
        "short" => respond(200, &[("content-length", b"10".to_vec())], async |mut out| {
            out.write_all(b"half".to_vec()).await;
        }),
        "log-flood" => {
            for _ in 0..query.number("lines").unwrap_or(u64::MAX) {
                log::log(log::Level::Trace, "again", &[]);
            }
            text(200, "logged")
        }
        "print-flood" => {
            for _ in 0..query.number("lines").unwrap_or(u64::MAX) {
                print();
            }
            text(200, "printed")
        }
        // Never stops writing.
        "endless" => {
            respond(200, &[], async |mut out| while out.write_all(vec![b'x'; 64 << 10]).await.is_empty() {})
        }
        _ => text(404, "no such thing"),
    }
}

#[expect(clippy::panic, reason = "that is what it is for")]
fn crash() -> ! {
    panic!("the probe was told to panic")
}

#[expect(clippy::print_stdout, reason = "the host is to count it")]
fn print() {
    println!("again");
}

fn spin() -> ! {
    loop {
        std::hint::spin_loop();
    }
}
