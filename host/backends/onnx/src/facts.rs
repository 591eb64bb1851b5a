//! Choices made when a model is loaded.

use std::thread;

use inferno_backend::{Error, LoadOptions};

use crate::config::Config;

/// Tokens of context where nobody asked for more, as with the other backends.
const USUAL_CONTEXT: u32 = 4096;
/// More requests at once would only wait for one another.
const MOST_SEQUENCES: u32 = 256;
/// Below this many bytes of weights a second thread costs more than it gives.
const TINY: u64 = 64 << 20;
/// More threads than this wait for one another.
const MOST_THREADS: usize = 16;

/// Refuses options that cannot be honoured.
pub(crate) fn check(options: &LoadOptions) -> Result<(), Error> {
    if options.sequences == 0 || options.sequences > MOST_SEQUENCES {
        return Err(Error::invalid(format!(
            "sequences is {}, but must be between 1 and {MOST_SEQUENCES}",
            options.sequences
        )));
    }
    let numbers = [
        ("context", options.context),
        ("threads", options.threads),
        ("threads_batch", options.threads_batch),
    ];
    if let Some((name, _)) = numbers.iter().find(|(_, number)| *number == Some(0)) {
        return Err(Error::invalid(format!("{name} is 0, but must be at least 1"))
            .hint("leave it out to have it chosen"));
    }
    if let Some(key) = options.extra.keys().next() {
        return Err(Error::invalid(format!("the ONNX backend knows no option `{key}`; it has none")));
    }
    if !options.adapters.is_empty() || options.projector.is_some() {
        return Err(Error::invalid("the ONNX backend applies no adapters and no projectors")
            .hint("export the model with what the adapter changes, or use its GGUF file"));
    }
    Ok(())
}

/// Tokens that a request may fill.
pub(crate) fn context(options: &LoadOptions, config: &Config) -> u32 {
    let trained = config.context.unwrap_or(USUAL_CONTEXT);
    options.context.unwrap_or(USUAL_CONTEXT).min(trained)
}

/// Threads to compute with.
pub(crate) fn threads(options: &LoadOptions, bytes: u64) -> usize {
    match options.threads {
        Some(wish) => wish as usize,
        None if bytes < TINY => 1,
        None => thread::available_parallelism().map_or(1, usize::from).min(MOST_THREADS),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wishes_count_as_far_as_the_model_goes() {
        let options = |context, threads| LoadOptions { context, threads, ..LoadOptions::new("m.onnx") };
        let trained = Config { context: Some(512), ..Config::default() };
        assert_eq!(context(&options(None, None), &trained), 512);
        assert_eq!(context(&options(Some(9000), None), &trained), 512);
        assert_eq!(context(&options(Some(9000), None), &Config::default()), 4096);
        assert_eq!(context(&options(Some(64), None), &trained), 64);
        assert_eq!(threads(&options(None, Some(3)), 1), 3);
        assert_eq!(threads(&options(None, None), 1), 1);
    }

    #[test]
    fn what_cannot_be_honoured_is_refused_by_name() {
        let options = LoadOptions::new("m.onnx");
        check(&options).unwrap();
        let cases = [
            (LoadOptions { sequences: 0, ..options.clone() }, "sequences"),
            (LoadOptions { context: Some(0), ..options.clone() }, "context"),
            (LoadOptions { threads_batch: Some(0), ..options.clone() }, "threads_batch"),
            (LoadOptions { extra: [("k".into(), "v".into())].into(), ..options.clone() }, "`k`"),
            (LoadOptions { adapters: [("a".into(), "b".into())].into(), ..options.clone() }, "adapters"),
        ];
        for (options, word) in cases {
            let error = check(&options).unwrap_err();
            assert!(error.message.contains(word), "{error}");
        }
    }
}
