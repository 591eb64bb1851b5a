//! Whatever is granted and revoked, in whatever order: the effect is never wider than what was asked for and granted.

use std::collections::BTreeSet;

use inferno_plugins::{Holder, Installed, Word, edit_grants, held_in};
use inferno_sandbox::{Capabilities, Grants, Origin, Package};

use crate::kit::{Dice, caps, component, manifest};

const NAMES: [&str; 6] = ["a", "b", "ab", "small-1", "small-2", "big"];
const PATTERNS: [&str; 8] = ["*", "a", "a*", "?", "small-*", "small-1", "b*", "*-?"];
const SWITCHES: [&str; 2] = ["kv", "models"];

/// The plainest matcher that there is.
fn matches(pattern: &str, name: &str) -> bool {
    match pattern.split_at_checked(1) {
        None => name.is_empty(),
        Some(("*", rest)) => (0..=name.len()).any(|at| matches(rest, &name[at..])),
        Some((c, rest)) => {
            name.split_at_checked(1).is_some_and(|(n, name)| (c == "?" || c == n) && matches(rest, name))
        }
    }
}

/// Every single thing that these capabilities allow.
fn allowed(capabilities: &Capabilities) -> BTreeSet<String> {
    let patterns = capabilities.inference.iter().flat_map(|inference| &inference.models);
    let patterns: Vec<&str> = patterns.map(|glob| glob.as_str()).collect();
    let mut all: BTreeSet<String> = NAMES
        .iter()
        .filter(|name| patterns.iter().any(|pattern| matches(pattern, name)))
        .map(|name| format!("inference={name}"))
        .collect();
    for (name, held) in SWITCHES.iter().zip([capabilities.kv, capabilities.models]) {
        all.extend(held.then(|| (*name).to_owned()));
    }
    all
}

/// Every single thing that a word means for a plugin that asks for this.
fn meant(word: &str, asked: &Capabilities) -> BTreeSet<String> {
    match word.split_once('=') {
        Some((_, pattern)) => NAMES
            .iter()
            .filter(|name| matches(pattern, name))
            .map(|name| format!("inference={name}"))
            .collect(),
        None => allowed(asked).into_iter().filter(|thing| thing.split('=').next() == Some(word)).collect(),
    }
}

fn some_capabilities(dice: &mut Dice) -> String {
    let mut text = String::new();
    for switch in SWITCHES {
        if dice.below(2) == 0 {
            text.push_str(&format!("{switch} = true\n"));
        }
    }
    if dice.below(4) > 0 {
        let models: Vec<_> = (0..=dice.below(3)).map(|_| format!("'{}'", dice.one_of(&PATTERNS))).collect();
        let tokens = ["", ", tokens_per_call = 7"][dice.below(2)];
        text.push_str(&format!("inference = {{ models = [{}]{tokens} }}\n", models.join(", ")));
    }
    text
}

fn some_word(dice: &mut Dice) -> String {
    match dice.below(5) {
        0 => "kv".to_owned(),
        1 => "models".to_owned(),
        2 => "inference".to_owned(),
        _ => format!("inference={}", dice.one_of(&PATTERNS)),
    }
}

#[test]
fn the_effect_is_never_wider() {
    let mut dice = Dice(0x1234_5678_9abc);
    let (mut granted_some, mut revoked_some) = (0, 0);
    for round in 0..100 {
        let data = tempfile::tempdir().unwrap();
        let installed = Installed::new(data.path());
        let grants = data.path().join("grants.toml");
        let asks = some_capabilities(&mut dice);
        let package = |name: &str, asks: &str| {
            Package::new(&manifest(name, asks), component(), Origin::File("/p".into())).unwrap()
        };
        let (mine, other) = (package("acme", &asks), package("other", "kv = true"));
        let asked = &mine.manifest().asks;
        installed.grant(&other, None, &["kv".parse().unwrap()]).unwrap();
        // What was granted and not revoked since, one thing at a time.
        let mut ours = BTreeSet::new();
        for _ in 0..12 {
            let word = some_word(&mut dice);
            let parsed = [word.parse::<Word>().unwrap()];
            let before = std::fs::read_to_string(&grants).unwrap_or_default();
            if dice.below(2) > 0 {
                match installed.grant(&mine, None, &parsed) {
                    Ok(_) => ours.extend(meant(&word, asked)),
                    Err(_) => assert_eq!(std::fs::read_to_string(&grants).unwrap_or_default(), before),
                }
                granted_some += 1;
            } else {
                match installed.revoke(&mine, None, &parsed) {
                    // A key alone means all that is held of it.
                    Ok(_) if !word.contains('=') => {
                        ours.retain(|thing| thing.split('=').next() != Some(&word))
                    }
                    Ok(_) => {
                        let gone = meant(&word, asked);
                        ours.retain(|thing| !gone.contains(thing));
                        revoked_some += 1;
                    }
                    Err(_) => assert_eq!(std::fs::read_to_string(&grants).unwrap_or_default(), before),
                }
            }
            let parsed = Grants::parse("g", &std::fs::read_to_string(&grants).unwrap()).unwrap();
            let given = allowed(&parsed.granted(&mine).given);
            assert!(given.is_subset(&ours), "round {round}, {word}: {given:?} is more than {ours:?}");
            let effect: BTreeSet<_> = given.intersection(&allowed(asked)).cloned().collect();
            let most: BTreeSet<_> = ours.intersection(&allowed(asked)).cloned().collect();
            assert_eq!(effect, most, "round {round}, {word}: and not less, either");
            assert_eq!(parsed.granted(&other).given, caps("kv = true"), "nobody else's grant changed");
        }
    }
    assert!(granted_some > 300 && revoked_some > 20, "{granted_some} {revoked_some}");
}

fn holder(digest: &str) -> Holder<'_> {
    Holder { plugin: "acme", digest, tenant: None }
}

#[test]
fn edits_say_what_was_meant_and_keep_the_rest() {
    let mut dice = Dice(77);
    let digest = |n: usize| format!("sha256:{n:064x}");
    let mut text = "# by hand\n".to_owned();
    let mut expected = vec![None; 4];
    for _ in 0..400 {
        let n = dice.below(expected.len());
        let to = (dice.below(4) > 0).then(|| caps(&some_capabilities(&mut dice)));
        text = edit_grants("g", &text, holder(&digest(n)), to.as_ref()).unwrap();
        expected[n] = to;
        for (n, expected) in expected.iter().enumerate() {
            let held = held_in("g", &text, holder(&digest(n))).unwrap();
            assert_eq!(held.as_ref().map(allowed), expected.as_ref().map(allowed), "{text}");
        }
    }
    assert!(text.contains("# by hand"), "{text}");
}
