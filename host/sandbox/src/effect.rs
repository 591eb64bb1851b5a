//! What a plugin may do: the overlap of its ask and its grant. A refusal says which half is missing, and what to
//! write where.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use crate::ask::{Access, Capabilities, FileUse, Need, WorkdirUse, quoted};
use crate::data::DATA;
use crate::grant::{Granted, Source};

/// A refusal: what happened, and what to write where.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Denial {
    pub(crate) message: String,
    pub(crate) hint: String,
}

/// What a plugin may do: the overlap of its ask and its grant.
#[derive(Clone, Debug)]
pub(crate) struct Effect {
    pub(crate) plugin: String,
    pub(crate) digest: String,
    pub(crate) asked: Capabilities,
    pub(crate) granted: Granted,
}

impl Effect {
    /// Whether a call may go on.
    pub(crate) fn check(&self, call: &str, need: Need<'_>) -> Result<(), Denial> {
        let (asked, granted) = (self.asked.asks_for(need), self.granted.given.holds(need));
        if !(asked && granted) {
            return Err(self.denial(call, need, asked, granted));
        }
        // Whoever listens can tell what the plugin needs; nobody does in a server.
        tracing::trace!(target: "inferno::used", plugin = self.plugin, key = need.key(), item = %need.item());
        Ok(())
    }

    /// Whether a call that needs this would go on.
    pub(crate) fn permits(&self, need: Need<'_>) -> bool {
        self.asked.asks_for(need) && self.granted.given.holds(need)
    }

    /// Whether the plugin may see a model of this name. A half that says nothing about models hides none.
    pub(crate) fn sees(&self, model: &str) -> bool {
        let shows = |held: &Capabilities| held.inference.is_none() || held.allows_model(model);
        shows(&self.asked) && shows(&self.granted.given)
    }

    /// Whether every model may be used, so that names need no hiding.
    pub(crate) fn sees_all(&self) -> bool {
        let all = |held: &Capabilities| {
            held.inference.as_ref().is_none_or(|inference| inference.models.iter().any(|glob| glob.0 == "*"))
        };
        all(&self.asked) && all(&self.granted.given)
    }

    /// The most tokens that one request may have written.
    pub(crate) fn tokens_per_call(&self) -> Option<u32> {
        let of =
            |held: &Capabilities| held.inference.as_ref().and_then(|inference| inference.tokens_per_call);
        match (of(&self.asked), of(&self.granted.given)) {
            (Some(asked), Some(granted)) => Some(asked.min(granted)),
            (asked, granted) => asked.or(granted),
        }
    }

    /// The folders that the plugin gets: those that it asks for and was granted, each with the lesser access.
    pub(crate) fn folders(&self) -> impl Iterator<Item = (&str, &Path, Access)> {
        self.asked.files.iter().filter_map(|asked| {
            let granted = self.granted.given.files.iter().find(|granted| granted.path == asked.path)?;
            Some((asked.path.as_str(), granted.host.as_deref()?, asked.access.min(granted.access)))
        })
    }

    /// What the plugin may do in the folder in which it is run as a command.
    pub(crate) fn workdir(&self) -> Option<Access> {
        let (asked, granted) = (self.asked.workdir.as_ref()?, self.granted.given.workdir.as_ref()?);
        Some(asked.access.min(granted.access))
    }

    /// Whether it has a folder of its own.
    pub(crate) fn data(&self) -> bool {
        self.asked.data && self.granted.given.data
    }

    /// Writes down which folders the plugin will not find: it cannot be told when it looks for them, since WASI only
    /// says that there is no such file.
    pub(crate) fn tell_missing_folders(&self) {
        let missing = |asked: &&FileUse| self.folders().all(|(path, ..)| path != asked.path);
        for asked in self.asked.files.iter().filter(missing) {
            let host = Some(PathBuf::from("/the/folder/that/is/meant"));
            let mut granted = self.granted.given.clone();
            granted.files.push(FileUse { host, why: None, ..asked.clone() });
            self.tell_missing(&format!("a folder as {:?}", asked.path), &granted);
        }
        if self.asked.data && !self.data() {
            let granted = Capabilities { data: true, ..self.granted.given.clone() };
            self.tell_missing(&format!("a folder of its own as {DATA:?}"), &granted);
        }
    }

    /// The same about the folder in which it is run as a command.
    pub(crate) fn tell_missing_workdir(&self) {
        if let (Some(asked), None) = (&self.asked.workdir, self.workdir()) {
            let workdir = Some(WorkdirUse { why: None, ..asked.clone() });
            let granted = Capabilities { workdir, ..self.granted.given.clone() };
            self.tell_missing("the folder in which it is run", &granted);
        }
    }

