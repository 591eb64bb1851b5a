//! Edits of `grants.toml` that leave everything but one entry as it was, comments included.
//!
//! The edits are functions from text to text. Each reads its own result back and compares: an edit that would say more,
//! or anything about another plugin, is an error and not a file.

use inferno_sandbox::{Capabilities, Grants};
use toml::{Table, Value};
use toml_edit::{Array, ArrayOfTables, DocumentMut, Item, Value as Edit};

use crate::asks::{from_table, to_table};
use crate::error::{Error, ErrorKind};
use crate::text::visible_lines;

const GRANT: &str = "grant";
const PLUGIN: &str = "plugin";
const DIGEST: &str = "digest";
const TENANT: &str = "tenant";
/// What says whom an entry is for; everything else in it is given.
const WHO: [&str; 3] = [PLUGIN, DIGEST, TENANT];

/// Whom an entry of the grants file is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holder<'a> {
    /// The name of the plugin.
    pub plugin: &'a str,
    /// Its digest.
    pub digest: &'a str,
    /// The tenant on whose behalf it works; `None`: every tenant without an entry of its own.
    pub tenant: Option<&'a str>,
}

impl Holder<'_> {
    /// The same for every tenant without an entry of its own.
    pub(crate) fn for_all(self) -> Self {
        Self { tenant: None, ..self }
    }
}

/// What the entry for this holder gives; `None` without an entry. `file` is the name of the file, for errors.
pub fn held_in(file: &str, text: &str, holder: Holder<'_>) -> Result<Option<Capabilities>, Error> {
    Grants::parse(file, text)?;
    let entry = entries(file, text)?.into_iter().find(|entry| is_for(entry, holder));
    entry.map(given).transpose()
}

/// The tenants with entries of their own for these bytes of this plugin.
pub(crate) fn tenants_in(file: &str, text: &str, plugin: &str, digest: &str) -> Result<Vec<String>, Error> {
    let of_plugin = |entry: &Table| {
        let tenant = entry.get(TENANT).and_then(Value::as_str).map(str::to_owned)?;
        is_for(entry, Holder { plugin, digest, tenant: Some(&tenant) }).then_some(tenant)
    };
    Ok(entries(file, text)?.iter().filter_map(of_plugin).collect())
}

