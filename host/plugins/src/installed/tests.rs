use std::fs;

use inferno_sandbox::Capabilities;

use super::*;
use crate::SecretKey;
use crate::installed::fixture::{incoming, manifest, signed};
use crate::source::Incoming;

const UNSIGNED: Allow = Allow { unsigned: true, signer_change: false, downgrade: false };

struct Lab {
    folder: tempfile::TempDir,
    installed: Installed,
}

fn lab() -> Lab {
    let folder = tempfile::tempdir().unwrap();
    let installed = Installed::new(folder.path());
    Lab { folder, installed }
}

fn caps(text: &str) -> Capabilities {
    toml::from_str(text).unwrap()
}

fn holder(digest: &str) -> Holder<'_> {
    Holder { plugin: "acme", digest, tenant: None }
}

impl Lab {
    fn install(&self, incoming: Incoming, granted: &str) -> Result<Outcome, Error> {
        let plan = self.installed.plan(incoming, UNSIGNED)?;
        self.installed.commit(plan, Decision::Grant(caps(granted)))
    }

    fn upgrade(&self, version: &str, asks: &str) -> Result<Outcome, Error> {
        let plan = self.installed.plan(incoming(version, asks), UNSIGNED)?;
        self.installed.commit(plan, Decision::AsBefore)
    }

    fn active(&self) -> String {
        self.installed.package("acme").unwrap().manifest().plugin.version.clone()
    }

    /// What the version that serves was granted.
    fn held(&self) -> Option<Capabilities> {
        let record = self.installed.get("acme").unwrap();
        self.installed.held(holder(&record.active)).unwrap()
    }

    fn folders(&self) -> Vec<String> {
        let read =
            |path: &Path| fs::read_dir(path).unwrap().flatten().map(|entry| entry.path()).collect::<Vec<_>>();
        let mut names = Vec::new();
        for plugin in read(&self.folder.path().join("installed")).into_iter().filter(|path| path.is_dir()) {
            names.extend(read(&plugin).iter().map(|path| path.file_name().unwrap().display().to_string()));
        }
        names.sort();
        names
    }
}

#[test]
fn the_life_of_a_plugin() {
    let lab = lab();
    assert_eq!(lab.installed.list().unwrap(), []);
    let plan = lab.installed.plan(incoming("1.0.0", "kv = true\nmodels = true"), UNSIGNED).unwrap();
    assert_eq!((&plan.change, plan.needs_consent(), plan.name()), (&Change::Install, true, "acme"));
    assert_eq!(plan.differences.asks_added, plan.asks);
    assert_eq!(fs::read_dir(lab.folder.path()).unwrap().count(), 0, "a plan changes nothing");

    // Without consent nothing is installed, and the refusal says what to write.
    let error = lab.installed.commit(plan.clone(), Decision::AsBefore).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Consent);
    assert!(error.hint().unwrap().contains("--grant models --grant kv"), "{error:?}");
    assert_eq!(lab.installed.commit(plan.clone(), Decision::Wait).unwrap_err().kind(), ErrorKind::Consent);
    assert_eq!(lab.installed.list().unwrap(), []);

    let outcome = lab.installed.commit(plan, Decision::Grant(caps("kv = true"))).unwrap();
    assert!(outcome.active);
    assert_eq!(outcome.record.active().unwrap().source, "/from/here.wasm");
    assert_eq!((lab.active(), lab.held()), ("1.0.0".to_owned(), Some(caps("kv = true"))));

    // No more is asked for: what was granted goes over to the new bytes, less what is not asked for any more.
    lab.upgrade("1.1.0", "kv = true").unwrap();
    assert_eq!((lab.active(), lab.held()), ("1.1.0".to_owned(), Some(caps("kv = true"))));

    // More is asked for: it waits, and the old version serves on.
    let plan = lab.installed.plan(incoming("2.0.0", "kv = true\nmodels = true"), UNSIGNED).unwrap();
    assert_eq!(plan.differences.to_string(), "+ see which models are installed\n");
    assert!(plan.needs_consent());
    let outcome = lab.installed.commit(plan, Decision::Wait).unwrap();
    assert!(!outcome.active);
    assert_eq!(lab.active(), "1.1.0");
    let waiting = lab.installed.waiting().unwrap().remove(0);
    assert_eq!((waiting.version.version.as_str(), waiting.held), ("2.0.0", caps("kv = true")));
    assert_eq!(waiting.differences.asks_added[0].word, "models");
    assert_eq!(lab.installed.held(holder(&waiting.version.digest)).unwrap(), None);

    // The user agrees to what was shown, and to nothing else.
    let other = lab.installed.get("acme").unwrap().active;
    let error = lab.installed.accept("acme", &other, caps("models = true")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Changed);
    lab.installed.accept("acme", &waiting.version.digest, caps("models = true")).unwrap();
    assert_eq!((lab.active(), lab.held()), ("2.0.0".to_owned(), Some(caps("models = true"))));
    assert_eq!(lab.installed.pending("acme").unwrap_err().kind(), ErrorKind::NotFound);

    // Back, with what was granted then.
    lab.installed.rollback("acme").unwrap();
    assert_eq!((lab.active(), lab.held()), ("1.1.0".to_owned(), Some(caps("kv = true"))));
    lab.installed.rollback("acme").unwrap();
    assert_eq!(lab.active(), "1.0.0");
    assert_eq!(lab.installed.rollback("acme").unwrap_err().kind(), ErrorKind::NotFound);
    lab.installed.activate("acme", "2.0.0").unwrap();
    assert_eq!(lab.active(), "2.0.0");

    lab.installed.remove("acme").unwrap();
    assert_eq!(lab.installed.list().unwrap(), []);
    assert_eq!(lab.folders(), [] as [String; 0]);
    assert_eq!(fs::read_to_string(lab.folder.path().join("grants.toml")).unwrap().trim(), "");
    let error = lab.installed.remove("acme").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

