//! `--json` on every listing, with the shape that programs rely on.

use std::fs;

use serde_json::Value;

use crate::harness::User;

/// The names of an object's members.
/// In the order of the alphabet.
fn keys(value: &Value) -> Vec<&str> {
    let mut keys: Vec<_> = value.as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    keys
}

#[test]
fn models_are_listed_with_the_demo_model_and_problems_apart() {
    let user = User::new().echo("parrot").file(".local/share/inferno/models/torn.gguf", "GGUF");
    let done = user.call(["models", "list", "--json"]);
    assert!(done.err.contains("torn.gguf is not listed"), "{done:#?}");
    let models = done.json();
    let names: Vec<&str> =
        models.as_array().unwrap().iter().map(|model| model["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["parrot", "storyteller"]);
    let storyteller = &models[1];
    assert_eq!(
        keys(storyteller),
        [
            "aliases",
            "architecture",
            "chats",
            "context_length",
            "format",
            "modified",
            "name",
            "parameters",
            "path",
            "quantization",
            "size",
            "vision",
        ]
    );
    assert_eq!((&storyteller["format"], &storyteller["architecture"]), (&"gguf".into(), &"llama".into()));
    assert_eq!(storyteller["chats"], true);
    let table = user.call(["models", "list"]).product();
    assert!(table.starts_with("NAME"), "{table}");
    assert!(!table.contains('\x1b'), "{table}");
}

#[test]
fn a_model_is_shown_by_name_and_by_file_with_its_digest() {
    let user = User::new();
    let info = user.call(["models", "info", "storyteller", "--json"]).json();
    let digest = info["digest"].as_str().unwrap();
    assert_eq!(digest.len(), "sha256:".len() + 64);
    assert!(info["header"]["chat_template"].is_string());
    let path = info["path"].as_str().unwrap();
    assert!(
        path.contains(&digest["sha256:".len()..][..16]),
        "the unpacked file is named by its digest: {path}"
    );
    assert_eq!(user.call(["models", "info", path, "--json"]).json()["digest"], digest);
    assert!(user.call(["models", "info", "storyteller"]).product().contains(digest));

    let refusal = user.call(["models", "info", "storytelller"]).refusal(1);
    assert!(refusal.contains("did you mean \"storyteller\"?"), "{refusal}");
    user.call(["models", "info", "../../etc/passwd"]).refusal(1);
}

#[test]
fn a_damaged_demo_model_is_replaced() {
    let user = User::new();
    let path =
        user.call(["models", "info", "storyteller", "--json"]).json()["path"].as_str().unwrap().to_owned();
    let whole = fs::read(&path).unwrap();
    let mut damaged = whole.clone();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 1;
    fs::write(&path, damaged).unwrap();
    user.call(["models", "list"]).product();
    assert!(fs::read(&path).unwrap() == whole, "the damaged file is still there");
}

#[test]
fn a_file_is_validated_check_by_check() {
    let user = User::new();
    let path =
        user.call(["models", "info", "storyteller", "--json"]).json()["path"].as_str().unwrap().to_owned();
    let report = user.call(["validate", &path, "--json"]).json();
    assert_eq!((&report["valid"], &report["format"]), (&true.into(), &"gguf".into()));
    assert!(report["checks"].as_array().unwrap().iter().all(|check| check["ok"] == true), "{report}");

    let whole = fs::read(&path).unwrap();
    let user = user.file("work/torn.gguf", &whole[..whole.len() / 2]).file("work/no.gguf", "hello");
    for file in ["torn.gguf", "no.gguf"] {
        let done = user.call(["validate", file, "--json"]);
        assert_eq!(done.status, Some(1), "{done:#?}");
        let report: Value = serde_json::from_str(&done.out).unwrap();
        assert_eq!(report["valid"], false, "{report}");
    }
    let done = user.call(["validate", "torn.gguf"]);
    assert!(done.out.contains("FAILED"), "{done:#?}");
    assert!(user.call(["validate", "missing.gguf"]).refusal(1).contains("missing.gguf"));
}

#[test]
fn backends_are_listed_with_formats_and_devices() {
    let user = User::new().file(".local/share/inferno/backends/libbroken.so", "not a library");
    let done = user.call(["backend", "list", "--json"]);
    let backends = done.json();
    let find =
        |name: &str| backends.as_array().unwrap().iter().find(|backend| backend["name"] == name).unwrap();
    for (name, format) in [("gguf", "gguf"), ("echo", "echo")] {
        let backend = find(name);
        assert_eq!(keys(backend), ["devices", "error", "formats", "name", "path", "version"]);
        assert_eq!(backend["formats"][0], format);
        assert!(backend["error"].is_null() && backend["path"].is_null(), "{backend}");
    }
    let broken = backends.as_array().unwrap().iter().find(|backend| backend["error"].is_string()).unwrap();
    assert!(broken["path"].as_str().unwrap().ends_with("libbroken.so"), "{broken}");
    assert!(user.call(["backend", "list"]).err.contains("libbroken.so"));
}

#[test]
fn keys_are_made_listed_without_secrets_and_removed() {
    let user = User::new();
    assert_eq!(user.call(["keys", "list", "--json"]).json(), serde_json::json!([]));
    let secret = user.call(["keys", "create", "laptop"]).product();
    assert!(secret.starts_with("inf-") && secret.lines().count() == 1, "{secret}");
    let made = user.call(["keys", "create", "phone", "--tenant", "family", "--json"]).json();
    assert_eq!((&made["name"], &made["tenant"]), (&"phone".into(), &"family".into()));
    let listed = user.call(["keys", "list", "--json"]).product();
    assert!(!listed.contains(secret.trim()) && !listed.contains("inf-"), "{listed}");
    let listed: Value = serde_json::from_str(&listed).unwrap();
    assert_eq!(listed.as_array().unwrap().len(), 2);
    assert_eq!(keys(&listed[0]), ["created", "id", "name", "tenant"]);
    user.call(["keys", "remove", "laptop"]).product();
    assert!(user.call(["keys", "remove", "laptop"]).refusal(1).contains("laptop"));
    assert_eq!(user.call(["keys", "list", "--json"]).json().as_array().unwrap().len(), 1);
}
