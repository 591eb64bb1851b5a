//! What is loaded, what is kept of prompts, and what computes.

use std::fs;

use crate::harness::User;
use crate::serve::Server;

/// A system message that is worth keeping.
fn system() -> String {
    (0..14).map(|day| format!("The rabbit and the owl share their berries on day {day}. ")).collect()
}

#[test]
fn ps_shows_what_a_server_has_loaded_and_needs_a_key_where_there_are_some() {
    let user = User::new().echo("parrot");
    let refused = user.call(["ps", "--server", "http://127.0.0.1:9"]).refusal(1);
    assert!(refused.contains("no server answers at http://127.0.0.1:9") && refused.contains("inferno serve"));

    let server = Server::start(&user, &["--config", "inference.pinned=parrot"]);
    let url = format!("http://{}", server.address);
    assert_eq!(user.call(["ps", "--server", &url, "--json"]).json()["models"], serde_json::json!([]));
    let body = r#"{"model":"parrot","messages":[{"role":"user","content":"hi"}]}"#;
    let mut answer = String::new();
    let kind = "content-type: application/json\r\n";
    std::io::Read::read_to_string(&mut server.send("POST", "/v1/chat/completions", kind, body), &mut answer)
        .unwrap();
    assert!(answer.contains("200 OK"), "{answer}");
    let report = user.call(["ps", "--server", &url, "--json"]).json();
    let parrot = &report["models"][0];
    assert_eq!(
        (&parrot["name"], &parrot["pinned"], &parrot["expires"]),
        (&"parrot".into(), &true.into(), &().into())
    );
    assert_eq!(report["memory_used"], parrot["memory"]);
    let table = user.call(["ps", "--server", &url]).product();
    assert!(table.starts_with("NAME") && table.contains("never (pinned)"), "{table}");

    let key = user.call(["keys", "create", "me"]).product();
    let refused = user.call(["ps", "--server", &url]).refusal(1);
    assert!(refused.contains("needs a key") && refused.contains("--key"), "{refused}");
    user.call(["ps", "--server", &url, "--key", key.trim()]).product();
}

#[test]
fn prompts_are_kept_shown_and_removed() {
    let user = User::new();
    assert_eq!(user.call(["cache", "stats", "--json"]).json(), serde_json::json!([]));
    user.call(["cache", "warm", "storyteller", "--system", &system()]).product();
    let kept = user.call(["cache", "stats", "--json"]).json();
    assert_eq!((&kept[0]["model"], &kept[0]["files"]), (&"storyteller".into(), &1.into()), "{kept}");
    assert!(user.call(["cache", "stats"]).product().contains("storyteller"));
    let other = user.call(["cache", "clear", "nobody"]);
    assert_eq!(other.status, Some(1), "{other:?}");
    user.call(["cache", "clear", "storyteller"]).product();
    assert_eq!(user.call(["cache", "stats", "--json"]).json(), serde_json::json!([]));
    let off = ["cache", "warm", "storyteller", "--system", "a", "--config", "inference.prompt_cache=false"];
    assert!(user.call(off).refusal(1).contains("inference.prompt_cache is false"));
}

#[test]
fn how_prompts_are_packed_is_written_into_the_users_file() {
    let user = User::new().file(".config/inferno/config.toml", "# mine\n[inference]\nqueue = 3\n");
    user.call(["cache", "persist", "--compress", "gzip"]).product();
    let text = fs::read_to_string(user.home().join(".config/inferno/config.toml")).unwrap();
    assert!(text.starts_with("# mine\n[inference]\nqueue = 3\n"), "{text}");
    let shown = user.call(["config", "show", "--json"]).json();
    let value = |key: &str| {
        let entries = shown.as_array().unwrap();
        entries.iter().find(|entry| entry["key"] == key).unwrap()["value"].clone()
    };
    assert_eq!(value("inference.prompt_cache_compress"), "gzip");
    assert_eq!(value("inference.queue"), 3);
}

#[test]
fn processors_are_listed_or_it_is_said_where_was_looked() {
    let user = User::new();
    let probes = user.call(["gpu", "list", "--json"]).json();
    let interfaces: Vec<&str> =
        probes.as_array().unwrap().iter().map(|probe| probe["interface"].as_str().unwrap()).collect();
    assert_eq!(interfaces, ["CUDA", "Vulkan", "Metal"]);
    let none = probes.as_array().unwrap().iter().all(|probe| probe["gpus"].as_array().unwrap().is_empty());
    let listed = user.call(["gpu", "list"]);
    assert_eq!(listed.err.contains("looked for libnvidia-ml.so.1"), none, "{listed:?}");
}

#[test]
fn a_model_that_does_not_fit_says_what_would_let_it() {
    let user = User::new().echo("parrot");
    let small = ["run", "parrot", "-p", "hi", "--config", "inference.memory_budget=1MiB"];
    let refused = user.call(small).refusal(1);
    assert!(refused.contains("48.0 MiB") && refused.contains("1.0 MiB"), "{refused}");
    assert!(refused.contains("inference.memory_budget"), "{refused}");
}
