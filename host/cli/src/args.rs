//! What can be typed.

pub(crate) mod jobs;
pub(crate) mod plugin;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;

use crate::settings::{LogFormat, LogLevel, Override, Packing};

/// Runs AI models on this machine, offline, and serves them to programs.
#[derive(Debug, Parser)]
#[command(name = "inferno", version, arg_required_else_help = true, max_term_width = 100)]
#[command(after_help = "An unknown command is looked up among the installed plugins.")]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

/// Options of every command.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// Set any configuration key for this call; may be repeated
    #[arg(long = "config", value_name = "KEY=VALUE", global = true)]
    config: Vec<String>,
    /// Where your models are
    #[arg(long, value_name = "DIR", global = true)]
    models_dir: Option<String>,
    /// How much is logged
    #[arg(long, value_name = "LEVEL", global = true)]
    log_level: Option<LogLevel>,
    /// How the log looks
    #[arg(long, value_name = "FORMAT", global = true)]
    log_format: Option<LogFormat>,
}

impl Global {
    /// The keys that these options set; a later one counts more.
    pub(crate) fn overrides(&self) -> Result<Vec<Override>, String> {
        let mut overrides = Vec::new();
        for text in &self.config {
            let (key, value) = text
                .split_once('=')
                .ok_or_else(|| format!("--config takes KEY=VALUE, but `{text}` has no `=`"))?;
            overrides.push(Override {
                option: "--config",
                key: key.trim().to_owned(),
                value: value.trim().to_owned(),
            });
        }
        let mut set = |option, key: &str, value: Option<String>| {
            overrides.extend(value.map(|value| Override { option, key: key.to_owned(), value }));
        };
        set("--models-dir", "models_dir", self.models_dir.clone());
        set("--log-level", "log_level", self.log_level.map(|level| level.word().to_owned()));
        set("--log-format", "log_format", self.log_format.map(|format| format.word().to_owned()));
        Ok(overrides)
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Let a model answer a prompt, or chat with it
    #[command(long_about = RUN)]
    Run(Run),
    /// Serve models to programs over HTTP
    Serve(Serve),
    /// Show the models on this machine
    #[command(subcommand)]
    Models(Models),
    /// Check that a model's file is whole and can be understood
    Validate(Validate),
    /// Measure how fast a model runs here
    Bench(Bench),
    /// Make, install, grant and look at plugins
    #[command(subcommand)]
    Plugin(plugin::Plugin),
    /// Show what can run models here
    #[command(subcommand)]
    Backend(Backend),
    /// Have work done later, by whichever process finds the time
    #[command(subcommand, long_about = BATCH_QUEUE)]
    BatchQueue(jobs::BatchQueue),
    /// Manage the keys that clients of `inferno serve` must present
    #[command(subcommand, long_about = KEYS)]
    Keys(Keys),
    /// Show the configuration
    #[command(subcommand)]
    Config(Config),
    /// Print a completion script for a shell
    Completions {
        /// Which shell
        shell: Shell,
    },
    /// Holds one model for another process; the socket to it is standard input
    #[command(hide = true)]
    Worker(Worker),
    /// Show what a running server has loaded
    Ps(Ps),
    /// Look after what is kept of prompts, so that they need not be read again
    #[command(subcommand)]
    Cache(Cache),
    /// Look for graphics processors
    #[command(subcommand)]
    Gpu(Gpu),
    /// Print the command reference as Markdown
    #[command(hide = true)]
    Reference,
    /// A plugin's command with its arguments.
    #[command(external_subcommand)]
    External(Vec<OsString>),
}

const RUN: &str = "Let a model answer a prompt, or chat with it.

The prompt comes from --prompt, from standard input, or from both: then the input follows the prompt. On a terminal \
without a prompt a chat opens. The answer goes to standard output as it is written; Ctrl-C stops it.";

const KEYS: &str = "Manage the keys that clients of `inferno serve` must present.

Without keys everyone who reaches the server may use it. As soon as one key exists, every request needs one, as \
`Authorization: Bearer KEY`. A running server notices at once.";

const BATCH_QUEUE: &str = "Have work done later, by whichever process finds the time.

A job is a command of a plugin. The queue is on disk: every process sees the same, jobs outlive the one that runs them, \
failures are tried again, and schedules make jobs by the clock. `inferno serve` runs jobs while nobody else asks for \
models; without a server `inferno batch-queue work` does.";

/// The listing is one JSON document.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct Json {
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Run {
    /// The model: a name from `inferno models list`, or a file
    #[arg(value_name = "MODEL")]
    pub(crate) model: Option<String>,
    /// The prompt
    #[arg(value_name = "PROMPT", conflicts_with = "prompt_option")]
    pub(crate) prompt: Option<String>,
    /// The model, as an option
    #[arg(long = "model", short = 'm', value_name = "MODEL", conflicts_with = "model")]
    pub(crate) model_option: Option<String>,
    /// The prompt, as an option
    #[arg(long = "prompt", short = 'p', value_name = "TEXT")]
    pub(crate) prompt_option: Option<String>,
    /// Instructions that come before the prompt
    #[arg(long, value_name = "TEXT", conflicts_with = "raw")]
    pub(crate) system: Option<String>,
    /// Show the model an image, in front of the prompt; may be repeated
    #[arg(long = "image", value_name = "FILE", conflicts_with = "raw")]
    pub(crate) images: Vec<PathBuf>,
    /// What the model looks at images with [default: the mmproj-*.gguf beside it]
    #[arg(long, value_name = "FILE")]
    pub(crate) mmproj: Option<PathBuf>,
    /// Compute with the tensors in this JSON file, `{"x": {"dtype": "f32", "shape": [2], "data": [0.5, 1.5]}}`, and print
    /// the outputs in the same form; `-` is standard input
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with_all = ["prompt", "prompt_option", "system", "images", "mmproj", "raw", "json", "Sampling"]
    )]
    pub(crate) input: Option<PathBuf>,
    /// Continue the prompt as plain text, without the model's chat template
    #[arg(long)]
    pub(crate) raw: bool,
    /// Print one JSON object when the answer is complete
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) sampling: Sampling,
}

