//! What a plugin was built from, as CycloneDX 1.6 JSON, read from the lock file beside it.

use std::path::Path;

use inferno_sandbox::Manifest;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::disk;
use crate::error::{Error, ErrorKind};

/// No lock file that is read is longer.
const MAX_LOCK: u64 = 16 << 20;

/// One thing that it was built from.
struct Component {
    kind: &'static str,
    name: String,
    version: String,
    /// SHA-256 in hexadecimal digits, where the lock file has it.
    sha256: Option<String>,
}

/// Reads one kind of lock file.
type Reader = fn(&str) -> Result<Vec<Component>, String>;

const LOCK_FILES: [(&str, Reader); 3] =
    [("Cargo.lock", cargo), ("package-lock.json", npm), ("requirements.txt", pip)];

/// The list for the plugin in this folder. Without a lock file the list is empty and says why.
pub fn sbom(manifest: &Manifest, folder: &Path) -> Result<String, Error> {
    let mut found = Vec::new();
    let mut components = Vec::new();
    for (name, reader) in LOCK_FILES {
        let path = folder.join(name);
        if !path.is_file() {
            continue;
        }
        let text = disk::read_text(&path, MAX_LOCK)?;
        let read = reader(&text).map_err(|what| {
            Error::new(
                ErrorKind::Package,
                format!("{}: {}", path.display(), crate::text::visible_lines(&what)),
            )
            .with_hint("the lock file goes into the package as the list of what the plugin was built from")
        })?;
        found.push(name);
        components.extend(read);
    }
    let own = &manifest.plugin;
    let source = match found[..] {
        [] => "no lock file stood beside the plugin, so what it was built from is not known".to_owned(),
        _ => found.join(", "),
    };
    let document = json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "component": { "type": "application", "name": own.name, "version": own.version, "bom-ref": own.name },
            "properties": [{ "name": "inferno:read-from", "value": source }],
        },
        "components": components.iter().map(Component::json).collect::<Vec<_>>(),
        // A lock file may name more than went in; without one nothing can be said.
        "compositions": [{
            "aggregate": if found.is_empty() { "unknown" } else { "incomplete" },
            "assemblies": [own.name],
        }],
    });
    serde_json::to_string(&document).map_err(|error| Error::new(ErrorKind::Package, error.to_string()))
}

/// Whether this is a list as it should be.
pub(crate) fn check(text: &str) -> Result<(), Error> {
    read(text).map(drop)
}

/// How many things the list names; `None` where it says that nothing is known.
pub(crate) fn count(text: &str) -> Result<Option<usize>, Error> {
    let document = read(text)?;
    let unknown = document.components.is_empty()
        && document.compositions.iter().any(|composition| composition.aggregate == "unknown");
    Ok((!unknown).then_some(document.components.len()))
}

#[derive(Deserialize)]
struct Document {
    #[serde(rename = "bomFormat")]
    format: String,
    #[serde(rename = "specVersion")]
    version: String,
    #[serde(default)]
    components: Vec<serde::de::IgnoredAny>,
    #[serde(default)]
    compositions: Vec<Composition>,
}

#[derive(Deserialize)]
struct Composition {
    aggregate: String,
}

fn read(text: &str) -> Result<Document, Error> {
    let wrong = |what: String| Error::new(ErrorKind::Package, format!("the section inferno:sbom {what}"));
    let document: Document = serde_json::from_str(text)
        .map_err(|error| wrong(format!("is not CycloneDX JSON: {}", crate::visible(&error.to_string()))))?;
    if document.format != "CycloneDX" || !document.version.starts_with("1.") {
        return Err(wrong("is not CycloneDX JSON of a version 1".to_owned()));
    }
    Ok(document)
}

impl Component {
    fn json(&self) -> Value {
        let purl = format!("pkg:{}/{}@{}", self.kind, purl_name(&self.name), purl_part(&self.version));
        let mut value = json!({
            "type": "library",
            "name": self.name,
            "version": self.version,
            "purl": purl,
        });
        if let (Some(sha256), Some(object)) = (&self.sha256, value.as_object_mut()) {
            object.insert("hashes".to_owned(), json!([{ "alg": "SHA-256", "content": sha256 }]));
        }
        value
    }
}

/// The scope of an npm package is a part of its own; everything else is one part.
fn purl_name(name: &str) -> String {
    match name.split_once('/').filter(|_| name.starts_with('@')) {
        Some((scope, name)) => format!("{}/{}", purl_part(scope), purl_part(name)),
        None => purl_part(name),
    }
}

fn purl_part(text: &str) -> String {
    let mut part = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            part.push(char::from(byte));
        } else {
            part.push_str(&format!("%{byte:02X}"));
        }
    }
    part
}

fn cargo(text: &str) -> Result<Vec<Component>, String> {
    #[derive(Deserialize)]
    struct Lock {
        #[serde(default)]
        package: Vec<Package>,
    }
    #[derive(Deserialize)]
    struct Package {
        name: String,
        version: String,
        checksum: Option<String>,
        source: Option<String>,
    }
    let lock: Lock = toml::from_str(text).map_err(|error| error.to_string())?;
    // What has no source is the plugin itself, or lies beside it.
    let foreign = lock.package.into_iter().filter(|package| package.source.is_some());
    let component = |package: Package| Component {
        kind: "cargo",
        name: package.name,
        version: package.version,
        sha256: package.checksum,
    };
    Ok(foreign.map(component).collect())
}

