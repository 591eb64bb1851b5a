//! A plugin that plays every role but http and command, well or badly, as its configuration says: a JSON string of
//! words. A filter has no configuration, so its words are the setting `mode`.

mod converter;
mod filter;
mod misbehave;
mod step;

mod wit {
    wit_bindgen::generate!({
        path: [
            "../../../wit/deps/wasi-clocks",
            "../../../wit/deps/wasi-random",
            "../../../wit/deps/wasi-filesystem",
            "../../../wit/deps/wasi-sockets",
            "../../../wit/deps/wasi-cli",
            "../../../wit/deps/wasi-http",
            "../../../wit/host",
            "../../../wit/plugin",
        ],
        inline: "
            package inferno:guests;
            world roles {
                import inferno:host/plugins@0.1.0;
                import inferno:host/settings@0.1.0;
                export inferno:plugin/step@0.1.0;
                export inferno:plugin/judge@0.1.0;
                export inferno:plugin/converter@0.1.0;
                export inferno:plugin/catalog@0.1.0;
                export inferno:plugin/filter@0.1.0;
            }
        ",
        world: "inferno:guests/roles",
        generate_all,
    });
}

use wit::exports::inferno::plugin::catalog::{self, Artifact, Entry, Page};
use wit::exports::inferno::plugin::judge;
use wit::inferno::host::plugins;
use wit::inferno::host::types::{Error, ErrorKind};
use wit::inferno::host::work::{Sample, Verdict};

struct Roles;

#[expect(unsafe_code, reason = "generated code")]
mod exported {
    use super::{Roles, wit};

    wit::export!(Roles with_types_in wit);
}

/// The words of a configuration.
fn words(config: &str) -> Vec<&str> {
    config.trim().trim_matches('"').split_whitespace().collect()
}

fn invalid(message: impl Into<String>) -> Error {
    Error { kind: ErrorKind::Invalid, message: message.into(), hint: None, retry_after_ms: None }
}

fn unknown(config: &str) -> Error {
    invalid(format!("the configuration {config} is unknown"))
}

impl judge::Guest for Roles {
    fn judge(config: String, samples: Vec<Sample>) -> Result<Vec<Verdict>, Error> {
        let verdict = |pass: bool| Verdict { pass, score: f64::from(u8::from(pass)), reason: String::new() };
        let exact = || {
            samples.iter().map(|sample| verdict(sample.expected.as_ref() == Some(&sample.answer))).collect()
        };
        match &*words(&config) {
            ["exact"] => Ok(exact()),
            ["too-few"] => Ok(Vec::new()),
            ["too-many"] => Ok((0..=samples.len()).map(|_| verdict(true)).collect()),
            ["score", score] => {
                let score = score.parse().unwrap_or(f64::NAN);
                Ok(samples.iter().map(|_| Verdict { score, ..verdict(true) }).collect())
            }
            // Asks another plugin, with the rest as its configuration.
            ["hire", name, rest @ ..] => plugins::judge(name, &format!("\"{}\"", rest.join(" ")), &samples),
            ["hire-step", name, rest @ ..] => {
                let step = plugins::open_step(name, &format!("\"{}\"", rest.join(" ")))?;
                step.process(&[])?;
                step.finish()?;
                Ok(exact())
            }
            ["huge-list"] => Ok((0..1 << 17).map(|_| verdict(true)).collect()),
            ["huge-text"] => Ok(vec![Verdict { reason: "x".repeat(40 << 20), ..verdict(true) }]),
            words => misbehave::run(words).ok_or_else(|| unknown(&config))?.map(|()| exact()),
        }
    }
}

impl catalog::Guest for Roles {
    fn search(query: String, cursor: Option<String>) -> Result<Page, Error> {
        let entry = |kind: &str, name: &str| Entry {
            kind: kind.to_owned(),
            name: name.to_owned(),
            version: "1.0.0".to_owned(),
            summary: "for a test".to_owned(),
        };
        let page = |kind: &str, name: &str, next: Option<&str>| Page {
            entries: vec![entry(kind, name)],
            next: next.map(str::to_owned),
        };
        match (&*words(&query), cursor.as_deref()) {
            ([] | ["tiny"], None) => Ok(page("model", "tiny", Some("2"))),
            ([] | ["tiny"], Some("2")) => Ok(page("plugin", "tiny-tools", None)),
            (["bad-kind"], _) => Ok(page("virus", "tiny", None)),
            (["huge-list"], _) => {
                Ok(Page { entries: (0..1 << 15).map(|_| entry("model", "tiny")).collect(), next: None })
            }
            (words, _) => {
                misbehave::run(words).ok_or_else(|| unknown(&query))?.map(|()| page("model", "tiny", None))
            }
        }
    }

    fn resolve(name: String, version: Option<String>) -> Result<Vec<Artifact>, Error> {
        let artifact = |digest: String| Artifact {
            url: format!("https://models.example.com/{}.gguf", version.as_deref().unwrap_or("newest")),
            digest,
            size_bytes: 1024,
        };
        match &*words(&name) {
            ["tiny"] => Ok(vec![artifact(format!("sha256:{}", "0".repeat(64)))]),
            ["bad-digest"] => Ok(vec![artifact("sha256:0".to_owned())]),
            words => misbehave::run(words).ok_or_else(|| unknown(&name))?.map(|()| Vec::new()),
        }
    }
}
