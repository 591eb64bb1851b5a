//! A sandbox with everything behind it, and ways to call plugins and look at what comes back.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use inferno_backend::Backends;
use inferno_inference::{Inference, WorkerCommand};
use inferno_models::Models;
use inferno_sandbox::{
    Body, BodyError, Caller, Config, Error, Grants, Origin, Package, Plugin, Sandbox, Services, Setup,
};
use inferno_store::Store;
use serde_json::{Map, Value};
use tempfile::TempDir;

use crate::guests::{PROBE, guest};

/// Set in the environment of this executable where it is to be a worker.
const WORKER: &str = "INFERNO_TEST_WORKER";

/// How long something may take to happen on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

const PLUGIN: &str = "version = '1.0.0'\ndescription = 'x'\nlicense = 'MIT'\nwit = '0.1'\n";
pub(crate) const ASKS_ALL: &str =
    "[asks]\ninference = { models = ['*'] }\nmodels = true\nmodel_control = true\nkv = true\n";

pub(crate) struct Lab {
    folder: TempDir,
    pub(crate) sandbox: Sandbox,
    pub(crate) services: Services,
}

impl Lab {
    pub(crate) fn new() -> Self {
        Self::with(|_| ())
    }

    pub(crate) fn with(change: impl FnOnce(&mut Config)) -> Self {
        Self::serving(|config, _| change(config))
    }

    pub(crate) fn serving(change: impl FnOnce(&mut Config, &mut Services)) -> Self {
        let folder = TempDir::new().unwrap();
        let models = Models::new(inferno_models::Config {
            dirs: vec![folder.path().to_owned()],
            hf_cache: None,
            foreign: Vec::new(),
            builtin: None,
        });
        let args = ["lab::become_a_worker", "--exact", "--ignored", "--nocapture", "--test-threads=1"];
        let mut inference = inferno_inference::Config::new(WorkerCommand {
            program: std::env::current_exe().unwrap(),
            args: args.map(Into::into).to_vec(),
        });
        inference.env.push((WORKER.into(), "yes".into()));
        let mut services = Services::new(Inference::new(models, inference), Store::in_memory().unwrap());
        // All tests share compiled components.
        let mut config = Config::new(Path::new(env!("CARGO_TARGET_TMPDIR")).join("sandbox"));
        config.calls = 8;
        change(&mut config, &mut services);
        let sandbox = Sandbox::new(config, services.clone()).unwrap();
        Self { folder, sandbox, services }
    }

    /// Adds a model that echoes; 0 tokens per second means as many as it can.
    pub(crate) fn model(&self, name: &str, tokens_per_second: u32) {
        let text = format!(
            "inferno-echo\n{{\"tokens_per_second\": {tokens_per_second}, \"context\": 100000, \"embedding\": 8}}\n"
        );
        std::fs::write(self.folder.path().join(format!("{name}.echo")), text).unwrap();
    }

    /// Adds a model that echoes, and sees how large images are.
    pub(crate) fn seer(&self, name: &str) {
        let text = "inferno-echo\n{\"vision\": true}\n";
        std::fs::write(self.folder.path().join(format!("{name}.echo")), text).unwrap();
    }

    /// The probe, with this after `[plugin]` and `[roles]`, granted what it asks for.
    pub(crate) fn probe(&self, rest: &str) -> Plugin {
        self.load(&manifest("probe", "[roles.http]\nmounts = ['/probe']", rest), guest(PROBE)).unwrap()
    }

    /// A plugin that counts as bundled, so that it has what it asks for.
    pub(crate) fn load(&self, manifest: &str, wasm: Vec<u8>) -> Result<Plugin, Error> {
        self.sandbox.load(Package::new(manifest, wasm, Origin::Bundled)?, &Grants::default(), Map::new())
    }

    /// The probe as a file, for which these grants count; `DIGEST` in them stands for its digest.
    pub(crate) fn granted(&self, asks: &str, grants: &str) -> Plugin {
        self.granted_and_set(asks, grants, Map::new())
    }

