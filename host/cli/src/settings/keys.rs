//! The one table of keys.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::time::Duration;

use inferno_inference::KeepAlive;
use inferno_sandbox::{Config as SandboxConfig, Limits, Size, Span};
use inferno_server::Config as ServerConfig;

use super::environment::Environment;
use super::layers::{Entry, Layers};
use super::own::{PluginSettings, TenantSettings};
use super::site::{Hosts, Origins};
use super::value::{
    Auto, AutoSize, CountOrNone, Keep, LogFormat, LogLevel, Metrics, Names, Packing, Setting, SpanOrNone,
};
use crate::failure::Failure;

/// What is known about a key besides its value.
#[derive(Debug)]
pub(crate) struct Key {
    /// As written in a file, with dots for tables.
    pub(crate) name: &'static str,
    /// What it is for.
    pub(crate) help: &'static str,
    /// What its value must be.
    pub(crate) expected: &'static str,
    /// It says where code is loaded from or who gets in, so a project's file may not set it.
    pub(crate) user_only: bool,
}

impl Key {
    /// Its environment variable.
    pub(crate) fn variable(&self) -> String {
        format!("INFERNO_{}", self.name.replace('.', "_").to_uppercase())
    }
}

macro_rules! keys {
    ($environment:ident; $($(#[doc = $help:literal])+ $who:ident $name:literal $field:ident: $type:ty = $default:expr;)+) => {
        /// Every key, resolved.
        #[derive(Clone, Debug)]
        pub(crate) struct Settings {
            $($(#[doc = $help])+ pub(crate) $field: $type,)+
            /// `[plugins.NAME]`, where there is one.
            pub(crate) plugins: BTreeMap<String, PluginSettings>,
            /// `[tenants.NAME]`, where there is one.
            pub(crate) tenants: BTreeMap<String, TenantSettings>,
            /// The user's configuration files and the folder of the program's own among them, there or not.
            pub(crate) user_files: Vec<PathBuf>,
            /// Every value with its origin, in the order of the table, then those of plugins.
            pub(crate) entries: Vec<Entry>,
        }

        /// All keys, in the order in which they are shown.
        pub(crate) const KEYS: &[Key] = &[
            $(Key {
                name: $name,
                help: concat!($($help),+),
                expected: <$type as Setting>::EXPECTED,
                user_only: keys!(@ $who),
            },)+
        ];

        /// Resolves every key; a default may use the keys above it.
        pub(super) fn build(layers: &mut Layers, $environment: &Environment) -> Result<Settings, Failure> {
            let plugin_entries = std::mem::take(&mut layers.entries);
            $(let $field: $type = layers.take($name, || $default)?;)+
            let mut entries = std::mem::take(&mut layers.entries);
            entries.extend(plugin_entries);
            let plugins = std::mem::take(&mut layers.plugins);
            let tenants = std::mem::take(&mut layers.tenants);
            let user_files = $environment.user_files();
            Ok(Settings { $($field,)+ plugins, tenants, user_files, entries })
        }
    };
    (@ user) => { true };
    (@ any) => { false };
}

keys! { environment;
    /// Where durable state lies: keys, grants, what plugins keep.
    user "data_dir" data_dir: PathBuf = environment.xdg("XDG_DATA_HOME", ".local/share").join("inferno");
    /// Where what can be made again lies: the unpacked demo model, compiled plugins.
    user "cache_dir" cache_dir: PathBuf = environment.xdg("XDG_CACHE_HOME", ".cache").join("inferno");
    /// Where your models are.
    any "models_dir" models_dir: PathBuf = data_dir.join("models");
    /// Where models downloaded by Hugging Face's tools are.
    any "huggingface_dir" huggingface_dir: PathBuf = environment.huggingface_hub();
    /// Where further backends are, as libraries.
    user "backends_dir" backends_dir: PathBuf = data_dir.join("backends");
    /// Where further plugins are, each a directory with plugin.toml and plugin.wasm.
    user "plugins_dir" plugins_dir: PathBuf = data_dir.join("plugins");
    /// How much is logged.
    any "log_level" log_level: LogLevel = LogLevel::Warn;
    /// How the log looks.
    any "log_format" log_format: LogFormat = LogFormat::Compact;
    /// The address of an OpenTelemetry collector that gets traces of requests by OTLP over HTTP, such as
    /// `http://localhost:4318`; none: what `OTEL_EXPORTER_OTLP_ENDPOINT` says, and without that none are made.
    user "otlp_endpoint" otlp_endpoint: Option<String> = environment.otlp_endpoint();
    /// The model that is used where none is named; none: yours if there is one, else the demo model.
    any "model" model: Option<String> = None;
    /// The address that `inferno serve` listens on.
    any "serve.host" serve_host: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
    /// The port that `inferno serve` listens on.
    any "serve.port" serve_port: u16 = 14633;
    /// Names by which the server may be asked, besides `localhost` and the like; others are refused with 403 where it
    /// listens on a loopback address, or where some are named here.
    user "serve.allowed_hosts" serve_allowed_hosts: Hosts = Hosts::default();
    /// Origins of web pages that may use the server and see its answers; pages of other sites are refused with 403.
    user "serve.allowed_origins" serve_allowed_origins: Origins = Origins::default();
    /// The largest body of a request.
    any "serve.max_body" serve_max_body: Size = Size(ServerConfig::default().max_body);
    /// Connections that are open at once; one more is refused with 503.
    any "serve.max_connections" serve_max_connections: usize = ServerConfig::default().max_connections;
    /// How long a client may take to send the head of a request.
    any "serve.header_timeout" serve_header_timeout: Span = Span(ServerConfig::default().header_timeout);
    /// How long a client may send nothing in the middle of its body.
    any "serve.body_idle_timeout" serve_body_idle_timeout: Span = Span(ServerConfig::default().body_idle_timeout);
    /// How long a whole body may take.
    any "serve.body_timeout" serve_body_timeout: Span = Span(ServerConfig::default().body_timeout);
    /// How long a client may take nothing of an answer that waits for it.
    any "serve.write_timeout" serve_write_timeout: Span = Span(ServerConfig::default().write_timeout);
    /// How often a WebSocket is asked whether its client is still there; one that does not answer twice is closed.
    any "serve.ping_interval" serve_ping_interval: Span = Span(ServerConfig::default().ping_interval);
    /// Who may see `/metrics`: key: whoever has a key of the tenant `local`, or anybody where there are no keys;
    /// loopback: also whoever asks from this machine; anyone; off: nobody.
    user "serve.metrics" serve_metrics: Metrics = Metrics::Key;
    /// How long requests in flight may go on when the server stops.
    any "serve.drain" serve_drain: Span = Span(ServerConfig::default().drain);
    /// The order of filters, the outermost first; those that are not named stand inside of them, ordered by name.
    any "serve.filters" serve_filters: Names = Names::default();
    /// Requests that one model works on at once.
    any "inference.sequences" inference_sequences: u32 = 8;
    /// Tokens of context for each request; auto: what the model was made for, as far as the backend allows.
    any "inference.context" inference_context: Auto = Auto(None);
    /// Threads that one model computes with.
    any "inference.threads" inference_threads: Auto = Auto(None);
    /// Threads that read prompts, where that is another number than for answers.
    any "inference.threads_batch" inference_threads_batch: Auto = Auto(None);
    /// Memory that all models together may take; where one more does not fit, idle ones are unloaded, those first that
    /// were used least lately. auto: four fifths of what this process may use.
    any "inference.memory_budget" inference_memory_budget: AutoSize = AutoSize(None);
    /// How long a model stays loaded that nobody asks for anything.
    any "inference.keep_alive" inference_keep_alive: Keep = Keep(KeepAlive::For(Duration::from_secs(30 * 60)));
    /// Models that stay loaded, once they are.
    any "inference.pinned" inference_pinned: Names = Names::default();
    /// Whether what was computed of prompts is kept for the next time that a model is loaded.
    any "inference.prompt_cache" inference_prompt_cache: bool = true;
    /// How much of that is kept on disk.
    any "inference.prompt_cache_bytes" inference_prompt_cache_bytes: Size = Size(2 << 30);
    /// How that is packed.
    any "inference.prompt_cache_compress" inference_prompt_cache_compress: Packing = Packing::Zstd;
    /// Requests that may wait for one model; more are refused with 429.
    any "inference.queue" inference_queue: usize = 64;
    /// How long loading a model may go on without progress.
    any "inference.load_timeout" inference_load_timeout: Span = Span::seconds(120);
    /// The library of ONNX Runtime, or the folder that it is in; none: it is looked for where `ORT_DYLIB_PATH` points, beside
    /// this program, among the system's libraries and in Python's packages.
    user "onnx.runtime" onnx_runtime: Option<PathBuf> = None;
    /// What ONNX Runtime computes on, in this order, by the names that `inferno backend list` shows; none: graphics
    /// processors that it can use, else the processor.
    any "onnx.providers" onnx_providers: Names = Names::default();
    /// Whether `inferno serve` runs jobs.
    any "jobs.enabled" jobs_enabled: bool = true;
    /// Jobs that one process runs at once.
    any "jobs.concurrent" jobs_concurrent: u32 = 1;
    /// How long a job is kept for a process that is not heard of any more, before another one takes it.
    any "jobs.lease" jobs_lease: Span = Span::seconds(60);
    /// How long jobs that have ended can be looked at.
    any "jobs.keep" jobs_keep: Span = Span::seconds(30 * 24 * 60 * 60);
    /// How much is kept of what one run of a job prints.
    any "jobs.log_bytes" jobs_log_bytes: Size = Size(16 << 20);
    /// Jobs that a plugin may have in the queue for one tenant at once, those that run included.
    any "jobs.per_plugin" jobs_per_plugin: u32 = 1000;
    /// Memory that one call of a plugin may use.
    any "limits.memory" limits_memory: Size = Limits::default().memory;
    /// Time that one HTTP call of a plugin may compute; waiting does not count.
    any "limits.compute" limits_compute: Span = Limits::default().compute;
    /// Time that one HTTP call of a plugin may take in all.
    any "limits.wall" limits_wall: Span = Limits::default().wall;
    /// Calls that one HTTP call of a plugin may make into the host.
    any "limits.host_calls" limits_host_calls: u64 = Limits::default().host_calls;
    /// Time that one run of a plugin's command, or one conversion, may compute.
    any "limits.command_compute" limits_command_compute: SpanOrNone = SpanOrNone(Limits::for_commands().compute);
    /// Time that one run of a plugin's command, or one conversion, may take in all.
    any "limits.command_wall" limits_command_wall: SpanOrNone = SpanOrNone(Limits::for_commands().wall);
    /// Calls that one run of a plugin's command, or one conversion, may make into the host.
    any "limits.command_host_calls" limits_command_host_calls: CountOrNone = CountOrNone(Limits::for_commands().host_calls);
    /// Tokens that models may write for one run of a plugin's command, or one conversion.
    any "limits.command_model_tokens" limits_command_model_tokens: CountOrNone = CountOrNone(Limits::for_commands().model_tokens);
    /// Data that a plugin may hand over in one call into the host.
    any "limits.host_call_data" limits_host_call_data: Size = Limits::default().host_call_data;
    /// Calls of one plugin at the same time; more are refused with 503.
    any "limits.concurrent_calls" limits_concurrent_calls: u64 = Limits::default().concurrent_calls;
    /// Calls of all plugins together at the same time; more are refused with 503.
    any "limits.calls" limits_calls: u32 = SandboxConfig::new("").calls;
}
