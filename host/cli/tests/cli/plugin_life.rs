//! Installing, consenting, upgrading, going back, removing: with packages made on the spot.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::thread;

use serde_json::{Value, json};

use crate::harness::User;

/// A command that succeeds or fails, so that one can tell which version ran.
fn component(succeeds: bool) -> Vec<u8> {
    wat::parse_str(format!(
        r#"(component
            (core module $m (func (export "run") (result i32) i32.const {}))
            (core instance $i (instantiate $m))
            (func $run (result (result)) (canon lift (core func $i "run")))
            (instance $cli (export "run" (func $run)))
            (export "wasi:cli/run@0.2.0" (instance $cli)))"#,
        i32::from(!succeeds)
    ))
    .unwrap()
}

/// A plugin's folder below the working directory.
fn folder(user: &User, name: &str, version: &str, asks: &str) -> PathBuf {
    let folder = user.work().join(format!("{name}-{version}"));
    fs::create_dir_all(&folder).unwrap();
    let manifest = format!(
        "[plugin]\nname = \"{name}\"\nversion = \"{version}\"\ndescription = \"A test\"\nlicense = \"MIT\"\nwit = \"0.1\"\n\
         [roles.command]\n[asks]\n{asks}\n"
    );
    fs::write(folder.join("plugin.toml"), manifest).unwrap();
    // The first version succeeds, the others fail.
    fs::write(folder.join("plugin.wasm"), component(version == "1.0.0")).unwrap();
    folder
}

/// The same with these lines under `[roles.command]`, packed and signed.
fn package_with_verbs(user: &User, name: &str, verbs: &str) -> String {
    let folder = folder(user, name, "1.0.0", "kv = true");
    let manifest = fs::read_to_string(folder.join("plugin.toml")).unwrap();
    let manifest = manifest.replace("[roles.command]", &format!("[roles.command]\nverbs = [{verbs}]"));
    fs::write(folder.join("plugin.toml"), manifest).unwrap();
    pack(user, &folder)
}

/// A signed package; the user has a key afterwards.
fn package(user: &User, name: &str, version: &str, asks: &str) -> String {
    pack(user, &folder(user, name, version, asks))
}

fn pack(user: &User, folder: &Path) -> String {
    let file = user.call(["plugin", "pack", folder.to_str().unwrap()]).product().trim().to_owned();
    if !user.home().join(".local/share/inferno/signing.key").exists() {
        user.call(["plugin", "keygen"]).product();
    }
    user.call(["plugin", "sign", &file]).product();
    file
}

fn granted(user: &User, name: &str) -> Value {
    user.call(["plugin", "info", name, "--json"]).json()["granted"].clone()
}

const TWO: &str = "kv = true\nmodels = true";

#[test]
fn nothing_is_granted_in_silence() {
    let user = User::new();
    let file = package(&user, "acme", "1.0.0", TWO);
    let done = user.call(["plugin", "install", &file]);
    assert_eq!(done.status, Some(0), "{done:#?}");
    for word in ["kv", "models"] {
        let line = format!("not granted: {word}  (`inferno plugin grant acme {word}` grants it)");
        assert!(done.err.contains(&line), "{done:#?}");
    }
    let held = granted(&user, "acme");
    assert_eq!((&held["kv"], &held["models"]), (&json!(false), &json!(false)));
    let listed = user.call(["plugin", "list", "--json"]).json();
    assert_eq!((&listed[0]["name"], &listed[0]["installed"]), (&json!("acme"), &json!(true)));
    assert_eq!(user.call(["acme"]).status, Some(0));

    let more = user.call(["plugin", "grant", "acme", "kv", "--json"]).json();
    assert_eq!((&more["granted"]["kv"], &more["not_granted"]), (&json!(true), &json!(["models"])));
    user.call(["plugin", "revoke", "acme", "kv"]).product();
    assert_eq!(granted(&user, "acme")["kv"], false);
    let refusal = user.call(["plugin", "grant", "acme", "inference=x"]).refusal(1);
    assert!(refusal.contains("it asks for models, kv"), "{refusal}");
}

