//! What can be typed after `inferno plugin`.

use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand};

use super::Json;
use crate::roles::PLAYABLE;
use crate::scaffold::ROLES;
use crate::sdk::Language;

#[derive(Debug, Subcommand)]
pub(crate) enum Plugin {
    /// List the installed plugins
    List(Json),
    /// Show what a plugin does, asks for and may do
    Info {
        /// A name from `inferno plugin list`
        plugin: String,
        #[command(flatten)]
        json: Json,
    },
    /// Make a folder with a new plugin that builds, and a test that passes
    New(New),
    /// Build the plugin in a folder, and check what came of it
    #[command(long_about = BUILD)]
    Build(Build),
    /// Build at every change and install what came of it; a running server swaps it
    #[command(long_about = WATCH)]
    Watch(Watch),
    /// Run a plugin's recorded cases and its roles' contracts, in the real sandbox
    #[command(long_about = TEST)]
    Test(Test),
    /// Say what a plugin is and what it could do; nothing is run
    Inspect {
        /// A packed file, or a folder with plugin.toml and plugin.wasm
        source: PathBuf,
        #[command(flatten)]
        json: Json,
    },
    /// Make one file of a plugin's folder, with a list of what it was built from
    Pack(Pack),
    /// Make a key that signs plugins
    Keygen(Keygen),
    /// Sign a packed plugin; a signature that is there already is replaced
    Sign(Sign),
    /// Check that a packed plugin is whole and who signed it
    #[command(long_about = VERIFY)]
    Verify(Verify),
    /// Install a plugin, and ask what it may do
    #[command(long_about = INSTALL)]
    Install(Install),
    /// Install a newer version; what it asks for beyond the old one waits for your consent
    #[command(long_about = UPGRADE)]
    Upgrade(Upgrade),
    /// Go back to the version that served before
    Rollback {
        /// A name from `inferno plugin list`
        plugin: String,
        /// A version that is kept, or how its digest begins [default: the one before]
        version: Option<String>,
    },
    /// Remove a plugin with all its versions and grants
    Remove {
        /// A name from `inferno plugin list`
        plugin: String,
    },
    /// Grant a plugin more of what it asks for
    Grant(Words),
    /// Take back what a plugin was granted
    Revoke(Words),
    /// Say why calls of plugins were denied, and the lines that would allow them
    Explain(Explain),
    /// Run a plugin, and propose the smallest manifest for what it used
    #[command(long_about = SUGGEST)]
    Suggest(Suggest),
    /// Have a plugin play a role once, by hand: JSON in, JSON out
    Call(Call),
    /// Run a plugin, and put every call into the host on a tape with its result
    #[command(long_about = RECORD)]
    Record(Record),
    /// Run a plugin against a tape, with nothing of the host behind it; fails on a difference
    #[command(long_about = REPLAY)]
    Replay(Replay),
}

const BUILD: &str = "Build the plugin in a folder, and check what came of it.

The language is that of the folder: Cargo.toml, plugin.js or plugin.ts, or plugin.py. The component is put beside \
plugin.toml as plugin.wasm, and checked: the manifest, what it imports, and whether this version of Inferno can run it. \
The tools of the language run with your rights: build only what you trust.";

const WATCH: &str = "Build at every change and install what came of it; a running server swaps it.

What has begun in the server ends on the version that it began with. Grants go over to each new build that asks for no \
more; one that asks for more is asked about, as with `inferno plugin upgrade`. The builds take the place of the version \
that was installed before.";

const TEST: &str = "Run a plugin's recorded cases and its roles' contracts, in the real sandbox.

The cases are the *.toml and *.json files in the folder `tests`. The plugin is granted what the options say, and nothing \
else. The status is 1 if a check fails.";

const SUGGEST: &str = "Run a plugin, and propose the smallest manifest for what it used.

A command is run with ARGUMENTS, as `inferno NAME` runs it; any other role is played with --input, as `inferno plugin call` \
plays it. What the plugin asks for, or was granted, and did not use is named. One run shows what one run needs: look at \
several before you take something away. How a plugin uses its folders, the host does not see.";

const RECORD: &str = "Run a plugin, and put every call into the host on a tape with its result.

A command is run with ARGUMENTS, as `inferno NAME` runs it, with the file of --input as its standard input; any other role \
is played with --input, as `inferno plugin call` plays it. The tape holds what was asked of models (with the digest of the \
file, the seed and what was written), stored values, requests to other machines, clocks, random numbers, and what came of \
it all. It holds no values of secrets, but whatever else the plugin was told: only you may read it. Files in granted \
folders are not on it.";

