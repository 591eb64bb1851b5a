//! `inferno plugin keygen`, `sign` and `verify`.

use std::path::{Path, PathBuf};

use inferno_plugins::{MAX_FILE, PublicKey, SecretKey};
use serde::Serialize;

use super::plugin_pack::write;
use crate::args::plugin::{Keygen, Sign, Verify};
use crate::failure::{Failure, Outcome};
use crate::printer::Printer;
use crate::settings::Settings;

pub(crate) fn keygen(settings: &Settings, keygen: &Keygen, printer: Printer) -> Outcome {
    let path = keygen.file.clone().unwrap_or_else(|| default_key(settings));
    if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        std::fs::create_dir_all(parent)
            .map_err(|error| Failure::new(format!("cannot make {}: {error}", parent.display())))?;
    }
    let key = SecretKey::create(&path)?;
    printer.line(key.public())?;
    printer.note(format_args!(
        "the key is in {0}: whoever has that file can sign as you. {0}.pub is the half that others may see.",
        path.display()
    ));
    Ok(0)
}

pub(crate) fn sign(settings: &Settings, sign: &Sign, printer: Printer) -> Outcome {
    let path = sign.key.clone().unwrap_or_else(|| default_key(settings));
    if !path.exists() {
        let option = if sign.key.is_some() { format!(" {}", path.display()) } else { String::new() };
        return Err(Failure::new(format!("there is no key to sign with: {}", path.display()))
            .hint(format!("`inferno plugin keygen{option}` makes one")));
    }
    let key = SecretKey::open(&path)?;
    let signed = inferno_plugins::sign(&read(&sign.file)?, &key)?;
    let output = sign.output.as_ref().unwrap_or(&sign.file);
    write(output, &signed)?;
    printer.line(output.display())?;
    printer.note(format_args!("signed with {}", key.public()));
    Ok(0)
}

#[derive(Serialize)]
struct Verified<'a> {
    valid: bool,
    name: &'a str,
    version: &'a str,
    digest: &'a str,
    signer: Option<PublicKey>,
    /// Why it is not valid.
    problem: Option<&'a str>,
}

pub(crate) fn verify(verify: &Verify, printer: Printer) -> Outcome {
    let wanted: Option<PublicKey> = verify.key.as_deref().map(str::parse).transpose()?;
    let packed = inferno_plugins::read(&read(&verify.file)?)?;
    let problem = match (packed.signer, wanted) {
        (None, _) => Some("nobody signed it".to_owned()),
        (Some(signer), Some(wanted)) if signer != wanted => {
            Some(format!("it is signed with {signer}, not with {wanted}"))
        }
        _ => None,
    };
    let about = &packed.package.manifest().plugin;
    if verify.json.json {
        printer.json(&Verified {
            valid: problem.is_none(),
            name: &about.name,
            version: &about.version,
            digest: packed.package.digest(),
            signer: packed.signer,
            problem: problem.as_deref(),
        })?;
        return Ok(u8::from(problem.is_some()));
    }
    if let Some(problem) = problem {
        return Err(Failure::new(format!("{}: {problem}", verify.file.display())));
    }
    printer.facts(&[
        ("name", about.name.clone()),
        ("version", inferno_plugins::visible(&about.version)),
        ("digest", packed.package.digest().to_owned()),
        ("signed by", packed.signer.map_or_else(String::new, |key| key.to_string())),
    ])?;
    Ok(0)
}

fn default_key(settings: &Settings) -> PathBuf {
    settings.data_dir.join("signing.key")
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let failed =
        |what: &dyn std::fmt::Display| Failure::new(format!("cannot read {}: {what}", path.display()));
    let size = std::fs::metadata(path).map_err(|error| failed(&error))?.len();
    if size > MAX_FILE {
        return Err(failed(&format_args!("it is longer than {MAX_FILE} bytes")));
    }
    std::fs::read(path).map_err(|error| failed(&error))
}