/// The text in which this holder is given exactly this; with `None`, in which it has no entry.
pub fn edit_grants(
    file: &str,
    text: &str,
    holder: Holder<'_>,
    capabilities: Option<&Capabilities>,
) -> Result<String, Error> {
    Grants::parse(file, text)?;
    let wrong = |what: String| Error::new(ErrorKind::Grants, format!("{file}: {}", visible_lines(&what)));
    let mut document: DocumentMut =
        text.parse().map_err(|error: toml_edit::TomlError| wrong(error.to_string()))?;
    // Comments at the end stay where they are: a new entry goes behind them.
    let mut trailing = document.trailing().as_str().unwrap_or_default().to_owned();
    if !trailing.is_empty() && !trailing.ends_with('\n') {
        trailing.push('\n');
    }
    let mut end = None;
    let item = document.entry(GRANT).or_insert_with(|| Item::ArrayOfTables(ArrayOfTables::new()));
    if item.as_array().is_some_and(Array::is_empty) {
        *item = Item::ArrayOfTables(ArrayOfTables::new());
    }
    let Some(tables) = item.as_array_of_tables_mut() else {
        return Err(wrong("the grants are written as one list".to_owned())
            .with_hint("write each as a table of its own, under a line [[grant]]; then they can be edited"));
    };
    let place = tables.iter().position(|table| {
        let is = |key: &str, value: Option<&str>| table.get(key).and_then(Item::as_str) == value;
        is(PLUGIN, Some(holder.plugin)) && is(DIGEST, Some(holder.digest)) && is(TENANT, holder.tenant)
    });
    match (place, capabilities) {
        (Some(place), None) => {
            let gone = tables.remove(place);
            let above =
                head(gone.decor().prefix().and_then(toml_edit::RawString::as_str).unwrap_or_default());
            match tables.get_mut(place) {
                Some(next) => {
                    let own =
                        next.decor().prefix().and_then(toml_edit::RawString::as_str).unwrap_or_default();
                    let own = if above.is_empty() && place == 0 { own.trim_start() } else { own };
                    let prefix = format!("{above}{own}");
                    next.decor_mut().set_prefix(prefix);
                }
                None => end = Some(format!("{above}{trailing}")),
            }
        }
        (None, None) => return Ok(text.to_owned()),
        (place, Some(capabilities)) => {
            let place = place.unwrap_or_else(|| {
                let mut table = toml_edit::Table::new();
                table.insert(PLUGIN, toml_edit::value(holder.plugin));
                table.insert(DIGEST, toml_edit::value(holder.digest));
                if let Some(tenant) = holder.tenant {
                    table.insert(TENANT, toml_edit::value(tenant));
                }
                let apart = if text.trim().is_empty() { "" } else { "\n" };
                table.decor_mut().set_prefix(format!("{trailing}{apart}"));
                end = Some(String::new());
                tables.push(table);
                tables.len() - 1
            });
            let written: DocumentMut = capabilities
                .to_toml()
                .parse()
                .map_err(|error: toml_edit::TomlError| wrong(error.to_string()))?;
            if let Some(table) = tables.get_mut(place) {
                table.retain(|key, _| WHO.contains(&key) || written.contains_key(key));
                for (key, item) in written.iter() {
                    match table.get_mut(key) {
                        Some(old) => merge(old, item),
                        None => drop(table.insert(key, item.clone())),
                    }
                }
            }
        }
    }
    if let Some(end) = end {
        document.set_trailing(end);
    }
    let edited = document.to_string();
    check(file, text, &edited, holder, capabilities)?;
    Ok(edited)
}

/// The part of the text above an entry that is not about the entry: all before the last empty line.
fn head(above: &str) -> &str {
    let end = above.rfind("\n\n").map_or(0, |at| at + 1);
    let head = &above[..end];
    if head.trim().is_empty() { "" } else { head }
}

/// Makes one value say what the other says, and leaves the parts that say it already as they are written.
fn merge(old: &mut Item, new: &Item) {
    if let (Some(old), Some(new)) = (old.as_table_like_mut(), new.as_table_like()) {
        let gone: Vec<String> =
            old.iter().map(|(key, _)| key.to_owned()).filter(|key| !new.contains_key(key)).collect();
        for key in gone {
            old.remove(&key);
        }
        for (key, item) in new.iter() {
            match old.get_mut(key) {
                Some(old) => merge(old, item),
                None => drop(old.insert(key, item.clone())),
            }
        }
    } else if let (Some(old), Some(new)) = (old.as_array_mut(), new.as_array()) {
        old.retain(|element| new.iter().any(|new| same(element, new)));
        for element in new {
            if !old.iter().any(|old| same(old, element)) {
                old.push(element.clone());
            }
        }
    } else if let (Some(old), Some(new)) = (old.as_value_mut(), new.as_value()) {
        if !same(old, new) {
            let decor = old.decor().clone();
            *old = new.clone();
            *old.decor_mut() = decor;
        }
    } else {
        *old = new.clone();
    }
}

/// Whether two values say the same, however they are written.
fn same(left: &Edit, right: &Edit) -> bool {
    let bare = |value: &Edit| {
        let text = format!("v = {}", value.clone().decorated("", ""));
        toml::from_str::<Table>(&text).ok()
    };
    bare(left).is_some_and(|left| bare(right) == Some(left))
}

