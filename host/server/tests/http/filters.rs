//! Filters around plugins, and plugins that change while they are served.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use futures::future::BoxFuture;
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use inferno_sandbox::{Body, Caller};
use inferno_server::{Config, Failure, Filter, Handler, Next, Source};
use tokio::sync::{Notify, Semaphore};

use crate::kit::{Stub, TestServer, head, text};

/// A filter that puts its name around what comes back, or refuses.
struct Tag {
    name: &'static str,
    path: &'static str,
    refuses: bool,
}

impl Filter for Tag {
    fn applies_to(&self) -> Vec<String> {
        vec![self.path.to_owned()]
    }

    fn handle<'a>(
        &'a self,
        _caller: Caller,
        request: Request<Body>,
        next: Next<'a>,
    ) -> BoxFuture<'a, Result<Response<Body>, Failure>> {
        Box::pin(async move {
            if self.refuses {
                let message = format!("{} says no", self.name);
                return Err(Failure { status: StatusCode::UNAVAILABLE_FOR_LEGAL_REASONS, message });
            }
            let body = next(request).await?.into_body().collect().await.unwrap().to_bytes();
            Ok(text(&format!("{}({})", self.name, String::from_utf8_lossy(&body))))
        })
    }
}

/// Plugins that a test puts in and takes out.
#[derive(Clone, Default)]
struct Plugins(Arc<Inner>);

#[derive(Default)]
struct Inner {
    generation: AtomicU64,
    handlers: Mutex<Vec<Arc<dyn Handler>>>,
    filters: Mutex<Vec<Arc<dyn Filter>>>,
}

impl Plugins {
    fn set(&self, handlers: Vec<Stub>, filters: Vec<Tag>) {
        let handlers = handlers.into_iter().map(|stub| Arc::new(stub) as Arc<dyn Handler>).collect();
        *self.0.handlers.lock().unwrap() = handlers;
        let filters = filters.into_iter().map(|tag| Arc::new(tag) as Arc<dyn Filter>).collect();
        *self.0.filters.lock().unwrap() = filters;
        self.0.generation.fetch_add(1, SeqCst);
    }
}

impl Source for Plugins {
    fn generation(&self) -> u64 {
        self.0.generation.load(SeqCst)
    }

    fn handlers(&self) -> Vec<Arc<dyn Handler>> {
        self.0.handlers.lock().unwrap().clone()
    }

    fn filters(&self) -> Vec<Arc<dyn Filter>> {
        self.0.filters.lock().unwrap().clone()
    }
}

fn tag(name: &'static str, path: &'static str) -> Tag {
    Tag { name, path, refuses: false }
}

fn serve(handlers: Vec<Stub>, filters: Vec<Tag>) -> (TestServer, Plugins) {
    let plugins = Plugins::default();
    plugins.set(handlers, filters);
    (TestServer::serving(Config::default(), plugins.clone()), plugins)
}

#[tokio::test]
async fn filters_stand_around_their_paths_in_order() {
    let filters = vec![tag("a", "/v1/chat"), tag("b", "/"), tag("c", "/v1/chat/completions")];
    let (server, _plugins) = serve(vec![Stub::says("/v1", "x")], filters);
    for (path, body) in [
        ("/v1/chat/completions", "a(b(c(x)))"),
        ("/v1/chat/completions/x", "a(b(c(x)))"),
        ("/v1/chat", "a(b(x))"),
        ("/v1/chatter", "b(x)"),
        ("/v1/models", "b(x)"),
        // No spelling gets around one.
        ("/v1/%63hat/completions/", "a(b(c(x)))"),
        ("/v1/chat%2Fcompletions", "a(b(c(x)))"),
        ("/v1%2fchat%2fcompletions", "nothing"),
    ] {
        let answer = server.get(path, &[]).await;
        if body == "nothing" {
            assert_eq!(answer.status, 404, "{path}");
        } else {
            assert_eq!(answer.body, body, "{path}");
        }
    }
    assert_eq!(server.get("/health", &[]).await.json()["status"], "ok");
}

#[tokio::test]
async fn what_a_filter_cannot_look_into_is_refused() {
    let talking = || Stub::says("/v1", "x").talking_at("/v1/talk");
    let wish = [
        "connection: upgrade",
        "upgrade: websocket",
        "sec-websocket-version: 13",
        "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==",
    ];
    for (path, status) in [("/v1", 403), ("/v1/talk", 403), ("/v1/other", 101)] {
        let (server, _plugins) = serve(vec![talking()], vec![tag("a", path)]);
        let mut client = server.connect().await;
        client.write(head("GET", "/v1/talk", &wish)).await;
        let answer = client.read_until("\r\n\r\n").await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{path}: {answer}");
    }
}

#[tokio::test]
async fn a_refusal_is_worded_as_the_mount_would() {
    let refusing = Tag { name: "guard", path: "/v1", refuses: true };
    let (server, _plugins) = serve(vec![Stub::says("/v1", "x")], vec![tag("a", "/v1"), refusing]);
    let answer = server.get("/v1/x", &[]).await;
    assert_eq!(answer.status, 451);
    assert_eq!(answer.json()["oops"]["text"], "guard says no");
}

#[tokio::test]
async fn requests_end_on_the_version_that_they_began_with() {
    let (began, go_on) = (Arc::new(Semaphore::new(0)), Arc::new(Notify::new()));
    let old = {
        let (began, go_on) = (Arc::clone(&began), Arc::clone(&go_on));
        Stub::new("/v1", move |_, _| {
            let (began, go_on) = (Arc::clone(&began), Arc::clone(&go_on));
            async move {
                began.add_permits(1);
                go_on.notified().await;
                Ok(text("old"))
            }
        })
    };
    let (server, plugins) = serve(vec![old], vec![]);
    let mut under_way = server.connect().await;
    under_way.write(head("GET", "/v1/x", &[])).await;
    crate::kit::within(began.acquire()).await.unwrap().forget();
    plugins.set(vec![Stub::says("/v1", "new"), Stub::says("/v2", "more")], vec![tag("f", "/v2")]);
    assert_eq!(server.get("/v1/x", &[]).await.body, "new");
    assert_eq!(server.get("/v2/x", &[]).await.body, "f(more)");
    go_on.notify_one();
    assert_eq!(under_way.answer().await.body, "old");
    // The same connection, another request.
    under_way.write(head("GET", "/v1/x", &[])).await;
    assert_eq!(under_way.answer().await.body, "new");
    plugins.set(vec![], vec![]);
    assert_eq!(server.get("/v1/x", &[]).await.status, 404);
}

#[tokio::test]
async fn a_plugin_that_cannot_be_mounted_later_does_not_disturb_the_others() {
    let (server, plugins) = serve(vec![Stub::says("/v1", "a").named("a")], vec![]);
    plugins.set(
        vec![
            Stub::says("/v1", "a").named("a"),
            Stub::says("/v1", "thief").named("thief"),
            Stub::says("/health", "thief").named("thief"),
            Stub::says("/v2", "b").named("b"),
        ],
        vec![],
    );
    assert_eq!(server.get("/v1/x", &[]).await.body, "a");
    assert_eq!(server.get("/v2/x", &[]).await.body, "b");
    assert_eq!(server.get("/health", &[]).await.json()["status"], "ok");
}
