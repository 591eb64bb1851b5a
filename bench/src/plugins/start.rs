//! From files on the disk to the first answer, with the component compiled before.
//!
//! Plain wasmtime has the same kind of compile cache: what else it offers, `Component::deserialize_file`, trusts the
//! file blindly, which is unsafe.

use std::time::Instant;

use anyhow::Result;
use bytes::Bytes;
use inferno_sandbox::Sandbox;

use super::components::Folders;
use super::ours::{self, caller};
use super::plain::Plain;
use super::{UNDISTURBED, alternate};
use crate::report::{Row, percentile};

/// The defaults of the product.
const CALLS: u32 = 128;
/// Starts of each side, alternating.
const STARTS: usize = 25;

/// Measures both ways to begin.
pub(crate) async fn rows(folders: &Folders) -> Result<Vec<Row>> {
    let services = ours::services()?;
    let data = Bytes::from_static(b"x");
    let our_config = || ours::config(&folders.our_cache, CALLS);
    let (mut of_ours, mut of_plain) = (Vec::new(), Vec::new());
    for number in 0..=STARTS {
        let begin = Instant::now();
        let sandbox = Sandbox::new(our_config(), services.clone())?;
        let plugin = ours::load(&sandbox, &folders.redact)?;
        plugin.filter(caller()).await?.chunk(data.clone(), false).await?;
        let ours = begin.elapsed();
        // Its end is not part of a start.
        drop((plugin, sandbox));

        let begin = Instant::now();
        let plain = Plain::new(&folders.plain_cache, CALLS)?;
        let loaded = plain.load(&folders.redact)?;
        loaded.filter().await?.chunk(&data, false).await?;
        let peer = begin.elapsed();
        drop((loaded, plain));

        // The first may have compiled it.
        if number > 0 {
            of_ours.push(ours.as_secs_f64() * 1e3);
            of_plain.push(peer.as_secs_f64() * 1e3);
        }
    }
    let cold = (percentile(&mut of_ours, UNDISTURBED), percentile(&mut of_plain, UNDISTURBED));

    let sandbox = Sandbox::new(our_config(), services)?;
    let plain = Plain::new(&folders.plain_cache, CALLS)?;
    let warm = alternate(
        1,
        async || {
            let plugin = ours::load(&sandbox, &folders.redact)?;
            plugin.filter(caller()).await?.chunk(data.clone(), false).await?;
            Ok(())
        },
        async || {
            plain.load(&folders.redact)?.filter().await?.chunk(&data, false).await?;
            Ok(())
        },
    )
    .await?;
    let name = "redact-filter: cached, from disk to first call";
    Ok(vec![
        Row::versus(
            format!("{name}, new engine; vs plain wasmtime with its own cache"),
            cold.0,
            "ms",
            cold.1,
        )
        .aim("<= 4.5 ms"),
        Row::versus(
            format!("{name}, engine warm; vs plain wasmtime with its own cache"),
            warm.0 / 1e3,
            "ms",
            warm.1 / 1e3,
        )
        .aim("<= 0.14 ms"),
    ])
}