#[test]
fn the_last_three_are_kept() {
    let lab = lab();
    lab.install(incoming("1.0.0", "kv = true"), "kv = true").unwrap();
    let first = lab.installed.get("acme").unwrap().active;
    for minor in 1..=4 {
        lab.upgrade(&format!("1.{minor}.0"), "kv = true").unwrap();
    }
    let record = lab.installed.get("acme").unwrap();
    let versions: Vec<_> = record.versions.iter().map(|version| version.version.as_str()).collect();
    assert_eq!(versions, ["1.1.0", "1.2.0", "1.3.0", "1.4.0"]);
    assert_eq!(lab.folders().len(), 4);
    assert_eq!(lab.installed.held(holder(&first)).unwrap(), None, "its grant is gone, too");

    // After a rollback and another upgrade, a rollback leads to the one that served, not to the one that was left.
    lab.installed.rollback("acme").unwrap();
    lab.upgrade("1.5.0", "kv = true").unwrap();
    lab.installed.rollback("acme").unwrap();
    assert_eq!(lab.active(), "1.3.0");
}

#[test]
fn versions_are_named_by_number_or_digest() {
    let lab = lab();
    lab.install(incoming("1.0.0", "kv = true"), "").unwrap();
    lab.upgrade("1.0.0", "").unwrap();
    lab.upgrade("1.1.0", "").unwrap();
    let record = lab.installed.get("acme").unwrap();
    let error = lab.installed.activate("acme", "1.0.0").unwrap_err();
    assert!(error.hint().unwrap().contains(short(&record.versions[0].digest)), "{error:?}");
    lab.installed.activate("acme", &record.versions[0].digest[..20]).unwrap();
    assert_eq!(lab.installed.get("acme").unwrap().active, record.versions[0].digest);
    for none in ["3.0.0", "", "sha256:", "é"] {
        assert_eq!(lab.installed.activate("acme", none).unwrap_err().kind(), ErrorKind::NotFound);
    }
}