const REPLAY: &str = "Run a plugin against a tape, with nothing of the host behind it; fails on a difference.

The plugin runs in the real sandbox, but no model, no stored value and no other machine is touched: every call gets the \
result that the tape holds. The first call that is another one, is asked for something else, is one too many or is \
missing ends it, and so does another output; the message names the call. The status is 1 then.

It is run with the files of the folders that it is granted now, and with the secrets that it had when the tape was made.";

const VERIFY: &str = "Check that a packed plugin is whole and who signed it.

The status is 1 if it is damaged, if its signature does not fit, or if nobody signed it; with --key, also if somebody \
else did.";

const INSTALL: &str = "Install a plugin, and ask what it may do.

It is read once, verified, and checked against what this version of Inferno lends. On a terminal there is a question for \
each thing that it asks for. Otherwise --grant and --grants say what it may do, and whatever they do not name is not \
granted; `inferno plugin grant` can do it later. A running server notices.";

const UPGRADE: &str = "Install a newer version; what it asks for beyond the old one waits for your consent.

Without SOURCE the version that waits is taken, or else the place where the plugin came from is looked at again. If the \
new version asks for more, the difference is shown and asked about; where nobody can be asked, and neither --grant nor \
--yes says what to do, it waits and the old version serves on.";

#[derive(Debug, Args)]
pub(crate) struct New {
    /// What to call it: lower-case letters, digits and hyphens
    pub(crate) name: String,
    /// The role that it is to play
    #[arg(long, value_name = "ROLE", value_parser = PossibleValuesParser::new(ROLES.map(|(role, _)| role)))]
    pub(crate) role: String,
    /// What it is to be written in
    #[arg(long, value_name = "LANGUAGE", default_value = "rust")]
    pub(crate) lang: Language,
    /// Where to put it [default: a folder of its name]
    pub(crate) dir: Option<PathBuf>,
    /// The folder of the SDK to use [default: the one that this program carries]
    #[arg(long, value_name = "DIR")]
    pub(crate) sdk: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Build {
    /// The plugin's folder
    #[arg(default_value = ".")]
    pub(crate) dir: PathBuf,
    /// The folder of the SDK to build with, for JavaScript and Python [default: the one that this program carries]
    #[arg(long, value_name = "DIR")]
    pub(crate) sdk: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) json: Json,
}

#[derive(Debug, Args)]
pub(crate) struct Watch {
    /// The plugin's folder
    #[arg(default_value = ".")]
    pub(crate) dir: PathBuf,
    /// The folder of the SDK to build with, for JavaScript and Python [default: the one that this program carries]
    #[arg(long, value_name = "DIR")]
    pub(crate) sdk: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) consent: Consent,
}

