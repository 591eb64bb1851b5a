//! The inference and models capabilities, with workers behind them.

use http_body_util::BodyExt as _;
use inferno_sandbox::Plugin;

use crate::lab::{ASKS_ALL, Lab, ask, body, caller, ok, request, until};

async fn refused(plugin: &Plugin, uri: &str) -> Vec<String> {
    let (status, text) = ask(plugin, uri, "hi").await.unwrap();
    assert_eq!(status, 409, "{text}");
    text.lines().map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_as_a_whole_and_in_pieces() {
    let lab = Lab::new();
    lab.model("fast", 0);
    let probe = lab.probe(ASKS_ALL);
    let whole = ok(&probe, "/probe/complete?model=fast", "one two three").await;
    assert!(whole.starts_with("one two three\nFinishReason::Stop "), "{whole}");
    assert!(whole.ends_with("+3"), "{whole}");

    let pieces = ok(&probe, "/probe/generate?model=fast", "one two three").await;
    let (pieces, end) = pieces.split_once('\n').unwrap();
    assert_eq!(pieces.replace(['[', ']'], ""), "one two three");
    assert_eq!(end, "FinishReason::Stop 3 one two three");

    let cut = ok(&probe, "/probe/complete?model=fast&tokens=2", "one two three").await;
    assert!(cut.starts_with("one two\nFinishReason::Length"), "{cut}");
}

#[tokio::test(flavor = "multi_thread")]
async fn pieces_come_as_they_are_made() {
    let lab = Lab::new();
    lab.model("slow", 20);
    let probe = lab.probe(ASKS_ALL);
    let answer = probe
        .handle(caller("local"), request("/probe/generate?model=slow", body("a b c d e f")))
        .await
        .unwrap();
    let mut answer = answer.into_body();
    let mut frames = 0;
    while let Some(frame) = answer.frame().await {
        frame.unwrap();
        frames += 1;
    }
    // Six words 50 ms apart; a machine would have to sleep through most of them to get fewer.
    assert!(frames > 3, "{frames}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_goes_away_cancels_the_generation() {
    let lab = Lab::new();
    lab.model("slow", 50);
    let probe = lab.probe(ASKS_ALL);
    let long = "word ".repeat(10_000);
    let answer =
        probe.handle(caller("local"), request("/probe/generate?model=slow", body(&long))).await.unwrap();
    let mut answer = answer.into_body();
    answer.frame().await.unwrap().unwrap();
    assert_eq!(lab.active(), 1);
    drop(answer);
    until("the model is free", async || lab.active() == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_goes_away_before_the_head_cancels_as_well() {
    let lab = Lab::new();
    lab.model("slow", 50);
    let probe = lab.probe(ASKS_ALL);
    let long = "word ".repeat(10_000);
    // The plugin waits inside a host function, so it cannot notice anything itself.
    let asked = Box::pin(probe.handle(caller("local"), request("/probe/complete?model=slow", body(&long))));
    let under_way = until("the model works", async || lab.active() == 1);
    match futures::future::select(asked, Box::pin(under_way)).await {
        futures::future::Either::Left((answer, _)) => panic!("it cannot be over: {:?}", answer.map(|_| ())),
        futures::future::Either::Right(((), asked)) => drop(asked),
    }
    until("the model is free", async || lab.active() == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_that_drops_the_stream_cancels_the_generation() {
    let lab = Lab::new();
    lab.model("slow", 50);
    let probe = lab.probe(ASKS_ALL);
    let long = "word ".repeat(10_000);
    let text = ok(&probe, "/probe/generate?model=slow&stop-after=2", &long).await;
    assert!(text.ends_with("Cancelled the plugin dropped the stream before the answer had ended"), "{text}");
    until("the model is free", async || lab.active() == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn vectors() {
    let lab = Lab::new();
    lab.model("fast", 0);
    let text = ok(&lab.probe(ASKS_ALL), "/probe/embed?model=fast", "").await;
    assert!(text.starts_with("2 1.000 1.000 "), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_models_are_not_found() {
    let lab = Lab::new();
    lab.model("storyteller", 0);
    let probe = lab.probe(ASKS_ALL);
    for call in ["complete", "generate", "embed"] {
        let lines = refused(&probe, &format!("/probe/{call}?model=storytelle")).await;
        assert_eq!(lines[0], "ErrorKind::NotFound");
        assert!(lines[2].contains("storyteller"), "{lines:?}");
    }
    let lines = refused(&probe, "/probe/complete?model=../../etc/passwd").await;
    assert_eq!(lines[0], "ErrorKind::Invalid");
    let lines = refused(&probe, "/probe/model?name=storytelle").await;
    assert_eq!(
        lines,
        ["ErrorKind::NotFound", "no model is named \"storytelle\"", "did you mean storyteller?"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_sees_only_the_models_that_it_may_use() {
    let lab = Lab::new();
    for name in ["small-1", "small-2", "secret-9"] {
        lab.model(name, 0);
    }
    let probe = lab.probe("[asks]\nmodels = true\ninference = { models = ['small-*'] }");
    assert_eq!(ok(&probe, "/probe/models", "").await, "small-1 echo\nsmall-2 echo");
    assert!(ok(&probe, "/probe/model?name=small-1", "").await.contains("format: \"echo\""));
    let lines = refused(&probe, "/probe/model?name=secret-9").await;
    assert_eq!(lines[..2], ["ErrorKind::NotFound", "no model is named \"secret-9\""]);
    let digest = ok(&probe, "/probe/digest?name=small-1", "").await;
    assert!(digest.starts_with("sha256:") && digest.len() == 71, "{digest}");
    let lines = refused(&probe, "/probe/digest?name=secret-9").await;
    assert_eq!(lines[..2], ["ErrorKind::NotFound", "no model is named \"secret-9\""]);
    // A near miss does not tell what else there is.
    let lines = refused(&probe, "/probe/complete?model=small-secret-9").await;
    assert_eq!(lines[0], "ErrorKind::NotFound");
    assert!(!lines[2].contains("secret"), "{lines:?}");
    let lines = refused(&probe, "/probe/complete?model=secret-9").await;
    assert_eq!(lines[0], "ErrorKind::Denied");
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_per_call_is_a_ceiling() {
    let lab = Lab::new();
    lab.model("fast", 0);
    let probe = lab.probe("[asks]\ninference = { models = ['*'], tokens_per_call = 2 }");
    let cut = ok(&probe, "/probe/complete?model=fast", "one two three").await;
    assert!(cut.starts_with("one two\nFinishReason::Length"), "{cut}");
    let lines = refused(&probe, "/probe/complete?model=fast&tokens=3").await;
    assert_eq!(
        lines[..2],
        ["ErrorKind::Invalid", "plugin \"probe\" wants 3 tokens of one request, but may have 2"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn models_come_and_go_for_those_that_may_say_so() {
    let lab = Lab::new();
    lab.model("fast", 0);
    lab.model("other", 0);
    let asks = "[asks]\nmodels = true\nmodel_control = true\ninference = { models = ['fast'] }";
    let probe = lab.probe(asks);
    let loaded = async || ok(&probe, "/probe/loaded", "").await;
    assert_eq!(loaded().await, "");
    assert_eq!(ok(&probe, "/probe/load?name=fast&keep=60000", "").await, "loaded");
    assert!(loaded().await.starts_with("fast 100000 6"), "a minute, or one more for the seconds' parts");
    ok(&probe, &format!("/probe/load?name=fast&keep={}", u64::MAX), "").await;
    assert_eq!(loaded().await, "fast 100000 stays");

    lab.services.inference.load("other", |_| {}).await.unwrap();
    assert_eq!(loaded().await, "fast 100000 stays", "what it may not use it does not see");
    for call in ["load", "unload"] {
        let lines = refused(&probe, &format!("/probe/{call}?name=other")).await;
        assert_eq!(lines[..2], ["ErrorKind::NotFound", "no model is named \"other\""]);
    }

    assert_eq!(ok(&probe, "/probe/unload?name=fast", "").await, "goes");
    while !loaded().await.is_empty() {
        tokio::task::yield_now().await;
    }
    assert_eq!(lab.services.inference.loaded().len(), 1, "the other one stays");
    ok(&probe, "/probe/load?name=fast&keep=0", "").await;
    while !loaded().await.is_empty() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn images_stand_in_messages_of_models_that_see() {
    let lab = Lab::new();
    lab.model("fast", 0);
    lab.seer("seer");
    let probe = lab.probe(ASKS_ALL);
    let seen = ok(&probe, "/probe/complete?model=seer&image=70000&at=3", "one two").await;
    assert!(seen.starts_with("one[70000 bytes] two\n"), "{seen}");
    let counted = ok(&probe, "/probe/generate?model=seer&image=5&at=7", "one two").await;
    assert!(counted.contains("[5") && counted.contains("bytes]"), "{counted}");

    for (uri, says) in [
        ("/probe/complete?model=fast&image=5", "model fast has no vision"),
        ("/probe/complete?model=seer&stray=1", "stands in no message"),
        ("/probe/complete?model=seer&image=5&at=8", "stands nowhere in the text of message 1"),
        ("/probe/complete?model=seer&image=0", "image 1 is empty"),
    ] {
        let told = refused(&probe, uri).await.join("\n");
        assert!(told.contains(says), "{uri}: {told}");
    }
}
