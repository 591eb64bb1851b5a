//! A judge: passes answers of at most so many words.

use inferno_sdk::Error;
use inferno_sdk::judge::{Judge, Sample, Verdict};
use serde::Deserialize;

struct Short;

/// What a suite configures, as `{ "words": 3 }`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    #[serde(default = "hundred")]
    words: usize,
}

fn hundred() -> usize {
    100
}

impl Judge for Short {
    type Config = Config;

    fn judge(config: Config, samples: Vec<Sample>) -> Result<Vec<Verdict>, Error> {
        Ok(samples.iter().map(|sample| verdict(&config, sample)).collect())
    }
}

fn verdict(config: &Config, sample: &Sample) -> Verdict {
    let words = sample.answer.split_whitespace().count();
    Verdict::of(words <= config.words, format!("{words} words; at most {} were wanted", config.words))
}

inferno_sdk::export_judge!(Short);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_answers_pass() {
        let samples = vec![Sample::new("Say hello.", "Hello!"), Sample::new("Say hello.", "Well, hello you")];
        let verdicts = Short::judge(Config { words: 2 }, samples).unwrap();
        assert!(verdicts[0].pass && !verdicts[1].pass);
        assert_eq!(verdicts[1].reason, "3 words; at most 2 were wanted");
    }
}
