//! The llama.cpp backend as a library for this very processor, or for graphics processors of a kind. It lies beside the program, which takes it where the
//! processor has what it needs, and goes on with its own where not.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::ValueEnum;

use crate::shell::{self, command, say, target};

/// Graphics processors, by the interface that reaches them. Its development files must be installed.
#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Gpu {
    /// NVIDIA's
    Cuda,
    /// Apple's
    Metal,
    /// Of any vendor
    Vulkan,
}

impl Gpu {
    fn name(self) -> &'static str {
        match self {
            Self::Cuda => "cuda",
            Self::Metal => "metal",
            Self::Vulkan => "vulkan",
        }
    }
}

/// Rust's name of a feature, and llama.cpp's option for it. AVX-512 is one option for several features.
type Feature = (&'static str, Option<&'static str>);

#[cfg(target_arch = "x86_64")]
fn features() -> Vec<Feature> {
    macro_rules! there {
        ($($name:tt $option:expr;)*) => {
            [$((std::is_x86_feature_detected!($name), ($name, $option))),*]
        };
    }
    let all = there! {
        "avx512f" Some("GGML_AVX512");
        "avx512cd" None;
        "avx512vl" None;
        "avx512dq" None;
        "avx512bw" None;
        "avx512vbmi" Some("GGML_AVX512_VBMI");
        "avx512vnni" Some("GGML_AVX512_VNNI");
        "avx512bf16" Some("GGML_AVX512_BF16");
        "avxvnni" Some("GGML_AVX_VNNI");
    };
    all.into_iter().filter_map(|(there, feature)| there.then_some(feature)).collect()
}

#[cfg(not(target_arch = "x86_64"))]
fn features() -> Vec<Feature> {
    Vec::new()
}

/// Builds it and copies it to `dir`, or leaves it where it is built. Returns its folder.
pub(crate) fn run(dir: Option<&Path>, gpu: Option<Gpu>) -> Result<PathBuf> {
    crate::setup::run()?;
    let features = features();
    let names: Vec<&str> = features.iter().map(|(name, _)| *name).collect();
    // A folder of its own, since other options mean that llama.cpp is compiled again.
    let folder = target().join("backends");
    let mut build = command("cargo build --release --package inferno-backend-gguf --example inferno_gguf");
    build.arg("--target-dir").arg(&folder).env("INFERNO_BACKEND_NEEDS", names.join(","));
    build.envs(features.iter().filter_map(|(_, option)| *option).map(|option| (option, "ON")));
    if let Some(gpu) = gpu {
        build.args(["--features", gpu.name()]);
    }
    shell::run(&mut build)?;
    let file = |kind: &str| {
        let (prefix, suffix) = (std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
        format!("{prefix}inferno_gguf{kind}{suffix}")
    };
    let built = folder.join("release/examples").join(file(""));
    // By its name it comes before the one without.
    let name = file(&gpu.map_or_else(String::new, |gpu| format!("-{}", gpu.name())));
    let dir = dir.map_or_else(|| folder.join("use"), Path::to_owned);
    std::fs::create_dir_all(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
    // A program that has the old one open keeps it.
    let (to, beside) = (dir.join(&name), dir.join(format!(".{name}")));
    std::fs::copy(&built, &beside)
        .and_then(|_| std::fs::rename(&beside, &to))
        .with_context(|| format!("cannot copy {} to {}", built.display(), to.display()))?;
    let needs = if names.is_empty() { "nothing special".to_owned() } else { names.join(", ") };
    say(&format!("{} is for processors with: {needs}", to.display()));
    Ok(dir)
}