#[test]
fn no_two_plugins_have_one_verb_and_none_has_one_of_the_programs() {
    let user = User::new();
    for verb in ["run", "worker", "help"] {
        let file = package_with_verbs(&user, "acme", &format!("\"{verb}\""));
        let refusal = user.call(["plugin", "install", &file]).refusal(1);
        let expect = format!("the plugin `acme` wants to be the command `{verb}`, which is Inferno's own");
        assert!(refusal.contains(&expect) && refusal.contains("verbs"), "{refusal}");
    }
    let file = package_with_verbs(&user, "acme", "\"one\", \"two\"");
    user.call(["plugin", "install", &file]).product();
    assert_eq!(user.call(["plugin", "info", "acme", "--json"]).json()["verbs"], json!(["one", "two"]));
    // Again is no contest, and neither is another verb.
    user.call(["plugin", "install", &file]).product();
    for (name, verbs) in [("other", "\"three\", \"two\""), ("two", "\"two\"")] {
        let file = package_with_verbs(&user, name, verbs);
        let refusal = user.call(["plugin", "install", &file]).refusal(1);
        let expect = format!("the plugins `acme` and `{name}` both want to be the command `two`");
        assert!(refusal.contains(&expect), "{refusal}");
    }
    let refusal = user.call(["plugin", "info", "other"]).refusal(1);
    assert!(refusal.contains("no plugin is called `other`"), "nothing was installed: {refusal}");

    // A folder is there without being installed: then only the verb is not.
    let other = folder(&user, "two", "1.0.0", "kv = true");
    let plugins = user.home().join(".local/share/inferno/plugins/two");
    fs::create_dir_all(plugins.parent().unwrap()).unwrap();
    fs::rename(other, &plugins).unwrap();
    let refusal = user.call(["two"]).refusal(1);
    assert!(refusal.contains("the plugins `acme` and `two` both want to be the command `two`"), "{refusal}");
    let listed = user.call(["plugin", "list"]);
    assert!(listed.err.contains("both want to be the command `two`"), "{listed:#?}");
    assert_eq!(user.call(["one"]).status, Some(0));
    let user = user.file(".inferno.toml", "[plugins.acme]\nenabled = false\n");
    assert_eq!(user.call(["two"]).status, Some(0));
    let refusal = user.call(["one"]).refusal(1);
    assert!(refusal.contains("the plugin `acme` is turned off"), "{refusal}");
}

#[test]
fn folders_are_asked_for_in_words_and_outlive_the_plugin() {
    let user = User::new();
    let asks = "workdir = { access = \"write\", why = \"your pipelines\" }\ndata = true";
    let file = package(&user, "acme", "1.0.0", asks);
    let text = user.call(["plugin", "inspect", &file]).product();
    for expect in [
        "read, make, change and remove the files of the folder in which you run it",
        "keep files in a folder of its own, apart for each tenant",
    ] {
        assert!(text.contains(expect), "{text}");
    }
    let done = user.call(["plugin", "install", &file, "--grant", "workdir=read", "--grant", "data"]);
    assert!(done.err.contains("not granted: workdir=write"), "{done:#?}");
    let held = granted(&user, "acme");
    assert_eq!((&held["workdir"], &held["data"]), (&json!({ "access": "read" }), &json!(true)));
    user.call(["plugin", "grant", "acme", "workdir"]).product();
    assert_eq!(granted(&user, "acme")["workdir"], json!({ "access": "write" }));

    assert_eq!(user.call(["acme"]).status, Some(0));
    let kept = user.home().join(".local/share/inferno/plugin-data/acme/local");
    assert!(kept.is_dir());
    let done = user.call(["plugin", "remove", "acme"]);
    assert!(
        done.err.contains(&format!("what it kept is still in {}", kept.parent().unwrap().display())),
        "{done:#?}"
    );
    assert!(kept.is_dir());
}

#[test]
fn a_tenant_has_grants_of_its_own() {
    let user = User::new();
    let file = package(&user, "acme", "1.0.0", TWO);
    user.call(["plugin", "install", &file, "--grant", "kv"]).product();
    let info = || user.call(["plugin", "info", "acme", "--json"]).json();
    let holds = |kv: bool, models: bool| json!({ "inference": null, "kv": kv, "models": models });
    assert_eq!(info()["granted_to"], json!({}));

    // The first entry of a tenant begins with what all have; after that neither changes the other.
    user.call(["plugin", "grant", "acme", "models", "--tenant", "t"]).product();
    assert_eq!((&info()["granted"], &info()["granted_to"]["t"]), (&holds(true, false), &holds(true, true)));
    user.call(["plugin", "revoke", "acme", "kv", "--tenant", "t"]).product();
    assert_eq!((&info()["granted"], &info()["granted_to"]["t"]), (&holds(true, false), &holds(false, true)));
    let done = user.call(["plugin", "revoke", "acme", "kv"]);
    assert!(
        done.err.contains("nothing for tenants with grants of their own: t (--tenant NAME does)"),
        "{done:#?}"
    );
    user.call(["plugin", "grant", "acme", "models"]).product();
    user.call(["plugin", "revoke", "acme", "models", "--tenant", "t"]).product();
    assert_eq!((&info()["granted"], &info()["granted_to"]["t"]), (&holds(false, true), &holds(false, false)));
    let text = user.call(["plugin", "info", "acme"]).product();
    assert!(text.contains("to t, in place of that:") && text.contains("nothing"), "{text}");
    let refusal = user.call(["plugin", "revoke", "acme", "kv", "--tenant", "t"]).refusal(1);
    assert!(refusal.contains("not granted"), "{refusal}");

    // More for all with an upgrade is not more for the tenant that was decided about apart.
    let more = package(&user, "acme", "2.0.0", &format!("{TWO}\nsecrets = [\"S\"]"));
    user.call(["plugin", "upgrade", "acme", &more, "--grant", "all", "--yes"]).product();
    assert_eq!((&info()["version"], &info()["granted"]["kv"]), (&json!("2.0.0"), &json!(true)));
    assert_eq!(info()["granted_to"], json!({ "t": holds(false, false) }));
}

