//! Capabilities that are lists of names, patterns or addresses.

use toml::Value;

use super::{Ask, Kind};
use crate::text::visible;

/// What stands in a manifest for items that the user names.
const NAMED_BY_USER: &str = "*";

/// How `*` in a manifest is put to the user, where a list may have it.
pub(crate) struct Named {
    /// What stands for an item in a word.
    pub(crate) blank: &'static str,
    pub(crate) sentence: &'static str,
}

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
    /// The manifest may leave the items to the user.
    pub(crate) named: Option<Named>,
}

impl List {
    /// Whether an item stands for those that the user names.
    fn leaves_open<'a>(&'a self, item: &str) -> Option<&'a Named> {
        self.named.as_ref().filter(|_| item == NAMED_BY_USER)
    }

    /// Whether the first item allows all that the second one allows. One that is left open allows nothing by itself, but
    /// is as wide as another one.
    fn covers(&self, wide: &str, narrow: &str) -> bool {
        match (self.leaves_open(wide), self.leaves_open(narrow)) {
            (None, None) => (self.covers)(wide, narrow),
            (wide, narrow) => wide.is_some() && narrow.is_some(),
        }
    }

    fn meet(&self, left: &str, right: &str) -> bool {
        let open = [left, right].into_iter().any(|item| self.leaves_open(item).is_some());
        open || (self.meet)(left, right)
    }
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
        let ask = |item: String| {
            let value = make(vec![item.clone()]);
            match self.leaves_open(&item) {
                Some(Named { blank, sentence }) => Ask {
                    sentence: (*sentence).to_owned(),
                    blank: Some(blank),
                    ..Ask::new(self.key, Some(blank), value)
                },
                None => Ask {
                    sentence: (self.sentence)(&visible(&item)),
                    ..Ask::new(self.key, Some(&item), value)
                },
            }
        };
        items(value).into_iter().map(ask).collect()
    }

    fn whole(&self, asked: &Value) -> Result<Value, String> {
        let all = items(asked);
        let said: Vec<String> = all.iter().filter(|item| self.leaves_open(item).is_none()).cloned().collect();
        match self.named.as_ref().filter(|_| said.is_empty()) {
            Some(Named { blank, .. }) => {
                Err(format!("say which it shall be: {}={blank}, as often as there are several", self.key))
            }
            None => Ok(make(said)),
        }
    }

    fn parse(&self, word: &str, _asked: &Value) -> Result<Value, String> {
        (self.read)(word).map(|item| make(vec![item]))
    }

    fn union(&self, held: &Value, more: &Value) -> Value {
        let mut all = items(held);
        for item in items(more) {
            if !all.iter().any(|held| self.covers(held, &item)) {
                all.push(item);
            }
        }
        make(all)
    }

    fn without(&self, held: &Value, less: &Value) -> Result<Option<Value>, String> {
        let (covers, meet) =
            (|wide: &str, narrow: &str| self.covers(wide, narrow), |l: &str, r: &str| self.meet(l, r));
        let rest = without(&items(held), &items(less), self.key, covers, meet)?;
        Ok((!rest.is_empty()).then(|| make(rest)))
    }

    fn within(&self, value: &Value, bound: &Value) -> bool {
        let bounds = items(bound);
        items(value).iter().all(|item| bounds.iter().any(|bound| self.covers(bound, item)))
    }

    fn meets(&self, value: &Value, other: &Value) -> bool {
        let others = items(other);
        items(value).iter().any(|item| others.iter().any(|other| self.meet(item, other)))
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
