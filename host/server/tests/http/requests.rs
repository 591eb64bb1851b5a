//! Where requests go, what they are called, and what the host answers by itself.

use http::{HeaderValue, Response, StatusCode};
use inferno_server::{Config, Error, Failure, Server};
use inferno_store::Store;

use crate::kit::{Stub, TestServer, head, text};

fn echoes_target() -> Stub {
    Stub::new("/v1", |_, request| async move { Ok(text(&request.uri().to_string())) })
}

#[tokio::test]
async fn every_answer_carries_the_requests_name() {
    let stub = Stub::new("/v1", |caller, request| async move {
        let header = request.headers()["x-request-id"].to_str().unwrap().to_owned();
        assert_eq!(header, caller.request_id);
        let mut answer = text(&header);
        answer.headers_mut().insert("x-request-id", HeaderValue::from_static("plugins-do-not-choose"));
        Ok(answer)
    });
    let server = TestServer::start(vec![stub]);
    let kept = server.get("/v1/x", &["x-request-id: mine-1"]).await;
    assert_eq!((kept.body.as_str(), kept.header("x-request-id")), ("mine-1", Some("mine-1")));
    let made = server.get("/v1/x", &["x-request-id: not fit"]).await;
    assert!(made.body.starts_with("req_"));
    assert_eq!(made.header("x-request-id"), Some(made.body.as_str()));
    for path in ["/health", "/nowhere", "/v1//x"] {
        assert_eq!(server.get(path, &["x-request-id: mine-2"]).await.header("x-request-id"), Some("mine-2"));
    }
}

#[tokio::test]
async fn health_is_the_hosts() {
    let server = TestServer::start(vec![Stub::says("/", "root")]);
    let get = server.get("/health", &[]).await;
    assert_eq!((get.status, get.header("content-type")), (200, Some("application/json")));
    assert_eq!(get.json()["status"], "ok");
    let mut client = server.connect().await;
    client.write(head("HEAD", "/health", &["connection: close"])).await;
    let raw = String::from_utf8(client.rest().await).unwrap();
    assert!(raw.starts_with("HTTP/1.1 200") && raw.ends_with("\r\n\r\n"), "{raw:?}");
    let post = server.send(&head("POST", "/health", &["content-length: 0"])).await;
    assert_eq!((post.status, post.header("allow")), (405, Some("GET, HEAD, OPTIONS")));
    let options = server.send(&head("OPTIONS", "/health", &[])).await;
    assert_eq!((options.status, options.header("allow")), (204, Some("GET, HEAD, OPTIONS")));
}

#[tokio::test]
async fn the_longest_mount_wins() {
    let server = TestServer::start(vec![
        Stub::says("/v1", "short").named("a"),
        Stub::says("/v1/audio", "long").named("b"),
    ]);
    for (path, wanted) in [
        ("/v1", "short"),
        ("/v1/", "short"),
        ("/v1/chat", "short"),
        ("/v1/audiobook", "short"),
        ("/v1/audio", "long"),
        ("/v1/audio/speech?x=1", "long"),
        ("/v1/%61udio/x", "long"),
        ("/%761/%61%75dio", "long"),
        ("/v1%2Faudio", ""),
        ("/v1/audio%2Fspeech", "short"),
    ] {
        let answer = server.get(path, &[]).await;
        let got = if answer.status == 404 { "" } else { answer.body.as_str() };
        assert_eq!(got, wanted, "{path}");
    }
}

#[tokio::test]
async fn unmounted_paths_are_a_problem_that_lists_the_mounts() {
    let server = TestServer::start(vec![echoes_target()]);
    for method in ["GET", "POST", "DELETE"] {
        let answer = server.send(&head(method, "/v2/x", &["content-length: 0"])).await;
        assert_eq!((answer.status, answer.header("content-type")), (404, Some("application/problem+json")));
        let problem = answer.json();
        assert_eq!((&problem["status"], &problem["kind"]), (&404.into(), &"not-found".into()));
        assert!(problem["detail"].as_str().unwrap().contains("/v1"), "{problem}");
    }
}

#[tokio::test]
async fn tricky_paths_reach_nobody() {
    let server = TestServer::start(vec![Stub::says("/", "root"), echoes_target()]);
    for path in [
        "//v1/x",
        "/v1//x",
        "/v1/../admin",
        "/v1/%2e%2e/admin",
        "/v1/..%2F..%2Fetc/passwd",
        "/v1/%zz",
        "/%00",
    ] {
        let answer = server.get(path, &[]).await;
        assert_eq!(answer.status, 400, "{path}: {answer:?}");
    }
    assert!(
        server.get("/v1/../admin", &[]).await.oops().contains(".."),
        "in the words of the mount it pretends to"
    );
    let encoded = server.get("/v1/models/org%2Fname?q=%2e", &[]).await;
    assert_eq!(encoded.body, "/v1/models/org%2Fname?q=%2e", "a plain path arrives as it was sent");
}