#[test]
fn options_grant_what_they_name_and_no_more() {
    let user =
        User::new().file("work/grants.toml", "models = true\n").file("work/wrong.toml", "modles = true\n");
    let file = package(&user, "acme", "1.0.0", TWO);
    let refusal = user.call(["plugin", "install", &file, "--grant", "all"]).refusal(2);
    assert!(refusal.contains("--yes"), "{refusal}");
    let refusal = user.call(["plugin", "install", &file, "--grants", "wrong.toml"]).refusal(2);
    assert!(refusal.contains("modles"), "{refusal}");
    assert!(!user.call(["plugin", "list"]).product().contains("acme"), "nothing was installed");

    let report = user.call(["plugin", "install", &file, "--grant", "kv", "--json"]).json();
    assert_eq!((&report["active"], &report["change"]), (&json!(true), &json!("install")));
    assert_eq!((&report["granted"]["kv"], &report["not_granted"]), (&json!(true), &json!(["models"])));
    user.call(["plugin", "remove", "acme"]).product();
    user.call(["plugin", "install", &file, "--grants", "grants.toml"]).product();
    assert_eq!(granted(&user, "acme"), json!({ "inference": null, "kv": false, "models": true }));
    user.call(["plugin", "remove", "acme"]).product();
    user.call(["plugin", "install", &file, "--grant", "all", "--yes"]).product();
    assert_eq!(granted(&user, "acme"), json!({ "inference": null, "kv": true, "models": true }));
}

#[test]
#[cfg(unix)]
fn on_a_terminal_there_is_a_question_for_each_thing() {
    use crate::terminal::Terminal;

    let user = User::new();
    let docs = user.work().join("docs");
    fs::create_dir(&docs).unwrap();
    let files = r#"files = [{ path = "/docs", access = "read", why = "to index them" }]"#;
    let file = package(&user, "acme", "1.0.0", &format!("{TWO}\n{files}"));
    let mut terminal = Terminal::open(&user, &["plugin", "install", &file]);
    terminal.expect("see which models are installed");
    terminal.expect("[y/N] ");
    terminal.press("y\n");
    terminal.expect("keep small values");
    terminal.expect("[y/N] ");
    terminal.press("\n");
    terminal.expect("It says: \"to index them\". Which folder? [none] ");
    terminal.press("nowhere\n");
    terminal.expect("warning: \"nowhere\" cannot be granted");
    terminal.expect("Which folder? [none] ");
    terminal.press("docs\n");
    terminal.expect("installed acme 1.0.0");
    terminal.expect("not granted: kv");
    assert_eq!(terminal.end(), Some(0));
    let held = granted(&user, "acme");
    assert_eq!((&held["models"], &held["kv"]), (&json!(true), &json!(false)));
    assert_eq!(held["files"][0]["host"], docs.to_str().unwrap());
}