fn check(
    file: &str,
    before: &str,
    after: &str,
    holder: Holder<'_>,
    meant: Option<&Capabilities>,
) -> Result<(), Error> {
    Grants::parse(file, after)?;
    let split = |text: &str| -> Result<(Vec<Table>, Vec<Table>), Error> {
        Ok(entries(file, text)?.into_iter().partition(|entry| is_for(entry, holder)))
    };
    let ((_, others_before), (own, others_after)) = (split(before)?, split(after)?);
    let own = own.into_iter().map(given).collect::<Result<Vec<_>, Error>>()?;
    // Order and repetition in a list say nothing.
    let as_meant = match (&own[..], meant) {
        ([], None) => true,
        ([own], Some(meant)) => normal(own)? == normal(meant)?,
        _ => false,
    };
    if as_meant && others_before == others_after {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Grants,
        format!("{file}: the edit would not say what was meant; nothing was changed"),
    )
    .with_hint("edit the file by hand, and please report this"))
}

fn normal(capabilities: &Capabilities) -> Result<Table, Error> {
    fn sort(value: &mut Value) {
        match value {
            Value::Array(list) => {
                list.iter_mut().for_each(sort);
                list.sort_by_key(ToString::to_string);
                list.dedup();
            }
            Value::Table(table) => table.iter_mut().for_each(|(_, value)| sort(value)),
            _ => {}
        }
    }
    let mut table = to_table(capabilities)?;
    table.iter_mut().for_each(|(_, value)| sort(value));
    Ok(table)
}

fn entries(file: &str, text: &str) -> Result<Vec<Table>, Error> {
    let mut table: Table = toml::from_str(text).map_err(|error| {
        Error::new(ErrorKind::Grants, format!("{file}: {}", visible_lines(error.message())))
    })?;
    let list = match table.remove(GRANT) {
        Some(Value::Array(list)) => list,
        _ => Vec::new(),
    };
    Ok(list.into_iter().filter_map(|value| value.try_into().ok()).collect())
}

fn is_for(entry: &Table, holder: Holder<'_>) -> bool {
    let is = |key: &str, value: Option<&str>| entry.get(key).and_then(Value::as_str) == value;
    is(PLUGIN, Some(holder.plugin)) && is(DIGEST, Some(holder.digest)) && is(TENANT, holder.tenant)
}

