//! Capabilities that are lists of names, patterns or addresses.

use toml::Value;

use super::{Ask, Kind};
use crate::text::visible;

pub(crate) struct List {
    pub(crate) key: &'static str,
    pub(crate) interfaces: &'static [&'static str],
    /// For an item that is harmless to show.
    pub(crate) sentence: fn(&str) -> String,
    pub(crate) never: &'static str,
    /// An item as it is written in a grant, or what is wrong with it.
    pub(crate) read: fn(&str) -> Result<String, String>,
    /// Whether the first item allows all that the second one allows.
    pub(crate) covers: fn(&str, &str) -> bool,
    /// Whether there is something that both allow.
    pub(crate) meet: fn(&str, &str) -> bool,
}

impl Kind for List {
    fn key(&self) -> &'static str {
        self.key
    }

    fn interfaces(&self) -> &'static [&'static str] {
        self.interfaces
    }

    fn never(&self) -> &'static str {
        self.never
    }

    fn split(&self, value: &Value) -> Vec<Ask> {
        let ask = |item: String| Ask {
            sentence: (self.sentence)(&visible(&item)),
            ..Ask::new(self.key, Some(&item), make(vec![item.clone()]))
        };
        items(value).into_iter().map(ask).collect()
    }

    fn parse(&self, word: &str, _asked: &Value) -> Result<Value, String> {
        (self.read)(word).map(|item| make(vec![item]))
    }

    fn union(&self, held: &Value, more: &Value) -> Value {
        let mut all = items(held);
        for item in items(more) {
            if !all.iter().any(|held| (self.covers)(held, &item)) {
                all.push(item);
            }
        }
        make(all)
    }

    fn without(&self, held: &Value, less: &Value) -> Result<Option<Value>, String> {
        let rest = without(&items(held), &items(less), self.key, self.covers, self.meet)?;
        Ok((!rest.is_empty()).then(|| make(rest)))
    }

    fn within(&self, value: &Value, bound: &Value) -> bool {
        let bounds = items(bound);
        items(value).iter().all(|item| bounds.iter().any(|bound| (self.covers)(bound, item)))
    }

    fn meets(&self, value: &Value, other: &Value) -> bool {
        let others = items(other);
        items(value).iter().any(|item| others.iter().any(|other| (self.meet)(item, other)))
    }
}

/// What is left of a list of patterns. What reaches further than what is taken away cannot be cut in two.
pub(crate) fn without(
    held: &[String],
    less: &[String],
    key: &str,
    covers: impl Fn(&str, &str) -> bool,
    meet: impl Fn(&str, &str) -> bool,
) -> Result<Vec<String>, String> {
    let stays = |held: &&String| !less.iter().any(|less| covers(less, held));
    let rest: Vec<String> = held.iter().filter(stays).cloned().collect();
    for held in &rest {
        if let Some(less) = less.iter().find(|less| meet(less, held)) {
            let (held, less) = (visible(held), visible(less));
            return Err(format!(
                "\"{held}\" is granted, which reaches further than \"{less}\"; revoke {key}={held} and grant what is to stay"
            ));
        }
    }
    Ok(rest)
}

/// The name of a secret or a budget.
pub(crate) fn word(text: &str) -> Result<String, String> {
    let fine = (1..=64).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
    if fine {
        Ok(text.to_owned())
    } else {
        Err(format!("\"{}\" is no name; use 1 to 64 letters, digits and -_.", visible(text)))
    }
}

pub(crate) fn equal(left: &str, right: &str) -> bool {
    left == right
}

fn make(items: Vec<String>) -> Value {
    Value::Array(items.into_iter().map(Value::String).collect())
}

pub(crate) fn items(value: &Value) -> Vec<String> {
    let list = value.as_array().map(Vec::as_slice).unwrap_or_default();
    list.iter().filter_map(Value::as_str).map(str::to_owned).collect()
}
