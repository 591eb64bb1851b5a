//! Folders that plugins have of their own: durable, and apart for each plugin and tenant.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use inferno_sandbox::{ErrorKind, Plugin};
use serde_json::Map;
use tempfile::TempDir;

use crate::guests::{PROBE, VERB};
use crate::lab::{Lab, ask, ask_for, caller, manifest};
use crate::log::Captured;

fn lab(root: &TempDir) -> Lab {
    Lab::with(|config| config.data_dir = Some(root.path().join("plugin-data")))
}

fn probe(lab: &Lab, name: &str, grants: &str) -> Plugin {
    let manifest = manifest(name, "[roles.http]\nmounts = ['/probe']", "[asks]\ndata = true");
    let grants = format!("[[grant]]\nplugin = '{name}'\ndigest = 'DIGEST'\n{grants}");
    lab.granted_to(&manifest, PROBE, &grants, Map::new())
}

/// The status and the text for something that is done with files.
async fn files(plugin: &Plugin, tenant: &str, call: &str) -> (u16, String) {
    ask_for(tenant, plugin, &format!("/probe/files?{call}"), "").await.unwrap()
}

const WRITE: &str = "do=write&path=/data/mine";
const READ: &str = "do=read&path=/data/mine";

#[tokio::test(flavor = "multi_thread")]
async fn what_is_kept_outlives_the_call_and_is_private() {
    let root = TempDir::new().unwrap();
    let granted = "data = true";
    assert_eq!(files(&probe(&lab(&root), "one", granted), "local", WRITE).await.0, 200);
    // Another process, as it were.
    let again = probe(&lab(&root), "one", granted);
    assert_eq!(files(&again, "local", READ).await, (200, "by the plugin".to_owned()));
    let folder = root.path().join("plugin-data/one/local");
    assert_eq!(fs::read_to_string(folder.join("mine")).unwrap(), "by the plugin");
    for part in folder.ancestors().take(3) {
        assert_eq!(fs::metadata(part).unwrap().permissions().mode() & 0o777, 0o700, "{}", part.display());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tenants_and_plugins_are_apart() {
    let root = TempDir::new().unwrap();
    let lab = lab(&root);
    let (one, two) = (probe(&lab, "one", "data = true"), probe(&lab, "two", "data = true"));
    assert_eq!(files(&one, "acme", WRITE).await.0, 200);
    for (plugin, tenant) in [(&one, "local"), (&one, "ACME"), (&one, "../one/acme"), (&two, "acme")] {
        assert_eq!(files(plugin, tenant, READ).await.0, 409, "{} {tenant}", plugin.name());
        for path in ["/data/../acme/mine", "/data/../../one/acme/mine", "/../acme/mine"] {
            assert_eq!(files(plugin, tenant, &format!("do=read&path={path}")).await.0, 409, "{path}");
        }
    }
    assert_eq!(files(&one, "acme", READ).await.0, 200);
    let names = |folder: &str| {
        let entries = fs::read_dir(root.path().join(folder)).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    };
    assert_eq!(names("plugin-data"), ["one", "two"]);
    assert_eq!(names("plugin-data/one"), ["%2E.%2Fone%2Facme", "%41%43%4D%45", "acme", "local"]);
}

#[tokio::test]
async fn without_a_grant_there_is_none_and_the_log_says_so() {
    let captured = Captured::default();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(captured.clone()).finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let root = TempDir::new().unwrap();
    let lab = lab(&root);
    assert_eq!(files(&probe(&lab, "one", ""), "local", WRITE).await.0, 409);
    assert!(!root.path().join("plugin-data").exists());
    let text = captured.text();
    let line = text.lines().find(|line| line.contains("inferno::denied")).unwrap();
    assert!(
        line.contains("asks for a folder of its own as \"/data\", which the user has not granted"),
        "{line}"
    );
    assert!(line.contains("data = true"), "{line}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_may_be_granted_it_alone() {
    let root = TempDir::new().unwrap();
    let one = probe(&lab(&root), "one", "tenant = 'acme'\ndata = true");
    assert_eq!(files(&one, "acme", WRITE).await.0, 200);
    assert_eq!(files(&one, "local", WRITE).await.0, 409);
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_have_theirs_too() {
    let root = TempDir::new().unwrap();
    let lab = lab(&root);
    let manifest = manifest("verb", "[roles.command]", "[asks]\ndata = true");
    let grants = "[[grant]]\nplugin = 'verb'\ndigest = 'DIGEST'\ndata = true";
    let verb = lab.granted_to(&manifest, VERB, grants, Map::new());
    let words = ["files", "write", "/data/x", "kept"].map(str::to_owned).to_vec();
    assert_eq!(verb.command(caller("local"), words).await.unwrap(), 0);
    assert_eq!(fs::read_to_string(root.path().join("plugin-data/verb/local/x")).unwrap(), "kept");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_keeps_nothing_says_so() {
    let lab = Lab::new();
    let error = ask(&probe(&lab, "one", "data = true"), "/probe/hello", "").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Host);
    assert_eq!(error.to_string(), "plugin \"one\" cannot be lent a folder of its own: this host keeps none");
}