#[test]
fn keys_are_remembered() {
    let lab = lab();
    let keys = tempfile::tempdir().unwrap();
    let [mine, other] = ["mine", "other"].map(|name| SecretKey::create(&keys.path().join(name)).unwrap());
    let plan = |incoming, allow| lab.installed.plan(incoming, allow);
    let install = |plan| lab.installed.commit(plan, Decision::AsBefore).unwrap();

    let error = plan(incoming("1.0.0", ""), Allow::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Trust);
    assert!(error.to_string().contains("is not signed"), "{error}");

    let first = plan(signed("1.0.0", "", &mine), Allow::default()).unwrap();
    assert_eq!(first.warnings[0].code, "first-signer");
    assert!(first.warnings[0].text.contains(&mine.public().to_string()));
    install(first);
    install(plan(signed("1.1.0", "", &mine), Allow::default()).unwrap());

    for strange in [signed("1.2.0", "", &other), incoming("1.2.0", "")] {
        for allow in [Allow::default(), UNSIGNED] {
            let error = plan(strange.clone(), allow).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Trust);
            assert!(error.to_string().contains(&format!("known by the key {}", mine.public())), "{error}");
        }
        let allowed = plan(strange, Allow { signer_change: true, ..Allow::default() }).unwrap();
        assert_eq!(allowed.warnings[0].code, "signer-changed");
    }

    // One unsigned version that was allowed does not open the door for the next one.
    install(plan(incoming("1.3.0", ""), Allow { signer_change: true, ..Allow::default() }).unwrap());
    assert!(plan(signed("1.4.0", "", &other), UNSIGNED).is_err());
    install(plan(signed("1.4.0", "", &other), Allow { signer_change: true, ..Allow::default() }).unwrap());
    assert_eq!(lab.installed.get("acme").unwrap().signer, Some(other.public()));
    assert!(plan(signed("1.5.0", "", &mine), Allow::default()).is_err());

    // The same bytes under another signature are still a change of signer.
    assert!(plan(signed("1.4.0", "", &mine), Allow::default()).is_err());
    let same = plan(signed("1.4.0", "", &other), Allow::default()).unwrap();
    assert_eq!(same.change, Change::Same);
}

#[test]
fn older_versions_are_refused() {
    let lab = lab();
    lab.install(incoming("1.10.0", ""), "").unwrap();
    let error = lab.installed.plan(incoming("1.9.0", ""), UNSIGNED).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Trust);
    assert!(error.hint().unwrap().contains("rollback acme"), "{error:?}");
    let plan = lab.installed.plan(incoming("1.9.0", ""), Allow { downgrade: true, ..UNSIGNED }).unwrap();
    assert!(matches!(&plan.change, Change::Downgrade { from } if from.version == "1.10.0"));
    lab.installed.commit(plan, Decision::AsBefore).unwrap();
    assert_eq!(lab.active(), "1.9.0");
    let plan = lab.installed.plan(incoming("1.9.0", "kv = true"), UNSIGNED).unwrap();
    assert!(matches!(plan.change, Change::Replace { .. }) && plan.needs_consent());
}

#[test]
fn a_plan_is_void_once_something_changed() {
    let lab = lab();
    let plan = || lab.installed.plan(incoming("1.0.0", ""), UNSIGNED).unwrap();
    let (first, second) = (plan(), plan());
    lab.installed.commit(first, Decision::AsBefore).unwrap();
    assert_eq!(lab.installed.commit(second, Decision::AsBefore).unwrap_err().kind(), ErrorKind::Changed);
}

#[test]
fn a_pending_version_gives_way() {
    let lab = lab();
    lab.install(incoming("1.0.0", ""), "").unwrap();
    let wait = |version: &str| {
        let plan = lab.installed.plan(incoming(version, "kv = true"), UNSIGNED).unwrap();
        lab.installed.commit(plan, Decision::Wait).unwrap()
    };
    wait("2.0.0");
    wait("2.1.0");
    assert_eq!(lab.folders().len(), 2, "the one that waited before is gone");
    lab.upgrade("1.1.0", "").unwrap();
    assert_eq!(lab.installed.pending("acme").unwrap().version.version, "2.1.0", "it is newer still");
    lab.upgrade("3.0.0", "").unwrap();
    assert_eq!(lab.installed.get("acme").unwrap().pending, None);
    assert_eq!(lab.folders().len(), 3);
    let plan = lab.installed.plan(incoming("4.0.0", "kv = true"), UNSIGNED).unwrap();
    lab.installed.commit(plan, Decision::Wait).unwrap();
    assert_eq!(lab.installed.discard("acme").unwrap().pending, None);
    assert_eq!(lab.folders().len(), 3);
}

#[test]
fn what_was_changed_on_the_disk_is_not_run() {
    let lab = lab();
    let outcome = lab.install(incoming("1.0.0", "kv = true"), "kv = true").unwrap();
    let folder = lab.installed.folder("acme", &outcome.record.active);
    let path = folder.join("plugin.toml");
    assert!(path.metadata().unwrap().permissions().readonly());
    fs::remove_file(&path).unwrap();
    fs::write(&path, manifest("1.0.0", "kv = true\nmodels = true")).unwrap();
    let error = lab.installed.package("acme").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::State);
    assert!(error.hint().unwrap().contains("install \"acme\" again"), "{error:?}");
}

