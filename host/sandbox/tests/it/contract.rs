//! The contract of each role, kept and broken.

use std::fs;

use inferno_sandbox::contract::{Cases, Report, check};
use inferno_sandbox::{Origin, Package, Plugin};
use serde_json::json;

use crate::guests::{PROBE, PROXY, ROLES, guest};
use crate::lab::{Lab, caller, manifest};

const ALL: &str =
    "[roles.step]\n[roles.judge]\n[roles.converter]\n[roles.catalog]\n[roles.filter]\napplies_to = ['/v1']";

const GOOD: &str = r#"
[[step]]
name = "upper case"
config = "upper"
input = [{ id = "1", data = { a = "b" } }]
expect = [{ emit = [{ id = "1", data = { A = "B" } }] }]
finish = []

[[step]]
name = "all outcomes"
config = "odd"
input = [{ id = "retry", data = 1 }, { id = "x", data = 2 }]
expect = [{ retry = "later" }, { emit = [{ data = 2 }] }]

[[step]]
name = "what it refuses"
config = "nonsense"
input = []
error = "invalid"

[[judge]]
name = "equal or not"
config = "exact"
input = [{ answer = "a", expected = "a" }, { answer = "a", expected = "b" }]
expect = [{ pass = true, score = 1 }, { pass = false }]

[[converter]]
name = "to upper case"
source = "text"
target = "upper"
input = { "model.txt" = "abc" }
expect = { "part/model.txt" = "ABC" }

[[catalog]]
name = "finds tiny"
search = "tiny"
expect = { entries = [{ name = "tiny", kind = "model" }], next = "2" }

[[catalog]]
name = "offers tiny"
resolve = "tiny"
expect = [{ size_bytes = 1024 }]

[[filter]]
name = "masks"
input = { path = "/v1/x", body = { text = "x" } }
answer = { chunks = ["one x", "xx two"] }
expect = { request = { replace = "{\"te*t\":\"*\"}" }, answer = "one *** two" }
"#;

/// The report about a plugin with these cases.
async fn report(plugin: &Plugin, cases: &str) -> Report {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("cases.toml"), cases).unwrap();
    check(plugin, &caller("local"), &Cases::read(folder.path()).unwrap()).await
}

fn roles(lab: &Lab, mode: &str) -> Plugin {
    lab.load_with(&manifest("roles", ALL, ""), guest(ROLES), &json!({ "mode": mode }))
}

/// The problems as lines.
fn problems(report: &Report) -> String {
    let line = |check: &inferno_sandbox::contract::Check| {
        format!("{}: {}: {}\n", check.role, check.name, check.problem.as_deref().unwrap_or_default())
    };
    report.problems().map(line).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_that_keeps_to_its_roles_passes() {
    let lab = Lab::new();
    let report = report(&roles(&lab, "mask"), GOOD).await;
    assert_eq!(problems(&report), "");
    assert!(report.passed());
    for role in ["step", "judge", "converter", "catalog", "filter"] {
        assert!(report.checks.iter().filter(|check| check.role == role).count() >= 2, "{role}: {report:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn http_plugins_of_both_generations_pass() {
    let lab = Lab::new();
    for (wasm, mount) in [(PROBE, "/probe"), (PROXY, "/proxy")] {
        let manifest = manifest("p", &format!("[roles.http]\nmounts = ['{mount}']"), "");
        let plugin = lab.load(&manifest, guest(wasm)).unwrap();
        let cases = format!(
            "[[http]]\nname = 'hello'\ninput = {{ path = '{mount}/hello' }}\nexpect = {{ status = 200, body = 'hello' }}\n"
        );
        assert_eq!(problems(&report(&plugin, &cases).await), "");
        let wrong = cases.replace("'hello' }\n", "'bye' }\n");
        assert_eq!(
            problems(&report(&plugin, &wrong).await),
            "http: hello: at .body: expected \"bye\", found \"hello\"\n"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_named() {
    let lab = Lab::new();
    let plugin = roles(&lab, "chunk refuse");
    for (case, expect) in [
        (
            "[[step]]\nname='n'\nconfig='upper'\ninput=[{id='1',data='a'}]\nexpect=[{drop='x'}]",
            "step: n: at .outcomes[0].drop: expected \"x\", found nothing",
        ),
        (
            "[[step]]\nname='n'\nconfig='same-id'\ninput=[{id='7',data='a'}]",
            "step: n: the item \"7\" goes on as \"1\"; an item that goes on alone keeps its id",
        ),
        (
            "[[step]]\nname='n'\nconfig='too-few'\ninput=[{id='7',data='a'}]",
            "step: n: plugin \"roles\" does not keep to its role step: it gave 0 outcomes for 1 items",
        ),
        (
            "[[judge]]\nname='n'\nconfig='panic'\ninput=[{answer='a'}]\nerror='invalid'",
            "judge: n: expected an error of the plugin's own, found: plugin \"roles\" crashed",
        ),
        (
            "[[judge]]\nname='n'\nconfig='refuse'\ninput=[{answer='a'}]\nerror='invalid'",
            "judge: n: expected the error invalid, found exhausted",
        ),
        (
            "[[filter]]\nname='n'\ninput={path='/v1'}\nanswer={chunks=['abc']}",
            "filter: n: plugin \"roles\": I have had enough",
        ),
        ("[[http]]\nname='n'\ninput={path='/v1'}", "http: n: the plugin does not play the role http"),
        ("[[catalog]]\nname='n'", "catalog: n: the case needs either `search` or `resolve`"),
        (
            "[[converter]]\nname='n'\nsource='text'\ntarget='upper'\ninput={'../x'='y'}",
            "converter: n: \"../x\" is not the name of a file to convert",
        ),
    ] {
        let report = report(&plugin, case).await;
        assert!(problems(&report).contains(expect), "{case}\n{}", problems(&report));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_that_counts_chunks_is_found_out() {
    let lab = Lab::new();
    let case =
        "[[filter]]\nname='n'\ninput={path='/v1'}\nanswer={chunks=['ab', 'c']}\nexpect={answer='ab.c..'}";
    let report = report(&roles(&lab, "dots"), case).await;
    assert_eq!(
        problems(&report),
        "filter: n: the same however the answer is cut: as given it becomes \"ab.c..\", and as one piece \"abc..\"\n"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_examples_of_this_repository_are_well_formed() {
    // Whoever builds them runs them; here it is enough that the files are well-formed.
    let examples = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    for entry in fs::read_dir(examples).unwrap() {
        let folder = entry.unwrap().path();
        if folder.join("plugin.toml").is_file() {
            let text = fs::read_to_string(folder.join("plugin.toml")).unwrap();
            Package::new(&text, b"".as_slice(), Origin::File(folder.clone())).unwrap();
            Cases::read(&folder.join("tests")).unwrap();
        }
    }
}
