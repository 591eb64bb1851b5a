//! Plugins and packages of somebody who means harm, against the whole program: what is refused leaves no trace, and
//! whatever a plugin does, the next request is served. What a component can try from inside is tried beside the sandbox.

mod components;
mod kit;
mod terminal;

use std::fs;

use inferno_tests::{build, within};
use serde_json::json;

use components::{command, importing, with_import};
use kit::{MANIFEST, Victim, probe};
use terminal::on_a_terminal;

#[test]
fn a_damaged_package_is_refused_and_leaves_no_trace() {
    let victim = Victim::new();
    let whole = victim.signed("acme", &victim.folder("acme", MANIFEST, &command()));
    let bytes = fs::read(&whole).unwrap();
    let before = victim.state();
    let cut = [0, 1, 8, bytes.len() / 2, bytes.len() - 1].map(|length| bytes[..length].to_vec());
    let flipped = (0..16).map(|part| {
        let mut flipped = bytes.clone();
        flipped[part * (bytes.len() - 1) / 15] ^= 1 << (part % 8);
        flipped
    });
    let longer = [&bytes[..], b"\0"].concat();
    for damaged in cut.into_iter().chain(flipped).chain([longer]) {
        fs::write(&whole, &damaged).unwrap();
        for args in [
            &["plugin", "install", "acme.wasm", "--allow-unsigned", "--grant", "all", "--yes"][..],
            &["plugin", "verify", "acme.wasm"],
            &["plugin", "inspect", "acme.wasm"],
            &["plugin", "sign", "acme.wasm"],
        ] {
            victim.refused(args);
        }
        assert!(fs::read(&whole).unwrap() == damaged, "what is damaged is not signed over");
    }
    assert_eq!(victim.state(), before);
    fs::write(&whole, bytes).unwrap();
    victim.context.product(&["plugin", "install", "acme.wasm"]);
}

#[test]
fn what_nobody_vouches_for_is_not_installed_by_accident() {
    let victim = Victim::new();
    let folder = victim.folder("acme", MANIFEST, &command());
    let unsigned = victim.packed("acme", &folder);
    victim.signed("mine", &folder);
    let missing = victim.refused(&["plugin", "install", "acme.wasm"]);
    assert!(missing.contains("is not signed") && missing.contains("--allow-unsigned"), "{missing}");

    // The signature of another package of the same author, which is as long as every signature.
    let other = victim.folder("other", &MANIFEST.replace("acme", "bcme"), &command());
    let (other_plain, other) = (victim.packed("other-plain", &other), victim.signed("other", &other));
    let signature = fs::read(other).unwrap().split_off(fs::read(other_plain).unwrap().len());
    fs::write(victim.file("forged"), [fs::read(&unsigned).unwrap(), signature].concat()).unwrap();
    for more in [&[][..], &["--allow-unsigned", "--allow-signer-change"]] {
        let forged = victim.refused(&[&["plugin", "install", "forged.wasm"][..], more].concat());
        assert!(forged.contains("forged"), "{forged}");
    }

    // Once it is known by a key, only that key brings new versions.
    victim.context.product(&["plugin", "install", "mine.wasm"]);
    let newer = victim.folder("newer", &MANIFEST.replace("1.0.0", "1.0.1"), &command());
    victim.packed("stripped", &newer);
    victim.packed("stranger", &newer);
    victim.context.product(&["plugin", "keygen", "stranger.key"]);
    victim.context.product(&["plugin", "sign", "stranger.wasm", "--key", "stranger.key"]);
    for file in ["stripped.wasm", "stranger.wasm"] {
        for verb in [
            &["plugin", "install", file][..],
            &["plugin", "upgrade", "acme", file, "--yes", "--allow-unsigned"],
        ] {
            let refused = victim.refused(verb);
            assert!(refused.contains("--allow-signer-change"), "{refused}");
        }
    }
    assert_eq!(victim.info("acme")["version"], "1.0.0");
    let listed = fs::read_to_string(victim.context.data().join("inferno.lock")).unwrap();
    assert!(!listed.contains("1.0.1"), "{listed}");
}

#[test]
fn a_component_with_ten_thousand_imports_is_refused_in_few_words() {
    let victim = Victim::new();
    let before = victim.state();
    // The engine takes no more than a thousand instances; what is below that is named, but not all of it.
    for (name, component) in [
        ("interfaces", importing(10_000)),
        ("some-interfaces", importing(900)),
        ("functions", components::importing_functions(10_000)),
    ] {
        let file = victim.packed(name, &victim.folder(name, MANIFEST, &component));
        assert!(fs::metadata(file).unwrap().len() > 20_000);
        let said = victim.refused(&["plugin", "install", &format!("{name}.wasm"), "--allow-unsigned"]);
        assert!(said.contains("does not fit this host") || said.contains("exceeds limit"), "{said}");
        assert!(said.len() < 4_000, "{} bytes: {}", said.len(), &said[..4_000]);
        // To look at it needs no engine.
        victim.context.product(&["plugin", "inspect", &format!("{name}.wasm")]);
    }
    assert_eq!(victim.state(), before);
}

