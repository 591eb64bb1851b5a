//! Installs what the build needs where that is possible without asking, and otherwise says what to install and why.

use std::path::Path;

use anyhow::{Result, bail};

use crate::shell::{self, command, output, say, succeeds};

/// Something of the system that the build needs.
struct Need {
    name: &'static str,
    why: &'static str,
    /// Debian's and Ubuntu's package.
    package: &'static str,
    present: fn() -> bool,
}

const NEEDS: &[Need] = &[
    Need {
        name: "a C and C++ compiler",
        why: "llama.cpp and SQLite are compiled from source",
        package: "build-essential",
        present: || succeeds("cc --version") && succeeds("c++ --version"),
    },
    Need {
        name: "CMake",
        why: "llama.cpp is built with it",
        package: "cmake",
        present: || succeeds("cmake --version"),
    },
    Need {
        name: "libclang",
        why: "bindgen reads llama.cpp's headers with it",
        package: "libclang-dev",
        present: has_libclang,
    },
    Need {
        name: "clang",
        why: "the plugin for pipelines has SQLite in it, which is compiled for WebAssembly",
        package: "clang",
        present: || succeeds("clang --version"),
    },
    Need {
        name: "llvm-ar",
        why: "it packs what clang has compiled for WebAssembly",
        package: "llvm",
        present: || succeeds("llvm-ar --version"),
    },
    Need {
        name: "wasi-libc",
        why: "its headers are what C programs for WebAssembly are compiled with",
        package: "wasi-libc",
        present: || Path::new("/usr/include/wasm32-wasi/stdio.h").is_file(),
    },
    Need {
        name: "pkg-config",
        why: "build scripts look for system libraries with it",
        package: "pkg-config",
        present: || succeeds("pkg-config --version"),
    },
    Need {
        name: "ccache",
        why: "a second build of llama.cpp then takes a fifth of the time",
        package: "ccache",
        present: || succeeds("ccache --version"),
    },
    Need {
        name: "curl",
        why: "the demo speaks to the server with it",
        package: "curl",
        present: || succeeds("curl --version"),
    },
    Need {
        name: "Python 3 with venv",
        why: "the tests run the official clients for Python",
        package: "python3-venv",
        present: || {
            command("python3")
                .args(["-c", "import venv, ensurepip"])
                .output()
                .is_ok_and(|o| o.status.success())
        },
    },
    Need {
        name: "Node.js with npm",
        why: "the tests run the official clients for Node",
        package: "npm",
        present: || succeeds("node --version") && succeeds("npm --version"),
    },
];

const TARGET: &str = "wasm32-wasip2";

/// Makes the machine ready, or fails with what is missing.
pub(crate) fn run() -> Result<()> {
    system_packages()?;
    wasm_target()
}

fn system_packages() -> Result<()> {
    let missing: Vec<&Need> = NEEDS.iter().filter(|n| !(n.present)()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    for need in &missing {
        say(&format!("missing: {} ({})", need.name, need.why));
    }
    let packages: Vec<&str> = missing.iter().map(|n| n.package).collect();
    if !succeeds("apt-get --version") {
        bail!(
            "this system has no apt-get, so set-up cannot install what is missing. Install the above with the \
             system's package manager (Debian calls the packages: {}) and run this again",
            packages.join(" ")
        );
    }
    if output("id -u")?.trim() != "0" {
        bail!(
            "installing needs root. Run this, then the same command again:\n  \
             sudo apt-get update && sudo apt-get install -y --no-install-recommends {}",
            packages.join(" ")
        );
    }
    shell::run(&mut command("apt-get update -qq"))?;
    shell::run(
        command("apt-get install -y -qq --no-install-recommends")
            .args(&packages)
            .env("DEBIAN_FRONTEND", "noninteractive"),
    )?;
    match NEEDS.iter().find(|n| !(n.present)()) {
        Some(need) => bail!(
            "{} is still missing after installing {}; it is needed: {}",
            need.name,
            need.package,
            need.why
        ),
        None => Ok(()),
    }
}

fn wasm_target() -> Result<()> {
    // Not what rustup says: the standard library's presence is what counts, however it came there.
    let sysroot = output("rustc --print sysroot")?;
    let library = Path::new(sysroot.trim()).join("lib/rustlib").join(TARGET);
    if library.is_dir() {
        return Ok(());
    }
    if succeeds("rustup --version")
        && shell::run(&mut command(&format!("rustup target add {TARGET}"))).is_ok()
        && library.is_dir()
    {
        return Ok(());
    }
    bail!(
        "Rust's standard library for {TARGET} is missing; the plugins are compiled for it. Install it with \
         `rustup target add {TARGET}`, or with the package of your system that has it, and run this again"
    )
}

fn has_libclang() -> bool {
    if let Some(dir) = std::env::var_os("LIBCLANG_PATH") {
        return Path::new(&dir).exists();
    }
    let holds = |dir: &Path| {
        let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
        entries.map(|e| e.file_name()).any(|n| {
            n.to_string_lossy().starts_with("libclang") && !n.to_string_lossy().starts_with("libclang-cpp")
        })
    };
    let llvm = std::fs::read_dir("/usr/lib").into_iter().flatten().flatten().map(|e| e.path());
    llvm.filter(|p| p.to_string_lossy().contains("llvm")).any(|p| holds(&p.join("lib")))
        || holds(Path::new("/usr/local/lib"))
}
