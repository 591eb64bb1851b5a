//! `tokenizer.json`, as far as it is converted. Vocabularies and merges have hundreds of thousands of entries, so they are
//! read into what takes little memory.

use std::fmt;

use serde::Deserialize;
use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

/// The largest known has some 35 MB.
pub(super) const MAX_FILE: u64 = 128 << 20;
/// The largest known has a quarter of a million.
pub(super) const MAX_ENTRIES: usize = 1 << 22;

/// The file.
#[derive(Debug, Deserialize)]
pub(super) struct File {
    #[serde(default)]
    pub(super) added_tokens: Vec<Added>,
    pub(super) normalizer: Option<Value>,
    pub(super) pre_tokenizer: Option<Value>,
    pub(super) post_processor: Option<Value>,
    pub(super) model: Model,
}

/// A token that is found in a text before anything else is.
#[derive(Debug, Deserialize)]
pub(super) struct Added {
    pub(super) id: u32,
    pub(super) content: String,
    #[serde(default)]
    pub(super) special: bool,
}

/// How what is left becomes tokens.
#[derive(Debug, Deserialize)]
pub(super) struct Model {
    #[serde(rename = "type")]
    pub(super) kind: Option<String>,
    pub(super) vocab: Vocabulary,
    #[serde(default)]
    pub(super) merges: Merges,
    #[serde(default)]
    pub(super) byte_fallback: Option<bool>,
    #[serde(default)]
    pub(super) ignore_merges: Option<bool>,
    pub(super) unk_token: Option<String>,
    pub(super) unk_id: Option<u32>,
    pub(super) continuing_subword_prefix: Option<String>,
    pub(super) end_of_word_suffix: Option<String>,
}

/// The pieces of text that are tokens.
#[derive(Debug)]
pub(super) enum Vocabulary {
    /// With their numbers.
    Numbered(Vec<(String, u32)>),
    /// With their scores, in the order of their numbers.
    Scored(Vec<(String, f64)>),
}

impl<'de> Deserialize<'de> for Vocabulary {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = Vocabulary;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object with the number of each token, or a list of tokens and their scores")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Vocabulary, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                    few_enough(entries.len())?;
                }
                Ok(Vocabulary::Numbered(entries))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vocabulary, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = list.next_element()? {
                    entries.push(entry);
                    few_enough(entries.len())?;
                }
                Ok(Vocabulary::Scored(entries))
            }
        }
        deserializer.deserialize_any(Entries)
    }
}

fn few_enough<E: de::Error>(count: usize) -> Result<(), E> {
    if count > MAX_ENTRIES {
        return Err(E::custom(format_args!("there are more than {MAX_ENTRIES} entries")));
    }
    Ok(())
}

/// Pairs of tokens that become one, the first pair first. All texts lie one after the other.
#[derive(Debug, Default)]
pub(super) struct Merges {
    text: String,
    /// Where the first half of each pair ends, and where the second does.
    ends: Vec<(usize, usize)>,
}

impl Merges {
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// The halves of each pair.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let mut start = 0;
        self.ends.iter().map(move |&(middle, end)| {
            let pair = (&self.text[start..middle], &self.text[middle..end]);
            start = end;
            pair
        })
    }

    pub(super) fn push(&mut self, left: &str, right: &str) {
        self.text.push_str(left);
        let middle = self.text.len();
        self.text.push_str(right);
        self.ends.push((middle, self.text.len()));
    }
}

impl<'de> Deserialize<'de> for Merges {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;
        impl<'de> Visitor<'de> for Pairs {
            type Value = Merges;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of pairs of tokens")
            }

            fn visit_unit<E: de::Error>(self) -> Result<Merges, E> {
                Ok(Merges::default())
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Merges, A::Error> {
                let mut merges = Merges::default();
                while list.next_element_seed(Pair(&mut merges))?.is_some() {
                    few_enough(merges.len())?;
                }
                Ok(merges)
            }
        }
        deserializer.deserialize_any(Pairs)
    }
}

/// One pair: two texts, or, in older files, one with a space between them.
struct Pair<'a>(&'a mut Merges);

impl<'de> DeserializeSeed<'de> for Pair<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Pair<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("two tokens")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<(), E> {
        let halves = text.split_once(' ').filter(|(left, right)| !left.is_empty() && !right.contains(' '));
        let (left, right) =
            halves.ok_or_else(|| E::custom(format_args!("the merge {text:?} is no pair of tokens")))?;
        self.0.push(left, right);
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let short = || de::Error::custom("a merge must have two tokens");
        let left: String = list.next_element()?.ok_or_else(short)?;
        let right: String = list.next_element()?.ok_or_else(short)?;
        if list.next_element::<de::IgnoredAny>()?.is_some() {
            return Err(short());
        }
        self.0.push(&left, &right);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_and_new_merges_are_the_same() {
        let old: Merges = serde_json::from_str(r#"["a b", "ab c"]"#).unwrap();
        let new: Merges = serde_json::from_str(r#"[["a", "b"], ["ab", "c"]]"#).unwrap();
        for merges in [old, new] {
            assert_eq!(merges.iter().collect::<Vec<_>>(), [("a", "b"), ("ab", "c")]);
        }
        for wrong in [r#"["ab"]"#, r#"["a b c"]"#, r#"[["a"]]"#, r#"[["a", "b", "c"]]"#, "7"] {
            assert!(serde_json::from_str::<Merges>(wrong).is_err(), "{wrong}");
        }
    }
}
