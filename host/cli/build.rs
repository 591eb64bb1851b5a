//! Builds the first-party plugins for WebAssembly, so that the binary can carry them, notes the digest of the demo
//! model, and lists the SDKs and the templates that the binary carries for `inferno plugin new`.

#[path = "build/carried.rs"]
mod carried;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::{env, fs};

use sha2::{Digest, Sha256};

const TARGET: &str = "wasm32-wasip2";

/// The folders in `plugins/` whose plugins the binary carries. Their packages are called `inferno-plugin-NAME`.
const BUNDLED: [&str; 5] = ["anthropic", "convert", "gateway", "ollama", "pipeline"];

/// Variables of the outer build that would change the inner one: they describe the host's target or the host's
/// flags (`-C target-cpu=native` breaks a wasm build), or wrap the compiler for a purpose (clippy, coverage)
/// that has nothing to do with plugins.
const FOREIGN: [&str; 16] = [
    "RUSTFLAGS",
    "CARGO_ENCODED_RUSTFLAGS",
    "CARGO_BUILD_RUSTFLAGS",
    "CARGO_BUILD_TARGET",
    "CARGO_BUILD_TARGET_DIR",
    "CARGO_TARGET_DIR",
    "RUSTC",
    "RUSTC_WRAPPER",
    "RUSTC_WORKSPACE_WRAPPER",
    "CARGO_BUILD_RUSTC_WRAPPER",
    "CARGO_BUILD_RUSTC_WORKSPACE_WRAPPER",
    "TARGET",
    "PROFILE",
    "OPT_LEVEL",
    "DEBUG",
    "LD_LIBRARY_PATH",
];

fn main() -> ExitCode {
    match build() {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            println!("cargo::error={message}");
            ExitCode::FAILURE
        }
    }
}

fn build() -> Result<(), String> {
    let root = Path::new(&variable("CARGO_MANIFEST_DIR")?).join("../..");
    let out = PathBuf::from(variable("OUT_DIR")?);
    demo_digest(&root)?;
    for input in ["formats", "sdk/rust", "wit", "Cargo.toml", "Cargo.lock"] {
        println!("cargo::rerun-if-changed={}", root.join(input).display());
    }
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=build");
    carried::write(&root, &out.join("carried.rs"))?;
    let components = components(&root, &out)?;
    let mut table = String::from("&[\n");
    for name in BUNDLED {
        let folder = root.join("plugins").join(name);
        println!("cargo::rerun-if-changed={}", folder.display());
        let wasm = out.join(format!("{name}.wasm"));
        let built = components.join(format!("inferno_plugin_{name}.wasm"));
        fs::copy(&built, &wasm).map_err(|error| format!("cannot copy {}: {error}", built.display()))?;
        let (manifest, wasm) = (folder.join("plugin.toml"), wasm.display().to_string());
        let manifest = manifest.display().to_string();
        let _ = writeln!(
            table,
            "    BundledPlugin {{ manifest: include_str!({manifest:?}), wasm: include_bytes!({wasm:?}) }},"
        );
    }
    table.push(']');
    fs::write(out.join("bundled.rs"), table).map_err(|error| format!("cannot write bundled.rs: {error}"))
}

fn demo_digest(root: &Path) -> Result<(), String> {
    let model = root.join("examples/storyteller/storyteller.gguf");
    println!("cargo::rerun-if-changed={}", model.display());
    let bytes = fs::read(&model).map_err(|error| format!("cannot read {}: {error}", model.display()))?;
    let digest: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    println!("cargo::rustc-env=INFERNO_DEMO_DIGEST={digest}");
    Ok(())
}

/// Builds the bundled plugins with a cargo of their own, in a target directory of their own since the outer cargo holds
/// the lock of the other one, and gives the folder of the components.
fn components(root: &Path, out: &Path) -> Result<PathBuf, String> {
    // OUT_DIR is <target>/<profile>/build/<package>/out.
    let target_dir =
        out.ancestors().nth(4).ok_or("OUT_DIR is not inside a target directory")?.join("plugins");
    let cargo = variable("CARGO")?;
    let mut command = Command::new(&cargo);
    command
        .current_dir(root)
        .args(["build", "--quiet", "--locked", "--target", TARGET, "--profile", "plugin"])
        .args(BUNDLED.iter().flat_map(|name| ["--package".to_owned(), format!("inferno-plugin-{name}")]))
        .arg("--target-dir")
        .arg(&target_dir);
    for (name, _) in env::vars_os() {
        let foreign = name.to_str().is_some_and(|name| {
            FOREIGN.contains(&name)
                || ["CARGO_CFG_", "CARGO_FEATURE_", "CARGO_PKG_", "CARGO_MANIFEST_"]
                    .iter()
                    .any(|prefix| name.starts_with(prefix))
        });
        if foreign {
            command.env_remove(name);
        }
    }
    let output = command.output().map_err(|error| format!("cannot start {cargo}: {error}"))?;
    if !output.status.success() {
        if !target_is_installed() {
            return Err(format!(
                "the Rust target {TARGET}, which plugins are built for, is missing: \
                 run `rustup target add {TARGET}`, or `cargo xtask setup`"
            ));
        }
        for line in String::from_utf8_lossy(&output.stderr).lines() {
            println!("cargo::error={line}");
        }
        return Err(format!("the bundled plugins do not build for {TARGET}, see above"));
    }
    Ok(target_dir.join(TARGET).join("plugin"))
}

fn target_is_installed() -> bool {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    Command::new(rustc)
        .args(["--print", "target-libdir", "--target", TARGET])
        .output()
        .is_ok_and(|output| Path::new(String::from_utf8_lossy(&output.stdout).trim()).is_dir())
}

fn variable(name: &str) -> Result<String, String> {
    env::var(name).map_err(|error| format!("{name}: {error}"))
}
