use inferno_plugins::{ErrorKind, Incoming, MAX_MANIFEST, inspect, pack, pack_parts, read, sign};

use crate::kit::{Dice, SBOM, component, key, manifest, signed, unsigned};

#[test]
fn a_package_survives_packing_and_is_still_a_component() {
    let key = key();
    let bytes = signed(&key);
    let packed = read(&bytes).unwrap();
    assert_eq!(packed.manifest_text, manifest("acme", "kv = true"));
    assert_eq!(packed.package.wasm(), component());
    assert_eq!((packed.sbom.as_str(), packed.signer), (SBOM, Some(key.public())));
    assert_eq!(bytes[..component().len()], component());
    let names: Vec<_> = wasmparser::Parser::new(0)
        .parse_all(&bytes)
        .filter_map(|payload| match payload.unwrap() {
            wasmparser::Payload::CustomSection(section) => Some(section.name().to_owned()),
            _ => None,
        })
        .filter(|name| name.starts_with("inferno:"))
        .collect();
    assert_eq!(names, ["inferno:manifest", "inferno:sbom", "inferno:signature"]);
    let inspection = inspect(&bytes).unwrap();
    assert_eq!((inspection.signer, inspection.built_from), (Some(key.public()), Some(1)));
}

#[test]
fn folder_file_and_signatures_have_one_digest() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("plugin.toml"), manifest("acme", "kv = true")).unwrap();
    std::fs::write(folder.path().join("plugin.wasm"), component()).unwrap();
    let of_folder = Incoming::folder(folder.path()).unwrap();
    assert_eq!((of_folder.signer(), of_folder.sbom()), (None, None));
    let digest = of_folder.package().digest();
    assert_eq!(digest, inferno_sandbox::Package::open(folder.path()).unwrap().digest());
    let packed = pack(folder.path()).unwrap();
    let (one, two) = (sign(&packed, &key()).unwrap(), sign(&packed, &key()).unwrap());
    assert_ne!(one, two);
    for bytes in [&packed, &one, &two] {
        assert_eq!(read(bytes).unwrap().package.digest(), digest);
    }
    assert!(read(&packed).unwrap().sbom.contains("no lock file"));
    // The list of what it was built from is signed, and is not what a grant is bound to.
    let other = pack_parts(&manifest("acme", "kv = true"), &component(), SBOM).unwrap();
    assert_eq!(read(&other).unwrap().package.digest(), digest);
    let path = folder.path().join("acme.wasm");
    std::fs::write(&path, &one).unwrap();
    let incoming = Incoming::open(path.to_str().unwrap(), |_| Err("no network".to_owned())).unwrap();
    assert_eq!(incoming.package().digest(), digest);
    let fetched = Incoming::open("https://x/acme.wasm", |_| Ok(one.clone())).unwrap();
    assert_eq!((fetched.package().digest(), fetched.source()), (digest, "https://x/acme.wasm"));
}

#[test]
fn signing_again_replaces_the_signature() {
    let (first, second) = (key(), key());
    let bytes = signed(&first);
    let again = sign(&bytes, &second).unwrap();
    assert_eq!(read(&again).unwrap().signer, Some(second.public()));
    assert_eq!(again.len(), bytes.len());
    assert_eq!(sign(&again, &first).unwrap(), bytes);
}

#[test]
fn a_package_cut_anywhere_is_refused() {
    let bytes = signed(&key());
    let whole_without_signature = unsigned("acme", "kv = true").len();
    for length in 0..bytes.len() {
        let cut = read(&bytes[..length]);
        // Cut right before its signature it is a whole package that nobody signed; that it was signed is remembered by
        // whoever installed it before.
        assert_eq!(cut.is_ok(), length == whole_without_signature, "{length}");
        if let Ok(cut) = cut {
            assert_eq!(cut.signer, None);
        }
    }
}

#[test]
fn a_bit_flipped_anywhere_is_refused() {
    let bytes = signed(&key());
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(read(&flipped).is_err(), "bit {} of byte {} of {}", bit % 8, bit / 8, bytes.len());
    }
}