#[test]
fn a_damaged_version_is_replaced_by_installing_it_again() {
    let lab = lab();
    lab.install(incoming("1.0.0", ""), "").unwrap();
    lab.upgrade("1.1.0", "").unwrap();
    let old = lab.installed.get("acme").unwrap().versions[0].digest.clone();
    fs::remove_file(lab.installed.folder("acme", &old).join("plugin.wasm")).unwrap();
    assert!(lab.installed.rollback("acme").is_err());
    assert_eq!(lab.active(), "1.1.0");
    let plan = lab.installed.plan(incoming("1.0.0", ""), Allow { downgrade: true, ..UNSIGNED }).unwrap();
    lab.installed.commit(plan, Decision::AsBefore).unwrap();
    assert_eq!(lab.active(), "1.0.0");
}

#[test]
fn a_lock_file_of_a_newer_version_is_left_alone() {
    let lab = lab();
    lab.install(incoming("1.0.0", ""), "").unwrap();
    let path = lab.folder.path().join("inferno.lock");
    let text = fs::read_to_string(&path).unwrap().replace("format = 1", "format = 2");
    fs::write(&path, &text).unwrap();
    for error in [
        lab.upgrade("1.1.0", "").unwrap_err(),
        lab.installed.remove("acme").unwrap_err(),
        lab.installed.list().unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::State);
    }
    assert_eq!(fs::read_to_string(&path).unwrap(), text);
    assert_eq!(lab.folders().len(), 1);
}

#[test]
fn grants_are_edited_in_words() {
    let lab = lab();
    let words = |list: &[&str]| list.iter().map(|word| word.parse().unwrap()).collect::<Vec<Word>>();
    lab.install(incoming("1.0.0", "kv = true\ninference = { models = ['*'] }"), "").unwrap();
    let package = lab.installed.package("acme").unwrap();
    lab.installed.grant(&package, None, &words(&["kv", "inference=small-*"])).unwrap();
    let left = lab.installed.revoke(&package, None, &words(&["kv"])).unwrap();
    assert_eq!(left, caps("inference = { models = ['small-*'] }"));
    assert_eq!(lab.held(), Some(left));

    // A plugin that is part of the program has what it asks for until something is revoked.
    let bundled =
        Package::new(&manifest("9.0.0", "kv = true\nmodels = true"), vec![1], Origin::Bundled).unwrap();
    let left = lab.installed.revoke(&bundled, None, &words(&["kv"])).unwrap();
    assert_eq!(left, caps("models = true"));
    assert_eq!(lab.installed.held(holder(bundled.digest())).unwrap(), Some(left));

    // What it leaves to the user is not part of that, and named one by one.
    let asks = "kv = true\nhttp = ['https://a.com', '*']\nsecrets = ['*']";
    let open = Package::new(&manifest("9.0.1", asks), vec![1], Origin::Bundled).unwrap();
    let given = lab.installed.grant(&open, None, &words(&["http=https://b.com"])).unwrap();
    assert_eq!(given, caps("kv = true\nhttp = ['https://a.com', 'https://b.com']"));
    let left = lab.installed.revoke(&open, None, &words(&["http=https://a.com"])).unwrap();
    assert_eq!(left, caps("kv = true\nhttp = ['https://b.com']"));
}

#[test]
fn what_was_revoked_does_not_come_back() {
    let lab = lab();
    let (all, kv) = ("kv = true\nmodels = true", ["kv".parse::<Word>().unwrap()]);
    lab.install(incoming("1.0.0", all), all).unwrap();
    lab.upgrade("1.1.0", all).unwrap();
    let plan = lab.installed.plan(incoming("1.2.0", all), UNSIGNED).unwrap();
    let package = lab.installed.package("acme").unwrap();
    lab.installed.revoke(&package, Some("t"), &["models".parse().unwrap()]).unwrap();
    lab.installed.revoke(&package, None, &kv).unwrap();
    // Not with a plan that was made before.
    lab.installed.commit(plan, Decision::AsBefore).unwrap();
    assert_eq!((lab.active(), lab.held()), ("1.2.0".to_owned(), Some(caps("models = true"))));
    // And not with an older version; for a tenant, neither.
    lab.installed.rollback("acme").unwrap();
    lab.installed.rollback("acme").unwrap();
    assert_eq!((lab.active(), lab.held()), ("1.0.0".to_owned(), Some(caps("models = true"))));
    let record = lab.installed.get("acme").unwrap();
    for version in record.versions {
        let of_tenant = lab.installed.held(Holder { tenant: Some("t"), ..holder(&version.digest) }).unwrap();
        assert_eq!(of_tenant, Some(caps("kv = true")), "{}", version.version);
    }
}