    fn tell_missing(&self, what: &str, granted: &Capabilities) {
        let plugin = &self.plugin;
        tracing::info!(
            target: "inferno::denied",
            plugin,
            hint = self.entry(granted),
            "plugin \"{plugin}\" asks for {what}, which the user has not granted: it will find none there"
        );
    }

    /// What to write into the grants file so that all this is granted.
    fn entry(&self, given: &Capabilities) -> String {
        let tenant = self.granted.tenant.as_ref().map(|tenant| format!("tenant = {}\n", quoted(tenant)));
        format!(
            "[[grant]]\nplugin = {}\ndigest = \"{}\"\n{}{}",
            quoted(&self.plugin),
            self.digest,
            tenant.unwrap_or_default(),
            given.to_toml()
        )
    }

    fn denial(&self, call: &str, need: Need<'_>, asked: bool, granted: bool) -> Denial {
        let plugin = &self.plugin;
        let what = match need {
            Need::Inference(model) => format!("the use of model \"{model}\""),
            Need::Models => "the list of models".to_owned(),
            Need::ModelControl => "loading and unloading models".to_owned(),
            Need::Kv => "stored values (kv)".to_owned(),
            Need::Jobs => "jobs of its own".to_owned(),
            Need::Http(target) => format!("requests to {target}"),
            Need::Secret(name) => format!("the secret {name:?}"),
            Need::Quota(name) => format!("the budget {name:?}"),
            Need::Plugin(name) => format!("calls of the plugin {name:?}"),
        };
        let half = match (asked, granted, &self.granted.source) {
            (true, _, Source::OtherBytes(other)) => {
                format!("the user has granted it only to other bytes of the plugin ({other})")
            }
            (true, _, _) => "its manifest asks for it, but the user has not granted it".to_owned(),
            (false, true, _) => "the user has granted it, but its manifest does not ask for it".to_owned(),
            (false, false, _) => {
                "its manifest does not ask for it, and the user has not granted it".to_owned()
            }
        };
        let mut hint = String::new();
        if !asked {
            let _ = write!(hint, "its plugin.toml would need:\n[asks]\n{}", self.asked.with(need).to_toml());
        }
        if !granted {
            let lead = if asked { "this in grants.toml grants it" } else { "and then grants.toml" };
            let _ = write!(hint, "{lead}:\n{}", self.entry(&self.granted.given.with(need)));
        }
        Denial {
            message: format!("plugin \"{plugin}\" called {call}, which needs {what}: {half}"),
            hint: hint.trim_end().to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grant::Grants;
    use crate::package::Origin;
    use crate::site::Target;

    const DIGEST: &str = "sha256:00000000000000000000000000000000000000000000000000000000000000aa";
    const OTHER: &str = "sha256:00000000000000000000000000000000000000000000000000000000000000bb";

    fn caps(toml: &str) -> Capabilities {
        toml::from_str(toml).unwrap()
    }

    fn effect(asked: &str, grants: &str, origin: &Origin) -> Effect {
        let asked = caps(asked);
        let granted = Grants::parse("grants.toml", grants).unwrap().of("acme", DIGEST, origin, &asked, None);
        Effect { plugin: "acme".to_owned(), digest: DIGEST.to_owned(), asked, granted }
    }

    fn file() -> Origin {
        Origin::File("/p".into())
    }

    #[test]
    fn the_effect_is_the_overlap() {
        let grant = format!(
            "[[grant]]\nplugin='acme'\ndigest='{DIGEST}'\ninference={{models=['small-*','big-1'],tokens_per_call=100}}\nkv=true"
        );
        let effect = effect("inference = { models = ['small-*'], tokens_per_call = 512 }", &grant, &file());
        effect.check("c", Need::Inference("small-1")).unwrap();
        assert_eq!(effect.tokens_per_call(), Some(100));
        assert!(effect.check("c", Need::Inference("big-1")).is_err(), "granted but not asked");
        assert!(effect.check("c", Need::Kv).is_err(), "granted but not asked");
        assert!(effect.check("c", Need::Models).is_err(), "neither");
        assert!(effect.sees("small-1") && !effect.sees("big-1") && !effect.sees_all());
    }

    #[test]
    fn each_half_hides_what_it_does_not_name() {
        let asks = "inference = { models = ['small-*'] }\nmodels = true";
        let grant = format!("[[grant]]\nplugin='acme'\ndigest='{DIGEST}'\nmodels=true");
        let only_asked = effect(asks, &grant, &file());
        assert!(only_asked.sees("small-1") && !only_asked.sees("big-1") && !only_asked.sees_all());
        let neither = effect("models = true", &grant, &file());
        assert!(neither.sees("big-1") && neither.sees_all());
    }

    #[test]
    fn a_denial_says_which_half_is_missing_and_what_to_write() {
        let grant = format!("[[grant]]\nplugin='acme'\ndigest='{DIGEST}'\nmodels=true");
        let both = effect("kv = true", &grant, &file());
        assert_eq!(
            both.check("inferno:host/kv.get", Need::Kv).unwrap_err(),
            Denial {
                message: "plugin \"acme\" called inferno:host/kv.get, which needs stored values (kv): its manifest asks for it, but the user has not granted it".to_owned(),
                hint: format!("this in grants.toml grants it:\n[[grant]]\nplugin = \"acme\"\ndigest = \"{DIGEST}\"\nmodels = true\nkv = true"),
            }
        );
        let denial = both.check("inferno:host/models.all", Need::Models).unwrap_err();
        assert!(denial.message.ends_with("the user has granted it, but its manifest does not ask for it"));
        assert_eq!(denial.hint, "its plugin.toml would need:\n[asks]\nmodels = true\nkv = true");

        let denial = both.check("inferno:host/inference.complete", Need::Inference("m")).unwrap_err();
        assert!(denial.message.contains("the use of model \"m\""), "{}", denial.message);
        assert!(
            denial.hint.contains("[asks]\ninference = { models = [\"m\"] }\nkv = true\n"),
            "{}",
            denial.hint
        );
        assert!(denial.hint.contains("models = [\"m\"] }\nmodels = true"), "{}", denial.hint);
    }

    #[test]
    fn the_lines_of_a_denial_grant_what_was_denied() {
        let effect_before = effect("kv = true", "", &file());
        let hint = effect_before.check("c", Need::Kv).unwrap_err().hint;
        let (_, lines) = hint.split_once('\n').unwrap();
        effect("kv = true", lines, &file()).check("c", Need::Kv).unwrap();
    }

    #[test]
    fn bundled_plugins_have_what_they_ask_for_until_an_entry_says_less() {
        let asks = "inference = { models = ['*'] }\nkv = true";
        let bundled = effect(asks, "", &Origin::Bundled);
        assert_eq!(bundled.granted.source, Source::BuiltIn);
        bundled.check("c", Need::Inference("any")).unwrap();
        assert!(bundled.check("c", Need::Models).is_err(), "never more than it asks for");

        let less = format!("[[grant]]\nplugin='acme'\ndigest='{DIGEST}'\ninference={{models=['small']}}");
        let bundled = effect(asks, &less, &Origin::Bundled);
        bundled.check("c", Need::Inference("small")).unwrap();
        assert!(bundled.check("c", Need::Inference("any")).is_err());
        assert!(bundled.check("c", Need::Kv).is_err());
    }

    #[test]
    fn what_the_user_names_is_granted_by_its_name_alone() {
        let target = |uri: &str| Target::of(&uri.parse().unwrap()).unwrap();
        let (here, there) = (target("https://a.example/x"), target("https://b.example/x"));
        let asks = "http = ['*']\nsecrets = ['*']";
        let bundled = effect(asks, "", &Origin::Bundled);
        assert_eq!(bundled.granted.source, Source::BuiltIn);
        let denial = bundled.check("wasi:http", Need::Http(&here)).unwrap_err();
        assert!(denial.message.ends_with("its manifest asks for it, but the user has not granted it"));
        let (_, line) = denial.hint.split_once("aa\"\n").unwrap();
        assert_eq!(line, "http = [\"https://a.example\"]", "the line that would grant it");
        assert!(bundled.check("c", Need::Secret("TOKEN")).is_err(), "nothing by itself");

        let (_, lines) = denial.hint.split_once('\n').unwrap();
        let named = effect(asks, &format!("{lines}\nsecrets = ['TOKEN']"), &Origin::Bundled);
        named.check("wasi:http", Need::Http(&here)).unwrap();
        named.check("c", Need::Secret("TOKEN")).unwrap();
        assert!(named.check("wasi:http", Need::Http(&there)).is_err(), "nobody named it");
        assert!(named.check("c", Need::Secret("OTHER")).is_err(), "nobody named it");
        // The overlap: a grant alone does nothing.
        let unasked = effect("kv = true", lines, &file());
        assert!(unasked.check("wasi:http", Need::Http(&here)).is_err());
    }

    #[test]
    fn new_bytes_need_a_new_grant() {
        let old = format!("[[grant]]\nplugin='acme'\ndigest='{OTHER}'\nkv=true");
        let denial = effect("kv = true", &old, &file()).check("c", Need::Kv).unwrap_err();
        assert!(
            denial.message.ends_with(&format!("only to other bytes of the plugin ({OTHER})")),
            "{}",
            denial.message
        );
    }
}