#[test]
fn nothing_may_follow_precede_or_repeat() {
    let key = key();
    let (plain, bytes) = (unsigned("acme", ""), sign(&unsigned("acme", ""), &key).unwrap());
    let section = |name: &str, data: &[u8]| {
        let mut body = vec![u8::try_from(name.len()).unwrap()];
        body.extend_from_slice(name.as_bytes());
        body.extend_from_slice(data);
        let length = u8::try_from(body.len()).unwrap();
        assert!(length < 128);
        [&[0, length][..], &body].concat()
    };
    let check = |bytes: &[u8], expect: &str| {
        let error = read(bytes).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Package, "{error}");
        assert!(error.to_string().contains(expect), "{error}");
    };
    let with = |bytes: &[u8], more: &[u8]| [bytes, more].concat();
    check(&with(&bytes, &[0]), "cut off");
    check(&with(&bytes, &section("name", b"x")), "another section stands behind inferno:signature");
    check(&with(&plain, &section("name", b"x")), "another section stands behind inferno:sbom");
    check(&with(&bytes, &section("inferno:signature", b"{}")), "two sections inferno:signature");
    check(&with(&plain, &section("inferno:manifest", b"x")), "two sections inferno:manifest");
    check(&with(&plain, &section("inferno:other", b"x")), "does not belong");
    check(&with(&component(), &section("inferno:sbom", b"x")), "does not belong");
    check(&with(&component(), &section("inferno:manifest", b"x")), "lacks the section inferno:sbom");
    check(&component(), "carries no manifest");
    check(b"\0asm\x01\0\0\0", "a WebAssembly module");
    check(b"PK\x03\x04 and so on", "not WebAssembly");
    check(b"", "not WebAssembly");
    // The length of a section can be written in more bytes than it takes; not here.
    let mut padded = plain.clone();
    let at = component().len() + 1;
    padded.splice(at..=at + 1, [plain[at], plain[at + 1] | 0x80, 0]);
    check(&padded, "not written as it should be");
    // A section of a component inside is not one of this component.
    let nested = wat::parse_str("(component (component (@custom \"inferno:manifest\" \"x\")))").unwrap();
    read(&pack_parts(&manifest("acme", ""), &nested, SBOM).unwrap()).unwrap();
    let packed_twice = pack_parts(&manifest("acme", ""), &plain, SBOM).unwrap_err();
    assert!(packed_twice.hint().unwrap().contains("as the compiler made it"), "{packed_twice}");
}

#[test]
fn signatures_are_for_these_bytes_only() {
    let (mine, other) = (key(), key());
    let (a, b) = (sign(&unsigned("acme", ""), &mine).unwrap(), sign(&unsigned("bcme", ""), &mine).unwrap());
    let (a_plain, b_plain) = (unsigned("acme", "").len(), unsigned("bcme", "").len());
    // The signature of another package of the same author.
    let moved = [&a[..a_plain], &b[b_plain..]].concat();
    let error = read(&moved).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Signature);
    assert!(error.to_string().contains("changed after it was signed, or is forged"), "{error}");
    assert!(sign(&moved, &mine).is_err(), "what is forged is not signed over");
    // Somebody else's signature under my key.
    let forged = sign(&a, &other).unwrap();
    let text = String::from_utf8_lossy(&forged).into_owned();
    let swap = |key: &inferno_plugins::PublicKey| key.to_string()["ed25519:".len()..].to_owned();
    assert!(text.contains(&swap(&other.public())));
    let at = forged.windows(44).position(|window| window == swap(&other.public()).as_bytes()).unwrap();
    let mut swapped = forged;
    swapped[at..at + 44].copy_from_slice(swap(&mine.public()).as_bytes());
    assert_eq!(read(&swapped).unwrap_err().kind(), ErrorKind::Signature);
}

#[test]
fn what_is_too_long_is_refused() {
    let long = format!("{}#{}", manifest("acme", ""), "x".repeat(MAX_MANIFEST as usize));
    let error = pack_parts(&long, &component(), SBOM).unwrap_err();
    assert!(error.to_string().contains("inferno:manifest is too long"), "{error}");
    let error = pack_parts(&manifest("acme", ""), &component(), "{}").unwrap_err();
    assert!(error.to_string().contains("inferno:sbom"), "{error}");
    let error = pack_parts(&manifest("../acme", ""), &component(), SBOM).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Manifest);
}

#[test]
fn noise_never_panics() {
    let bytes = signed(&key());
    let mut dice = Dice(0x9e37_79b9);
    for _ in 0..20_000 {
        let mut noisy = bytes.clone();
        for _ in 0..=dice.below(4) {
            let (at, to) = (dice.below(noisy.len()), dice.below(256));
            match dice.below(3) {
                0 => noisy[at] = to as u8,
                1 => noisy.insert(at, to as u8),
                _ => drop(noisy.remove(at)),
            }
        }
        if noisy != bytes {
            assert!(read(&noisy).is_err_and(|error| !error.to_string().contains('\x1b')));
        }
    }
}
