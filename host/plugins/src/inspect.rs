//! What a plugin is and what it could do, in words, without running any of it.

use inferno_sandbox::Manifest;
use serde::Serialize;
use wasmparser::{BinaryReader, ComponentExportSectionReader, ComponentImportSectionReader};

use crate::asks::{Ask, KINDS, asks, to_table};
use crate::error::{Error, ErrorKind};
use crate::keys::PublicKey;
use crate::sections::{EXPORTS, IMPORTS, Sections};
use crate::source::Incoming;
use crate::text::{Warning, visible};
use crate::{differences, sbom};

/// No component that means well has more imports or exports.
const MAX_INTERFACES: usize = 20_000;

/// Something that a component imports or exports.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Interface {
    /// Such as `inferno:host/kv`.
    pub name: String,
    /// Such as `0.1.0`.
    pub version: Option<String>,
}

/// What a plugin is and could do. All text in it is harmless to show.
#[derive(Clone, Debug, Serialize)]
pub struct Inspection {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// What it says of itself.
    pub description: String,
    /// Its licence.
    pub license: String,
    /// The version of the interfaces that it was built for.
    pub wit: String,
    /// The roles that it plays.
    pub roles: Vec<String>,
    /// What its component imports.
    pub imports: Vec<Interface>,
    /// What its component exports.
    pub exports: Vec<Interface>,
    /// What it asks for.
    pub asks: Vec<Ask>,
    /// Bytes of the file; of a folder, of its component.
    pub size: u64,
    /// What a grant would be bound to.
    pub digest: String,
    /// Who signed it; absent: nobody.
    pub signer: Option<PublicKey>,
    /// How many things it says that it was built from; absent: it does not say.
    pub built_from: Option<usize>,
    /// What it could do if all that it asks for were granted: the ends of sentences that begin with "It may".
    pub may: Vec<String>,
    /// What it can never do, whatever is granted: one sentence.
    pub never: String,
    /// What does not fit together.
    pub warnings: Vec<Warning>,
}

/// Looks at a packed plugin.
pub fn inspect(bytes: &[u8]) -> Result<Inspection, Error> {
    of(&Incoming::packed(bytes, "")?)
}

pub(crate) fn of(incoming: &Incoming) -> Result<Inspection, Error> {
    let manifest = incoming.package.manifest();
    let (imports, exports) = interfaces(incoming.package.wasm())?;
    let asks = asks(manifest)?;
    let roles = differences::roles(&incoming.manifest_text)?;
    let built_from = incoming.sbom.as_deref().map(sbom::count).transpose()?.flatten();
    let mut warnings = misfits(manifest, &imports)?;
    if incoming.sbom.is_some() && built_from.is_none() {
        warnings.push(Warning::new("no-sbom", "it does not say what it was built from"));
    }
    let about = &manifest.plugin;
    Ok(Inspection {
        name: about.name.clone(),
        version: visible(&about.version),
        description: visible(&about.description),
        license: visible(&about.license),
        wit: visible(&about.wit),
        roles: manifest.roles.names().into_iter().map(str::to_owned).collect(),
        may: roles.into_iter().chain(asks.iter().map(|ask| ask.sentence.clone())).collect(),
        never: never(manifest)?,
        imports,
        exports,
        asks,
        size: incoming.size,
        digest: incoming.package.digest().to_owned(),
        signer: incoming.signer,
        built_from,
        warnings,
    })
}

/// What it imports without asking, and what it asks for without importing.
pub(crate) fn misfits(manifest: &Manifest, imports: &[Interface]) -> Result<Vec<Warning>, Error> {
    let asked = to_table(&manifest.asks)?;
    let mut warnings = Vec::new();
    for kind in KINDS {
        let key = kind.key();
        let used = imports.iter().find(|import| kind.interfaces().contains(&import.name.as_str()));
        if let (Some(import), false) = (used, asked.contains_key(key)) {
            let text =
                format!("it imports {} but does not ask for {key}: such calls will be denied", import.name);
            warnings.push(Warning::new("imported-not-asked", text));
        }
        if used.is_none() && asked.contains_key(key) && !kind.interfaces().is_empty() {
            let text = format!("it asks for {key} but its component does not import what that is for");
            warnings.push(Warning::new("asked-not-imported", text));
        }
    }
    Ok(warnings)
}

