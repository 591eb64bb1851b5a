//! Choices made when a model is loaded: how long contexts are and how many threads compute.

use std::collections::BTreeSet;
use std::num::NonZero;
use std::{fs, thread};

use inferno_backend::{Error, LoadOptions};

use crate::facts::Facts;
use crate::saved::{Packing, Settings};

/// Tokens of context where nobody asked for more.
pub(crate) const USUAL_CONTEXT: u32 = 4096;
/// Tokens of context that are given whatever the cache costs, if the model has them.
const LEAST_CONTEXT: u32 = 1024;
/// Bytes that the caches of all sequences may take where nobody asked for a context.
const USUAL_CACHE: u64 = 4 << 30;
/// llama.cpp's own limit.
const MOST_SEQUENCES: u32 = 256;
/// Below this many weights a second thread costs more than it gives.
const TINY: u64 = 50_000_000;

/// What was chosen.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    /// Tokens of context of each sequence.
    pub(crate) context: u32,
    /// Sequences that are worked on at once.
    pub(crate) sequences: u32,
    /// Threads that compute.
    pub(crate) threads: i32,
    /// Threads that read prompts.
    pub(crate) threads_batch: i32,
}

impl Plan {
    /// Checks the options that need no model.
    pub(crate) fn check(options: &LoadOptions) -> Result<(), Error> {
        Self::saving(options)?;
        if options.sequences == 0 || options.sequences > MOST_SEQUENCES {
            return Err(Error::invalid(format!(
                "sequences is {}, but must be between 1 and {MOST_SEQUENCES}",
                options.sequences
            )));
        }
        if options.context == Some(0) {
            return Err(
                Error::invalid("context is 0, but must be at least 1").hint("leave it out for the usual one")
            );
        }
        for (name, threads) in [("threads", options.threads), ("threads_batch", options.threads_batch)] {
            if threads == Some(0) {
                return Err(Error::invalid(format!("{name} is 0, but must be at least 1"))
                    .hint("leave it out to have it chosen"));
            }
        }
        Ok(())
    }

    /// How prompts are kept on disk.
    pub(crate) fn saving(options: &LoadOptions) -> Result<Settings, Error> {
        let mut settings = Settings::default();
        for (key, value) in &options.extra {
            match (key.as_str(), value.as_str()) {
                ("state_bytes", value) => {
                    settings.bytes = value.parse().map_err(|_| {
                        Error::invalid(format!("state_bytes is {value:?}, but must be a number of bytes"))
                    })?;
                }
                ("state_compress", "none") => settings.packing = Packing::None,
                ("state_compress", "zstd") => settings.packing = Packing::Zstd,
                ("state_compress", "gzip") => settings.packing = Packing::Gzip,
                ("state_compress", other) => {
                    return Err(Error::invalid(format!(
                        "state_compress is {other:?}, but must be \"zstd\", \"gzip\" or \"none\""
                    )));
                }
                (other, _) => {
                    return Err(Error::invalid(format!("the gguf backend knows no option named {other}"))
                        .hint("its own options are state_bytes and state_compress"));
                }
            }
        }
        Ok(settings)
    }

    /// Chooses for this model.
    pub(crate) fn of(options: &LoadOptions, facts: &Facts) -> Self {
        Self {
            context: context(options, facts),
            sequences: options.sequences,
            threads: threads(options.threads, facts.parameters),
            threads_batch: threads(options.threads_batch.or(options.threads), facts.parameters),
        }
    }
}

fn context(options: &LoadOptions, facts: &Facts) -> u32 {
    if let Some(context) = options.context {
        return context.min(facts.trained);
    }
    let each = facts.cache_per_token.saturating_mul(options.sequences.into()).max(1);
    let affordable = u32::try_from(USUAL_CACHE / each).unwrap_or(u32::MAX).max(LEAST_CONTEXT);
    USUAL_CONTEXT.min(affordable).min(facts.trained)
}