#[tokio::test]
async fn methods_of_proxies_and_missing_hosts_are_refused() {
    let server = TestServer::start(vec![echoes_target()]);
    assert_eq!(server.send(&head("TRACE", "/v1/x", &[])).await.status, 405);
    assert_eq!(server.send("CONNECT example.org:443 HTTP/1.1\r\nhost: localhost\r\n\r\n").await.status, 405);
    let hostless = server.send("GET /v1/x HTTP/1.1\r\n\r\n").await;
    assert_eq!(hostless.status, 400);
    assert!(hostless.oops().contains("Host"));
    assert_eq!(server.send("not http at all\r\n\r\n").await.status, 400);
}

#[tokio::test]
async fn what_concerns_the_connection_stays_with_the_host() {
    let stub = Stub::new("/v1", |_, request| async move {
        let seen =
            ["connection", "te", "keep-alive"].iter().any(|name| request.headers().contains_key(*name));
        let mut answer = text(&format!("seen={seen}"));
        for (name, value) in
            [("connection", "upgrade"), ("upgrade", "x"), ("content-length", "3"), ("x-own", "1")]
        {
            answer.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        Ok(answer)
    });
    let server = TestServer::start(vec![stub]);
    let mut client = server.connect().await;
    for _ in 0..3 {
        client
            .write(head("GET", "/v1/x", &["te: trailers", "keep-alive: 1", "connection: keep-alive"]))
            .await;
        let answer = client.answer().await;
        assert_eq!((answer.status, answer.body.as_str()), (200, "seen=false"));
        assert_eq!(answer.header("content-length"), Some("10"), "a wrong length is corrected");
        assert_eq!((answer.header("connection"), answer.header("upgrade")), (None, None));
        assert_eq!(answer.header("x-own"), Some("1"));
    }
}

#[tokio::test]
async fn a_failing_plugin_is_answered_for_in_its_own_form() {
    let stub = Stub::new("/v1", |_, request| async move {
        match request.uri().path() {
            "/v1/panic" => panic!("on purpose"),
            "/v1/switch" => {
                let mut answer = text("");
                *answer.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
                Ok(answer)
            }
            "/v1/busy" => {
                Err(Failure { status: StatusCode::SERVICE_UNAVAILABLE, message: "too \"busy\"".into() })
            }
            _ => Ok(Response::new(text("fine").into_body())),
        }
    });
    let server = TestServer::start(vec![stub]);
    let mut client = server.connect().await;
    for (path, status) in [("/v1/panic", 500), ("/v1/switch", 500), ("/v1/busy", 503)] {
        client.write(head("GET", path, &[])).await;
        let answer = client.answer().await;
        assert_eq!(answer.status, status, "{answer:?}");
        answer.oops();
    }
    client.write(head("GET", "/v1/busy", &[])).await;
    let busy = client.answer().await;
    assert_eq!((busy.oops().as_str(), busy.header("retry-after")), ("too \"busy\"", Some("1")));
    client.write(head("GET", "/v1/fine", &[])).await;
    assert_eq!(client.answer().await.body, "fine", "the same connection goes on");
}

#[tokio::test]
async fn an_exact_path_has_nothing_below_it_and_gives_way_to_a_mount() {
    let one = || Stub::says("/one", "one").named("one").also_at("/");
    let server = TestServer::start(vec![one()]);
    let mut client = server.connect().await;
    for (path, status) in [("/", 200), ("/one/x", 200), ("/x", 404), ("/on", 404)] {
        client.write(head("GET", path, &[])).await;
        assert_eq!(client.answer().await.status, status, "{path}");
    }
    let server = TestServer::start(vec![one(), Stub::says("/", "all").named("two")]);
    let mut client = server.connect().await;
    for (path, says) in [("/", "all"), ("/x", "all"), ("/one", "one")] {
        client.write(head("GET", path, &[])).await;
        assert_eq!(client.answer().await.body, says, "{path}");
    }
    let twice = vec![one(), Stub::says("/two", "").named("two").also_at("/")];
    let error = Server::bind(Config::default(), twice, Store::in_memory().unwrap()).map(|_| ()).unwrap_err();
    assert!(matches!(error, Error::MountTaken { .. }), "{error}");
}

#[tokio::test]
async fn mounts_are_checked_before_anything_is_served() {
    let bind = |stubs| Server::bind(Config::default(), stubs, Store::in_memory().unwrap()).map(|_| ());
    for path in [
        "v1",
        "/v1/",
        "//",
        "/v1/..",
        "/v%31",
        "/v1?x",
        "/health",
        "/health/x",
        "/ready",
        "/metrics",
        "/inferno/x",
        "/a b",
        "",
    ] {
        let error = bind(vec![Stub::says(path, "")]).unwrap_err();
        assert!(matches!(&error, Error::Mount { .. }) && error.to_string().contains(path), "{path}: {error}");
    }
    let error =
        bind(vec![Stub::says("/v1", "").named("one"), Stub::says("/v1", "").named("two")]).unwrap_err();
    assert!(matches!(error, Error::MountTaken { .. }));
    assert!(error.to_string().contains("one and two"), "{error}");
}
