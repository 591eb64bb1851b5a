//! What can be typed.

use std::num::NonZero;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// Answers many requests in one file, each once.
///
/// The file has the lines that OpenAI's batches have: a JSON object with `custom_id`, `method`, `url` and `body`.
#[derive(Debug, Parser)]
#[command(name = "inferno batch", bin_name = "inferno batch", version, max_term_width = 100)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Answers the requests of a file, without a server
    Run(Run),
    /// Lists the batches that were ordered over HTTP, the newest first
    List {
        /// Prints JSON
        #[arg(long)]
        json: bool,
    },
    /// Tells how far a batch is
    Show {
        /// The batch
        id: String,
        /// Prints JSON
        #[arg(long)]
        json: bool,
    },
    /// Stops a batch; what is answered stays
    Cancel {
        /// The batch
        id: String,
    },
    /// Works on a batch that was ordered over HTTP, as its job does
    #[command(hide = true)]
    Work {
        /// The batch
        id: String,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Run {
    /// The requests, a line of JSON each
    pub(crate) input: PathBuf,
    /// Where the answers go; until all are there, its name ends with `.partial`
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: PathBuf,
    /// Where answers go that are refusals; among the others unless said
    #[arg(long, value_name = "FILE")]
    pub(crate) errors: Option<PathBuf>,
    /// The model of requests that name none
    #[arg(long, short)]
    pub(crate) model: Option<String>,
    /// The endpoint that all requests must be for, such as /v1/embeddings; any unless said
    #[arg(long, value_name = "PATH")]
    pub(crate) endpoint: Option<String>,
    /// Goes on with a run that stopped
    #[arg(long, conflicts_with = "force")]
    pub(crate) resume: bool,
    /// Replaces what an earlier run has written
    #[arg(long)]
    pub(crate) force: bool,
    /// So many requests at once
    #[arg(long, value_name = "N", default_value = "16")]
    pub(crate) parallel: NonZero<usize>,
    /// Prints a summary as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_arguments_are_sound() {
        super::Arguments::command().debug_assert();
    }
}