/// How the answer is chosen. The values are those of `inferno_backend::Sampling`, which checks them.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Sampling")]
pub(crate) struct Sampling {
    /// How adventurous: 0 always takes the most likely token [default: 0.8]
    #[arg(long, value_name = "0..2", allow_negative_numbers = true)]
    pub(crate) temperature: Option<f32>,
    /// Choose among this many of the most likely tokens; 0 turns it off [default: 40]
    #[arg(long, value_name = "N")]
    pub(crate) top_k: Option<u32>,
    /// Choose among the likeliest tokens that share this probability; 1 turns it off [default: 0.95]
    #[arg(long, value_name = "0..1", allow_negative_numbers = true)]
    pub(crate) top_p: Option<f32>,
    /// Leave out tokens less likely than this share of the likeliest; 0 turns it off [default: 0.05]
    #[arg(long, value_name = "0..1", allow_negative_numbers = true)]
    pub(crate) min_p: Option<f32>,
    /// Make tokens that came up less likely, as a factor; 1 turns it off [default: 1]
    #[arg(long, value_name = "F", allow_negative_numbers = true)]
    pub(crate) repeat_penalty: Option<f32>,
    /// Make tokens that came up less likely; 0 turns it off [default: 0]
    #[arg(long, value_name = "-2..2", allow_negative_numbers = true)]
    pub(crate) presence_penalty: Option<f32>,
    /// Make tokens less likely the more often they came up; 0 turns it off [default: 0]
    #[arg(long, value_name = "-2..2", allow_negative_numbers = true)]
    pub(crate) frequency_penalty: Option<f32>,
    /// Makes the same answer come again [default: random]
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
    /// End the answer before this text; may be repeated
    #[arg(long, value_name = "TEXT")]
    pub(crate) stop: Vec<String>,
    /// The longest answer, in tokens [default: what the context has room for]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) max_tokens: Option<u32>,
}

