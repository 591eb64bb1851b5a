//! What a version asks for and the one before did not, and the other way round.

use std::collections::BTreeSet;
use std::fmt;

use inferno_sandbox::Capabilities;
use serde::Serialize;
use toml::{Table, Value};

use crate::asks::{Ask, asks_of, kind, to_table};
use crate::error::{Error, ErrorKind};
use crate::text::visible;

/// The differences between two versions of a plugin. `Display` shows them as a diff.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Differences {
    /// What it newly asks for.
    pub asks_added: Vec<Ask>,
    /// What it no longer asks for.
    pub asks_removed: Vec<Ask>,
    /// What its roles newly let it do, as the end of "It may ...".
    pub roles_added: Vec<String>,
    /// What its roles no longer let it do.
    pub roles_removed: Vec<String>,
}

/// A version, as far as it is compared. The text is that of the manifest, which has been parsed before.
#[derive(Clone, Copy)]
pub(crate) struct Side<'a> {
    pub(crate) asked: &'a Capabilities,
    pub(crate) text: &'a str,
}

impl Differences {
    pub(crate) fn between(old: Side<'_>, new: Side<'_>) -> Result<Self, Error> {
        let (old_roles, new_roles) = (roles(old.text)?, roles(new.text)?);
        let minus = |left: &BTreeSet<String>, right| left.difference(right).cloned().collect();
        Ok(Self {
            asks_added: beyond(new.asked, old.asked)?,
            asks_removed: beyond(old.asked, new.asked)?,
            roles_added: minus(&new_roles, &old_roles),
            roles_removed: minus(&old_roles, &new_roles),
        })
    }

