//! Tenants: nothing of one is visible to another. Files and kv have tests of their own beside the others of their kind.

use std::collections::BTreeMap;

use inferno_sandbox::{Budget, Own, Plugin, Setup, Span};
use serde_json::{Map, Value, json};

use crate::lab::{ASKS_ALL, Lab, ask_for, caller, manifest};

async fn seen(tenant: &str, plugin: &Plugin, call: &str) -> (u16, String) {
    ask_for(tenant, plugin, &format!("/probe/{call}"), "").await.unwrap()
}

fn settings(value: Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_and_budgets_of_one_are_not_those_of_another() {
    let lab = Lab::new();
    let budget =
        |amount| BTreeMap::from([("tokens".to_owned(), Budget { amount, per: Span::seconds(1 << 32) })]);
    let setup = Setup {
        all: Own { settings: settings(json!({"tone": "plain", "size": 1})), quota: budget(10) },
        tenants: BTreeMap::from([(
            "acme".to_owned(),
            Own { settings: settings(json!({"tone": "acme's secret"})), quota: budget(99) },
        )]),
    };
    let grant = "[[grant]]\nplugin = 'probe'\ndigest = 'DIGEST'\nquota = ['tokens']";
    let probe = lab.granted_and_set("[asks]\nquota = ['tokens']", grant, setup);
    for (tenant, tone, amount) in [("acme", "\"acme's secret\"", "99"), ("other", "\"plain\"", "10")] {
        assert_eq!(seen(tenant, &probe, "setting?key=tone").await.1, tone);
        assert_eq!(seen(tenant, &probe, "setting?key=size").await.1, "1");
        assert_eq!(seen(tenant, &probe, "remaining?budget=tokens").await.1, amount);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_to_one_is_none_to_another() {
    let lab = Lab::new();
    let grant = "[[grant]]\nplugin = 'probe'\ndigest = 'DIGEST'\ntenant = 'acme'\nkv = true";
    let probe = lab.granted(ASKS_ALL, grant);
    assert_eq!(seen("acme", &probe, "kv-set?key=k&value=acme-value").await, (200, "set".to_owned()));
    let (status, text) = seen("other", &probe, "kv-get?key=k").await;
    assert_eq!(status, 409);
    // The words of the refusal say nothing of the other one.
    assert!(text.starts_with("ErrorKind::Denied") && !text.contains("acme"), "{text}");
    assert!(probe.granted_to("acme").given.kv && !probe.granted_to("other").given.kv);
    // A tenant whose own entry grants less gets less, and is told about its own entry.
    let both = format!("{grant}\n[[grant]]\nplugin = 'probe'\ndigest = 'DIGEST'\nkv = true\nmodels = true");
    let probe = lab.granted(ASKS_ALL, &both);
    assert_eq!(seen("other", &probe, "kv-get?key=k").await, (200, "nothing".to_owned()));
    assert_eq!(seen("other", &probe, "models").await.0, 200);
    let (status, text) = seen("acme", &probe, "models").await;
    assert_eq!(status, 409);
    assert!(text.ends_with("tenant = \"acme\"\nmodels = true\nkv = true"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_of_one_is_gone_before_the_next() {
    // One place in the pool, so that both have the same memory.
    let lab = Lab::with(|config| config.calls = 1);
    let module = "(memory 16)
        (func (export \"run\") (result i32) (local $at i32) (local $end i32)
            (drop (memory.grow (i32.const 200)))
            (local.set $end (i32.mul (memory.size) (i32.const 65536)))
            (loop $next
                (if (i64.ne (i64.load (local.get $at)) (i64.const 0)) (then (return (i32.const 1))))
                (i64.store (local.get $at) (i64.const 0x5e5e5e5e5e5e5e5e))
                (local.set $at (i32.add (local.get $at) (i32.const 8)))
                (br_if $next (i32.lt_u (local.get $at) (local.get $end))))
            (i32.const 0))";
    let plugin = lab.load(&manifest("scan", "[roles.command]", ""), crate::limits::run_of(module)).unwrap();
    for tenant in ["acme", "other", "acme"] {
        assert_eq!(plugin.command(caller(tenant), vec![]).await.unwrap(), 0, "{tenant}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn globals_and_tables_of_one_are_gone_before_the_next() {
    let lab = Lab::with(|config| config.calls = 1);
    let module =
        "(global $seen (mut i32) (i32.const 0)) (table $t 10 100 funcref) (func $f) (elem declare func $f)
        (func (export \"run\") (result i32)
            (if (global.get $seen) (then (return (i32.const 1))))
            (if (i32.eqz (ref.is_null (table.get $t (i32.const 5)))) (then (return (i32.const 1))))
            (global.set $seen (i32.const 1))
            (table.set $t (i32.const 5) (ref.func $f))
            (i32.const 0))";
    let plugin = lab.load(&manifest("scan", "[roles.command]", ""), crate::limits::run_of(module)).unwrap();
    for tenant in ["acme", "other"] {
        assert_eq!(plugin.command(caller(tenant), vec![]).await.unwrap(), 0, "{tenant}");
    }
}