#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// The address to listen on [default: 127.0.0.1]
    #[arg(long, value_name = "ADDRESS")]
    host: Option<String>,
    /// The port to listen on; 0 takes any free one [default: 14633]
    #[arg(long, value_name = "PORT")]
    port: Option<String>,
    /// Load this model before the first request asks for it
    #[arg(long, value_name = "MODEL")]
    pub(crate) model: Option<String>,
}

impl Serve {
    /// The keys that these options set.
    pub(crate) fn overrides(&self) -> Vec<Override> {
        let host = ("--host", "serve.host", &self.host);
        let port = ("--port", "serve.port", &self.port);
        [host, port]
            .into_iter()
            .filter_map(|(option, key, value)| {
                Some(Override { option, key: key.to_owned(), value: value.clone()? })
            })
            .collect()
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Models {
    /// List the models on this machine
    List(Json),
    /// Show all that is known about a model
    Info {
        /// A name from `inferno models list`, or a file
        model: String,
        #[command(flatten)]
        json: Json,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Validate {
    /// The model's file
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) json: Json,
}

#[derive(Debug, Args)]
pub(crate) struct Bench {
    /// The model: a name from `inferno models list`, or a file
    #[arg(long, short = 'm', value_name = "MODEL")]
    pub(crate) model: Option<String>,
    /// How often to measure, after one run that is not counted
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) runs: u32,
    /// About how long the prompt is, in words
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) prompt_words: u32,
    /// The longest answer, in tokens
    #[arg(long, value_name = "N", default_value_t = 128, value_parser = clap::value_parser!(u32).range(2..))]
    pub(crate) max_tokens: u32,
    #[command(flatten)]
    pub(crate) json: Json,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Backend {
    /// List the backends with their formats and devices
    List(Json),
}

#[derive(Debug, Subcommand)]
pub(crate) enum Keys {
    /// Make a key; its secret is printed once and cannot be shown again
    Create {
        /// What to call it
        name: String,
        /// Whose requests it makes [default: local, as without keys]
        #[arg(long, value_name = "TENANT")]
        tenant: Option<String>,
        #[command(flatten)]
        json: Json,
    },
    /// List the keys, without their secrets
    List(Json),
    /// Remove a key; requests with it are refused from then on
    Remove {
        /// A name or an id from `inferno keys list`
        key: String,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Ps {
    /// Where the server is [default: where `inferno serve` listens by its configuration]
    #[arg(long, value_name = "URL")]
    pub(crate) server: Option<String>,
    /// A key, where the server needs one
    #[arg(long, value_name = "KEY")]
    pub(crate) key: Option<String>,
    #[command(flatten)]
    pub(crate) json: Json,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Cache {
    /// Show how much is kept of which model's prompts
    Stats(Json),
    /// Remove what is kept
    Clear {
        /// Only of this model
        model: Option<String>,
    },
    /// Have a model read a prompt and keep it, so that what begins in the same way is answered sooner
    Warm(Warm),
    /// Keep prompts from now on, packed like this; writes the user's configuration file
    Persist {
        /// How to pack them
        #[arg(long, value_name = "KIND", default_value = "zstd")]
        compress: Packing,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Warm {
    /// A name from `inferno models list`, or a file
    pub(crate) model: String,
    /// The system message that chats begin with
    #[arg(long, value_name = "TEXT", required_unless_present = "prompt_file")]
    pub(crate) system: Option<String>,
    /// A file with the beginning of plain prompts
    #[arg(long, value_name = "FILE", conflicts_with = "system")]
    pub(crate) prompt_file: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Gpu {
    /// List what was found, and say where was looked
    List(Json),
}

#[derive(Debug, Subcommand)]
pub(crate) enum Config {
    /// Show every value and where it comes from
    Show(Json),
}

/// A worker gets what it needs from its parent; it reads no configuration.
#[derive(Debug, Args)]
pub(crate) struct Worker {
    #[arg(long)]
    pub(crate) backends_dir: PathBuf,
    #[arg(long)]
    pub(crate) onnx_runtime: Option<PathBuf>,
    #[arg(long = "onnx-provider")]
    pub(crate) onnx_providers: Vec<String>,
    #[arg(long)]
    pub(crate) log_level: LogLevel,
    #[arg(long)]
    pub(crate) log_format: LogFormat,
}