#[test]
fn an_upgrade_that_asks_for_more_waits_and_can_be_taken_back() {
    let user = User::new();
    let one = package(&user, "acme", "1.0.0", "kv = true");
    let two = package(&user, "acme", "2.0.0", TWO);
    user.call(["plugin", "install", &one, "--grant", "kv"]).product();
    let done = user.call(["plugin", "upgrade", "acme", &two]);
    assert_eq!(done.status, Some(0), "{done:#?}");
    assert!(done.out.contains("acme 2.0.0 waits for your consent"), "{done:#?}");
    assert!(done.err.contains("+ see which models are installed"), "{done:#?}");
    assert_eq!(user.call(["acme"]).status, Some(0), "the old version serves");
    assert_eq!(user.call(["plugin", "list", "--json"]).json()[0]["waiting"], "2.0.0");
    assert!(user.call(["plugin", "list"]).product().contains("upgrade waits"));

    let report = user.call(["plugin", "upgrade", "acme", "--grant", "models", "--json"]).json();
    assert_eq!(report["active"], true);
    assert_eq!(report["granted"], json!({ "inference": null, "kv": true, "models": true }));
    assert_eq!(user.call(["acme"]).status, Some(1), "the new version serves");
    let refusal = user.call(["plugin", "install", &one]).refusal(1);
    assert!(refusal.contains("--allow-downgrade") && refusal.contains("rollback"), "{refusal}");

    assert!(user.call(["plugin", "rollback", "acme"]).product().contains("acme 1.0.0 serves now"));
    assert_eq!(user.call(["acme"]).status, Some(0));
    assert_eq!(granted(&user, "acme")["models"], false, "with what it was granted then");
    user.call(["plugin", "rollback", "acme", "2.0.0"]).product();
    assert_eq!(user.call(["acme"]).status, Some(1));
    user.call(["plugin", "remove", "acme"]).product();
    assert!(user.call(["acme"]).refusal(2).contains("no plugin of this name"));
    let grants = fs::read_to_string(user.home().join(".local/share/inferno/grants.toml")).unwrap();
    assert!(!grants.contains("acme"), "{grants}");
}

#[test]
fn an_upgrade_that_asks_for_no_more_serves_at_once_and_one_that_waits_can_be_forgotten() {
    let user = User::new();
    let one = package(&user, "acme", "1.0.0", "kv = true");
    let two = package(&user, "acme", "2.0.0", "kv = true");
    let three = package(&user, "acme", "3.0.0", TWO);
    user.call(["plugin", "install", &one, "--grant", "kv"]).product();
    let report = user.call(["plugin", "upgrade", "acme", &two, "--json"]).json();
    assert_eq!((&report["active"], &report["granted"]["kv"]), (&json!(true), &json!(true)));
    user.call(["plugin", "upgrade", "acme", &three]).product();
    let forgot = user.call(["plugin", "upgrade", "acme", "--discard"]);
    assert!(forgot.err.contains("forgot acme 3.0.0"), "{forgot:#?}");
    assert!(user.call(["plugin", "list", "--json"]).json()[0]["waiting"].is_null());
    // Where it came from is looked at again.
    let again = user.call(["plugin", "upgrade", "acme", "--json"]).json();
    assert_eq!(again["change"], "same");
    let other = package(&user, "other", "1.0.0", "");
    let refusal = user.call(["plugin", "upgrade", "acme", &other]).refusal(2);
    assert!(refusal.contains("is the plugin `other`"), "{refusal}");
}

#[test]
fn what_nobody_or_somebody_else_signed_is_refused() {
    let user = User::new();
    let folder = folder(&user, "acme", "1.0.0", "");
    let path = folder.to_str().unwrap();
    let refusal = user.call(["plugin", "install", path]).refusal(1);
    assert!(refusal.contains("--allow-unsigned"), "{refusal}");
    user.call(["plugin", "install", path, "--allow-unsigned"]).product();

    let other = package(&user, "acme", "2.0.0", "");
    user.call(["plugin", "upgrade", "acme", &other]).product();
    user.call(["plugin", "keygen", "second.key"]).product();
    let third = package(&user, "acme", "3.0.0", "");
    user.call(["plugin", "sign", &third, "--key", "second.key"]).product();
    let refusal = user.call(["plugin", "upgrade", "acme", &third]).refusal(1);
    assert!(refusal.contains("--allow-signer-change"), "{refusal}");
    assert_eq!(user.call(["plugin", "verify", &third]).status, Some(0));
    let key = fs::read_to_string(user.work().join("second.key.pub")).unwrap();
    user.call(["plugin", "verify", &third, "--key", key.trim()]).product();
    assert_eq!(user.call(["plugin", "verify", &other, "--key", key.trim()]).status, Some(1));

    let mut bytes = fs::read(user.work().join(&third)).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(user.work().join("flipped.wasm"), &bytes).unwrap();
    for arguments in [["plugin", "verify", "flipped.wasm"], ["plugin", "install", "flipped.wasm"]] {
        user.call(arguments).refusal(1);
    }
    assert_eq!(user.call(["plugin", "verify", "acme-1.0.0.wasm"]).status, Some(1), "there is no such file");
}

