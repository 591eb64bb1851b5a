//! Every limit, seen to fire; and that each ends one call and nothing else.

use std::time::{Duration, Instant};

use http_body_util::BodyExt as _;
use inferno_sandbox::{BodyError, Error, ErrorKind, Limit, Plugin, Size, Span};

use crate::lab::{ASKS_ALL, Lab, ask, body, caller, manifest, ok, read, request, until};

fn check(error: &Error, limit: Limit, message: &str) {
    assert_eq!(error.kind(), ErrorKind::Limit(limit), "{error}");
    assert_eq!(error.to_string(), message);
    assert!(error.hint().unwrap().contains(&format!("`{}` in [limits]", limit.key())), "{:?}", error.hint());
}

async fn fires(limits: &str, call: &str, limit: Limit, message: &str) {
    let lab = Lab::new();
    let probe = lab.probe(&format!("{ASKS_ALL}[limits]\n{limits}"));
    let error = ask(&probe, &format!("/probe/{call}"), "").await.unwrap_err();
    check(&error, limit, message);
    assert_eq!(ok(&probe, "/probe/hello", "").await, "hello");
}

#[tokio::test(flavor = "multi_thread")]
async fn memory() {
    let message = "plugin \"probe\" needed more memory than its limit of 16MiB";
    fires("memory = '16MiB'", "grow", Limit::Memory, message).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_hosts_cap_on_memory_holds_without_a_manifests() {
    let lab = Lab::with(|config| config.limits.memory = Size::mib(8));
    let error = ask(&lab.probe(""), "/probe/grow", "").await.unwrap_err();
    check(&error, Limit::Memory, "plugin \"probe\" needed more memory than its limit of 8MiB");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_that_starts_with_too_much_memory() {
    let lab = Lab::new();
    let wat = run_of("(memory 512) (func (export \"run\") (result i32) (i32.const 0))");
    let error = lab.load(&manifest("big", "[roles.command]", "[limits]\nmemory = '16MiB'"), wat).unwrap();
    let error = error.command(caller("local"), vec![]).await.unwrap_err();
    check(&error, Limit::Memory, "plugin \"big\" needed more memory than its limit of 16MiB");
}

#[tokio::test(flavor = "multi_thread")]
async fn compute_in_an_endless_loop() {
    let message = "plugin \"probe\" computed for longer than its limit of 50ms";
    let start = Instant::now();
    fires("compute = '50ms'", "spin", Limit::Compute, message).await;
    assert!(start.elapsed() >= Duration::from_millis(50));
}

#[tokio::test(flavor = "multi_thread")]
async fn compute_after_the_head_breaks_the_body() {
    let lab = Lab::new();
    let probe = lab.probe("[limits]\ncompute = '50ms'");
    let answer = probe.handle(caller("local"), request("/probe/start-then-spin", body(""))).await.unwrap();
    let (text, end) = read(answer.into_body()).await;
    assert_eq!(text, "so far");
    match end {
        Some(BodyError::Plugin(error)) => assert_eq!(error.kind(), ErrorKind::Limit(Limit::Compute)),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_is_not_computing() {
    let lab = Lab::new();
    lab.model("slow", 20);
    let probe = lab.probe(&format!("{ASKS_ALL}[limits]\ncompute = '200ms'"));
    assert_eq!(ok(&probe, "/probe/sleep?ms=500", "").await, "slept");
    // 20 words at 20 a second, in a call that suspends the plugin inside a host function.
    ok(&probe, "/probe/complete?model=slow", &"w ".repeat(20)).await;
}

#[tokio::test]
async fn an_endless_loop_leaves_room_for_others() {
    // One thread for everything: without interruption the other call would have to wait for the whole second.
    let lab = Lab::new();
    let probe = lab.probe("[limits]\ncompute = '2s'");
    let spinning = ask(&probe, "/probe/spin", "");
    let other = async {
        let start = Instant::now();
        ok(&probe, "/probe/hello", "").await;
        start.elapsed()
    };
    let (spun, took) = tokio::join!(spinning, other);
    assert_eq!(spun.unwrap_err().kind(), ErrorKind::Limit(Limit::Compute));
    assert!(took < Duration::from_secs(1), "{took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn wall() {
    let message = "plugin \"probe\" took longer than its limit of 50ms";
    let lab = Lab::new();
    let probe = lab.probe("[limits]\nwall = '50ms'");
    let error = ask(&probe, "/probe/sleep?ms=60000", "").await.unwrap_err();
    check(&error, Limit::Wall, message);
    assert_eq!(error.status(), 504);

    let answer = probe.handle(caller("local"), request("/probe/start-then-sleep", body(""))).await.unwrap();
    let (text, end) = read(answer.into_body()).await;
    assert_eq!(text, "so far");
    match end {
        Some(BodyError::Plugin(error)) => check(&error, Limit::Wall, message),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn wall_ends_the_call_of_a_client_that_does_not_read() {
    let lab = Lab::new();
    let probe = lab.probe("[limits]\nwall = '100ms'\nconcurrent_calls = 1");
    let answer = probe.handle(caller("local"), request("/probe/endless", body(""))).await.unwrap();
    // Nobody polls the body, and still the only place becomes free.
    until("there is room", async || ask(&probe, "/probe/hello", "").await.is_ok()).await;
    let (_, end) = read(answer.into_body()).await;
    assert!(matches!(end, Some(BodyError::Plugin(error)) if error.kind() == ErrorKind::Limit(Limit::Wall)));
}

#[tokio::test(flavor = "multi_thread")]
async fn host_calls() {
    let message = "plugin \"probe\" called the host more often than its limit of 1000 times";
    fires("host_calls = 1000", "flood", Limit::HostCalls, message).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn host_call_data_of_one_call() {
    let message = "plugin \"probe\" handed the host more data than its limit of 1MiB";
    fires("host_call_data = '1MiB'", "heave?bytes=2000000", Limit::HostCallData, message).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn host_call_data_of_images() {
    let message = "plugin \"probe\" handed the host more data than its limit of 1MiB";
    fires("host_call_data = '1MiB'", "complete?model=m&image=1048560", Limit::HostCallData, message).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn host_call_data_held_for_many_calls() {
    let message = "plugin \"probe\" handed the host more data than its limit of 1MiB";
    fires("host_call_data = '1MiB'", "hoard", Limit::HostCallData, message).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn resources() {
    let lab = Lab::new();
    let probe = lab.probe("");
    let error = ask(&probe, "/probe/hoard-resources", "").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Trap, "{error}");
    assert!(error.to_string().contains("resource table"), "{error}");
    assert_eq!(ok(&probe, "/probe/hello", "").await, "hello");
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_calls() {
    let lab = Lab::new();
    let probe = lab.probe("[limits]\nconcurrent_calls = 2");
    let held = [open(&probe).await, open(&probe).await];
    let error = ask(&probe, "/probe/hello", "").await.unwrap_err();
    let message = "plugin \"probe\" has as many calls at work as its limit of 2";
    check(&error, Limit::ConcurrentCalls, message);
    assert_eq!(error.status(), 503);
    drop(held);
    assert_eq!(ok(&probe, "/probe/hello", "").await, "hello");
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_of_all_plugins_together() {
    let lab = Lab::with(|config| config.calls = 2);
    let probe = lab.probe("");
    let held = [open(&probe).await, open(&probe).await];
    let error = ask(&probe, "/probe/hello", "").await.unwrap_err();
    assert_eq!((error.kind(), error.status()), (ErrorKind::Busy, 503));
    assert_eq!(
        error.to_string(),
        "plugin \"probe\" cannot be called now: all places for calls of plugins are taken"
    );
    drop(held);
    assert_eq!(ok(&probe, "/probe/hello", "").await, "hello");
}

/// A call that is under way as long as this lives.
async fn open(probe: &Plugin) -> inferno_sandbox::Body {
    let answer = probe.handle(caller("local"), request("/probe/start-then-sleep", body(""))).await.unwrap();
    let mut answer = answer.into_body();
    answer.frame().await.unwrap().unwrap();
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn table_elements() {
    let lab = Lab::new();
    let grow = "(table $t 1 funcref)
        (func (export \"run\") (result i32)
            (if (i32.lt_s (table.grow $t (ref.null func) (i32.const 50000)) (i32.const 0)) (then unreachable))
            (i32.const 0))";
    let plugin =
        |limits: &str| lab.load(&manifest("tables", "[roles.command]", limits), run_of(grow)).unwrap();
    assert_eq!(plugin("").command(caller("local"), vec![]).await.unwrap(), 0);
    let limited = plugin("[limits]\ntable_elements = 1000");
    let error = limited.command(caller("local"), vec![]).await.unwrap_err();
    check(
        &error,
        Limit::TableElements,
        "plugin \"tables\" needed more table elements than its limit of 1000",
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn tables() {
    let lab = Lab::new();
    let more =
        "(core module $e (table 1 funcref)) ".to_owned() + &"(core instance (instantiate $e)) ".repeat(6);
    let run = component(&more, "(func (export \"run\") (result i32) (i32.const 0))");
    let plugin = |limits: &str| lab.load(&manifest("many", "[roles.command]", limits), run.clone()).unwrap();
    assert_eq!(plugin("").command(caller("local"), vec![]).await.unwrap(), 0);
    let error = plugin("[limits]\ntables = 4").command(caller("local"), vec![]).await.unwrap_err();
    check(&error, Limit::Tables, "plugin \"many\" has more tables than its limit of 4");
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_returned_in_an_answer() {
    let lab = Lab::new();
    let probe = lab.probe("[limits]\nbytes_returned = '1MiB'");
    let answer = probe.handle(caller("local"), request("/probe/endless", body(""))).await.unwrap();
    let (text, end) = read(answer.into_body()).await;
    assert!(text.len() <= 1 << 20 && text.len() > 1 << 19, "{}", text.len());
    let message = "plugin \"probe\" gave back more than its limit of 1MiB";
    match end {
        Some(BodyError::Plugin(error)) => check(&error, Limit::BytesReturned, message),
        other => panic!("{other:?}"),
    }
    assert_eq!(ok(&probe, "/probe/hello", "").await, "hello");
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_returned_by_printing() {
    let lab = Lab::new();
    let plugin = |limits: &str| {
        let verb = crate::guests::guest(crate::guests::VERB);
        lab.load(&manifest("verb", "[roles.command]", limits), verb).unwrap()
    };
    assert_eq!(plugin("").command(caller("local"), vec!["print".into()]).await.unwrap(), 0);
    let limited = plugin("[limits]\nbytes_returned = '1000B'");
    let error = limited.command(caller("local"), vec!["print".into()]).await.unwrap_err();
    check(&error, Limit::BytesReturned, "plugin \"verb\" gave back more than its limit of 1000B");
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_returned_in_outcomes() {
    let lab = Lab::new();
    let roles = |limits: &str| {
        let manifest = manifest("roles", "[roles.step]", limits);
        lab.load(&manifest, crate::guests::guest(crate::guests::ROLES)).unwrap()
    };
    let batch = vec![inferno_sandbox::Item { id: "1".into(), data: "x".repeat(5000) }];
    let mut step = roles("").open_step(caller("local"), "\"upper\"").await.unwrap();
    step.process(batch.clone()).await.unwrap();
    let mut step =
        roles("[limits]\nbytes_returned = '1000B'").open_step(caller("local"), "\"upper\"").await.unwrap();
    let error = step.process(batch).await.unwrap_err();
    check(&error, Limit::BytesReturned, "plugin \"roles\" gave back more than its limit of 1000B");
}

#[tokio::test(flavor = "multi_thread")]
async fn log_lines() {
    let message = "plugin \"probe\" wrote more lines to the log than its limit of 20";
    fires("log_lines = 20", "log-flood", Limit::LogLines, message).await;
    fires("log_lines = 20", "print-flood", Limit::LogLines, message).await;
    let lab = Lab::new();
    let probe = lab.probe("[limits]\nlog_lines = 20");
    ok(&probe, "/probe/log-flood?lines=20", "").await;
    ok(&probe, "/probe/print-flood?lines=20", "").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn model_tokens_that_were_asked_for() {
    let lab = Lab::new();
    lab.model("fast", 0);
    let probe = lab.probe(&format!("{ASKS_ALL}[limits]\nmodel_tokens = 10"));
    let message = "plugin \"probe\" had models write more tokens than its limit of 10";
    for call in ["complete", "generate"] {
        ok(&probe, &format!("/probe/{call}?model=fast&tokens=10"), "a b c").await;
        let error = ask(&probe, &format!("/probe/{call}?model=fast&tokens=11"), "a b c").await.unwrap_err();
        check(&error, Limit::ModelTokens, message);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn model_tokens_that_were_written() {
    let lab = Lab::new();
    lab.model("fast", 0);
    let probe = lab.probe(&format!("{ASKS_ALL}[limits]\nmodel_tokens = 10"));
    // Without a number the answer ends where the limit is.
    let text = ok(&probe, "/probe/complete?model=fast", &"w ".repeat(50)).await;
    assert!(text.contains("Length") && text.ends_with("+10"), "{text}");
    // Two words are written of ten set aside, so three requests fit and a sixth one does not.
    ok(&probe, "/probe/complete?model=fast&times=3&tokens=4", "a b").await;
    let error = ask(&probe, "/probe/complete?model=fast&times=6&tokens=4", "a b").await.unwrap_err();
    check(&error, Limit::ModelTokens, "plugin \"probe\" had models write more tokens than its limit of 10");
}

#[tokio::test(flavor = "multi_thread")]
async fn instances() {
    let lab = Lab::new();
    let more = "(core module $e) ".to_owned() + &"(core instance (instantiate $e)) ".repeat(10);
    let run = component(&more, "(func (export \"run\") (result i32) (i32.const 0))");
    let plugin = |limits: &str| lab.load(&manifest("many", "[roles.command]", limits), run.clone()).unwrap();
    assert_eq!(plugin("").command(caller("local"), vec![]).await.unwrap(), 0);
    let error = plugin("[limits]\ninstances = 5").command(caller("local"), vec![]).await.unwrap_err();
    check(&error, Limit::Instances, "plugin \"many\" has more core modules than its limit of 5");
}

#[tokio::test(flavor = "multi_thread")]
async fn deep_recursion_is_a_crash_of_the_plugin_only() {
    let lab = Lab::new();
    let deep = "(func $f (result i32) (i32.add (call $f) (i32.const 1))) (func (export \"run\") (result i32) (call $f))";
    let plugin = lab.load(&manifest("deep", "[roles.command]", ""), run_of(deep)).unwrap();
    let error = plugin.command(caller("local"), vec![]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Trap);
    assert!(error.to_string().contains("stack"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manifest_above_the_hosts_cap_does_not_load() {
    let lab = Lab::with(|config| config.limits.compute = Span::seconds(5));
    let manifest = manifest("greedy", "[roles.http]\nmounts = ['/g']", "[limits]\ncompute = '6s'");
    let error = lab.load(&manifest, crate::guests::guest(crate::guests::PROBE)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Manifest);
    assert_eq!(
        error.to_string(),
        "plugin \"greedy\": limits.compute is 6s, but this host allows at most 5s; a manifest may only lower it"
    );
}

/// A command in text form whose core module has this inside, `run` among it.
pub(crate) fn run_of(module: &str) -> Vec<u8> {
    component("", module)
}

fn component(before: &str, module: &str) -> Vec<u8> {
    let text = format!(
        "(component {before}
            (core module $m {module})
            (core instance $i (instantiate $m))
            (func $run (result (result)) (canon lift (core func $i \"run\")))
            (instance $run (export \"run\" (func $run)))
            (export \"wasi:cli/run@0.2.0\" (instance $run)))"
    );
    wat::parse_str(text).unwrap()
}