fn given(mut entry: Table) -> Result<Capabilities, Error> {
    entry.retain(|key, _| !WHO.contains(&key));
    from_table(entry)
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "sha256:00000000000000000000000000000000000000000000000000000000000000aa";
    const B: &str = "sha256:00000000000000000000000000000000000000000000000000000000000000bb";

    fn caps(text: &str) -> Capabilities {
        toml::from_str(text).unwrap()
    }

    fn edit(text: &str, digest: &str, to: Option<&str>) -> Result<String, Error> {
        edit_grants("grants.toml", text, holder("acme", digest), to.map(caps).as_ref())
    }

    fn holder<'a>(plugin: &'a str, digest: &'a str) -> Holder<'a> {
        Holder { plugin, digest, tenant: None }
    }

    #[test]
    fn into_an_empty_file() {
        let text = edit("", A, Some("kv = true\ninference = { models = ['a'] }")).unwrap();
        assert_eq!(
            text,
            format!(
                "[[grant]]\nplugin = \"acme\"\ndigest = \"{A}\"\ninference = {{ models = [\"a\"] }}\nkv = true\n"
            )
        );
        let both = edit(&text, B, Some("models = true")).unwrap();
        assert_eq!(both, format!("{text}\n[[grant]]\nplugin = \"acme\"\ndigest = \"{B}\"\nmodels = true\n"));
        assert_eq!(
            held_in("", &both, holder("acme", A)).unwrap(),
            Some(caps("kv = true\ninference = { models = ['a'] }"))
        );
        assert_eq!(held_in("", &both, holder("other", A)).unwrap(), None);
        assert_eq!(edit(&both, B, None).unwrap(), text);
        assert_eq!(edit(&text, A, None).unwrap(), "");
    }

    #[test]
    fn comments_stay() {
        let text = format!(
            "# mine\n[[grant]] # first\nplugin = 'other'\ndigest = '{A}'\nkv = true # yes\n\n\
             # second\n[[grant]]\nplugin = \"acme\"\ndigest = \"{A}\" # as shown\n# models of mine\n\
             inference = {{ models = [\n    'a', # small\n    'b',\n] }} # few\nkv = true\n# end\n"
        );
        let edited = edit(&text, A, Some("inference = { models = ['a', 'c'] }\nmodels = true")).unwrap();
        for kept in [
            "# mine\n",
            "# first\n",
            "kv = true # yes\n",
            "# second\n",
            "# as shown\n",
            "# models of mine\n",
            "'a'",
            "# few\n",
            "# end\n",
        ] {
            assert!(edited.contains(kept), "{kept}: {edited}");
        }
        assert!(!edited.contains("'b'"), "{edited}");
        assert_eq!(
            held_in("", &edited, holder("acme", A)).unwrap(),
            Some(caps("inference = { models = ['a', 'c'] }\nmodels = true"))
        );
        assert_eq!(held_in("", &edited, holder("other", A)).unwrap(), Some(caps("kv = true")));
        // What is as it should be already is not touched.
        assert_eq!(edit(&text, A, Some("inference = { models = ['a', 'b'] }\nkv = true")).unwrap(), text);
        // Nothing granted is an entry, not the lack of one.
        let appended = edit(&text, B, Some("kv = true")).unwrap();
        assert!(appended.starts_with(&text) && appended.len() > text.len(), "{appended}");
        let none = edit(&text, A, Some("")).unwrap();
        assert_eq!(held_in("", &none, holder("acme", A)).unwrap(), Some(Capabilities::default()));
    }

    #[test]
    fn what_stands_above_all_entries_outlives_them() {
        let text = edit(&edit("# mine\n", A, Some("kv = true")).unwrap(), B, Some("models = true")).unwrap();
        assert!(text.starts_with("# mine\n\n[[grant]]"), "{text}");
        let one = edit(&text, A, None).unwrap();
        assert!(one.starts_with("# mine\n\n[[grant]]") && one.contains("models"), "{one}");
        assert_eq!(edit(&one, B, None).unwrap(), "# mine\n");
        let about = text.replace(
            "\n\n[[grant]]\nplugin = \"acme\"\ndigest = \"sha256:00",
            "\n\n# about it\n[[grant]]\nplugin = \"acme\"\ndigest = \"sha256:00",
        );
        assert_eq!(edit(&edit(&about, B, None).unwrap(), A, None).unwrap(), "# mine\n");
    }

    #[test]
    fn what_cannot_be_edited_is_refused() {
        let list = format!("grant = [{{ plugin = 'x', digest = '{A}' }}]");
        let error = edit(&list, A, Some("kv = true")).unwrap_err();
        assert!(error.hint().unwrap().contains("[[grant]]"), "{error}");
        assert_eq!(edit("[[grants]]", A, Some("kv = true")).unwrap_err().kind(), ErrorKind::Grants);
        assert!(edit("grant = []\n", A, Some("kv = true")).unwrap().contains("kv = true"));
        let error = edit_grants("", "", holder("acme", "sha256:1"), Some(&caps("kv = true"))).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Grants);
    }

    #[test]
    fn tenants_have_entries_of_their_own() {
        let all = edit("", A, Some("kv = true")).unwrap();
        let of = |tenant| Holder { tenant: Some(tenant), ..holder("acme", A) };
        let text = edit_grants("", &all, of("t"), Some(&caps("models = true"))).unwrap();
        assert!(text.contains("tenant = \"t\"\nmodels = true\n"), "{text}");
        assert_eq!(held_in("", &text, of("t")).unwrap(), Some(caps("models = true")));
        assert_eq!(held_in("", &text, of("u")).unwrap(), None);
        assert_eq!(held_in("", &text, holder("acme", A)).unwrap(), Some(caps("kv = true")));
        assert_eq!(tenants_in("", &text, "acme", A).unwrap(), ["t"]);
        assert_eq!(tenants_in("", &text, "acme", B).unwrap(), [] as [String; 0]);
        assert_eq!(edit_grants("", &text, of("t"), None).unwrap(), all);
    }
}
