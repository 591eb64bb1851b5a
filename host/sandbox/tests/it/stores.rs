//! Secrets, budgets and figures.

use std::collections::BTreeMap;

use inferno_sandbox::{Budget, Own, Plugin, Secrets, Setup, Span};

use crate::lab::{Lab, ask, ask_for, ok};

const GRANT: &str = "[[grant]]\nplugin = 'probe'\ndigest = 'DIGEST'\n";

async fn error(probe: &Plugin, call: &str) -> String {
    let (status, text) = ask(probe, &format!("/probe/{call}"), "").await.unwrap();
    assert_eq!(status, 409, "{call}: {text}");
    text
}

fn budgets(amount: u64) -> Setup {
    // An hour that ends while a test runs would renew the budget; a century does not.
    let budget = Budget { amount, per: Span::seconds(100 * 365 * 24 * 3600) };
    Setup {
        all: Own { quota: BTreeMap::from([("tokens".to_owned(), budget)]), ..Own::default() },
        ..Setup::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_are_given_by_name() {
    let secrets = ["API_KEY", "OTHER"].map(|name| (name.to_owned(), format!("value of {name}")));
    let lab = Lab::serving(|_, services| services.secrets = Secrets::new(BTreeMap::from(secrets)));
    let asks = "[asks]\nsecrets = ['API_KEY', 'MISSING']";
    let probe = lab.granted(asks, &format!("{GRANT}secrets = ['API_KEY', 'OTHER', 'MISSING']"));
    assert_eq!(ok(&probe, "/probe/secret?name=API_KEY", "").await, "value of API_KEY");
    let text = error(&probe, "secret?name=OTHER").await;
    assert!(text.starts_with("ErrorKind::Denied\nplugin \"probe\" called inferno:host/secrets.get, which needs the secret \"OTHER\": the user has granted it, but its manifest does not ask for it"), "{text}");
    let text = error(&probe, "secret?name=MISSING").await;
    assert!(text.starts_with("ErrorKind::NotFound\nthere is no secret named \"MISSING\""), "{text}");
    let ungranted = lab.granted(asks, "");
    let text = error(&ungranted, "secret?name=API_KEY").await;
    assert!(text.contains("has not granted it") && text.ends_with("secrets = [\"API_KEY\"]"), "{text}");
    assert!(!text.contains("value of"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_budget_is_spent_once() {
    let lab = Lab::new();
    let probe = || {
        lab.granted_and_set(
            "[asks]\nquota = ['tokens', 'other']",
            &format!("{GRANT}quota = ['tokens', 'other']"),
            budgets(100),
        )
    };
    let one = probe();
    assert_eq!(ok(&one, "/probe/remaining?budget=tokens", "").await, "100");
    ok(&one, "/probe/spend?budget=tokens&amount=60&spent=40", "").await;
    // What was not spent of a reservation is there again, also for the same plugin loaded anew.
    let two = probe();
    assert_eq!(ok(&two, "/probe/remaining?budget=tokens", "").await, "60");
    let text = error(&two, "spend?budget=tokens&amount=61").await;
    assert!(
        text.starts_with(
            "ErrorKind::Exhausted\n61 of the budget \"tokens\" were wanted, and 60 of 100 are left"
        ),
        "{text}"
    );
    // Its dropping gives back what the refused one took.
    crate::lab::until("60 are left", async || ok(&two, "/probe/remaining?budget=tokens", "").await == "60")
        .await;
    ok(&two, "/probe/spend?budget=tokens&amount=60", "").await;
    assert_eq!(ok(&one, "/probe/remaining?budget=tokens", "").await, "0");
    let text = error(&one, "spend?budget=tokens&amount=101").await;
    assert!(
        text.starts_with(
            "ErrorKind::Invalid\n101 of the budget \"tokens\" were wanted, and all of it is 100"
        )
    );
    assert_eq!(ask_for("other", &one, "/probe/remaining?budget=tokens", "").await.unwrap().1, "100");
    let text = error(&one, "remaining?budget=other").await;
    assert!(text.contains("[plugins.probe.quota] other = { amount = "), "{text}");
    let text = error(&lab.granted("", ""), "remaining?budget=tokens").await;
    assert!(text.starts_with("ErrorKind::Denied"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_reserved_and_not_spent_comes_back() {
    let lab = Lab::new();
    let probe = lab.granted_and_set(
        "[asks]\nquota = ['tokens']",
        &format!("{GRANT}quota = ['tokens']"),
        budgets(100),
    );
    let left = async |expect: &str| {
        crate::lab::until(expect, async || ok(&probe, "/probe/remaining?budget=tokens", "").await == expect)
            .await;
    };
    assert_eq!(ok(&probe, "/probe/reserve-and-drop?budget=tokens&amount=70", "").await, "70");
    left("100").await;
    ask(&probe, "/probe/reserve-and-crash?budget=tokens&amount=70", "").await.unwrap_err();
    left("100").await;
    assert_eq!(ok(&probe, "/probe/split?budget=tokens&amount=70&part=20", "").await, "50 and 20");
    left("80").await;
    let text = error(&probe, "split?budget=tokens&amount=10&part=20").await;
    assert!(text.starts_with("ErrorKind::Invalid\n20 cannot be split off a reservation of 10"), "{text}");
    let text = error(&probe, "spend?budget=tokens&amount=10&spent=11").await;
    assert!(text.starts_with("ErrorKind::Invalid\n11 were spent of a reservation of 10"), "{text}");
    left("80").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn locks_have_one_holder_and_are_free_when_the_call_ends() {
    let lab = Lab::new();
    let probe = lab.probe("[asks]\nkv = true");
    for _ in 0..2 {
        assert_eq!(ok(&probe, "/probe/kv-lock?count=2", "").await, "true false true");
    }
    let all = ok(&probe, "/probe/kv-lock?count=64&each=1", "").await;
    assert!(!all.contains("false"), "{all}");
    let text = error(&probe, "kv-lock?count=65&each=1").await;
    assert!(text.starts_with("ErrorKind::Exhausted\nthe plugin \"probe\" holds 64 locks already"), "{text}");
    let text = error(&lab.probe(""), "kv-lock").await;
    assert!(text.starts_with("ErrorKind::Denied"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn figures_of_plugins_and_about_them() {
    let lab = Lab::new();
    let probe = lab.probe("[asks]\nkv = true");
    ok(&probe, "/probe/measure?name=hits&amount=2&label=a", "").await;
    ok(&probe, "/probe/measure?name=hits&amount=3&label=a", "").await;
    // These are left out, and the plugin goes on.
    ok(&probe, "/probe/measure?name=Bad-name&amount=1", "").await;
    ask(&probe, "/probe/panic", "").await.unwrap_err();
    error(&probe, "models").await;
    ok(&probe, "/probe/kv-get?key=k", "").await;
    let text = lab.services.metrics.render();
    for line in [
        "plugin_hits{plugin=\"probe\",tenant=\"local\",label=\"a\"} 5",
        "plugin_took_seconds_count{plugin=\"probe\",tenant=\"local\"} 3",
        "inferno_plugin_denials_total{plugin=\"probe\",tenant=\"local\"} 1",
        "inferno_plugin_errors_total{plugin=\"probe\",tenant=\"local\",kind=\"trap\"} 1",
        "inferno_plugin_calls_total{plugin=\"probe\",tenant=\"local\"} 6",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\n\n{text}");
    }
    let of = |name: &str| -> f64 {
        let line = text.lines().find(|line| line.starts_with(&format!("{name}{{"))).unwrap();
        line.rsplit(' ').next().unwrap().parse().unwrap()
    };
    assert!(of("inferno_plugin_compute_seconds_total") > 0.0);
    assert!(of("inferno_plugin_host_calls_total") > 6.0);
    assert!(!text.contains("Bad-name"));
}
