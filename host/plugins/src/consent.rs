//! What a user grants or takes back, in words: `inference=small-*`, `kv`.

use std::str::FromStr;

use inferno_sandbox::Capabilities;
use toml::Value;

use crate::asks::{Ask, KINDS, Kind, asks_of, from_table, kind, to_table};
use crate::error::{Error, ErrorKind};
use crate::text::{nearest, visible};

/// One word of `--grant` or `revoke`: a capability, and what of it. Without the second, all that the plugin asks for
/// of it, or all that it was granted. What the second part means depends on what the plugin asks for, so it is read
/// when it is granted.
#[derive(Clone, Debug, PartialEq)]
pub struct Word {
    key: &'static str,
    what: What,
}

#[derive(Clone, Debug, PartialEq)]
enum What {
    All,
    Text(String),
    Value(Value),
}

impl FromStr for Word {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let (key, what) = match text.split_once('=') {
            Some((key, what)) => (key, What::Text(what.to_owned())),
            None => (text, What::All),
        };
        let kind = kind(key).ok_or_else(|| {
            let keys = || KINDS.iter().map(|kind| kind.key());
            wrong(format!("there is no capability \"{}\" to grant", visible(key))).with_hint(
                match nearest(key, keys()) {
                    Some(near) => format!("did you mean \"{near}\"?"),
                    None => format!("there are {}", keys().collect::<Vec<_>>().join(", ")),
                },
            )
        })?;
        Ok(Self { key: kind.key(), what })
    }
}

impl TryFrom<&Ask> for Word {
    type Error = Error;

    /// What grants just this ask. An error where the user has to name a folder.
    fn try_from(ask: &Ask) -> Result<Self, Error> {
        let kind = kind(&ask.key)
            .ok_or_else(|| wrong(format!("this version of inferno cannot grant {}", visible(&ask.key))))?;
        let value = kind.whole(&ask.value).map_err(wrong)?;
        Ok(Self { key: kind.key(), what: What::Value(value) })
    }
}

impl Word {
    fn kind(&self) -> Result<&'static dyn Kind, Error> {
        kind(self.key).ok_or_else(|| wrong(format!("there is no capability \"{}\"", self.key)))
    }
}

fn wrong(what: String) -> Error {
    Error::new(ErrorKind::Consent, what)
}

/// What was held, and these. Only what the plugin asks for can be granted: a grant that would do nothing is an error,
/// since somebody meant something else.
pub fn grant(asked: &Capabilities, held: &Capabilities, words: &[Word]) -> Result<Capabilities, Error> {
    let (asked_table, mut table) = (to_table(asked)?, to_table(held)?);
    for word in words {
        let (key, kind) = (word.key, word.kind()?);
        let asked_value = asked_table.get(key).ok_or_else(|| not_asked(asked, key))?;
        let more = match &word.what {
            What::All => kind.whole(asked_value),
            What::Text(text) => kind.parse(text, asked_value),
            What::Value(value) => Ok(value.clone()),
        };
        let more = more.map_err(wrong)?;
        if !kind.meets(&more, asked_value) {
            return Err(not_asked(asked, key));
        }
        let sum = match table.get(key) {
            Some(held) => kind.union(held, &more),
            None => more,
        };
        table.insert(key.to_owned(), sum);
    }
    from_table(table)
}

/// What was held, without these. An error if it was not held, or if some of it would stay.
pub fn revoke(held: &Capabilities, words: &[Word]) -> Result<Capabilities, Error> {
    let mut table = to_table(held)?;
    for word in words {
        let (key, kind) = (word.key, word.kind()?);
        let Some(value) = table.get(key) else {
            return Err(wrong(format!("{key} is not granted, so it cannot be revoked")));
        };
        let less = match &word.what {
            What::All => value.clone(),
            What::Text(text) => kind.pick(text, value).map_err(wrong)?,
            What::Value(less) => less.clone(),
        };
        if word.what != What::All && !kind.meets(value, &less) {
            let held: Vec<String> = kind.split(value).into_iter().map(|ask| ask.word).collect();
            return Err(wrong(format!(
                "this is not granted, so it cannot be revoked; granted: {}",
                held.join(", ")
            )));
        }
        let rest = match word.what {
            What::All => None,
            _ => kind.without(value, &less).map_err(wrong)?,
        };
        match rest {
            Some(rest) => table.insert(key.to_owned(), rest),
            None => table.remove(key),
        };
    }
    from_table(table)
}