    /// The same, for what the user also set something.
    pub(crate) fn granted_and_set(&self, asks: &str, grants: &str, setup: impl Into<Setup>) -> Plugin {
        let manifest = manifest("probe", "[roles.http]\nmounts = ['/probe']", asks);
        self.granted_to(&manifest, PROBE, grants, setup)
    }

    /// A guest as a file, for which these grants count.
    pub(crate) fn granted_to(
        &self,
        manifest: &str,
        name: &str,
        grants: &str,
        setup: impl Into<Setup>,
    ) -> Plugin {
        let package = Package::new(manifest, guest(name), Origin::File("/plugins/x".into())).unwrap();
        let grants = Grants::parse("grants.toml", &grants.replace("DIGEST", package.digest())).unwrap();
        self.sandbox.load(package, &grants, setup).unwrap()
    }

    pub(crate) fn with_settings(&self, settings: &Value) -> Plugin {
        let manifest = manifest("probe", "[roles.http]\nmounts = ['/probe']", "");
        self.load_with(&manifest, guest(PROBE), settings)
    }

    pub(crate) fn load_with(&self, manifest: &str, wasm: Vec<u8>, settings: &Value) -> Plugin {
        let package = Package::new(manifest, wasm, Origin::Bundled).unwrap();
        self.sandbox.load(package, &Grants::default(), settings.as_object().unwrap().clone()).unwrap()
    }

    /// How many requests the models work on.
    pub(crate) fn active(&self) -> usize {
        self.services.inference.loaded().iter().map(|model| model.active).sum()
    }
}

/// A manifest with these roles and this after them.
pub(crate) fn manifest(name: &str, roles: &str, rest: &str) -> String {
    format!("[plugin]\nname = '{name}'\n{PLUGIN}{roles}\n{rest}")
}

pub(crate) fn caller(tenant: &str) -> Caller {
    Caller { tenant: tenant.into(), request_id: "req-1".into(), background: false }
}

pub(crate) fn body(text: &str) -> Body {
    Full::new(Bytes::from(text.to_owned())).map_err(|never| match never {}).boxed_unsync()
}

pub(crate) fn request(uri: &str, body: Body) -> http::Request<Body> {
    http::Request::post(uri).body(body).unwrap()
}

/// Asks for the whole answer.
pub(crate) async fn ask(plugin: &Plugin, uri: &str, text: &str) -> Result<(u16, String), Error> {
    ask_for("local", plugin, uri, text).await
}

pub(crate) async fn ask_for(
    tenant: &str,
    plugin: &Plugin,
    uri: &str,
    text: &str,
) -> Result<(u16, String), Error> {
    let response = plugin.handle(caller(tenant), request(uri, body(text))).await?;
    let status = response.status().as_u16();
    let (text, end) = read(response.into_body()).await;
    match end {
        None => Ok((status, text)),
        Some(BodyError::Plugin(error)) => Err(error),
        Some(other) => panic!("{other}"),
    }
}

/// What can be read of a body, and how it broke off.
pub(crate) async fn read(mut body: Body) -> (String, Option<BodyError>) {
    let mut text = String::new();
    while let Some(frame) = body.frame().await {
        match frame {
            Ok(frame) => text.push_str(&String::from_utf8_lossy(frame.data_ref().unwrap())),
            Err(error) => return (text, Some(error)),
        }
    }
    (text, None)
}

/// The answer with status 200, or the test fails.
pub(crate) async fn ok(plugin: &Plugin, uri: &str, text: &str) -> String {
    let (status, text) = ask(plugin, uri, text).await.unwrap();
    assert_eq!(status, 200, "{text}");
    text
}

/// Waits for a condition.
pub(crate) async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let wait = async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.unwrap_or_else(|_| panic!("never came true: {what}"));
}

#[test]
#[ignore = "this is what the other tests start as their worker"]
fn become_a_worker() {
    if std::env::var_os(WORKER).is_none() {
        return;
    }
    let served = inferno_backend::worker::run(Backends::new(vec![inferno_backend_echo::backend()], None));
    // The test harness has nothing to add to the end of a worker.
    std::process::exit(i32::from(served.is_err()));
}