fn threads(wish: Option<u32>, parameters: u64) -> i32 {
    let count = match wish {
        Some(count) => count,
        None if parameters < TINY => 1,
        None => {
            // Respects affinity and control groups, but counts hyper-threads.
            let allowed = thread::available_parallelism().map_or(1, NonZero::get);
            u32::try_from(physical_cores().map_or(allowed, |cores| cores.min(allowed))).unwrap_or(1)
        }
    };
    i32::try_from(count).unwrap_or(i32::MAX).clamp(1, 512)
}

/// Cores of the machine, where Linux says which of its processors share one.
fn physical_cores() -> Option<usize> {
    let mut siblings = BTreeSet::new();
    for entry in fs::read_dir("/sys/devices/system/cpu").ok()?.flatten() {
        if let Ok(list) = fs::read_to_string(entry.path().join("topology/thread_siblings_list")) {
            siblings.insert(list);
        }
    }
    (!siblings.is_empty()).then_some(siblings.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::Pooling;

    fn facts(trained: u32, cache_per_token: u64) -> Facts {
        Facts {
            trained,
            parameters: 8_000_000_000,
            cache_per_token,
            causal: true,
            generates: true,
            pooling: Pooling::Mean,
            ranks: false,
            template: None,
        }
    }

    fn options(context: Option<u32>, sequences: u32) -> LoadOptions {
        LoadOptions { context, sequences, ..LoadOptions::new("x.gguf") }
    }

    #[test]
    fn context_is_bounded_by_training_wish_and_memory() {
        let kib = 1024;
        assert_eq!(context(&options(None, 8), &facts(131_072, 128 * kib)), 4096);
        assert_eq!(context(&options(None, 8), &facts(131_072, 256 * kib)), 2048, "4 GiB for all sequences");
        assert_eq!(context(&options(None, 64), &facts(131_072, 512 * kib)), 1024, "but not less than 1,024");
        assert_eq!(context(&options(None, 64), &facts(512, 512 * kib)), 512);
        assert_eq!(
            context(&options(Some(32_768), 8), &facts(131_072, 512 * kib)),
            32_768,
            "a wish is a wish"
        );
        assert_eq!(context(&options(Some(32_768), 8), &facts(2048, kib)), 2048);
    }

    #[test]
    fn tiny_models_get_one_thread_unless_asked() {
        assert_eq!(threads(None, 2_000_000), 1);
        assert_eq!(threads(Some(3), 2_000_000), 3);
        assert!(threads(None, 8_000_000_000) >= 1);
    }

    fn extra(key: &str, value: &str) -> LoadOptions {
        LoadOptions { extra: [(key.into(), value.into())].into(), ..options(None, 1) }
    }

    #[test]
    fn saving_is_as_it_was_asked_for() {
        assert_eq!(Plan::saving(&options(None, 1)).unwrap(), Settings::default());
        assert_eq!(Plan::saving(&extra("state_bytes", "7")).unwrap().bytes, 7);
        assert_eq!(Plan::saving(&extra("state_compress", "gzip")).unwrap().packing, Packing::Gzip);
    }

    #[test]
    fn impossible_options_are_refused() {
        assert!(Plan::check(&options(None, 1)).is_ok());
        for (options, named) in [
            (options(None, 0), "sequences is 0"),
            (options(None, 257), "between 1 and 256"),
            (options(Some(0), 1), "context is 0"),
            (LoadOptions { threads: Some(0), ..options(None, 1) }, "threads is 0"),
            (LoadOptions { threads_batch: Some(0), ..options(None, 1) }, "threads_batch is 0"),
            (extra("mirostat", "1"), "mirostat"),
            (extra("state_bytes", "1 GiB"), "number of bytes"),
            (extra("state_compress", "rar"), "zstd"),
        ] {
            let error = Plan::check(&options).unwrap_err();
            assert!(error.message.contains(named), "{error}");
        }
    }
}