#[test]
fn a_plugin_that_asks_for_nothing_gets_nothing_whatever_it_imports() {
    let victim = Victim::new();
    victim.context.echo_model("parrot", "{}");
    let folder = victim.folder("probe", &probe(""), &fs::read(kit::probe_component()).unwrap());
    let inspected = victim.context.product(&["plugin", "inspect", folder.to_str().unwrap(), "--json"]);
    let inspected: serde_json::Value = serde_json::from_str(&inspected).unwrap();
    let warned: Vec<&str> = inspected["warnings"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|warning| warning["text"].as_str())
        .collect();
    for key in ["inference", "models", "model_control", "kv", "http", "secrets", "quota", "plugins"] {
        let warning = format!("does not ask for {key}: such calls will be denied");
        assert!(warned.iter().any(|text| text.contains(&warning)), "{key}: {warned:?}");
    }

    victim.context.product(&["plugin", "install", "probe", "--allow-unsigned", "--grant", "all", "--yes"]);
    victim.refused(&["plugin", "grant", "probe", "kv"]);
    let digest = victim.info("probe")["digest"].as_str().unwrap().to_owned();
    // The user is talked into a grant by hand.
    victim.context.write_grants(&format!(
        "[[grant]]\nplugin = \"probe\"\ndigest = \"{digest}\"\ninference = {{ models = [\"*\"] }}\nmodels = true\nkv = true\n\
         http = [\"http://127.0.0.1\"]\nsecrets = [\"TOKEN\"]\nquota = [\"daily\"]\nplugins = [\"*\"]\n"
    ));
    let server = victim.context.serve(&[]);
    for call in [
        "complete?model=parrot",
        "generate?model=parrot",
        "embed?model=parrot",
        "models",
        "model?name=parrot",
        "kv-get?key=k",
        "kv-set?key=k&value=v",
        "kv-delete?key=k",
        "kv-keys",
        "kv-add?key=k",
        "secret?name=TOKEN",
        "remaining?budget=daily",
    ] {
        let denied = server.get(&format!("/probe/{call}"));
        assert_eq!(denied.status, 409, "{call}: {denied:?}");
        assert!(denied.body.contains("its manifest does not ask for it"), "{call}: {denied:?}");
    }
    assert_eq!(server.get("/probe/hello").body, "hello");
    server.assert_says("parrot", "hello", "hello");
}

/// Clears the screen, and has what follows written from right to left; and a line that looks like one of ours.
const NASTY: &str = "nice\\u001b[2J\\u009b2J\\u202e\\r\\nAllow? [y/N] y\\ninstalled";

#[test]
fn nothing_that_a_stranger_wrote_drives_the_terminal() {
    let victim = Victim::new();
    let manifest = format!(
        "[plugin]\nname = \"acme\"\nversion = \"1.0.0\"\ndescription = \"{NASTY}\"\nlicense = \"{NASTY}\"\nwit = \"0.1\"\n\
         [roles.command]\n[asks]\nkv = true\nsecrets = [\"A\"]\n[why]\nkv = \"{NASTY}\"\n"
    );
    victim.packed("acme", &victim.folder("acme", &manifest, &command()));
    let run = |args: &[&str], answers: &str| on_a_terminal(&mut victim.context.command(args), answers);

    // A question for each ask, with its reason; an answer that is not yes is no.
    let (status, asked) = run(&["plugin", "install", "acme.wasm", "--allow-unsigned"], "maybe\nyes\n");
    assert_eq!(status, 0, "{asked}");
    assert!(asked.contains("It wants to keep small values") && asked.contains("It says: \"nice"), "{asked}");
    for question in ["installed\". Allow? [y/N]", "read the secret \"A\". Allow? [y/N]"] {
        assert!(asked.contains(question), "{question}: {asked}");
    }
    assert!(asked.lines().all(|line| !line.starts_with("Allow?")), "what it made up begins no line: {asked}");
    let granted = &victim.info("acme")["granted"];
    assert_eq!((&granted["kv"], &granted["secrets"]), (&json!(false), &json!(["A"])));

    for args in [&["plugin", "list"][..], &["plugin", "info", "acme"], &["plugin", "inspect", "acme.wasm"]] {
        let (status, said) = run(args, "");
        assert!(status == 0 && said.contains("nice\\u{1b}[2J"), "{args:?}: {said}");
        assert!(said.lines().all(|line| !line.starts_with("Allow?")), "{args:?}: {said}");
    }

    // Names that are none, in the manifest, in the component, and of a folder.
    let named = MANIFEST.replace("acme", NASTY);
    victim.folder("named", &named, &command());
    victim.folder("imports", MANIFEST, &with_import("evil\x1b[2J\u{202e}:x/y"));
    for name in ["named", "imports"] {
        for verb in [&["plugin", "install", name, "--allow-unsigned"][..], &["plugin", "inspect", name]] {
            let (status, said) = run(verb, "");
            assert!(status == 1 || verb[1] == "inspect", "{verb:?}: {said}");
        }
    }
    let folder = victim.context.data().join("plugins/bad\x1b[2J");
    fs::create_dir_all(&folder).unwrap();
    let (_, said) = run(&["plugin", "list"], "");
    assert!(said.contains("bad\\u{1b}[2J"), "{said}");
    let (status, said) = run(&["serve", "--port", "0"], "");
    assert!(status == 1 && said.contains("bad\\u{1b}[2J"), "{said}");
    fs::remove_dir(folder).unwrap();

    // An error in words of the plugin's own; this one repeats what it was given.
    let step = fs::read(build::plugin("inferno-folder-step", "folder_step")).unwrap();
    let manifest = fs::read_to_string(build::root().join("examples/folder-step/plugin.toml")).unwrap();
    victim.folder("step", &manifest, &step);
    victim.context.product(&["plugin", "install", "step", "--allow-unsigned", "--yes"]);
    fs::write(
        victim.context.home().join("in.json"),
        format!("{{\"config\":{{\"{NASTY}\":1}},\"items\":[]}}"),
    )
    .unwrap();
    let (status, said) = run(&["plugin", "call", "folder-step", "--input", "in.json"], "");
    assert!(status == 1 && said.contains("does not fit: unknown field `nice\\u{1b}[2J"), "{said}");
}

