//! What no plugin should do, whatever its role.

use std::time::{Duration, Instant};

use crate::wit::inferno::host::settings;
use crate::wit::inferno::host::types::{Error, ErrorKind};

/// Does it, if these words mean something.
pub(crate) fn run(words: &[&str]) -> Option<Result<(), Error>> {
    match words {
        ["panic"] => crash(),
        ["spin"] => loop {
            std::hint::spin_loop();
        },
        ["sleep"] => {
            std::thread::sleep(Duration::from_secs(3600));
            Some(Ok(()))
        }
        ["flood"] => loop {
            settings::get("nothing");
        },
        ["call", times] => {
            for _ in 0..times.parse().unwrap_or(0) {
                settings::get("nothing");
            }
            Some(Ok(()))
        }
        ["burn", milliseconds] => {
            let start = Instant::now();
            let span = Duration::from_millis(milliseconds.parse().unwrap_or(0));
            // A look at the clock is a call of the host, of which there are only so many.
            while start.elapsed() < span {
                for _ in 0..100_000 {
                    std::hint::spin_loop();
                }
            }
            Some(Ok(()))
        }
        ["refuse"] => Some(Err(Error {
            kind: ErrorKind::Exhausted,
            message: "I have had enough".to_owned(),
            hint: Some("ask tomorrow".to_owned()),
            retry_after_ms: Some(1500),
        })),
        _ => None,
    }
}

#[expect(clippy::panic, reason = "that is what it is for")]
pub(crate) fn crash() -> ! {
    panic!("the guest was told to panic")
}
