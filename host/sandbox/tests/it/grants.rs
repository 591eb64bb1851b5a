//! What is refused without a grant, in the words that the plugin gets; and whose data is whose.

use inferno_sandbox::{Plugin, Source};

use crate::lab::{ASKS_ALL, Lab, ask, ask_for, ok};

async fn denied(plugin: &Plugin, call: &str) -> String {
    let (status, text) = ask(plugin, &format!("/probe/{call}"), "hi").await.unwrap();
    assert_eq!(status, 409, "{text}");
    assert!(text.starts_with("ErrorKind::Denied\n"), "{text}");
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_grant_every_capability_is_denied() {
    let lab = Lab::new();
    lab.model("fast", 0);
    let probe = lab.granted(ASKS_ALL, "");
    assert_eq!(probe.granted().source, Source::Nobody);
    for (call, function) in [
        ("complete?model=fast", "inference.complete"),
        ("generate?model=fast", "inference.generate"),
        ("embed?model=fast", "inference.embed"),
        ("models", "models.all"),
        ("model?name=fast", "models.get"),
        ("loaded", "models.loaded"),
        ("load?name=fast", "loading.load"),
        ("unload?name=fast", "loading.unload"),
        ("kv-get?key=k", "kv.get"),
        ("kv-set?key=k&value=v", "kv.set"),
        ("kv-delete?key=k", "kv.delete"),
        ("kv-keys", "kv.keys"),
        ("kv-add?key=k", "kv.add"),
    ] {
        let text = denied(&probe, call).await;
        assert!(
            text.contains(&format!("plugin \"probe\" called inferno:host/{function}, which needs ")),
            "{text}"
        );
        assert!(text.contains("its manifest asks for it, but the user has not granted it"), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lines_of_a_denial_work() {
    let lab = Lab::new();
    lab.model("fast", 0);
    let text = denied(&lab.granted(ASKS_ALL, ""), "complete?model=fast").await;
    let (_, lines) = text.split_once("grants it:\n").unwrap();
    let probe = lab.granted(ASKS_ALL, lines);
    ok(&probe, "/probe/complete?model=fast", "hi").await;
    // And no more than that.
    denied(&probe, "kv-get?key=k").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_asked_for_is_denied_even_if_granted() {
    let lab = Lab::new();
    let probe = lab.granted("", "[[grant]]\nplugin = 'probe'\ndigest = 'DIGEST'\nkv = true");
    let text = denied(&probe, "kv-get?key=k").await;
    assert!(text.contains("the user has granted it, but its manifest does not ask for it"), "{text}");
    assert!(text.ends_with("its plugin.toml would need:\n[asks]\nkv = true"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn kv_is_apart_for_each_tenant_and_plugin() {
    let lab = Lab::new();
    let probe = lab.probe(ASKS_ALL);
    assert_eq!(ok(&probe, "/probe/kv-set?key=k&value=v", "").await, "set");
    assert_eq!(ok(&probe, "/probe/kv-get?key=k", "").await, "v");
    assert_eq!(ask_for("other", &probe, "/probe/kv-get?key=k", "").await.unwrap().1, "nothing");
    let manifest = crate::lab::manifest("stranger", "[roles.http]\nmounts = ['/probe']", ASKS_ALL);
    let stranger = lab.load(&manifest, crate::guests::guest(crate::guests::PROBE)).unwrap();
    assert_eq!(ok(&stranger, "/probe/kv-get?key=k", "").await, "nothing");

    assert_eq!(ok(&probe, "/probe/kv-add?key=n", "").await, "1");
    assert_eq!(ok(&probe, "/probe/kv-add?key=n", "").await, "2");
    assert_eq!(ok(&probe, "/probe/kv-keys?prefix=", "").await, "k n");
    assert_eq!(ok(&probe, "/probe/kv-keys?prefix=&after=k", "").await, "n");
    assert_eq!(ok(&probe, "/probe/kv-delete?key=k", "").await, "true");
    assert_eq!(ok(&probe, "/probe/kv-delete?key=k", "").await, "false");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_stores_limits_are_errors_for_the_plugin() {
    let lab = Lab::new();
    let probe = lab.probe(ASKS_ALL);
    let key = "k".repeat(2000);
    let (status, text) = ask(&probe, &format!("/probe/kv-set?key={key}&value=v"), "").await.unwrap();
    assert_eq!(status, 409);
    assert!(text.starts_with("ErrorKind::Invalid\n"), "{text}");
    ok(&probe, "/probe/kv-set?key=word&value=v", "").await;
    let (_, text) = ask(&probe, "/probe/kv-add?key=word", "").await.unwrap();
    assert!(text.starts_with("ErrorKind::Invalid\ncannot add to \"word\""), "{text}");
}
