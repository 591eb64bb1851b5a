//! Plugins that put other plugins to work.

use inferno_sandbox::{Error, ErrorKind, Limit, Plugin, Sample};

use crate::guests::{ROLES, guest};
use crate::lab::{Lab, ask, ask_for, caller, manifest, ok, until};

const ASKS: &str = "[asks]\nplugins = ['*']\n";

/// A plugin that plays step and judge, at hand under this name.
fn at_hand(lab: &Lab, name: &str, rest: &str) -> Plugin {
    let manifest = manifest(name, "[roles.step]\n[roles.judge]", rest);
    let plugin = lab.load(&manifest, guest(ROLES)).unwrap();
    lab.sandbox.registry().insert(plugin.clone());
    plugin
}

async fn judge(plugin: &Plugin, config: &str) -> Result<usize, Error> {
    judge_for("local", plugin, config).await
}

async fn judge_for(tenant: &str, plugin: &Plugin, config: &str) -> Result<usize, Error> {
    let sample = Sample { prompt: String::new(), answer: String::new(), expected: None };
    Ok(plugin.judge(caller(tenant), &format!("\"{config}\""), vec![sample]).await?.len())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_has_others_judge_and_step() {
    let lab = Lab::new();
    let probe = lab.probe(ASKS);
    at_hand(&lab, "roles", "");
    lab.sandbox.registry().insert(probe.clone());
    assert_eq!(ok(&probe, "/probe/playing?role=judge", "").await, "roles");
    assert_eq!(ok(&probe, "/probe/playing?role=http", "").await, "probe");
    assert_eq!(ok(&probe, "/probe/playing?role=nothing", "").await, "");
    assert_eq!(ok(&probe, "/probe/judge?plugin=roles&config=exact", "").await, "true false");
    let text = ok(&probe, "/probe/step?plugin=roles&config=count", "").await;
    assert!(text.contains("data: \"1\"") && text.contains("data: \"2\""), "{text}");
    assert!(text.ends_with("[]\nSome(\"the step has been finished\")"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn steps_work_beside_their_caller_and_one_another() {
    let lab = Lab::new();
    let probe = lab.probe(ASKS);
    at_hand(&lab, "roles", "");
    let text = ok(&probe, "/probe/steps?plugin=roles&config=count", "").await;
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(
        lines[..3],
        ["the step has a batch already", "the step has a batch already", "the step has no batch"]
    );
    // Each has counted its own batches, and goes on where it was.
    let counts: Vec<_> = lines[3].match_indices("data: ").map(|(at, _)| &lines[3][at + 6..at + 9]).collect();
    assert_eq!(counts, ["\"1\"", "\"1\"", "\"1\""], "{text}");
    assert!(lines[4].contains("data: \"2\""), "{text}");
    assert_eq!(lines[5], "the step has been finished");
    // What fails in it fails when it is taken.
    let (status, text) = ask(&probe, "/probe/steps?plugin=roles&config=panic", "").await.unwrap();
    assert_eq!(status, 409);
    assert!(text.starts_with("ErrorKind::Internal"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_those_that_were_granted() {
    let lab = Lab::new();
    at_hand(&lab, "roles", "");
    let probe = lab.granted(
        "[asks]\nplugins = ['roles', 'other']\n",
        "[[grant]]\nplugin = 'probe'\ndigest = 'DIGEST'\nplugins = ['other', 'third']\n",
    );
    assert_eq!(ok(&probe, "/probe/playing?role=judge", "").await, "");
    let (status, text) = ask(&probe, "/probe/judge?plugin=roles&config=exact", "").await.unwrap();
    assert_eq!(status, 409);
    assert!(
        text.starts_with("ErrorKind::Denied\nplugin \"probe\" called inferno:host/plugins.judge"),
        "{text}"
    );
    assert!(text.contains("its manifest asks for it, but the user has not granted it"), "{text}");
    assert!(text.contains("plugins = [\"other\", \"third\", \"roles\"]"), "{text}");
    let (_, text) = ask(&probe, "/probe/step?plugin=other&config=count", "").await.unwrap();
    assert!(text.starts_with("ErrorKind::NotFound\nno plugin named \"other\" is at hand"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_those_that_the_tenant_has() {
    let lab = Lab::with(|config| {
        config.sets = [("acme".to_owned(), ["probe".to_owned(), "mine".to_owned()].into())].into();
    });
    let probe = lab.probe(ASKS);
    let mine = at_hand(&lab, "mine", ASKS);
    at_hand(&lab, "roles", "");
    for (tenant, listed) in [("acme", "mine"), ("other", "mine roles")] {
        assert_eq!(ask_for(tenant, &probe, "/probe/playing?role=judge", "").await.unwrap().1, listed);
        assert_eq!(
            ask_for(tenant, &probe, "/probe/judge?plugin=mine&config=exact", "").await.unwrap().0,
            200
        );
    }
    let never = ask_for("acme", &probe, "/probe/judge?plugin=nobody&config=exact", "").await.unwrap().1;
    for call in ["judge?plugin=roles&config=exact", "step?plugin=roles&config=count"] {
        let uri = format!("/probe/{call}");
        assert_eq!(ask_for("other", &probe, &uri, "").await.unwrap().0, 200, "{call}");
        let (status, text) = ask_for("acme", &probe, &uri, "").await.unwrap();
        assert_eq!(status, 409, "{call}");
        assert_eq!(text, never.replace("nobody", "roles"), "as if nobody had it");
    }
    // Nor by way of a plugin that the tenant has.
    assert_eq!(judge_for("other", &mine, "hire roles exact").await.unwrap(), 1);
    let error = judge_for("acme", &mine, "hire roles exact").await.unwrap_err();
    assert!(error.to_string().contains("no plugin named \"roles\" is at hand"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_of_the_other_one_are_told_and_not_shared() {
    let lab = Lab::new();
    let probe = lab.probe(ASKS);
    at_hand(&lab, "roles", "[limits]\ncompute = '300ms'\nwall = '3s'");
    for (config, expect) in [
        ("refuse", "ErrorKind::Exhausted\nplugin \"roles\": I have had enough\nask tomorrow"),
        ("panic", "ErrorKind::Internal\nplugin \"roles\" crashed: "),
        ("spin", "ErrorKind::Internal\nplugin \"roles\" computed for longer than its limit of 300ms"),
        ("sleep", "ErrorKind::Timeout\nplugin \"roles\" took longer than its limit of 3s"),
        ("too-few", "ErrorKind::Internal\nplugin \"roles\" does not keep to its role "),
    ] {
        for call in ["judge", "step"] {
            let (status, text) =
                ask(&probe, &format!("/probe/{call}?plugin=roles&config={config}"), "").await.unwrap();
            assert_eq!(status, 409, "{call} {config}");
            assert!(text.starts_with(expect), "{call} {config}: {text}");
        }
    }
    let (_, text) = ask(&probe, "/probe/judge?plugin=probe&config=x", "").await.unwrap();
    assert!(text.starts_with("ErrorKind::NotFound"), "{text}");
    assert_eq!(ok(&probe, "/probe/judge?plugin=roles&config=exact", "").await, "true false");
}

#[tokio::test(flavor = "multi_thread")]
async fn there_is_no_end_to_the_depth_but_four() {
    let lab = Lab::new();
    let first = at_hand(&lab, "a", ASKS);
    for name in ["b", "c", "d", "e"] {
        at_hand(&lab, name, ASKS);
    }
    assert_eq!(judge(&first, "hire b hire c hire d exact").await.unwrap(), 1);
    assert_eq!(judge(&first, "hire b hire-step c count").await.unwrap(), 1);
    let error = judge(&first, "hire b hire c hire d hire e exact").await.unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("at most 4 plugins may be at work on behalf of one another: a -> b -> c -> d -> e"),
        "{error}"
    );
    for cycle in ["hire a exact", "hire b hire a exact", "hire b hire-step a count"] {
        let error = judge(&first, cycle).await.unwrap_err();
        assert!(
            error.to_string().contains("\"a\" would be put to work on behalf of itself: a -> "),
            "{error}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_caller_pays() {
    let lab = Lab::new();
    let first = at_hand(&lab, "a", &format!("{ASKS}[limits]\ncompute = '600ms'\nhost_calls = 500"));
    at_hand(&lab, "b", ASKS);
    at_hand(&lab, "c", ASKS);
    let error = judge(&first, "hire b hire c spin").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Limit(Limit::Compute), "{error}");
    assert_eq!(error.to_string(), "plugin \"a\" computed for longer than its limit of 600ms");
    let error = judge(&first, "hire b call 1000").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Limit(Limit::HostCalls), "{error}");
    judge(&first, "hire b call 100").await.unwrap();
    // The other one's own limits are not what ended it.
    assert_eq!(judge(&lab.sandbox.registry().get("b").unwrap(), "call 1000").await.unwrap(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_ends_ends_those_it_put_to_work() {
    let lab = Lab::new();
    let probe = lab.probe(&format!("{ASKS}[limits]\nwall = '500ms'"));
    at_hand(&lab, "roles", "[limits]\nconcurrent_calls = 1");
    for _ in 0..2 {
        let error = ask(&probe, "/probe/judge?plugin=roles&config=sleep", "").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Limit(Limit::Wall));
        let free = async || judge(&lab.sandbox.registry().get("roles").unwrap(), "exact").await.is_ok();
        until("the place is free again", free).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_version_takes_over_from_the_next_call_on() {
    let lab = Lab::new();
    let registry = lab.sandbox.registry();
    let old = at_hand(&lab, "roles", "");
    let generation = registry.generation();
    let mut step = registry.get("roles").unwrap().open_step(caller("local"), "\"count\"").await.unwrap();
    let new = lab.load(&manifest("roles", "[roles.judge]", ""), guest(ROLES)).unwrap();
    let replaced = registry.insert(new.clone()).unwrap();
    assert_eq!(replaced.digest(), old.digest());
    assert_ne!(registry.generation(), generation);
    assert_eq!(registry.get("roles").unwrap().digest(), new.digest());
    assert!(registry.playing("step").is_empty());
    // What has begun goes on.
    drop((replaced, old));
    assert_eq!(step.process(Vec::new()).await.unwrap(), []);
    assert_ne!(step.plugin().digest(), new.digest());
    assert!(registry.remove("roles").is_some() && registry.get("roles").is_none());
    assert!(step.finish().await.is_ok());
}