#[test]
fn a_tenants_own_grant_goes_over_and_never_grows() {
    let lab = lab();
    let words = |list: &[&str]| list.iter().map(|word| word.parse().unwrap()).collect::<Vec<Word>>();
    let of = |tenant: &str| {
        let active = lab.installed.get("acme").unwrap().active;
        lab.installed.held(Holder { tenant: Some(tenant), ..holder(&active) }).unwrap()
    };
    lab.install(incoming("1.0.0", "kv = true\nmodels = true"), "kv = true\nmodels = true").unwrap();
    let package = lab.installed.package("acme").unwrap();
    // A tenant's first entry begins with what every tenant has.
    assert_eq!(lab.installed.revoke(&package, Some("t"), &words(&["kv"])).unwrap(), caps("models = true"));
    assert_eq!(lab.held(), Some(caps("kv = true\nmodels = true")));
    lab.upgrade("1.1.0", "kv = true\nmodels = true").unwrap();
    assert_eq!((of("t"), of("u")), (Some(caps("models = true")), None));
    // More for all is not more for this tenant; what is no longer asked for is gone.
    let more = "kv = true\nsecrets = ['S']";
    lab.install(incoming("2.0.0", more), more).unwrap();
    assert_eq!(of("t"), Some(caps("")));
    assert_eq!(lab.held(), Some(caps(more)));
    lab.installed.remove("acme").unwrap();
    assert_eq!(fs::read_to_string(lab.folder.path().join("grants.toml")).unwrap().trim(), "");
}

#[test]
fn a_tenant_that_was_granted_more_than_all_keeps_just_that() {
    let lab = lab();
    let of = |tenant: &str| {
        let active = lab.installed.get("acme").unwrap().active;
        lab.installed.held(Holder { tenant: Some(tenant), ..holder(&active) }).unwrap()
    };
    let asks = "kv = true\nmodels = true";
    lab.install(incoming("1.0.0", asks), "").unwrap();
    let package = lab.installed.package("acme").unwrap();
    lab.installed.grant(&package, Some("t"), &["kv".parse().unwrap()]).unwrap();
    assert_eq!((of("t"), lab.held()), (Some(caps("kv = true")), Some(caps(""))));
    // As before is that for each of them.
    lab.upgrade("1.1.0", asks).unwrap();
    assert_eq!((of("t"), lab.held()), (Some(caps("kv = true")), Some(caps(""))));
    // A version that asks for more waits, whoever holds what.
    let more = incoming("2.0.0", "kv = true\nmodels = true\nsecrets = ['S']");
    let plan = lab.installed.plan(more, UNSIGNED).unwrap();
    assert!(plan.needs_consent());
    lab.installed.commit(plan, Decision::Wait).unwrap();
    let digest = lab.installed.pending("acme").unwrap().version.digest;
    lab.installed.accept("acme", &digest, caps("models = true\nsecrets = ['S']")).unwrap();
    assert_eq!(
        (of("t"), lab.held()),
        (Some(caps("kv = true")), Some(caps("models = true\nsecrets = ['S']")))
    );
    // What is taken from all is not taken from the tenant, nor the other way round.
    let package = lab.installed.package("acme").unwrap();
    lab.installed.revoke(&package, None, &["models".parse().unwrap()]).unwrap();
    lab.installed.revoke(&package, Some("t"), &["kv".parse().unwrap()]).unwrap();
    assert_eq!((of("t"), lab.held()), (Some(caps("")), Some(caps("secrets = ['S']"))));
}

