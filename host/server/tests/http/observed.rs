//! `/health`, `/ready` and `/metrics`.

use std::sync::{Arc, Mutex};

use http::HeaderMap;
use inferno_sandbox::{Exposition, FigureKind};
use inferno_server::{Config, Host, MetricsAccess, ModelState};

use crate::kit::{Stub, TestServer, head, within};

/// A program whose model does what a test says.
#[derive(Clone, Default)]
struct Program(Arc<Mutex<Option<ModelState>>>);

impl Host for Program {
    fn model(&self) -> Option<ModelState> {
        *self.0.lock().unwrap()
    }

    fn figures(&self, text: &mut Exposition) {
        text.family("inferno_of_the_program", FigureKind::Gauge, "A figure.");
        text.sample("inferno_of_the_program", "", 7.0);
    }

    fn join_trace(&self, _: &tracing::Span, headers: &mut HeaderMap) {
        let joined = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        headers.insert("traceparent", joined.parse().unwrap());
    }
}

fn serve(program: &Program, config: Config) -> TestServer {
    let stub = Stub::new("/v1", |_, request| async move {
        let seen = request.headers().get("traceparent").map(|seen| seen.to_str().unwrap().to_owned());
        Ok(crate::kit::text(&seen.unwrap_or_default()))
    });
    TestServer::on_behalf_of(config, vec![stub.named("acme")], program.clone())
}

fn keeping(metrics: MetricsAccess) -> Config {
    Config { metrics, ..Config::default() }
}

#[tokio::test]
async fn a_server_is_not_ready_before_the_model_is_that_it_was_asked_to_load() {
    let program = Program::default();
    let server = serve(&program, Config::default());
    let health = server.get("/health", &[]).await;
    assert_eq!((health.status, health.body.as_str()), (200, r#"{"status":"ok"}"#));
    *program.0.lock().unwrap() = Some(ModelState::Loading(0.4));
    let health = server.get("/health", &[]).await;
    assert_eq!((health.status, health.header("retry-after")), (503, Some("1")));
    let expected = serde_json::json!({"status": "loading", "model": {"state": "loading", "progress": 0.4}});
    assert_eq!(health.json(), expected);
    let ready = server.get("/ready", &[]).await;
    assert_eq!((ready.status, ready.header("retry-after")), (503, Some("1")));
    let expected =
        serde_json::json!({"status": "not-ready", "reasons": ["the model is being loaded (40 %)"]});
    assert_eq!(ready.json(), expected);
    for (state, word) in [(ModelState::Unloaded, "unloaded"), (ModelState::Ready, "ready")] {
        *program.0.lock().unwrap() = Some(state);
        let health = server.get("/health", &[]).await;
        assert_eq!((health.status, &health.json()["model"]["state"]), (200, &word.into()));
        let ready = server.get("/ready", &[]).await;
        assert_eq!((ready.status, ready.body.as_str()), (200, r#"{"status":"ready"}"#));
    }
}

#[tokio::test]
async fn a_server_without_plugins_lives_and_is_not_ready() {
    let server = TestServer::start(Vec::new());
    assert_eq!(server.get("/health", &[]).await.status, 200);
    let ready = server.get("/ready", &[]).await;
    assert_eq!(ready.status, 503);
    assert_eq!(ready.json()["reasons"][0], "there is no plugin that answers requests");
}

#[tokio::test]
async fn requests_are_counted_by_where_whose_and_how() {
    let server = serve(&Program::default(), Config::default());
    let body = ["content-length: 5"];
    server.send(&(head("POST", "/v1/x", &body) + "12345")).await;
    server.get("/nowhere", &[]).await;
    // A request is counted once its answer is out, which may be a moment later than that the client has it.
    let expected = [
        r#"inferno_http_requests_total{method="POST",status="200",mount="/v1",plugin="acme",tenant="local"} 1"#,
        r#"inferno_http_requests_total{method="GET",status="404",mount="",plugin="",tenant=""} 1"#,
        r#"inferno_http_response_bytes_total{mount="/v1",plugin="acme",tenant="local"} 55"#,
        r#"inferno_http_request_duration_seconds_count{mount="/v1",plugin="acme"} 1"#,
        // This one.
        "inferno_http_requests_in_flight 1",
        "# TYPE inferno_http_request_duration_seconds histogram",
        "inferno_of_the_program 7",
    ];
    let mut text = String::new();
    within(async {
        while !expected.iter().all(|line| text.lines().any(|found| found == *line)) {
            let answer = server.get("/metrics", &[]).await;
            assert_eq!(answer.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
            text = answer.body;
        }
    })
    .await;
}

#[tokio::test]
async fn the_bytes_of_a_body_are_counted() {
    let server = TestServer::start(vec![Stub::counts("/v1").named("acme")]);
    server.send(&(head("POST", "/v1/x", &["content-length: 5"]) + "12345")).await;
    let line = r#"inferno_http_request_bytes_total{mount="/v1",plugin="acme",tenant="local"} 5"#;
    within(async { while !server.get("/metrics", &[]).await.body.lines().any(|found| found == line) {} })
        .await;
}

#[tokio::test]
async fn figures_are_for_keys_of_the_default_tenant() {
    let server = serve(&Program::default(), keeping(MetricsAccess::Key));
    assert_eq!(server.get("/metrics", &[]).await.status, 200, "there are no keys yet");
    let own = server.store.create_key("prometheus", "local").unwrap().secret;
    let other = server.store.create_key("acme", "acme").unwrap().secret;
    let with = async |key: &str| server.get("/metrics", &[&format!("authorization: Bearer {key}")]).await;
    assert_eq!(server.get("/metrics", &[]).await.status, 401);
    assert_eq!(with("inf-unknown").await.status, 401);
    let refused = with(&other).await;
    assert_eq!(refused.status, 403);
    assert!(refused.json()["detail"].as_str().unwrap().contains("keys of the tenant local"), "{refused:?}");
    assert_eq!(with(&own).await.status, 200);
    assert_eq!((server.get("/health", &[]).await.status, server.get("/ready", &[]).await.status), (200, 200));
}

#[tokio::test]
async fn figures_can_be_for_this_machine_for_anyone_and_for_nobody() {
    for (access, status) in
        [(MetricsAccess::Loopback, 200), (MetricsAccess::Anyone, 200), (MetricsAccess::Off, 404)]
    {
        let server = serve(&Program::default(), keeping(access));
        server.store.create_key("a", "local").unwrap();
        assert_eq!(server.get("/metrics", &[]).await.status, status, "{access:?}");
    }
}

#[tokio::test]
async fn a_plugin_sees_the_trace_that_the_host_joined() {
    let server = serve(&Program::default(), Config::default());
    let given = "traceparent: 00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01";
    let seen = server.get("/v1/x", &[given]).await.body;
    assert_eq!(seen, "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
}