/// The same for what the user did not look at, such as the grant of an older version: what is not held is passed over,
/// and where only some of a capability could stay, none of it does.
pub(crate) fn cut(held: &Capabilities, words: &[Word]) -> Result<Capabilities, Error> {
    let mut table = to_table(held)?;
    for word in words {
        let (key, kind) = (word.key, word.kind()?);
        let Some(value) = table.get(key) else { continue };
        let less = match &word.what {
            What::All => Ok(value.clone()),
            What::Text(text) => kind.pick(text, value),
            What::Value(less) => Ok(less.clone()),
        };
        let rest = match less {
            Ok(less) if word.what != What::All && !kind.meets(value, &less) => continue,
            Ok(less) if word.what != What::All => kind.without(value, &less).unwrap_or_default(),
            _ => None,
        };
        match rest {
            Some(rest) => table.insert(key.to_owned(), rest),
            None => table.remove(key),
        };
    }
    from_table(table)
}

/// A grant for a version that asks for no more than the one before: what that one held, less what is no longer asked.
pub(crate) fn carried(asked: &Capabilities, held: &Capabilities) -> Result<Capabilities, Error> {
    let (asked, mut table) = (to_table(asked)?, to_table(held)?);
    table.retain(|key, _| asked.contains_key(key));
    from_table(table)
}

fn not_asked(asked: &Capabilities, key: &str) -> Error {
    let words: Vec<String> =
        asks_of(asked).unwrap_or_default().into_iter().map(|Ask { word, .. }| word).collect();
    let error = Error::new(
        ErrorKind::Consent,
        format!("the plugin does not ask for this use of {key}, so granting it would do nothing"),
    );
    error.with_hint(if words.is_empty() {
        "it asks for nothing".to_owned()
    } else {
        format!("it asks for {}", words.join(", "))
    })
}