#[cfg(unix)]
#[test]
fn a_link_to_the_grants_stays_one() {
    let lab = lab();
    let real = lab.folder.path().join("elsewhere.toml");
    fs::write(&real, "# mine\n").unwrap();
    std::os::unix::fs::symlink(&real, lab.folder.path().join("grants.toml")).unwrap();
    lab.install(incoming("1.0.0", "kv = true"), "kv = true").unwrap();
    assert!(lab.folder.path().join("grants.toml").is_symlink());
    assert!(fs::read_to_string(&real).unwrap().starts_with("# mine\n"));
    assert_eq!(lab.held(), Some(caps("kv = true")));
}

/// Everything that a person or a server sees of the plugin.
#[derive(Debug, PartialEq)]
struct Seen {
    active: Option<(String, Option<Capabilities>)>,
    pending: Option<String>,
    versions: Vec<String>,
}

fn seen(lab: &Lab) -> Seen {
    let Ok(record) = lab.installed.get("acme") else {
        return Seen { active: None, pending: None, versions: Vec::new() };
    };
    // Every version that is named can be opened.
    for digest in record.digests() {
        lab.installed.package_of("acme", digest).unwrap();
    }
    let versions = record.versions.iter().map(|version| version.version.clone()).collect();
    let pending = record.pending.map(|version| version.version);
    Seen { active: Some((lab.active(), lab.held())), pending, versions }
}

#[test]
fn a_crash_leaves_the_old_or_the_new() {
    type Step = fn(&Lab) -> Result<(), Error>;
    let asks = "kv = true";
    let first: Step = |lab| lab.install(incoming("1.0.0", "kv = true"), "kv = true").map(drop);
    let changes: [(&str, Step); 6] = [
        ("install", first),
        ("upgrade", |lab| lab.upgrade("1.5.0", "kv = true").map(drop)),
        ("wait", |lab| {
            let plan = lab.installed.plan(incoming("2.0.0", "kv = true\nmodels = true"), UNSIGNED)?;
            lab.installed.commit(plan, Decision::Wait).map(drop)
        }),
        ("accept", |lab| {
            let digest = lab.installed.pending("acme")?.version.digest;
            lab.installed.accept("acme", &digest, caps("models = true")).map(drop)
        }),
        ("rollback", |lab| lab.installed.rollback("acme").map(drop)),
        ("remove", |lab| lab.installed.remove("acme")),
    ];
    for (name, change) in changes {
        let prepared = || {
            let lab = lab();
            if name != "install" {
                first(&lab).unwrap();
                // As many as are kept, so that the change drops one.
                for minor in 1..=3 {
                    lab.upgrade(&format!("1.{minor}.0"), asks).unwrap();
                }
            }
            if name == "accept" {
                let plan = lab.installed.plan(incoming("2.0.0", "models = true"), UNSIGNED).unwrap();
                lab.installed.commit(plan, Decision::Wait).unwrap();
            }
            lab
        };
        let done = prepared();
        let old = seen(&done);
        change(&done).unwrap();
        let new = seen(&done);
        assert_ne!(old, new, "{name}");
        let folders = done.folders();
        let (mut saw_old, mut steps) = (0, 0);
        loop {
            let lab = prepared();
            *lab.installed.disk.left.lock().unwrap() = Some(steps);
            let result = change(&lab);
            let left = lab.installed.disk.left.lock().unwrap().take();
            let now = seen(&lab);
            assert!(now == old || now == new, "{name} stopped after {steps} steps: {now:?}");
            if result.is_ok() {
                assert_eq!(now, new, "{name} said that it was done");
            }
            saw_old += usize::from(now == old);
            // Whoever comes next finds nothing in the way, and clears up.
            if now == old {
                change(&lab).unwrap();
            } else if name != "remove" {
                let again = lab.installed.discard("acme").unwrap();
                assert_eq!(again.active().unwrap().version, new.active.as_ref().unwrap().0);
            } else {
                lab.install(incoming("1.0.0", ""), "").unwrap();
                assert_eq!(lab.held(), Some(caps("")), "an old grant does not come back");
                lab.installed.remove("acme").unwrap();
            }
            if name != "wait" {
                assert_eq!(lab.folders(), folders, "{name} stopped after {steps} steps");
            }
            if result.is_ok() && left.is_some_and(|left| left > 0) {
                break;
            }
            steps += 1;
            assert!(steps < 100, "{name} does not end");
        }
        assert!(saw_old > 1, "{name} was stopped before it took effect, too");
    }
}