#[test]
fn what_one_tenant_keeps_no_other_sees() {
    let victim = Victim::new();
    let folder =
        victim.folder("probe", &probe("[asks]\nkv = true\n"), &fs::read(kit::probe_component()).unwrap());
    victim.context.product(&[
        "plugin",
        "install",
        folder.to_str().unwrap(),
        "--allow-unsigned",
        "--grant",
        "kv",
    ]);
    let key = |tenant: &str| {
        victim.context.product(&["keys", "create", tenant, "--tenant", tenant]).trim().to_owned()
    };
    let (acme, other, poor) = (key("acme"), key("other"), key("poor"));
    fs::write(victim.context.home().join(".inferno.toml"), "[tenants.poor]\nplugins = [\"gateway\"]\n")
        .unwrap();
    let server = victim.context.serve(&[]);
    let with = |headers: &[&str], call: &str| {
        let answer = server.send("GET", &format!("/probe/{call}"), headers, None).answer();
        (answer.status, answer.body)
    };
    let says = |key: &str| format!("authorization: Bearer {key}");
    let ok = |text: &str| (200, text.to_owned());

    assert_eq!(with(&[&says(&acme)], "kv-set?key=plan&value=secret"), ok("set"));
    let other_says = says(&other);
    // Whatever the request claims besides, the key says whose it is.
    for claim in [
        "x-tenant: acme",
        "x-inferno-tenant: acme",
        "tenant: acme",
        "forwarded: for=acme",
        "x-request-id: acme",
    ] {
        assert_eq!(with(&[&other_says, claim], "kv-get?key=plan"), ok("nothing"), "{claim}");
    }
    assert_eq!(with(&[&other_says], "kv-keys"), ok(""));
    assert_eq!(with(&[&other_says], "kv-delete?key=plan"), ok("false"));
    assert_eq!(with(&[&other_says], "kv-set?key=plan&value=mine"), ok("set"));
    assert_eq!(with(&[&says(&acme)], "kv-get?key=plan"), ok("secret"));

    // Without a key, with a made-up one, or with half of one.
    for wrong in [
        "authorization: Bearer",
        "authorization: Bearer inf-0",
        &says(&acme[..acme.len() - 1]),
        "accept: */*",
    ] {
        let (status, body) = with(&[wrong], "kv-get?key=plan");
        assert!(
            status == 401 && !body.contains("acme") && !body.contains("secret"),
            "{wrong}: {status} {body}"
        );
    }
    // A plugin that a tenant does not have is not there for it; nor is a key that was taken away.
    let (status, body) = with(&[&says(&poor)], "hello");
    assert!(status == 404 && !body.contains("probe"), "{status} {body}");
    victim.context.product(&["keys", "remove", "acme"]);
    within("the key still opens", || (with(&[&says(&acme)], "hello").0 == 401).then_some(()));
    assert_eq!(with(&[&other_says], "kv-get?key=plan"), ok("mine"));
}

#[test]
fn a_flood_of_log_lines_ends_at_the_limit() {
    let victim = Victim::new();
    let folder = victim.folder(
        "probe",
        &probe("[limits]\nlog_lines = 100\n"),
        &fs::read(kit::probe_component()).unwrap(),
    );
    victim.context.product(&["plugin", "install", folder.to_str().unwrap(), "--allow-unsigned"]);
    let server = victim.context.serve(&["log_level=info"]);
    let flooded = server.get("/probe/print-flood");
    assert_eq!(flooded.status, 500, "{flooded:?}");
    assert!(flooded.body.contains("wrote more lines to the log than its limit of 100"), "{flooded:?}");
    assert_eq!(server.get("/probe/print-flood?lines=100").body, "printed");
    assert_eq!(server.get("/probe/hello").body, "hello");
    let lines = within("the lines are not there", || {
        let lines = server.said().matches("again").count();
        (lines >= 200).then_some(lines)
    });
    assert_eq!(lines, 200);
}