/// Whether one holds nothing that the other does not hold. When in doubt, no.
pub fn within(value: &Capabilities, bound: &Capabilities) -> Result<bool, Error> {
    let (table, bounds) = (to_table(value)?, to_table(bound)?);
    Ok(table.iter().all(|(key, value)| {
        bounds.get(key).is_some_and(|bound| match kind(key) {
            Some(kind) => kind.within(value, bound),
            None => value == bound,
        })
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caps(text: &str) -> Capabilities {
        toml::from_str(text).unwrap()
    }

    fn words(list: &[&str]) -> Vec<Word> {
        list.iter().map(|word| word.parse().unwrap()).collect()
    }

    #[test]
    fn words_are_added_up() {
        let asked = caps("inference = { models = ['small-*', 'big'], tokens_per_call = 9 }\nkv = true");
        let nothing = Capabilities::default();
        let one = grant(&asked, &nothing, &words(&["inference=small-1"])).unwrap();
        assert_eq!(one, caps("inference = { models = ['small-1'] }"));
        let two = grant(&asked, &one, &words(&["kv", "inference=big"])).unwrap();
        assert_eq!(two, caps("inference = { models = ['small-1', 'big'] }\nkv = true"));
        // A key alone means what is asked for of it.
        assert_eq!(grant(&asked, &nothing, &words(&["inference", "kv"])).unwrap(), asked);
        // What is there already is not written twice, and its limit stays.
        let limited = caps("inference = { models = ['*'], tokens_per_call = 3 }");
        assert_eq!(grant(&asked, &limited, &words(&["inference"])).unwrap(), limited);
        let every: Vec<Word> =
            asks_of(&asked).unwrap().iter().map(|ask| Word::try_from(ask).unwrap()).collect();
        assert_eq!(grant(&asked, &nothing, &every).unwrap(), asked);
    }

    #[test]
    fn what_is_not_asked_for_is_not_granted() {
        let asked = caps("inference = { models = ['small-*'] }");
        for word in ["kv", "inference=big"] {
            let error = grant(&asked, &Capabilities::default(), &words(&[word])).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Consent);
            assert_eq!(error.hint(), Some("it asks for inference=small-*"));
        }
    }

    #[test]
    fn words_are_taken_back() {
        let held =
            caps("inference = { models = ['small-*', 'small-1', 'big'], tokens_per_call = 9 }\nkv = true");
        let less = revoke(&held, &words(&["inference=small-*"])).unwrap();
        assert_eq!(less, caps("inference = { models = ['big'], tokens_per_call = 9 }\nkv = true"));
        assert_eq!(revoke(&held, &words(&["inference"])).unwrap(), caps("kv = true"));
        assert_eq!(revoke(&less, &words(&["inference=*", "kv"])).unwrap(), Capabilities::default());
        let error = revoke(&held, &words(&["inference=small-1"])).unwrap_err();
        assert!(error.to_string().contains("reaches further than \"small-1\""), "{error}");
        let error = revoke(&held, &words(&["models"])).unwrap_err();
        assert!(error.to_string().contains("models is not granted"), "{error}");
        let error = revoke(&held, &words(&["inference=other"])).unwrap_err();
        assert!(
            error.to_string().ends_with("granted: inference=small-*, inference=small-1, inference=big"),
            "{error}"
        );
    }

    #[test]
    fn what_nobody_looked_at_keeps_nothing_in_doubt() {
        let held = caps("inference = { models = ['small-*', 'big'] }\nkv = true\nmodels = true");
        let check = |list: &[&str], expect: &str| assert_eq!(cut(&held, &words(list)).unwrap(), caps(expect));
        check(
            &["inference=big", "secrets", "inference=other"],
            "inference = { models = ['small-*'] }\nkv = true\nmodels = true",
        );
        check(&["inference=small-1", "kv"], "models = true");
        check(&["inference="], "kv = true\nmodels = true");
    }

    #[test]
    fn unknown_words_name_the_nearest() {
        let error = "inferense=x".parse::<Word>().unwrap_err();
        assert_eq!(error.hint(), Some("did you mean \"inference\"?"));
        let error = "network\x1b".parse::<Word>().unwrap_err();
        assert_eq!(error.to_string(), "there is no capability \"network\\u{1b}\" to grant");
        assert!(error.hint().unwrap().starts_with("there are inference, "));
        assert!("".parse::<Word>().is_err() && "=".parse::<Word>().is_err());
        let asked =
            caps("kv = true\ninference = { models = ['*'] }\nsecrets = ['A']\nhttp = ['https://a.com']");
        for word in ["inference=", "inference=a\nb", "kv=false", "kv=x", "secrets=a b", "http=a.com"] {
            let error = grant(&asked, &Capabilities::default(), &words(&[word])).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Consent, "{word}");
        }
    }

    #[test]
    fn folders_are_named_by_the_user() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path().canonicalize().unwrap();
        for name in ["papers", "out"] {
            std::fs::create_dir(root.join(name)).unwrap();
        }
        std::fs::write(root.join("file"), "").unwrap();
        let at = |name: &str| root.join(name).display().to_string();
        let given =
            |asked: &Capabilities, word: String| grant(asked, &Capabilities::default(), &words(&[&word]));
        let one = caps("files = [{ path = '/docs', access = 'write' }]");
        let entry = |path: &str, host: &str, access: &str| {
            format!("{{ path = '{path}', host = '{}', access = '{access}' }}", at(host))
        };
        // Read only, unless the user says otherwise.
        for (suffix, access) in [("", "read"), (":ro", "read"), (":rw", "write")] {
            let granted = given(&one, format!("files={}{suffix}", at("papers"))).unwrap();
            assert_eq!(granted, caps(&format!("files = [{}]", entry("/docs", "papers", access))));
        }
        let odd = given(&one, format!("files={}/../papers/.", at("papers"))).unwrap();
        assert_eq!(odd, caps(&format!("files = [{}]", entry("/docs", "papers", "read"))));
        for nothing in [at("none"), at("file"), String::new()] {
            let error = given(&one, format!("files={nothing}")).unwrap_err();
            assert!(error.to_string().contains("cannot be granted"), "{error}");
        }
        let error = given(&one, "files".to_owned()).unwrap_err();
        assert!(error.to_string().contains("files=/docs=FOLDER:rw"), "{error}");

        let two = caps("files = [{ path = '/docs', access = 'read' }, { path = '/out', access = 'write' }]");
        let error = given(&two, format!("files={}", at("papers"))).unwrap_err();
        assert!(error.to_string().contains("which of /docs, /out"), "{error}");
        let list = [format!("files=/docs={}", at("papers")), format!("files=/out={}:rw", at("out"))];
        let both = grant(&two, &Capabilities::default(), &words(&[&list[0], &list[1]])).unwrap();
        let entries = [entry("/docs", "papers", "read"), entry("/out", "out", "write")];
        assert_eq!(both, caps(&format!("files = [{}, {}]", entries[0], entries[1])));
        // Another folder for the same path takes the place of the first.
        let moved = grant(&two, &both, &words(&[&format!("files=/docs={}", at("out"))])).unwrap();
        assert_eq!(moved.files.len(), 2);
        for word in [
            "files=/docs".to_owned(),
            format!("files={}", at("papers")),
            format!("files=/docs={}:ro", at("papers")),
        ] {
            let left = revoke(&both, &words(&[&word])).unwrap();
            assert_eq!(left, caps(&format!("files = [{}]", entries[1])), "{word}");
        }
        assert!(revoke(&both, &words(&["files=/other"])).is_err());
    }

    #[test]
    fn the_folder_of_a_command_is_read_or_written() {
        let reads = caps("workdir = { access = 'read', why = 'x' }");
        let (read, writes) = (caps("workdir = { access = 'read' }"), caps("workdir = { access = 'write' }"));
        let given =
            |asked: &Capabilities, held: &Capabilities, word: &str| grant(asked, held, &words(&[word]));
        let nothing = Capabilities::default();
        assert_eq!(given(&reads, &nothing, "workdir").unwrap(), read);
        assert_eq!(given(&writes, &nothing, "workdir").unwrap(), writes);
        assert_eq!(given(&writes, &nothing, "workdir=read").unwrap(), read);
        assert_eq!(given(&writes, &read, "workdir=write").unwrap(), writes);
        assert_eq!(given(&writes, &writes, "workdir=read").unwrap(), writes);
        let error = given(&reads, &nothing, "workdir=write").unwrap_err().to_string();
        assert!(error.contains("for reading only"), "{error}");
        assert!(given(&reads, &nothing, "workdir=all").is_err());
        assert!(within(&read, &writes).unwrap() && !within(&writes, &read).unwrap());
        for word in ["workdir", "workdir=read", "workdir=write"] {
            assert_eq!(revoke(&writes, &words(&[word])).unwrap(), nothing, "{word}");
        }
    }

    #[test]
    fn what_is_left_open_the_user_names() {
        let asked = caps("http = ['https://a.com', '*']\nsecrets = ['*']");
        let nothing = Capabilities::default();
        let given = |word: &str| grant(&asked, &nothing, &words(&[word]));
        assert_eq!(given("http=https://b.com").unwrap(), caps("http = ['https://b.com']"));
        assert_eq!(given("secrets=TOKEN").unwrap(), caps("secrets = ['TOKEN']"));
        // The key alone means what the plugin named itself.
        assert_eq!(given("http").unwrap(), caps("http = ['https://a.com']"));
        let error = given("secrets").unwrap_err().to_string();
        assert_eq!(error, "say which it shall be: secrets=NAME, as often as there are several");
        for word in ["http=*", "secrets=*", "http=SITE"] {
            assert!(given(word).is_err(), "{word}");
        }
        let open = &asks_of(&asked).unwrap()[1];
        assert!(Word::try_from(open).is_err(), "nobody can agree to what nobody named");
        let two = grant(&asked, &nothing, &words(&["http", "http=https://b.com"])).unwrap();
        assert_eq!(revoke(&two, &words(&["http=https://b.com"])).unwrap(), caps("http = ['https://a.com']"));
        // A version that leaves it open asks for more than one that does not, and the other way round.
        assert!(!within(&asked, &two).unwrap() && within(&asked, &asked).unwrap());
        assert!(!within(&two, &caps("http = ['*']")).unwrap());
    }

    #[test]
    fn lists_are_narrowed() {
        let asked =
            caps("http = ['https://*.a.com']\nsecrets = ['A', 'B']\nplugins = ['acme-*']\nquota = ['q']");
        let list = words(&["http=https://B.a.com:443", "secrets=A", "plugins=acme-docs", "quota"]);
        let held = grant(&asked, &Capabilities::default(), &list).unwrap();
        let expected =
            caps("http = ['https://b.a.com']\nsecrets = ['A']\nplugins = ['acme-docs']\nquota = ['q']");
        assert_eq!(held, expected);
        assert!(within(&held, &asked).unwrap() && !within(&asked, &held).unwrap());
        for word in ["http=https://a.com", "http=http://b.a.com", "secrets=C", "plugins=other"] {
            assert!(grant(&asked, &held, &words(&[word])).is_err(), "{word}");
        }
        assert!(revoke(&asked, &words(&["http=https://b.a.com"])).is_err(), "the pattern reaches further");
        let left =
            revoke(&held, &words(&["http=https://*.a.com", "plugins=*", "quota", "secrets=A"])).unwrap();
        assert_eq!(left, Capabilities::default());
    }
}
