//! llama.cpp's own programs, built from the sources that the PyPI package `llama-cpp-python` carries.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

/// Its llama.cpp is of the same months as the one that the bindings pin.
const PACKAGE: &str = "llama-cpp-python==0.3.36";
const FOLDER: &str = "llama_cpp_python-0.3.36";

/// The built program, such as `llama-server`; building one for this machine's processor takes about
/// twelve minutes of processor time, once.
pub(crate) fn program(target: &Path, name: &str) -> Result<PathBuf> {
    let place = target.join("peers");
    let program = place.join("build/bin").join(name);
    if program.exists() {
        return Ok(program);
    }
    std::fs::create_dir_all(&place)?;
    let download = ["-m", "pip", "download", "--no-deps", "--no-binary", ":all:", PACKAGE, "--dest", "."];
    run(&place, "python3", &download)?;
    run(&place, "tar", &["xzf", &format!("{FOLDER}.tar.gz")])?;
    let sources = format!("{FOLDER}/vendor/llama.cpp");
    let options = [
        "-DCMAKE_BUILD_TYPE=Release",
        "-DLLAMA_OPENSSL=OFF",
        "-DLLAMA_BUILD_UI=OFF",
        "-DLLAMA_USE_PREBUILT_UI=OFF",
        "-DLLAMA_BUILD_TESTS=OFF",
        "-DLLAMA_BUILD_EXAMPLES=OFF",
        "-DBUILD_SHARED_LIBS=OFF",
    ];
    run(&place, "cmake", &[&["-S", &sources, "-B", "build"][..], &options].concat())?;
    run(&place, "cmake", &["--build", "build", "--target", name, "--parallel"])?;
    Ok(program)
}

#[expect(clippy::print_stderr, reason = "who waits for minutes may know for what")]
fn run(place: &Path, program: &str, args: &[&str]) -> Result<()> {
    eprintln!("$ {program} {}", args.join(" "));
    let mut command = Command::new(program);
    let status = command.args(args).current_dir(place).status();
    let status = status.with_context(|| format!("cannot run {program}"))?;
    if !status.success() {
        bail!("{program} failed: {status}");
    }
    Ok(())
}
