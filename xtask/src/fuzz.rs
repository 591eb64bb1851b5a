//! Coverage-guided fuzzing with libFuzzer, on the stable compiler.

use std::io::Read;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::shell::{self, command, root, target};

const TARGETS: &[&str] = &[
    "gguf_header",
    "grants",
    "plugin_manifest",
    "plugin_package",
    "plugin_sites",
    "safetensors_header",
    "worker_frames",
];
/// Those that need the feature `plugins` of the fuzz crate.
const OF_PLUGINS: &[&str] = &["grants", "plugin_manifest", "plugin_package", "plugin_sites"];

/// What `cargo fuzz` passes too, less the sanitizers: the code under test has no `unsafe`.
const RUSTFLAGS: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1 -Cdebug-assertions=on --cfg fuzzing";

pub(crate) fn run(target_name: Option<&str>, seconds: u32) -> Result<()> {
    crate::setup::run()?;
    let targets = match target_name {
        None => TARGETS.to_vec(),
        Some(name) if TARGETS.contains(&name) => vec![name],
        Some(name) => bail!("there is no fuzz target {name}; there are {}", TARGETS.join(" and ")),
    };
    // A folder of its own, since the flags differ: the instrumented build must not evict the ordinary one.
    let out = target().join("fuzz");
    let host = shell::output("rustc --print host-tuple")?.trim().to_owned();
    let mut build = command("cargo build --release --manifest-path fuzz/Cargo.toml --target");
    build.arg(&host).arg("--target-dir").arg(&out).env("RUSTFLAGS", RUSTFLAGS);
    if targets.iter().any(|name| OF_PLUGINS.contains(name)) {
        build.args(["--features", "plugins"]);
    }
    for name in &targets {
        build.args(["--bin", name]);
    }
    shell::run(&mut build)?;
    seed(&out.join("corpus/gguf_header"))?;
    for name in targets {
        let corpus = out.join("corpus").join(name);
        std::fs::create_dir_all(&corpus).with_context(|| format!("cannot make {}", corpus.display()))?;
        let artifacts = format!("-artifact_prefix={}/", out.join("artifacts").join(name).display());
        std::fs::create_dir_all(out.join("artifacts").join(name))?;
        let mut fuzz = command(&out.join(&host).join("release").join(name).display().to_string());
        fuzz.arg(&corpus);
        fuzz.arg(format!("-max_total_time={seconds}")).arg(artifacts);
        // A length that is believed would allocate gigabytes: fail the run instead.
        fuzz.args(["-rss_limit_mb=512", "-malloc_limit_mb=128", "-timeout=5", "-print_final_stats=1"]);
        shell::run(&mut fuzz)?;
    }
    Ok(())
}

/// Gives the header's target a real header to start from: the demo model's, which ends within its first 64 KiB.
fn seed(corpus: &Path) -> Result<()> {
    let mut header = Vec::new();
    let model = root().join("examples/storyteller/storyteller.gguf");
    let file = std::fs::File::open(&model).with_context(|| format!("cannot open {}", model.display()))?;
    file.take(64 << 10).read_to_end(&mut header)?;
    std::fs::create_dir_all(corpus).with_context(|| format!("cannot make {}", corpus.display()))?;
    std::fs::write(corpus.join("storyteller"), header)?;
    Ok(())
}
