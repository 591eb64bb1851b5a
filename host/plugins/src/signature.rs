//! The signature section: who vouches for every byte before it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::error::{Error, ErrorKind};
use crate::keys::{PublicKey, SecretKey};

/// Goes into every signed message, so that no signature made for this can pass for anything else, nor the reverse.
const DOMAIN: &[u8] = b"inferno plugin package 1\n";
const ALGORITHM: &str = "ed25519";

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Section {
    algorithm: String,
    public_key: String,
    signature: String,
}

/// The content of the section that vouches for these bytes.
pub(crate) fn make(signed: &[u8], key: &SecretKey) -> Result<Vec<u8>, Error> {
    let section = Section {
        algorithm: ALGORITHM.to_owned(),
        public_key: key.public().to_base64(),
        signature: STANDARD.encode(key.sign(&message(signed))),
    };
    serde_json::to_vec(&section).map_err(|error| Error::new(ErrorKind::Signature, error.to_string()))
}

/// Who vouches for these bytes; an error if nobody does.
pub(crate) fn check(signed: &[u8], section: &[u8]) -> Result<PublicKey, Error> {
    let wrong = |what: &str| Error::new(ErrorKind::Signature, format!("the package's signature {what}"));
    let parsed: Option<Section> = serde_json::from_slice(section).ok();
    // Spaces and escapes would leave the meaning as it is and the bytes not.
    let canonical = parsed.filter(|parsed| serde_json::to_vec(parsed).is_ok_and(|again| again == section));
    let Section { algorithm, public_key, signature } =
        canonical.ok_or_else(|| wrong("is not of the form that it should have"))?;
    if algorithm != ALGORITHM {
        return Err(wrong("is of a kind that this version of inferno does not know")
            .with_hint("a newer version may know it; this one knows ed25519"));
    }
    let key = PublicKey::from_base64(&public_key).ok_or_else(|| wrong("names something that is no key"))?;
    let signature: [u8; 64] = STANDARD
        .decode(signature)
        .ok()
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or_else(|| wrong("is not of the form that it should have"))?;
    if !key.verifies(&message(signed), &signature) {
        return Err(wrong(
            "does not fit its bytes: the package was changed after it was signed, or is forged",
        )
        .with_hint("get the package again from where its author publishes it"));
    }
    Ok(key)
}

fn message(signed: &[u8]) -> Vec<u8> {
    [DOMAIN, Sha256::digest(signed).as_slice()].concat()
}
