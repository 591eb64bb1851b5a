//! What can be typed.

use std::num::NonZero;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Takes records from files through models and plugins into files, each exactly once.
///
/// A pipeline is a file in TOML or YAML with sources, steps and sinks. A run that stops, whether by an error, a full disk or a power
/// cut, goes on where it stopped.
#[derive(Debug, Parser)]
#[command(name = "inferno pipeline", bin_name = "inferno pipeline", version, max_term_width = 100)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Writes a pipeline to begin with
    New(New),
    /// Checks a pipeline: its file, its models, and what its plugins may do
    Validate {
        /// The pipeline
        file: PathBuf,
    },
    /// Draws what leads where
    Graph(Graph),
    /// Runs a pipeline, from where it stopped if it did not come to its end
    Run(Run),
    /// Goes on with a run that stopped
    Resume(Resume),
    /// Tries the steps on the cases in the file, or shows what they do with a few records
    Test(Test),
    /// Tells how far a pipeline is
    Status(File),
    /// Lists the pipelines in a folder
    List(List),
    /// Lists what sources, steps and sinks there are, with their fields
    Steps(Steps),
    /// Finds the records in an index that are most like a text
    Search(Search),
}

#[derive(Debug, Args)]
pub(crate) struct New {
    /// The pipeline's name; its file is NAME.toml
    pub(crate) name: String,
    /// What to begin with
    #[arg(long, value_enum, default_value_t)]
    pub(crate) template: Template,
}

/// What a new pipeline does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Template {
    /// Lines of JSON through the step of a plugin
    #[default]
    Plugin,
}

#[derive(Debug, Args)]
pub(crate) struct Graph {
    /// The pipeline
    pub(crate) file: PathBuf,
    /// How to draw it
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: Format,
}

/// How a graph is drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For a terminal
    #[default]
    Text,
    /// For Markdown that knows Mermaid
    Mermaid,
    /// A picture
    Svg,
}

#[derive(Debug, Args)]
pub(crate) struct Run {
    /// The pipeline
    pub(crate) file: PathBuf,
    /// Does everything but write: nothing is kept of the run, models' answers excepted
    #[arg(long, conflicts_with_all = ["fresh", "watch"])]
    pub(crate) dry_run: bool,
    /// Takes only so many records from the sources
    #[arg(long, value_name = "N", conflicts_with = "watch")]
    pub(crate) limit: Option<NonZero<u64>>,
    /// Goes on when the sources have nothing more, and takes what comes, until it is stopped
    #[arg(long)]
    pub(crate) watch: bool,
    /// Begins again, even if the last run stopped before its end
    #[arg(long)]
    pub(crate) fresh: bool,
    #[command(flatten)]
    pub(crate) how: How,
}

#[derive(Debug, Args)]
pub(crate) struct Resume {
    /// The pipeline
    pub(crate) file: PathBuf,
    /// Goes on when the sources have nothing more, and takes what comes, until it is stopped
    #[arg(long)]
    pub(crate) watch: bool,
    #[command(flatten)]
    pub(crate) how: How,
}

/// How to run.
#[derive(Debug, Args)]
pub(crate) struct How {
    /// Calls of models at once, in place of what the file says
    #[arg(long, value_name = "N")]
    pub(crate) parallel: Option<NonZero<usize>>,
    /// Asks models again what they have answered before
    #[arg(long)]
    pub(crate) no_cache: bool,
    /// Tells as JSON what was done
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Test {
    /// The pipeline
    pub(crate) file: PathBuf,
    /// How many records of each source to show where the file has no cases
    #[arg(long, value_name = "N", default_value = "3")]
    pub(crate) sample: NonZero<u64>,
}

#[derive(Debug, Args)]
pub(crate) struct File {
    /// The pipeline
    pub(crate) file: PathBuf,
    /// Prints JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct List {
    /// The folder
    #[arg(default_value = ".")]
    pub(crate) folder: PathBuf,
    /// Prints JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Steps {
    /// Only this kind or plugin, with all that is known of it
    pub(crate) kind: Option<String>,
    /// Prints JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Search {
    /// The file that the sink `index` made
    pub(crate) index: PathBuf,
    /// What to look for
    pub(crate) query: String,
    /// How many records to show
    #[arg(long, value_name = "K", default_value = "5")]
    pub(crate) top: NonZero<usize>,
    /// The model that made the index, if the index does not say so
    #[arg(long)]
    pub(crate) model: Option<String>,
    /// Prints JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_definition_is_sound() {
        super::Arguments::command().debug_assert();
    }
}
