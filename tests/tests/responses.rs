//! Responses that the gateway stores: within its bounds, and for the tenant that made them.

use inferno_tests::{Server, TestContext};
use serde_json::{Value, json};

fn parrot() -> TestContext {
    let context = TestContext::new();
    context.echo_model("parrot", "{}");
    context
}

/// Makes a response and gives it.
#[track_caller]
fn respond(server: &Server, body: &Value) -> Value {
    let answer = server.post("/v1/responses", body);
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

fn status(server: &Server, id: &Value) -> u16 {
    server.get(&format!("/v1/responses/{}", id.as_str().unwrap())).status
}

#[test]
fn the_oldest_make_room_and_what_is_too_large_is_not_stored() {
    let context = parrot();
    let server = context.serve(&[]);
    // With its echo each takes about a megabyte of the 64 that the plugin has.
    let ask = json!({"model": "parrot", "input": "x".repeat(500_000)});
    let made: Vec<Value> = (0..70).map(|_| respond(&server, &ask)).collect();
    assert!(made.iter().all(|response| response["store"] == true), "each was stored");
    let kept: Vec<bool> = made.iter().map(|response| status(&server, &response["id"]) == 200).collect();
    assert!(!kept[0], "the first had to go");
    assert!(kept[20..].iter().all(|kept| *kept), "no more went than had to: {kept:?}");

    let large = respond(&server, &json!({"model": "parrot", "input": "x".repeat(1_100_000)}));
    assert_eq!(large["store"], false);
    assert_eq!(status(&server, &large["id"]), 404);
}

#[test]
fn they_outlive_the_server_and_are_gone_when_deleted() {
    let context = parrot();
    let server = context.serve(&[]);
    let id = respond(&server, &json!({"model": "parrot", "input": "hello"}))["id"].clone();
    drop(server);
    let server = context.serve(&[]);
    let next = json!({"model": "parrot", "input": "again", "previous_response_id": id});
    assert_eq!(respond(&server, &next)["previous_response_id"], id);
    let path = format!("/v1/responses/{}", id.as_str().unwrap());
    let deleted = server.send("DELETE", &path, &[], None).answer();
    assert_eq!(deleted.json(), json!({"id": id, "object": "response", "deleted": true}));
    assert_eq!(status(&server, &id), 404);
    let refusal = server.post("/v1/responses", &next).refusal(404);
    assert!(refusal.contains(id.as_str().unwrap()), "{refusal}");
}

#[test]
fn without_the_grant_nothing_is_stored_and_who_insists_is_refused() {
    let context = parrot();
    context.product(&["plugin", "revoke", "gateway", "kv"]);
    let server = context.serve(&[]);
    let ask = json!({"model": "parrot", "input": "hello"});
    assert_eq!(respond(&server, &ask)["store"], false);
    let insisting = json!({"model": "parrot", "input": "hello", "store": true});
    let refusal = server.post("/v1/responses", &insisting).refusal(403);
    assert!(refusal.contains("kv"), "{refusal}");
}
