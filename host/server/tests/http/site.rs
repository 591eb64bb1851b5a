//! Web pages: names that a server does not answer to, and origins that may or may not use it.

use std::net::SocketAddr;

use inferno_server::Config;

use crate::kit::{Stub, TestServer, head};

fn server(hosts: &[&str], origins: &[&str]) -> TestServer {
    let list = |list: &[&str]| list.iter().map(|&text| text.to_owned()).collect();
    let config = Config { allowed_hosts: list(hosts), allowed_origins: list(origins), ..Config::default() };
    TestServer::with(config, vec![Stub::says("/v1", "fine")])
}

fn asked_as(host: &str) -> String {
    head("GET", "/v1/x", &[]).replacen("host: localhost", &format!("host: {host}"), 1)
}

#[tokio::test]
async fn on_a_loopback_address_only_names_of_this_machine_and_listed_ones() {
    let plain = server(&[], &[]);
    for host in ["localhost", "localhost:14633", "127.0.0.1:1", "[::1]:80", "127.1.2.3"] {
        assert_eq!(plain.send(&asked_as(host)).await.status, 200, "{host}");
    }
    for host in ["rebound.example", "rebound.example:80", "127.0.0.1.example", "10.0.0.1"] {
        let answer = plain.send(&asked_as(host)).await;
        assert_eq!(answer.status, 403, "{host}");
        let name = host.split(':').next().unwrap();
        assert!(
            answer.oops().ends_with(&format!("add \"{name}\" to the setting serve.allowed_hosts")),
            "{answer:?}"
        );
    }
    assert_eq!(plain.send("GET /health HTTP/1.1\r\nhost: rebound.example\r\n\r\n").await.status, 403);
    let two = "GET /v1/x HTTP/1.1\r\nhost: localhost\r\nhost: rebound.example\r\n\r\n";
    assert_ne!(plain.send(two).await.status, 200);

    let listed = server(&["box.lan"], &[]);
    assert_eq!(listed.send(&asked_as("Box.lan:14633")).await.status, 200);
    assert_eq!(listed.send(&asked_as("other.lan")).await.status, 403);
    assert_eq!(server(&["*"], &[]).send(&asked_as("other.lan")).await.status, 200);
}

#[tokio::test]
async fn a_server_for_others_answers_to_any_name_unless_some_are_listed() {
    let config = Config { addr: SocketAddr::from(([0, 0, 0, 0], 0)), ..Config::default() };
    let open = TestServer::with(config.clone(), vec![Stub::says("/v1", "fine")]);
    assert_eq!(open.send(&asked_as("box.lan")).await.status, 200);
    let config = Config { allowed_hosts: vec!["box.lan".to_owned()], ..config };
    let listed = TestServer::with(config, vec![Stub::says("/v1", "fine")]);
    assert_eq!(listed.send(&asked_as("box.lan")).await.status, 200);
    assert_eq!(listed.send(&asked_as("other.lan")).await.status, 403);
}

#[tokio::test]
async fn pages_of_other_sites_are_refused() {
    let server = server(&[], &[]);
    for origin in ["https://page.example", "http://page.example:14633", "null", "http://localhost.example"] {
        let answer = server.get("/v1/x", &[&format!("origin: {origin}")]).await;
        assert_eq!(answer.status, 403, "{origin}");
        let end = format!("add \"{origin}\" to the setting serve.allowed_origins");
        assert!(answer.oops().ends_with(&end), "{answer:?}");
        assert_eq!(answer.header("access-control-allow-origin"), None);
    }
    // Those of this machine are let in, and their browser shows them nothing.
    for origin in ["http://localhost:3000", "http://127.0.0.1:8080", "tauri://localhost"] {
        let answer = server.get("/v1/x", &[&format!("origin: {origin}")]).await;
        assert_eq!((answer.status, answer.header("access-control-allow-origin")), (200, None), "{origin}");
    }
    let own = head("GET", "/v1/x", &["origin: http://box.lan"]).replacen("localhost", "box.lan", 1);
    let by_name = self::server(&["box.lan"], &[]);
    assert_eq!(by_name.send(&own).await.status, 200, "a page of the server itself");
}

#[tokio::test]
async fn listed_pages_may_ask_and_see() {
    let server = server(&[], &["https://page.example", "http://localhost:3000"]);
    for origin in ["https://page.example", "http://localhost:3000"] {
        let line = format!("origin: {origin}");
        let answer = server.get("/v1/x", &[&line]).await;
        assert_eq!((answer.status, answer.body.as_str()), (200, "fine"));
        assert_eq!(answer.header("access-control-allow-origin"), Some(origin));
        assert_eq!(answer.header("vary"), Some("origin"));
        // A refusal, too, is for its eyes.
        let answer = server.get("/nowhere", &[&line]).await;
        assert_eq!((answer.status, answer.header("access-control-allow-origin")), (404, Some(origin)));
        let asks = [
            line.as_str(),
            "access-control-request-method: POST",
            "access-control-request-headers: authorization, content-type",
        ];
        let answer = server.send(&head("OPTIONS", "/v1/x", &asks)).await;
        assert_eq!((answer.status, answer.body.as_str()), (204, ""));
        assert_eq!(answer.header("access-control-allow-origin"), Some(origin));
        assert_eq!(answer.header("access-control-allow-headers"), Some("authorization, content-type"));
        assert!(answer.header("access-control-allow-methods").unwrap().contains("POST"));
    }
    let stranger = ["origin: https://other.example", "access-control-request-method: POST"];
    assert_eq!(server.send(&head("OPTIONS", "/v1/x", &stranger)).await.status, 403);
    // An OPTIONS that is no such question goes to the plugin.
    let answer = server.send(&head("OPTIONS", "/v1/x", &["origin: https://page.example"])).await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "fine"));
    assert_eq!(self::server(&[], &["*"]).get("/v1/x", &["origin: https://any.example"]).await.status, 200);
}
