//! Gets a package from an address: the only part of the program that reaches into the network, and only when asked to.

use std::io::Read as _;
use std::time::Duration;

use inferno_plugins::MAX_FILE;
use ureq::Agent;

use crate::failure::Failure;
use crate::host;
use crate::printer::{Printer, bytes};
use crate::progress::{self, Share};

const CONNECT: Duration = Duration::from_secs(30);
const FIRST_BYTE: Duration = Duration::from_secs(60);
const WHOLE: Duration = Duration::from_secs(60 * 60);
const CHUNK: usize = 64 * 1024;

/// The bytes at an address, or a sentence that says why not; shows how far it is.
pub(crate) fn get(url: &str, printer: Printer) -> Result<Vec<u8>, Failure> {
    let url = url.to_owned();
    host::runtime()?
        .block_on(progress::during(printer, "downloading", |share| {
            tokio::task::spawn_blocking(move || fetch(&url, &share))
        }))
        .map_err(|error| Failure::new(format!("the download failed: {error}")))?
        .map_err(Failure::new)
}

fn fetch(url: &str, share: &Share) -> Result<Vec<u8>, String> {
    // Whoever asked for a safe connection does not get another one by a redirect.
    let safe = url.get(..8).is_some_and(|start| start.eq_ignore_ascii_case("https://"));
    let agent: Agent = Agent::config_builder()
        .https_only(safe)
        .timeout_connect(Some(CONNECT))
        .timeout_recv_response(Some(FIRST_BYTE))
        .timeout_global(Some(WHOLE))
        .user_agent(concat!("inferno/", env!("CARGO_PKG_VERSION")))
        .build()
        .into();
    let mut response = agent.get(url).call().map_err(|error| match error {
        ureq::Error::StatusCode(status) => format!("the server answered with status {status}"),
        other => other.to_string(),
    })?;
    let body = response.body_mut();
    let too_long = || format!("it is longer than {}, which no package is", bytes(MAX_FILE));
    let length = body.content_length();
    if length.is_some_and(|length| length > MAX_FILE) {
        return Err(too_long());
    }
    let mut reader = body.as_reader();
    let (mut got, mut chunk) = (Vec::new(), vec![0; CHUNK]);
    loop {
        let count = reader.read(&mut chunk).map_err(|error| error.to_string())?;
        if count == 0 {
            return Ok(got);
        }
        got.extend_from_slice(&chunk[..count]);
        if got.len() as u64 > MAX_FILE {
            return Err(too_long());
        }
        if let Some(length) = length.filter(|length| *length > 0) {
            share.set(got.len() as f32 / length as f32);
        }
    }
}
