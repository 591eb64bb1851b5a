//! Granting, revoking and editing the grants file: nothing ever gives more than was granted in words.
//!
//! The input is what a plugin asks for, what it holds, a grants file, and words with `+` or `-` before each, with lines
//! of `---` in between.
#![no_main]

use std::collections::BTreeSet;

use inferno_plugins::{Holder, Word, edit_grants, grant, held_in, revoke, within};
use inferno_sandbox::{Capabilities, Grants};

libfuzzer_sys::fuzz_target!(|text: &str| {
    let mut parts = text.split("\n---\n");
    let mut capabilities = || toml::from_str::<Capabilities>(parts.next().unwrap_or_default());
    let (Ok(asked), Ok(mut held)) = (capabilities(), capabilities()) else { return };
    let (file, words) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    for line in words.lines().take(8) {
        let Some((sign, text)) = line.split_at_checked(1) else { continue };
        // These look at the disk.
        let Ok(word) = text.parse::<Word>() else { continue };
        if text.starts_with("files") {
            continue;
        }
        let before = things(&held);
        match sign {
            "+" => {
                let Ok(given) = grant(&asked, &held, &[word]) else { continue };
                let (key, what) = text.split_once('=').unwrap_or((text, ""));
                for thing in things(&given).difference(&before) {
                    let meant = match text.contains('=') {
                        true => thing.0 == key && (thing.1 == what || key == "http" || thing.1 == "true"),
                        false => thing.0 == key && things(&asked).contains(thing),
                    };
                    assert!(meant, "{text} gave {thing:?}");
                }
                assert!(within(&held, &given).unwrap_or(true) || held.inference.is_some(), "a grant takes nothing");
                held = given;
            }
            "-" => {
                let Ok(left) = revoke(&held, &[word]) else { continue };
                assert!(things(&left).is_subset(&before), "{text} gave something");
                assert!(within(&left, &held).expect("capabilities are TOML"), "{text} gave something");
                held = left;
            }
            _ => {}
        }
    }
    let digest = format!("sha256:{}", "a".repeat(64));
    for tenant in [None, Some("t")] {
        let holder = Holder { plugin: "acme", digest: &digest, tenant };
        let Ok(edited) = edit_grants("g", file, holder, Some(&held)) else { continue };
        Grants::parse("g", &edited).expect("an edited file is a grants file");
        let read = held_in("g", &edited, holder).expect("as above").expect("there is an entry now");
        assert_eq!(things(&read), things(&held), "{edited}");
        let without = edit_grants("g", &edited, holder, None).expect("what was written can be removed");
        assert_eq!(held_in("g", &without, holder).expect("as above"), None);
    }
});

/// Every single thing that is held, as it is written.
fn things(held: &Capabilities) -> BTreeSet<(String, String)> {
    let table: toml::Table = toml::from_str(&held.to_toml()).expect("capabilities are TOML");
    let mut things = BTreeSet::new();
    for (key, value) in table {
        let list = value.get("models").unwrap_or(&value);
        let single = std::slice::from_ref(list);
        for item in list.as_array().map_or(single, Vec::as_slice) {
            things.insert((key.clone(), item.as_str().map_or_else(|| item.to_string(), str::to_owned)));
        }
    }
    things
}
