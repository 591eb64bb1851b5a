//! Steps and judges: what they give back, what of it is refused, and that each is contained.

use inferno_sandbox::{Error, ErrorKind, Item, Limit, Outcome, Plugin, Reason, Sample, Step, Verdict};

use crate::guests::{ROLES, guest};
use crate::lab::{Lab, caller, manifest};

fn load(lab: &Lab, rest: &str) -> Plugin {
    lab.load(&manifest("roles", "[roles.step]\n[roles.judge]", rest), guest(ROLES)).unwrap()
}

fn item(id: &str) -> Item {
    Item { id: id.to_owned(), data: format!("\"item {id}\"") }
}

fn sample(answer: &str) -> Sample {
    Sample { prompt: "p".to_owned(), answer: answer.to_owned(), expected: Some("yes".to_owned()) }
}

async fn open(plugin: &Plugin, config: &str) -> Result<Step, Error> {
    plugin.open_step(caller("local"), &format!("\"{config}\"")).await
}

async fn judge(plugin: &Plugin, config: &str, samples: &[Sample]) -> Result<Vec<Verdict>, Error> {
    plugin.judge(caller("local"), &format!("\"{config}\""), samples.to_vec()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn one_instance_sees_every_batch() {
    let lab = Lab::new();
    let plugin = load(&lab, "");
    let mut step = open(&plugin, "count").await.unwrap();
    for count in ["1", "2", "3"] {
        let outcomes = step.process(vec![item("a")]).await.unwrap();
        let expect = Item { id: "a".to_owned(), data: count.to_owned() };
        assert_eq!(outcomes, [Outcome::Emit(vec![expect])]);
    }
    assert_eq!(step.process(Vec::new()).await.unwrap(), []);
    // Another run begins anew.
    let mut other = open(&plugin, "count").await.unwrap();
    let outcomes = other.process(vec![item("a")]).await.unwrap();
    assert!(matches!(&*outcomes, [Outcome::Emit(items)] if items[0].data == "1"), "{outcomes:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn outcomes_of_all_kinds_and_what_was_kept() {
    let lab = Lab::new();
    let plugin = load(&lab, "");
    let mut step = open(&plugin, "odd").await.unwrap();
    let batch = ["retry", "reject", "drop", "x"].map(item).to_vec();
    assert_eq!(
        step.process(batch).await.unwrap(),
        [
            Outcome::Retry("later".to_owned()),
            Outcome::Reject("never".to_owned()),
            Outcome::Drop("on purpose".to_owned()),
            Outcome::Emit(vec![item("x")]),
        ]
    );
    let mut step = open(&plugin, "keep").await.unwrap();
    for id in ["1", "2"] {
        assert_eq!(step.process(vec![item(id)]).await.unwrap(), [Outcome::Emit(Vec::new())]);
    }
    assert_eq!(step.finish().await.unwrap(), [item("1"), item("2")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_number_of_outcomes_is_an_error_that_says_both() {
    let lab = Lab::new();
    let plugin = load(&lab, "");
    for (config, found) in [("too-few", 1), ("too-many", 4)] {
        let mut step = open(&plugin, config).await.unwrap();
        let error = step.process(vec![item("1"), item("2")]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Contract);
        assert_eq!(
            error.to_string(),
            format!("plugin \"roles\" does not keep to its role step: it gave {found} outcomes for 2 items")
        );
    }
    let error = judge(&plugin, "too-few", &[sample("yes")]).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "plugin \"roles\" does not keep to its role judge: it gave 0 verdicts for 1 samples"
    );
    let error = judge(&plugin, "too-many", &[sample("yes")]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Contract);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_of_the_plugins_own_keeps_its_words_and_the_step() {
    let lab = Lab::new();
    let plugin = load(&lab, "");
    let mut step = open(&plugin, "refuse").await.unwrap();
    for _ in 0..2 {
        let error = step.process(vec![item("1")]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Refused(Reason::Exhausted));
        assert_eq!(error.to_string(), "plugin \"roles\": I have had enough");
        assert_eq!((error.hint(), error.retry_after_ms()), (Some("ask tomorrow"), Some(1500)));
    }
    let error = open(&plugin, "nonsense").await.err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Refused(Reason::Invalid));
    let error = judge(&plugin, "nonsense", &[]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused(Reason::Invalid));
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_crash_the_step_is_over_and_the_plugin_is_not() {
    let lab = Lab::new();
    let plugin = load(&lab, "");
    let mut step = open(&plugin, "panic").await.unwrap();
    assert_eq!(step.process(vec![item("1")]).await.unwrap_err().kind(), ErrorKind::Trap);
    let error = step.process(vec![item("1")]).await.unwrap_err();
    assert_eq!(error.to_string(), "the step of plugin \"roles\" was called again after it had failed");
    let step = open(&plugin, "in-finish").await.unwrap();
    assert_eq!(step.finish().await.unwrap_err().kind(), ErrorKind::Trap);
    assert_eq!(open(&plugin, "open panic").await.err().unwrap().kind(), ErrorKind::Trap);
    assert_eq!(judge(&plugin, "panic", &[]).await.unwrap_err().kind(), ErrorKind::Trap);
    assert!(judge(&plugin, "exact", &[sample("yes")]).await.unwrap()[0].pass);
}

#[tokio::test(flavor = "multi_thread")]
async fn computing_and_host_calls_are_renewed_for_each_batch() {
    let lab = Lab::new();
    // Each batch has half of what is allowed, with room for a busy machine.
    let plugin = load(&lab, "[limits]\ncompute = '2s'");
    let mut step = open(&plugin, "burn 500").await.unwrap();
    for _ in 0..6 {
        step.process(vec![item("1")]).await.unwrap();
    }
    let plugin = load(&lab, "[limits]\nhost_calls = 1000");
    let mut step = open(&plugin, "call 300").await.unwrap();
    for _ in 0..6 {
        step.process(vec![item("1")]).await.unwrap();
    }
    let mut step = open(&plugin, "call 2000").await.unwrap();
    let error = step.process(vec![item("1")]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Limit(Limit::HostCalls));
}

#[tokio::test(flavor = "multi_thread")]
async fn loops_floods_sleeps_and_heaps_end_one_call() {
    let lab = Lab::new();
    let plugin =
        load(&lab, "[limits]\ncompute = '300ms'\nwall = '3s'\nhost_call_data = '1MiB'\nhost_calls = 5000");
    let cases = [
        ("spin", Limit::Compute),
        ("flood", Limit::HostCalls),
        ("sleep", Limit::Wall),
        ("huge-list", Limit::HostCallData),
    ];
    for (config, limit) in cases {
        let mut step = open(&plugin, config).await.unwrap();
        let error = step.process(vec![item("1")]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Limit(limit), "a step: {config}: {error}");
        let error = judge(&plugin, config, &[sample("yes")]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Limit(limit), "a judge: {config}: {error}");
    }
    assert_eq!(open(&plugin, "open spin").await.err().unwrap().kind(), ErrorKind::Limit(Limit::Compute));
    let error = judge(&plugin, "huge-text", &[sample("yes")]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Limit(Limit::HostCallData));
    let mut step = open(&plugin, "upper").await.unwrap();
    assert_eq!(step.process(vec![item("a")]).await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_takes_a_place_until_it_is_dropped() {
    let lab = Lab::new();
    let plugin = load(&lab, "[limits]\nconcurrent_calls = 1");
    let step = open(&plugin, "count").await.unwrap();
    let error = judge(&plugin, "exact", &[]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Limit(Limit::ConcurrentCalls));
    drop(step);
    judge(&plugin, "exact", &[]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn verdicts_come_in_order_and_scores_in_range() {
    let lab = Lab::new();
    let plugin = load(&lab, "");
    let verdicts = judge(&plugin, "exact", &[sample("yes"), sample("no")]).await.unwrap();
    assert_eq!(verdicts.iter().map(|verdict| verdict.pass).collect::<Vec<_>>(), [true, false]);
    assert_eq!(judge(&plugin, "exact", &[]).await.unwrap(), []);
    for score in ["2", "-0.1", "nan", "inf"] {
        let error = judge(&plugin, &format!("score {score}"), &[sample("yes")]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Contract, "{score}");
        assert!(error.to_string().contains("the score of sample 1 is "), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_manifest_names_must_be_there() {
    let lab = Lab::new();
    let error = lab.load(&manifest("probe", "[roles.step]", ""), guest(crate::guests::PROBE)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Link);
    assert!(
        error.to_string().starts_with(
            "plugin \"probe\" names [roles.step] in its plugin.toml, for which its component must export inferno:plugin/step@0.1.0; it exports "
        ),
        "{error}"
    );
    let plugin = load(&lab, "");
    let error = plugin.search(caller("local"), "", None).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "plugin \"roles\" does not play the role catalog; its plugin.toml names step, judge"
    );
}
