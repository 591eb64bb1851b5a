//! From the process to a verb and back to an exit status.

use std::cell::OnceCell;
use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use crate::args::plugin::Plugin;
use crate::args::{self, Arguments, Verb};
use crate::commands;
use crate::commands::plugin_grant::Direction;
use crate::failure::{Failure, Outcome};
use crate::logging::{self, Keep};
use crate::printer::Printer;
use crate::settings::{self, Environment, Override, Settings};
use crate::traces::Traces;
use crate::uses::Uses;

/// The whole program.
pub fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version are a success on standard output, everything else is a mistake on standard error.
            let status = if error.use_stderr() { 2 } else { 0 };
            let _ = error.print();
            return ExitCode::from(status);
        }
    };
    let printer = Printer::detect();
    match perform(arguments, printer) {
        Ok(status) => ExitCode::from(status),
        Err(failure) => {
            printer.failure(&failure);
            ExitCode::from(failure.exit.status())
        }
    }
}

/// The definition of the command line, for documentation and completions.
pub fn command() -> clap::Command {
    Arguments::command()
}

/// The command reference and the table of configuration keys, as Markdown.
pub(crate) fn reference() -> Result<String, Failure> {
    let options =
        clap_markdown::MarkdownOptions::new().title("Command reference".to_owned()).show_footer(false);
    let commands = clap_markdown::help_markdown_command_custom(&command(), &options);
    Ok(format!("{}\n\n## Configuration keys\n\n{}", commands.trim_end(), settings::reference()?))
}

fn perform(arguments: Arguments, printer: Printer) -> Outcome {
    let Arguments { global, verb } = arguments;
    // To note every use costs time, so it is done only where that is what was asked for.
    let uses = matches!(verb, Verb::Plugin(Plugin::Suggest(_))).then(Uses::default);
    // Only what a server does is traced.
    let serves = matches!(verb, Verb::Serve(_));
    let traces = OnceCell::new();
    let settings = |further: Vec<Override>| -> Result<Settings, Failure> {
        let mut overrides = global.overrides().map_err(Failure::usage)?;
        overrides.extend(further);
        let settings = Settings::resolve(&Environment::current()?, &overrides)?;
        let endpoint = settings.otlp_endpoint.as_deref().filter(|_| serves);
        let traces = traces.get_or_init(|| Traces::to(endpoint)).clone()?;
        let keep = Keep { denials: &settings.data_dir, uses: uses.clone(), traces: &traces };
        logging::start(settings.log_level, settings.log_format, Some(keep), printer);
        Ok(settings)
    };
    match verb {
        Verb::Completions { shell } => commands::completions::completions(shell, printer),
        Verb::Reference => commands::reference::reference(printer),
        Verb::Worker(worker) => {
            logging::start(worker.log_level, worker.log_format, None, printer);
            commands::worker::worker(&worker)
        }
        Verb::Run(run) => commands::run::run(&settings(vec![])?, &run, printer),
        Verb::Serve(serve) => {
            let settings = settings(serve.overrides())?;
            let traces = traces.into_inner().transpose()?.unwrap_or_default();
            commands::serve::serve(&settings, &serve, &traces, printer)
        }
        Verb::Models(args::Models::List(json)) => {
            commands::models_list::list(&settings(vec![])?, json, printer)
        }
        Verb::Models(args::Models::Info { model, json }) => {
            commands::models_info::info(&settings(vec![])?, &model, json, printer)
        }
        Verb::Validate(validate) => commands::validate::validate(&settings(vec![])?, &validate, printer),
        Verb::Bench(bench) => commands::bench::bench(&settings(vec![])?, &bench, printer),
        Verb::Plugin(verb) => plugin(&settings(vec![])?, verb, uses.as_ref(), printer),
        Verb::Backend(args::Backend::List(json)) => {
            commands::backend_list::list(&settings(vec![])?, json, printer)
        }
        Verb::Keys(keys) => commands::keys::keys(&settings(vec![])?, keys, printer),
        Verb::BatchQueue(verb) => commands::batch_queue::batch_queue(&settings(vec![])?, verb, printer),
        Verb::Config(args::Config::Show(json)) => {
            commands::config_show::show(&settings(vec![])?, json, printer)
        }
        Verb::Ps(ps) => commands::ps::ps(&settings(vec![])?, &ps, printer),
        Verb::Cache(cache) => commands::cache::cache(&settings(vec![])?, cache, printer),
        Verb::Gpu(args::Gpu::List(json)) => commands::gpu_list::list(json, printer),
        Verb::External(words) => commands::external::external(&settings(vec![])?, words),
    }
}

fn plugin(settings: &Settings, verb: Plugin, uses: Option<&Uses>, printer: Printer) -> Outcome {
    match verb {
        Plugin::List(json) => commands::plugin_list::list(settings, json, printer),
        Plugin::Info { plugin, json } => commands::plugin_info::info(settings, &plugin, json, printer),
        Plugin::New(new) => commands::plugin_new::new(settings, &new, printer),
        Plugin::Build(build) => commands::plugin_build::build(settings, &build, printer),
        Plugin::Inspect { source, json } => commands::plugin_inspect::inspect(&source, json, printer),
        Plugin::Pack(pack) => commands::plugin_pack::pack(&pack, printer),
        Plugin::Keygen(keygen) => commands::plugin_sign::keygen(settings, &keygen, printer),
        Plugin::Sign(sign) => commands::plugin_sign::sign(settings, &sign, printer),
        Plugin::Verify(verify) => commands::plugin_sign::verify(&verify, printer),
        Plugin::Install(install) => commands::plugin_install::install(settings, &install, printer),
        Plugin::Upgrade(upgrade) => commands::plugin_install::upgrade(settings, &upgrade, printer),
        Plugin::Rollback { plugin, version } => {
            commands::plugin_install::rollback(settings, &plugin, version.as_deref(), printer)
        }
        Plugin::Remove { plugin } => commands::plugin_install::remove(settings, &plugin, printer),
        Plugin::Grant(words) => commands::plugin_grant::change(settings, &words, Direction::Grant, printer),
        Plugin::Suggest(suggest) => {
            commands::plugin_suggest::suggest(settings, &suggest, &uses.cloned().unwrap_or_default(), printer)
        }
        Plugin::Test(test) => commands::plugin_test::test(settings, &test, printer),
        Plugin::Watch(watch) => commands::plugin_watch::watch(settings, &watch, printer),
        Plugin::Explain(explain) => commands::plugin_explain::explain(settings, &explain, printer),
        Plugin::Record(record) => commands::plugin_record::record(settings, &record, printer),
        Plugin::Replay(replay) => commands::plugin_replay::replay(settings, &replay, printer),
        Plugin::Call(call) => commands::plugin_call::call(settings, &call, printer),
        Plugin::Revoke(words) => commands::plugin_grant::change(settings, &words, Direction::Revoke, printer),
    }
}
