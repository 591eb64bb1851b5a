//! Digests: right, and computed once.

use std::fs;

use inferno_models::{Config, Models};

use crate::bytes::Gguf;

#[test]
fn digests_are_right_and_kept() {
    let dir = tempfile::tempdir().expect("a directory");
    let (file, cache) = (dir.path().join("a.gguf"), dir.path().join("cache"));
    let config = || Config { dirs: vec![dir.path().to_owned()], ..Config::default() };
    // SHA-256 of this very file, computed elsewhere.
    fs::write(&file, Gguf::start(0, 0).0).expect("written");
    let digest = |models: &Models| {
        let mut read = 0;
        let model = models.open(&file).expect("opened");
        let digest = model.digest_with(&mut |done, _| read = done).expect("computed");
        (digest, read)
    };
    let models = Models::with_cache(config(), &cache);
    let (first, read) = digest(&models);
    assert_eq!(first, "sha256:a4e5e156ddec27e286f75328784d7106b60a4eb1d246e950a001a3f944fbda99");
    assert_eq!(read, 24, "the whole file was read");
    assert_eq!(digest(&models), (first.clone(), 0), "in memory");
    assert_eq!(digest(&Models::with_cache(config(), &cache)), (first.clone(), 0), "on disk");
    assert_eq!(digest(&Models::new(config())), (first.clone(), 24), "not kept without a cache");

    fs::write(&file, Gguf::model("changed")).expect("written");
    assert_ne!(digest(&models).0, first);
    fs::write(cache.join("digests.json"), "broken").expect("written");
    assert!(digest(&Models::with_cache(config(), &cache)).1 > 0, "computed again");
}