#[derive(Debug, Args)]
pub(crate) struct Pack {
    /// The plugin's folder, with plugin.toml and plugin.wasm
    #[arg(default_value = ".")]
    pub(crate) dir: PathBuf,
    /// The file to write [default: NAME-VERSION.wasm]
    #[arg(long, short = 'o', value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Keygen {
    /// Where to put it; FILE.pub gets the half that others may see [default: signing.key in the data directory]
    pub(crate) file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Sign {
    /// The packed file
    pub(crate) file: PathBuf,
    /// The key to sign with [default: signing.key in the data directory]
    #[arg(long, value_name = "FILE")]
    pub(crate) key: Option<PathBuf>,
    /// The file to write [default: the same one]
    #[arg(long, short = 'o', value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// The packed file
    pub(crate) file: PathBuf,
    /// Who must have signed it, as `ed25519:...`
    #[arg(long, value_name = "KEY")]
    pub(crate) key: Option<String>,
    #[command(flatten)]
    pub(crate) json: Json,
}

#[derive(Debug, Args)]
pub(crate) struct Install {
    /// A packed file, a folder with plugin.toml and plugin.wasm, or an address that begins with https://
    pub(crate) source: String,
    #[command(flatten)]
    pub(crate) consent: Consent,
    #[command(flatten)]
    pub(crate) json: Json,
}

#[derive(Debug, Args)]
pub(crate) struct Upgrade {
    /// A name from `inferno plugin list`
    pub(crate) plugin: String,
    /// A packed file, a folder, or an address [default: what waits for consent, else where it came from]
    pub(crate) source: Option<String>,
    /// Forget the version that waits for consent
    #[arg(long, conflicts_with_all = ["source", "grant", "grants", "yes"])]
    pub(crate) discard: bool,
    #[command(flatten)]
    pub(crate) consent: Consent,
    #[command(flatten)]
    pub(crate) json: Json,
}

/// What the user agrees to.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Consent")]
pub(crate) struct Consent {
    #[command(flatten)]
    pub(crate) granting: Granting,
    /// Install it although nobody signed it
    #[arg(long)]
    pub(crate) allow_unsigned: bool,
    /// Install it although somebody else signed it than the version before, or nobody
    #[arg(long)]
    pub(crate) allow_signer_change: bool,
    /// Install it although it is older than the version that serves
    #[arg(long)]
    pub(crate) allow_downgrade: bool,
}

/// What a plugin is granted.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Consent")]
pub(crate) struct Granting {
    /// Grant this, such as `kv`, `inference=small-*` or `files=./papers:ro`; may be repeated. `all`, with --yes, is
    /// everything that it asks for
    #[arg(long, value_name = "WORD")]
    pub(crate) grant: Vec<String>,
    /// Grant what this file says, which has lines such as `kv = true`
    #[arg(long, value_name = "FILE")]
    pub(crate) grants: Option<PathBuf>,
    /// Ask nothing
    #[arg(long, short = 'y')]
    pub(crate) yes: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Test {
    /// The plugin's folder
    #[arg(default_value = ".")]
    pub(crate) dir: PathBuf,
    #[command(flatten)]
    pub(crate) granting: Granting,
    #[command(flatten)]
    pub(crate) json: Json,
}

#[derive(Debug, Args)]
pub(crate) struct Words {
    /// A name from `inferno plugin list`
    pub(crate) plugin: String,
    /// What, such as `kv`, `inference=small-*` or `files=./papers:ro`
    #[arg(required = true, value_name = "WORD")]
    pub(crate) words: Vec<String>,
    /// For the requests of this tenant only, in place of what holds for all
    #[arg(long, value_name = "TENANT")]
    pub(crate) tenant: Option<String>,
    #[command(flatten)]
    pub(crate) json: Json,
}

#[derive(Debug, Args)]
pub(crate) struct Call {
    /// A name from `inferno plugin list`
    pub(crate) plugin: String,
    /// The role that it is to play [default: the one that it plays]
    #[arg(long, value_name = "ROLE", value_parser = PossibleValuesParser::new(PLAYABLE))]
    pub(crate) role: Option<String>,
    /// The file with the input [default: standard input]
    #[arg(long, short = 'i', value_name = "FILE")]
    pub(crate) input: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Record {
    /// A name from `inferno plugin list`
    pub(crate) plugin: String,
    /// The file to write, which must not be there yet
    #[arg(long, short = 't', value_name = "FILE")]
    pub(crate) tape: PathBuf,
    /// The role that it is to play [default: command, else the one that it plays]
    #[arg(long, value_name = "ROLE", value_parser = PossibleValuesParser::new(PLAYABLE))]
    pub(crate) role: Option<String>,
    /// The file with the input; for a command, its standard input [default: none for a command]
    #[arg(long, short = 'i', value_name = "FILE")]
    pub(crate) input: Option<PathBuf>,
    /// What a command is given, after `--`
    #[arg(last = true, value_name = "ARGUMENTS")]
    pub(crate) arguments: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Replay {
    /// A tape that `inferno plugin record` made
    pub(crate) tape: PathBuf,
    /// A packed file, or a folder with plugin.toml and plugin.wasm [default: the installed plugin of the tape's name]
    pub(crate) source: Option<PathBuf>,
    /// Replay although the plugin is not the one that the tape was made with, such as against a new build
    #[arg(long)]
    pub(crate) allow_changed: bool,
    #[command(flatten)]
    pub(crate) json: Json,
}

#[derive(Debug, Args)]
pub(crate) struct Explain {
    /// A name from `inferno plugin list` [default: all plugins]
    pub(crate) plugin: Option<String>,
    /// How many, the newest first
    #[arg(long, value_name = "N", default_value_t = 5)]
    pub(crate) last: usize,
    #[command(flatten)]
    pub(crate) json: Json,
}

#[derive(Debug, Args)]
pub(crate) struct Suggest {
    /// A name from `inferno plugin list`
    pub(crate) plugin: String,
    /// The role that it is to play [default: command, else the one that it plays]
    #[arg(long, value_name = "ROLE", value_parser = PossibleValuesParser::new(PLAYABLE))]
    pub(crate) role: Option<String>,
    /// The file with the input for a role other than command
    #[arg(long, short = 'i', value_name = "FILE")]
    pub(crate) input: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) json: Json,
    /// What a command is given, after `--`
    #[arg(last = true, value_name = "ARGUMENTS")]
    pub(crate) arguments: Vec<String>,
}