fn never(manifest: &Manifest) -> Result<String, Error> {
    let asked = to_table(&manifest.asks)?;
    let not_asked = KINDS.iter().filter(|kind| !asked.contains_key(kind.key())).map(|kind| kind.never());
    let always = ["start programs", "see environment variables", "change its own manifest or grants"];
    let all: Vec<&str> = not_asked.chain(always).collect();
    Ok(match all.split_last() {
        Some((last, rest)) => format!("It can never {}, or {last}.", rest.join(", ")),
        None => String::new(),
    })
}

/// What a component imports and exports.
pub(crate) fn interfaces(component: &[u8]) -> Result<(Vec<Interface>, Vec<Interface>), Error> {
    let broken = |what: &dyn std::fmt::Display| {
        Error::new(
            ErrorKind::Package,
            format!("the component cannot be read: {}", visible(&what.to_string())),
        )
    };
    let (mut imports, mut exports) = (Vec::new(), Vec::new());
    for section in Sections::new(component)? {
        let section = section?;
        let reader = BinaryReader::new(section.data, section.range.start);
        let names: Vec<&str> = match section.id {
            IMPORTS => ComponentImportSectionReader::new(reader)
                .and_then(|reader| reader.into_iter().map(|import| Ok(import?.name.name)).collect())
                .map_err(|error| broken(&error))?,
            EXPORTS => ComponentExportSectionReader::new(reader)
                .and_then(|reader| reader.into_iter().map(|export| Ok(export?.name.name)).collect())
                .map_err(|error| broken(&error))?,
            _ => continue,
        };
        let list = if section.id == IMPORTS { &mut imports } else { &mut exports };
        list.extend(names.into_iter().map(Interface::of));
        if list.len() > MAX_INTERFACES {
            return Err(broken(&format!("it has more than {MAX_INTERFACES} imports or exports")));
        }
    }
    Ok((imports, exports))
}

impl Interface {
    fn of(name: &str) -> Self {
        match name.split_once('@') {
            Some((name, version)) => Self { name: visible(name), version: Some(visible(version)) },
            None => Self { name: visible(name), version: None },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::installed::fixture;

    #[test]
    fn in_words() {
        let inspection =
            fixture::incoming("1.0.0", "inference = { models = ['a'] }\nkv = true").inspect().unwrap();
        assert_eq!(inspection.name, "acme");
        assert_eq!(
            inspection.imports,
            [Interface { name: "inferno:host/kv".to_owned(), version: Some("0.1.0".to_owned()) }]
        );
        assert_eq!(inspection.exports[0].name, "wasi:cli/run");
        assert_eq!(
            inspection.may,
            [
                "be a verb of the command line",
                "run the model \"a\"",
                "keep small values between calls, apart for each tenant"
            ]
        );
        assert!(
            inspection.never.starts_with("It can never see which models are installed, "),
            "{}",
            inspection.never
        );
        assert!(inspection.never.ends_with("or change its own manifest or grants."));
        let codes: Vec<_> = inspection.warnings.iter().map(|warning| warning.code).collect();
        assert_eq!(codes, ["asked-not-imported", "no-sbom"]);
        assert_eq!((inspection.signer, inspection.built_from), (None, None));
    }

    #[test]
    fn asking_for_nothing_and_importing_is_told() {
        let inspection = fixture::incoming("1.0.0", "").inspect().unwrap();
        assert_eq!(inspection.warnings[0].code, "imported-not-asked");
        assert!(inspection.warnings[0].text.contains("inferno:host/kv"), "{:?}", inspection.warnings);
    }

    #[test]
    fn text_of_strangers_is_harmless() {
        let manifest = fixture::manifest("1.0.0", "").replace("A test", "\\u001b[2J\\u202e");
        let inspection = fixture::incoming_of(&manifest).inspect().unwrap();
        assert_eq!(inspection.description, "\\u{1b}[2J\\u{202e}");
    }

    #[test]
    fn many_imports() {
        use std::fmt::Write as _;
        let mut text = String::new();
        for at in 0..10_000 {
            let _ = write!(text, "(import \"a:b/i{at}\" (instance))");
        }
        let component = wat::parse_str(format!("(component {text})")).unwrap();
        assert_eq!(interfaces(&component).unwrap().0.len(), 10_000);
        let claims = [&component[..8], &[10, 5, 0xff, 0xff, 0xff, 0xff, 0x0f]].concat();
        assert_eq!(interfaces(&claims).unwrap_err().kind(), ErrorKind::Package);
    }
}
