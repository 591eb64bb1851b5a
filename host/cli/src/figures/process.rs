//! What the system says about this process, under the names that programs of all kinds use for it.

use inferno_sandbox::{Exposition, FigureKind};

/// Writes what there is; systems without `/proc` have none of it.
pub(super) fn write(text: &mut Exposition) {
    let Some(seen) = Seen::now() else { return };
    let figures = [
        ("process_cpu_seconds_total", FigureKind::Counter, "Time that the process computed.", seen.cpu),
        ("process_resident_memory_bytes", FigureKind::Gauge, "Memory that the process has.", seen.resident),
        (
            "process_virtual_memory_bytes",
            FigureKind::Gauge,
            "Addresses that the process has.",
            seen.virtual_size,
        ),
        ("process_open_fds", FigureKind::Gauge, "Files and sockets that the process has open.", seen.open),
        ("process_threads", FigureKind::Gauge, "Threads of the process.", seen.threads),
        (
            "process_start_time_seconds",
            FigureKind::Gauge,
            "When the process was started, in seconds since 1970.",
            seen.started,
        ),
    ];
    for (name, kind, help, value) in figures {
        text.family(name, kind, help);
        text.sample(name, "", value);
    }
}

struct Seen {
    cpu: f64,
    resident: f64,
    virtual_size: f64,
    open: f64,
    threads: f64,
    started: f64,
}

impl Seen {
    #[cfg(target_os = "linux")]
    fn now() -> Option<Self> {
        use rustix::param::{clock_ticks_per_second, page_size};

        #[expect(clippy::cast_precision_loss, reason = "figures are floating-point numbers")]
        let (ticks, page) = (clock_ticks_per_second() as f64, page_size() as f64);
        let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
        // The name of the process, which may have spaces, stands in parentheses before.
        let (_, rest) = stat.rsplit_once(')')?;
        let fields: Vec<f64> =
            rest.split_whitespace().skip(1).filter_map(|field| field.parse().ok()).collect();
        // proc_pid_stat(5) numbers fields from 1, and these begin with the fourth.
        let field = |number: usize| fields.get(number - 4).copied();
        let booted = std::fs::read_to_string("/proc/stat").ok()?;
        let booted: f64 = booted.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()?;
        #[expect(clippy::cast_precision_loss, reason = "figures are floating-point numbers")]
        let open = std::fs::read_dir("/proc/self/fd").ok()?.count() as f64;
        Some(Self {
            cpu: (field(14)? + field(15)?) / ticks,
            threads: field(20)?,
            started: booted + field(22)? / ticks,
            virtual_size: field(23)?,
            resident: field(24)? * page,
            open,
        })
    }

    #[cfg(not(target_os = "linux"))]
    fn now() -> Option<Self> {
        None
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_seen() {
        let seen = Seen::now().unwrap();
        assert!(seen.resident > 100_000.0 && seen.virtual_size >= seen.resident);
        assert!(seen.open >= 3.0 && seen.threads >= 1.0 && seen.cpu >= 0.0);
        let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs_f64();
        assert!((now - seen.started).abs() < 3600.0 * 24.0, "{} {now}", seen.started);
    }
}
