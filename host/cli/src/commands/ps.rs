//! `inferno ps`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, SystemTime};

use ureq::Agent;

use crate::args::Ps;
use crate::failure::{Failure, Outcome};
use crate::printer::{Printer, bytes, visible};
use crate::report::{Report, Running, seconds};
use crate::settings::Settings;

/// How long a server of this machine may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) fn ps(settings: &Settings, ps: &Ps, printer: Printer) -> Outcome {
    let server = ps.server.clone().unwrap_or_else(|| format!("http://{}", address(settings)));
    let report = ask(server.trim_end_matches('/'), ps.key.as_deref())?;
    if ps.json.json {
        printer.json(&report)?;
        return Ok(0);
    }
    let now = seconds(SystemTime::now());
    let rows: Vec<Vec<String>> = report.models.iter().map(|running| row(running, now)).collect();
    printer.table(&["NAME", "MEMORY", "DEVICE", "CONTEXT", "ACTIVE", "QUEUED", "UNLOADS", "PID"], &rows)?;
    if printer.interactive {
        let budget = report.memory_budget.map_or_else(|| "any number of bytes".to_owned(), bytes);
        printer.note(format_args!("{} of {budget} for models are taken", bytes(report.memory_used)));
    }
    Ok(0)
}

fn row(running: &Running, now: u64) -> Vec<String> {
    let unloads = match running.expires {
        _ if running.pinned => "never (pinned)".to_owned(),
        None => "never".to_owned(),
        Some(at) => match at.saturating_sub(now) {
            0 => "now".to_owned(),
            left @ 1..60 => format!("in {left} s"),
            left => format!("in {} min", left.div_ceil(60)),
        },
    };
    vec![
        visible(&running.name),
        bytes(running.memory),
        visible(&running.device),
        format!("{} x {}", running.sequences, running.context),
        running.active.to_string(),
        running.queued.to_string(),
        unloads,
        running.pid.to_string(),
    ]
}

/// Where `inferno serve` listens by this configuration, as somebody on this machine reaches it.
fn address(settings: &Settings) -> SocketAddr {
    let host = match settings.serve_host {
        IpAddr::V4(host) if host.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(host) if host.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        host => host,
    };
    SocketAddr::new(host, settings.serve_port)
}

fn ask(server: &str, key: Option<&str>) -> Result<Report, Failure> {
    let agent: Agent = Agent::config_builder()
        .timeout_global(Some(PATIENCE))
        .http_status_as_error(false)
        .user_agent(concat!("inferno/", env!("CARGO_PKG_VERSION")))
        .build()
        .into();
    let mut request = agent.get(format!("{server}/inferno/ps"));
    if let Some(key) = key {
        request = request.header("authorization", format!("Bearer {key}"));
    }
    let unreachable = |error: ureq::Error| {
        Failure::new(format!("no server answers at {server}: {error}")).hint(
            "`inferno serve` starts one; --server names one that listens elsewhere, as serve.host and serve.port do",
        )
    };
    let mut response = request.call().map_err(unreachable)?;
    match response.status().as_u16() {
        200 => serde_json::from_reader(response.body_mut().as_reader()).map_err(|error| {
            Failure::new(format!("{server} answers something else than a report: {error}"))
                .hint("is it an Inferno server of this version?")
        }),
        401 => Err(Failure::new(format!("{server} needs a key")).hint("give one with --key")),
        status => Err(Failure::new(format!("{server} answered with status {status}"))
            .hint("is it an Inferno server of this version?")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_says_when_a_model_goes() {
        let running = |expires, pinned| Running {
            name: "m".into(),
            device: "CPU".into(),
            context: 2048,
            sequences: 8,
            pid: 7,
            active: 1,
            queued: 2,
            restarts: 0,
            since: 900,
            last_used: 950,
            expires,
            pinned,
            memory: 3 << 30,
            estimated: 2 << 30,
            resident: None,
        };
        let unloads = |expires, pinned| row(&running(expires, pinned), 1000)[6].clone();
        assert_eq!(unloads(Some(990), false), "now");
        assert_eq!(unloads(Some(1059), false), "in 59 s");
        assert_eq!(unloads(Some(2800), false), "in 30 min");
        assert_eq!(unloads(None, false), "never");
        assert_eq!(unloads(None, true), "never (pinned)");
        assert_eq!(row(&running(None, false), 0)[1..4], ["3.0 GiB", "CPU", "8 x 2048"]);
    }
}
