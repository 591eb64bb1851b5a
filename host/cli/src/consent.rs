//! What the user agrees to: in options, in a file, or by answering questions. Silence is never a yes.

use std::path::Path;

use inferno_plugins::{Ask, Word, grant, within};
use inferno_sandbox::{Capabilities, FileUse};

use crate::args::plugin::Granting;
use crate::failure::Failure;
use crate::printer::Printer;

/// The word that stands for all that a plugin asks for.
const ALL: &str = "all";
/// The capability of which each single thing is one folder; of others that are left open there may be several.
const FILES: &str = "files";

impl Granting {
    /// The options make sense together.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        if self.grant.iter().any(|word| word == ALL) && !self.yes {
            return Err(Failure::usage("`--grant all` would grant whatever the plugin asks for, unseen")
                .hint("say --yes as well if that is what you want, or name what you grant"));
        }
        Ok(())
    }

    /// The options say what is granted, so that nobody is asked.
    pub(crate) fn says(&self) -> bool {
        !self.grant.is_empty() || self.grants.is_some() || self.yes
    }

    /// What the options grant beyond what is held.
    pub(crate) fn granted(
        &self,
        asked: &Capabilities,
        held: &Capabilities,
        asks: &[Ask],
    ) -> Result<Capabilities, Failure> {
        let base = match &self.grants {
            Some(file) => read(file)?,
            None => held.clone(),
        };
        let names_folders = self.grant.iter().any(|word| word.starts_with("files="));
        // Which folder it shall be is for the other words to say. What is left open besides may stay so.
        let left_out = |ask: &&Ask| ask.blank.is_some() && (ask.key != FILES || names_folders);
        let mut words = Vec::new();
        for word in &self.grant {
            if word == ALL {
                for ask in asks.iter().filter(|ask| !left_out(ask)) {
                    words.push(Word::try_from(ask)?);
                }
            } else {
                words.push(word.parse()?);
            }
        }
        Ok(grant(asked, &base, &words)?)
    }
}

/// Asks the person at the terminal about each thing.
pub(crate) fn ask(
    asked: &Capabilities,
    held: &Capabilities,
    asks: &[Ask],
    printer: Printer,
) -> Result<Capabilities, Failure> {
    let mut granted = held.clone();
    for ask in asks {
        let why = ask.why.as_ref().map(|why| format!(" It says: \"{why}\".")).unwrap_or_default();
        let wants = format!("It wants to {}.{why}", ask.sentence);
        let Some(blank) = ask.blank else {
            if printer.agrees(format_args!("{wants} Allow?"))? {
                granted = grant(asked, &granted, &[Word::try_from(ask)?])?;
            }
            continue;
        };
        let mut question = format!("{wants} Which {}? [none]", blank.to_lowercase());
        loop {
            let named = printer.ask(format_args!("{question}"))?;
            if named.is_empty() {
                break;
            }
            let word: Word = ask.word.replace(blank, &named).parse()?;
            match grant(asked, &granted, &[word]) {
                Ok(more) if ask.key == FILES => {
                    granted = more;
                    break;
                }
                Ok(more) => {
                    granted = more;
                    question = format!("Which other {}? [none]", blank.to_lowercase());
                }
                // A mistyped name is no reason to begin all over.
                Err(error) => printer.warning(error),
            }
        }
    }
    Ok(granted)
}

/// Of these asks, those that are not granted in full.
pub(crate) fn missing<'a>(
    asks: &'a [Ask],
    asked: &Capabilities,
    granted: &Capabilities,
) -> Result<Vec<&'a Ask>, Failure> {
    let mut missing = Vec::new();
    for ask in asks {
        if ask.blank.is_some() && ask.key != FILES {
            // As many as the user likes; there is something missing where there is none.
            let named = if ask.key == "http" { granted.http.len() } else { granted.secrets.len() };
            if named == 0 {
                missing.push(ask);
            }
            continue;
        }
        if ask.blank.is_some() {
            let lent = |file: &&FileUse| Some(&file.path) == ask.item.as_ref();
            let (asks_for, has) = (asked.files.iter().find(lent), granted.files.iter().find(lent));
            if asks_for.map(|file| file.access) > has.map(|file| file.access) {
                missing.push(ask);
            }
            continue;
        }
        let one = grant(asked, &Capabilities::default(), &[Word::try_from(ask)?])?;
        if !within(&one, granted)? {
            missing.push(ask);
        }
    }
    Ok(missing)
}

/// A file with lines such as `kv = true`, as under `[[grant]]`.
fn read(file: &Path) -> Result<Capabilities, Failure> {
    let text = std::fs::read_to_string(file)
        .map_err(|error| Failure::usage(format!("cannot read {}: {error}", file.display())))?;
    toml::from_str(&text).map_err(|error| {
        Failure::usage(format!("{}: {}", file.display(), error.message()))
            .hint("it has lines such as `kv = true`, as an entry of grants.toml has below its digest")
    })
}
