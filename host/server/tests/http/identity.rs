//! Keys: not asked for until one exists, then always, and never shown to plugins.

use crate::kit::{Stub, TestServer, text};

fn tells_tenant() -> Stub {
    Stub::new("/v1", |caller, request| async move {
        let secret = ["authorization", "x-api-key"].iter().any(|name| request.headers().contains_key(*name));
        Ok(text(&format!("{} secret={secret}", caller.tenant)))
    })
}

#[tokio::test]
async fn without_keys_everybody_is_local_whatever_they_send() {
    let server = TestServer::start(vec![tells_tenant()]);
    for headers in [&[][..], &["authorization: Bearer sk-anything"], &["x-api-key: sk-anything"]] {
        let answer = server.get("/v1/x", headers).await;
        assert_eq!((answer.status, answer.body.as_str()), (200, "local secret=false"));
    }
}

#[tokio::test]
async fn keys_are_enforced_as_soon_as_one_exists() {
    let server = TestServer::start(vec![tells_tenant()]);
    assert_eq!(server.get("/v1/x", &[]).await.status, 200);
    let key = server.store.create_key("laptop", "acme").unwrap();

    let none = server.get("/v1/x", &[]).await;
    assert_eq!((none.status, none.header("www-authenticate")), (401, Some("Bearer realm=\"inferno\"")));
    assert!(none.oops().contains("Authorization: Bearer"), "{none:?}");
    let wrong = server.get("/v1/x", &["authorization: Bearer inf-wrong"]).await;
    assert_eq!(wrong.status, 401);
    assert!(!wrong.body.contains("inf-wrong"), "a refusal must not repeat a secret: {wrong:?}");

    for header in [
        format!("authorization: Bearer {}", key.secret),
        format!("Authorization: bearer {}", key.secret),
        format!("x-api-key: {}", key.secret),
    ] {
        let right = server.get("/v1/x", &[&header]).await;
        assert_eq!((right.status, right.body.as_str()), (200, "acme secret=false"));
    }
    assert_eq!(server.get("/health", &[]).await.status, 200, "health needs no key");

    let other = server.store.create_key("other", "else").unwrap();
    server.store.remove_key(&key.info.id).unwrap();
    let removed = server.get("/v1/x", &[&format!("x-api-key: {}", key.secret)]).await;
    assert_eq!(removed.status, 401, "a removed key ends at once");
    let left = server.get("/v1/x", &[&format!("x-api-key: {}", other.secret)]).await;
    assert_eq!(left.body, "else secret=false");
}