#[test]
fn a_package_says_what_it_could_do_before_anything_runs() {
    let user = User::new();
    let file = package(&user, "acme", "1.0.0", "inference = { models = ['small-*'] }");
    let inspection = user.call(["plugin", "inspect", &file, "--json"]).json();
    assert_eq!((&inspection["name"], &inspection["roles"]), (&json!("acme"), &json!(["command"])));
    assert!(inspection["signer"].as_str().unwrap().starts_with("ed25519:"));
    assert_eq!(inspection["asks"][0]["word"], "inference=small-*");
    let text = user.call(["plugin", "inspect", &file]).product();
    assert!(text.contains("be a verb of the command line") && text.contains("It can never"), "{text}");
}

#[test]
fn a_component_that_cannot_run_here_is_not_installed() {
    let user = User::new();
    let folder = folder(&user, "acme", "1.0.0", "");
    let unknown =
        wat::parse_str(r#"(component (import "other:host/magic@9.0.0" (instance (export "spell" (func)))))"#);
    fs::write(folder.join("plugin.wasm"), unknown.unwrap()).unwrap();
    let refusal = user.call(["plugin", "install", folder.to_str().unwrap(), "--allow-unsigned"]).refusal(1);
    assert!(refusal.contains("other:host/magic@9.0.0"), "{refusal}");
    assert!(user.call(["plugin", "info", "acme"]).refusal(1).contains("no plugin is called"));
}

/// Answers one request after the other, the last answer for ever.
fn web(answers: Vec<Vec<u8>>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/p/acme.wasm", listener.local_addr().unwrap());
    thread::spawn(move || {
        for (index, stream) in listener.incoming().enumerate() {
            let mut stream = stream.unwrap();
            let mut seen = Vec::new();
            let mut byte = [0];
            while !seen.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap() == 1 {
                seen.push(byte[0]);
            }
            // Whoever asked may not want the rest of it.
            let _ = stream.write_all(&answers[index.min(answers.len() - 1)]);
        }
    });
    address
}

fn answer(status: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

#[test]
fn an_address_is_read_once_and_remembered_without_its_secrets() {
    let user = User::new();
    let file = package(&user, "acme", "1.0.0", "");
    let two = package(&user, "acme", "2.0.0", "");
    let read = |file: &str| fs::read(user.work().join(file)).unwrap();
    let address = web(vec![
        answer("404 Not Found", b"no"),
        answer("200 OK", &read(&file)),
        answer("200 OK", &read(&two)),
    ]);
    let refusal = user.call(["plugin", "install", &address]).refusal(1);
    assert!(refusal.contains("the server answered with status 404"), "{refusal}");
    let done = user.call(["plugin", "install", &format!("{address}?token=secret"), "--json"]);
    assert!(done.err.contains("anybody on the way"), "{done:#?}");
    assert_eq!(done.json()["version"], "1.0.0");
    let info = user.call(["plugin", "info", "acme", "--json"]).json();
    assert_eq!(info["installation"]["version"][0]["source"], address);
    assert_eq!(user.call(["plugin", "upgrade", "acme", "--json"]).json()["version"], "2.0.0");
}

#[test]
fn an_address_that_claims_too_much_is_not_read_to_its_end() {
    let head = b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n".to_vec();
    let refusal = User::new().call(["plugin", "install", &web(vec![head])]).refusal(1);
    assert!(refusal.contains("which no package is"), "{refusal}");
}

#[test]
fn what_is_bundled_is_granted_and_revoked_like_any_other() {
    let user = User::new();
    user.call(["plugin", "revoke", "gateway", "models"]).product();
    let info = user.call(["plugin", "info", "gateway", "--json"]).json();
    assert_eq!((&info["granted_by"], &info["granted"]["models"]), (&json!("user"), &json!(false)));
    assert_eq!(info["granted"]["inference"]["models"], json!(["*"]));
    user.call(["plugin", "grant", "gateway", "models"]).product();
    assert_eq!(granted(&user, "gateway")["models"], true);
    let refusal = user.call(["plugin", "remove", "gateway"]).refusal(1);
    assert!(refusal.contains("plugins.gateway.enabled = false"), "{refusal}");
}

#[test]
fn what_was_changed_on_disk_is_not_run() {
    let user = User::new();
    let file = package(&user, "acme", "1.0.0", "");
    user.call(["plugin", "install", &file]).product();
    let path = user.call(["plugin", "info", "acme", "--json"]).json()["path"].as_str().unwrap().to_owned();
    fs::write(format!("{path}/plugin.wasm"), component(false)).unwrap();
    assert!(user.call(["acme"]).refusal(1).contains("is not what was installed"));
    let done = user.call(["plugin", "list"]);
    assert!(done.err.contains("plugin acme: ") && !done.out.contains("acme"), "{done:#?}");
}