    /// Whether the newer one wants anything that the older one did not have.
    pub fn asks_for_more(&self) -> bool {
        !self.asks_added.is_empty() || !self.roles_added.is_empty()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl fmt::Display for Differences {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sentences = |list: &[Ask]| list.iter().map(|ask| ask.sentence.clone()).collect::<Vec<_>>();
        let removed = sentences(&self.asks_removed).into_iter().chain(self.roles_removed.iter().cloned());
        let added = sentences(&self.asks_added).into_iter().chain(self.roles_added.iter().cloned());
        for (sign, mut lines) in [('-', removed.collect::<Vec<_>>()), ('+', added.collect())] {
            lines.dedup();
            for line in lines {
                writeln!(f, "{sign} {line}")?;
            }
        }
        Ok(())
    }
}

/// The asks of the one that the other does not cover.
fn beyond(asked: &Capabilities, bound: &Capabilities) -> Result<Vec<Ask>, Error> {
    let bounds = to_table(bound)?;
    let covered = |ask: &Ask| {
        bounds.get(&ask.key).is_some_and(|bound| match kind(&ask.key) {
            Some(kind) => kind.within(&ask.value, bound),
            None => ask.value == *bound,
        })
    };
    Ok(asks_of(asked)?.into_iter().filter(|ask| !covered(ask)).collect())
}

/// What the roles of a manifest let its plugin do.
pub(crate) fn roles(text: &str) -> Result<BTreeSet<String>, Error> {
    let table: Table = toml::from_str(text)
        .map_err(|error| Error::new(ErrorKind::Manifest, crate::text::visible_lines(&error.to_string())))?;
    let mut found = BTreeSet::new();
    for (role, value) in table.get("roles").and_then(Value::as_table).into_iter().flatten() {
        found.insert(match role.as_str() {
            "command" => "be a verb of the command line".to_owned(),
            "http" => "answer HTTP requests".to_owned(),
            "filter" => "stand around http plugins as a filter".to_owned(),
            "step" => "work on the records of pipelines".to_owned(),
            "judge" => "score the answers of models".to_owned(),
            "converter" => "turn models from one format into another".to_owned(),
            "catalog" => "say what can be installed".to_owned(),
            _ => format!("play the role {}", visible(role)),
        });
        for (key, value) in value.as_table().into_iter().flatten() {
            let single = std::slice::from_ref(value);
            for item in value.as_array().map_or(single, Vec::as_slice) {
                let item = item.as_str().map_or_else(|| item.to_string(), str::to_owned);
                let item = visible(&item);
                found.extend(match (role.as_str(), key.as_str()) {
                    ("http", "mounts") => Some(format!("answer HTTP requests under {item}")),
                    ("http", "exact") => Some(format!("answer HTTP requests at {item}")),
                    // How refusals are worded is no power.
                    ("http", "error_body") => None,
                    ("command", "verbs") => Some(format!("be the command `inferno {item}`")),
                    ("filter", "on_error") if item == "pass" => {
                        Some("let requests and answers pass unseen when it fails".to_owned())
                    }
                    ("filter", "on_error") => None,
                    ("filter", "applies_to") => {
                        Some(format!("read and change requests and answers under {item}"))
                    }
                    _ => Some(format!("play the role {} with {} {item}", visible(role), visible(key))),
                });
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use inferno_sandbox::Manifest;

    fn between(old: &str, new: &str) -> Differences {
        let whole = |rest: &str| {
            format!("[plugin]\nname='acme'\nversion='1.0.0'\ndescription=''\nlicense=''\nwit='0.1'\n{rest}")
        };
        let (old, new) = (whole(old), whole(new));
        let parse = |text: &str| Manifest::parse("plugin.toml", text).unwrap();
        let (old_manifest, new_manifest) = (parse(&old), parse(&new));
        let old = Side { asked: &old_manifest.asks, text: &old };
        Differences::between(old, Side { asked: &new_manifest.asks, text: &new }).unwrap()
    }

    #[test]
    fn as_a_diff() {
        let differences = between(
            "[roles.command]\n[asks]\nkv = true\ninference = { models = ['a-*'], tokens_per_call = 5 }",
            "[roles.http]\nmounts = ['/v1']\n[asks]\nmodels = true\ninference = { models = ['a-1', 'b'], tokens_per_call = 5 }",
        );
        assert!(differences.asks_for_more());
        assert_eq!(
            differences.to_string(),
            "- run the models whose names match \"a-*\", for at most 5 tokens per request\n\
             - keep small values between calls, apart for each tenant\n\
             - be a verb of the command line\n\
             + run the model \"b\", for at most 5 tokens per request\n\
             + see which models are installed\n\
             + answer HTTP requests\n\
             + answer HTTP requests under /v1\n"
        );
    }

    #[test]
    fn less_is_not_more() {
        let wide = "[roles.command]\n[asks]\ninference = { models = ['*'] }\nkv = true";
        let narrow = "[roles.command]\n[asks]\ninference = { models = ['a'], tokens_per_call = 5 }";
        assert!(!between(wide, narrow).asks_for_more());
        assert!(between(narrow, wide).asks_for_more());
        assert!(between(wide, wide).is_empty());
        let more = narrow.replace("= 5", "= 6");
        assert!(between(narrow, &more).asks_for_more() && !between(&more, narrow).asks_for_more());
        let mount = "[roles.http]\nmounts = ['/a']\nerror_body = 'x'";
        assert!(between(mount, &mount.replace("'/a'", "'/a', '/b'")).asks_for_more());
        assert!(between(mount, &mount.replace("'x'", "'y'")).is_empty());
        let exact = between(mount, &mount.replace("error_body", "exact = ['/']\nerror_body"));
        assert_eq!(exact.roles_added, ["answer HTTP requests at /"]);
        let filter = "[roles.filter]\napplies_to = ['/v1']\non_error = 'refuse'";
        let open = between(filter, &filter.replace("refuse", "pass"));
        assert_eq!(open.roles_added, ["let requests and answers pass unseen when it fails"]);
        assert!(open.asks_for_more() && open.roles_removed.is_empty());
        let command = "[roles.command]\nverbs = ['a']\n[asks]\nworkdir = { access = 'read', why = 'x' }";
        let two = between(command, &command.replace("['a']", "['a', 'b']"));
        assert!(two.asks_for_more());
        assert_eq!(two.roles_added, ["be the command `inferno b`"]);
        let writing = between(command, &command.replace("'read'", "'write'"));
        assert_eq!(
            writing.to_string(),
            "+ read, make, change and remove the files of the folder in which you run it\n"
        );
        assert!(!between(&command.replace("'read'", "'write'"), command).asks_for_more());
    }
}
