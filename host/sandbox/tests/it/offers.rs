//! Converters, which see two folders, and catalogs, which only propose.

use std::fs;
use std::path::Path;

use inferno_sandbox::{Error, ErrorKind, Limit, Plugin, Reason, Route};
use tempfile::TempDir;

use crate::guests::{ROLES, guest};
use crate::lab::{Lab, caller, manifest};

fn load(lab: &Lab, rest: &str) -> Plugin {
    lab.load(&manifest("roles", "[roles.converter]\n[roles.catalog]", rest), guest(ROLES)).unwrap()
}

/// A folder with a model and a link out of it, and an empty one.
fn folders() -> (TempDir, TempDir) {
    let (input, output) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    fs::write(input.path().join("model.txt"), "a model").unwrap();
    std::os::unix::fs::symlink("/etc/passwd", input.path().join("link")).unwrap();
    (input, output)
}

async fn convert(plugin: &Plugin, options: &str, input: &Path, output: &Path) -> Result<Vec<String>, Error> {
    let route = Route { source: "text".to_owned(), target: "upper".to_owned() };
    plugin.convert(caller("local"), &route, options, input, output).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_converter_reads_one_folder_and_writes_another() {
    let lab = Lab::new();
    let plugin = load(&lab, "");
    let routes = plugin.converter_routes(caller("local")).await.unwrap();
    assert_eq!(routes, [Route { source: "text".to_owned(), target: "upper".to_owned() }]);
    let (input, output) = folders();
    let files = convert(&plugin, "{}", input.path(), output.path()).await.unwrap();
    assert_eq!(files, ["part/model.txt"]);
    assert_eq!(fs::read_to_string(output.path().join("part/model.txt")).unwrap(), "A MODEL");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_converter_gets_nowhere_else() {
    let lab = Lab::new();
    let plugin = load(&lab, "");
    let (input, output) = folders();
    let error = convert(&plugin, "\"escape\"", input.path(), output.path()).await.unwrap_err();
    assert_eq!(error.to_string(), "plugin \"roles\": reached: ");
    assert_eq!(fs::read_to_string(input.path().join("model.txt")).unwrap(), "a model");
    assert_eq!(fs::read_dir(input.path()).unwrap().count(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_converter_does_not_claim_what_is_not_there() {
    let lab = Lab::new();
    let plugin = load(&lab, "");
    let (input, output) = folders();
    fs::create_dir(output.path().join("folder")).unwrap();
    std::os::unix::fs::symlink("/etc", output.path().join("etc")).unwrap();
    for name in ["nothing", "../model.txt", "/etc/passwd", "etc/passwd", "folder", "."] {
        let error =
            convert(&plugin, &format!("\"lie {name}\""), input.path(), output.path()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Contract, "{name}");
        assert_eq!(
            error.to_string(),
            format!(
                "plugin \"roles\" does not keep to its role converter: it says that it wrote {name:?}, and there is no such file below /out"
            )
        );
    }
    let error = convert(&plugin, "{}", Path::new("/nowhere"), output.path()).await.unwrap_err();
    assert!(error.to_string().starts_with("the folder /nowhere cannot be opened"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn converters_and_catalogs_are_contained() {
    let lab = Lab::new();
    let plugin = load(&lab, "[limits]\ncompute = '300ms'\nhost_call_data = '1MiB'");
    let (input, output) = folders();
    let error = convert(&plugin, "\"spin\"", input.path(), output.path()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Limit(Limit::Compute));
    let error = convert(&plugin, "\"panic\"", input.path(), output.path()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Trap);
    for (query, kind) in [
        ("spin", ErrorKind::Limit(Limit::Compute)),
        ("huge-list", ErrorKind::Limit(Limit::HostCallData)),
        ("panic", ErrorKind::Trap),
        ("refuse", ErrorKind::Refused(Reason::Exhausted)),
    ] {
        let error = plugin.search(caller("local"), query, None).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{query}: {error}");
    }
    let error = plugin.resolve(caller("local"), "spin", None).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Limit(Limit::Compute));
    convert(&plugin, "{}", input.path(), output.path()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_catalog_has_pages_and_proposals() {
    let lab = Lab::new();
    let plugin = load(&lab, "");
    let first = plugin.search(caller("local"), "tiny", None).await.unwrap();
    assert_eq!((first.entries[0].name.as_str(), first.next.as_deref()), ("tiny", Some("2")));
    let second = plugin.search(caller("local"), "tiny", first.next.as_deref()).await.unwrap();
    assert_eq!((second.entries[0].kind.as_str(), second.next), ("plugin", None));

    let newest = plugin.resolve(caller("local"), "tiny", None).await.unwrap();
    assert_eq!(newest[0].url, "https://models.example.com/newest.gguf");
    let older = plugin.resolve(caller("local"), "tiny", Some("1.0.0")).await.unwrap();
    assert_eq!(older[0].url, "https://models.example.com/1.0.0.gguf");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_catalogs_nonsense_is_refused() {
    let lab = Lab::new();
    let plugin = load(&lab, "");
    let error = plugin.search(caller("local"), "bad-kind", None).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Contract);
    assert!(
        error.to_string().ends_with("is of the kind \"virus\", and a kind is one of model, plugin, pipeline")
    );
    let error = plugin.resolve(caller("local"), "bad-digest", None).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Contract);
    assert!(error.to_string().contains("which is not \"sha256:\" and 64 hexadecimal digits"), "{error}");
}