fn npm(text: &str) -> Result<Vec<Component>, String> {
    let lock: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let Some(packages) = lock.get("packages").and_then(Value::as_object) else {
        return Err("there is no \"packages\" in it; npm 7 or newer writes one".to_owned());
    };
    let mut components = Vec::new();
    for (path, package) in packages {
        // The empty path is the plugin itself; a link leads to a folder that is listed too.
        let Some((_, name)) = path.rsplit_once("node_modules/") else { continue };
        let Some(version) = package.get("version").and_then(Value::as_str) else { continue };
        let name = package.get("name").and_then(Value::as_str).unwrap_or(name);
        components.push(Component {
            kind: "npm",
            name: name.to_owned(),
            version: version.to_owned(),
            sha256: None,
        });
    }
    Ok(components)
}

fn pip(text: &str) -> Result<Vec<Component>, String> {
    let mut components = Vec::new();
    for line in text.replace("\\\n", " ").lines() {
        let line = line.split(" #").next().unwrap_or_default().trim();
        if line.is_empty() || line.starts_with(['#', '-']) {
            continue;
        }
        let requirement = line.split([';', ' ']).next().unwrap_or_default();
        let (name, version) = requirement.split_once("==").ok_or_else(|| {
            format!(
                "\"{line}\" names no exact version; `pip freeze` and `pip-compile` write them as name==1.2.3"
            )
        })?;
        // Extras in brackets are packages that are listed too.
        let name = name.split('[').next().unwrap_or_default().to_lowercase();
        components.push(Component {
            kind: "pypi",
            name: name.replace(['_', '.'], "-"),
            version: version.trim_start_matches('=').to_owned(),
            sha256: None,
        });
    }
    Ok(components)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(files: &[(&str, &str)]) -> Result<Value, Error> {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        let manifest = Manifest::parse("plugin.toml", crate::installed::fixture::MANIFEST).unwrap();
        sbom(&manifest, folder.path()).map(|text| {
            check(&text).unwrap();
            assert_eq!(count(&text).unwrap().is_none(), files.is_empty());
            serde_json::from_str(&text).unwrap()
        })
    }

    fn purls(document: &Value) -> Vec<&str> {
        document["components"].as_array().unwrap().iter().map(|c| c["purl"].as_str().unwrap()).collect()
    }

    #[test]
    fn a_cargo_lock() {
        let lock = "version = 4\n[[package]]\nname = \"acme\"\nversion = \"0.1.0\"\ndependencies = [\"serde\"]\n\
            [[package]]\nname = \"serde\"\nversion = \"1.0.2+x\"\nsource = \"registry+https://x\"\nchecksum = \"ab12\"\n";
        let document = of(&[("Cargo.lock", lock)]).unwrap();
        assert_eq!(purls(&document), ["pkg:cargo/serde@1.0.2%2Bx"]);
        assert_eq!(document["components"][0]["hashes"][0]["content"], "ab12");
        assert_eq!(document["specVersion"], "1.6");
        assert_eq!(document["metadata"]["component"]["name"], "acme");
        assert_eq!(document["compositions"][0]["aggregate"], "incomplete");
    }

    #[test]
    fn an_npm_lock() {
        let lock = r#"{"lockfileVersion": 3, "packages": {"": {"name": "acme", "version": "1.0.0"},
            "node_modules/@scope/a": {"version": "2.0.0"}, "node_modules/b/node_modules/c": {"version": "3.0.0"},
            "node_modules/link": {"link": true}}}"#;
        let document = of(&[("package-lock.json", lock)]).unwrap();
        assert_eq!(purls(&document), ["pkg:npm/%40scope/a@2.0.0", "pkg:npm/c@3.0.0"]);
        let error = of(&[("package-lock.json", "{}")]).unwrap_err();
        assert!(error.to_string().contains("npm 7"), "{error}");
    }

    #[test]
    fn requirements() {
        let text = "# made\n--index-url https://x\nTyping_Extensions[a,b]==4.1 ; python_version > '3' \\\n    --hash=sha256:00\nb===1 # why\n";
        let document = of(&[("requirements.txt", text)]).unwrap();
        assert_eq!(purls(&document), ["pkg:pypi/typing-extensions@4.1", "pkg:pypi/b@1"]);
        let error = of(&[("requirements.txt", "b>=1")]).unwrap_err();
        assert!(error.to_string().contains("\"b>=1\" names no exact version"), "{error}");
    }

    #[test]
    fn several_and_none() {
        let both = of(&[("Cargo.lock", "version = 4"), ("requirements.txt", "b==1")]).unwrap();
        assert_eq!(both["metadata"]["properties"][0]["value"], "Cargo.lock, requirements.txt");
        let none = of(&[]).unwrap();
        assert_eq!(none["components"], json!([]));
        assert_eq!(none["compositions"][0]["aggregate"], "unknown");
        assert!(none["metadata"]["properties"][0]["value"].as_str().unwrap().contains("no lock file"));
    }

    #[test]
    fn other_json_is_no_list() {
        for text in ["", "{}", "[]", "{\"bomFormat\":\"SPDX\",\"specVersion\":\"1.6\"}", &"[".repeat(100_000)]
        {
            assert_eq!(check(text).unwrap_err().kind(), ErrorKind::Package);
        }
    }
}
