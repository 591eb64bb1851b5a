//! Finding models: layouts, names, duplicates, broken files.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use inferno_models::{Builtin, Config, Foreign, Format, Header, Listing, Models, ModelsError};

use crate::bytes::Gguf;

struct Place {
    dir: tempfile::TempDir,
    foreign: Vec<Foreign>,
}

impl Place {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().expect("a directory"), foreign: Vec::new() }
    }

    fn path(&self, path: &str) -> PathBuf {
        self.dir.path().join(path)
    }

    fn write(&self, path: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        fs::write(&path, bytes).expect("written");
        path
    }

    fn model(&self, path: &str) -> PathBuf {
        self.write(path, Gguf::model(path))
    }

    /// As the Hugging Face tools lay it out: a link into a store of blobs.
    fn hub_model(&self, repository: &str, revision: &str, file: &str, bytes: &[u8]) {
        let blob = format!("blob-{revision}-{}", file.replace('/', "-"));
        self.write(&format!("hub/models--{repository}/blobs/{blob}"), bytes);
        let link = self.path(&format!("hub/models--{repository}/snapshots/{revision}/{file}"));
        fs::create_dir_all(link.parent().expect("a folder")).expect("made");
        let up = "../".repeat(file.matches('/').count() + 2);
        symlink(format!("{up}blobs/{blob}"), link).expect("linked");
    }

    fn models(&self) -> Models {
        Models::new(Config {
            dirs: vec![self.path("models"), self.path("more")],
            hf_cache: Some(self.path("hub")),
            foreign: self.foreign.clone(),
            builtin: None,
        })
    }

    fn list(&self) -> Listing {
        self.models().list().expect("listed")
    }

    fn names(&self) -> Vec<String> {
        self.list().models.into_iter().map(|model| model.name).collect()
    }
}

fn split_part(number: usize, count: u32) -> Vec<u8> {
    let start = match number {
        0 => Gguf::start(1, 3).text("general.architecture", "llama").number("split.no", 0),
        number => Gguf::start(1, 2).number("split.no", number as u32),
    };
    start.number("split.count", count).tensor(&format!("w{number}"), &[8], 0).data(32)
}

#[test]
fn nothing_is_no_error() {
    let place = Place::new();
    let listing = place.list();
    assert!(listing.models.is_empty() && listing.problems.is_empty());
    assert!(
        matches!(place.models().default_model(), Err(ModelsError::NoModel { dir }) if dir == place.path("models"))
    );
}

#[test]
fn a_file_as_models_directory_is_an_error() {
    let place = Place::new();
    place.write("models", "");
    let error = place.models().list().expect_err("refused");
    assert!(
        matches!(&error, ModelsError::Directory { path, .. } if *path == place.path("models")),
        "{error}"
    );
}

#[test]
fn a_format_that_only_a_backend_knows_is_told_by_name_and_magic() {
    let mut place = Place::new();
    place.write("models/a.tiny", "TINY and so on");
    place.write("models/b.TINY", "TINY");
    place.write("models/c.tiny", "something else");
    place.write("models/d.bin", "TINY");
    place.write("models/e.tiny", Gguf::model("e"));
    assert!(place.names().is_empty());
    let foreign = |extension: &str, magic: &[u8]| Foreign {
        format: "tiny".to_owned(),
        extension: extension.to_owned(),
        magic: magic.to_vec(),
    };
    place.foreign = vec![foreign("tiny", b"TINY")];
    let listing = place.list();
    let formats: Vec<_> =
        listing.models.iter().map(|model| (model.name.as_str(), model.format.as_str())).collect();
    assert_eq!(formats, [("a", "tiny"), ("b", "tiny"), ("e", "gguf")], "what is read here stays what it is");
    let problems: Vec<_> =
        listing.problems.iter().map(|(path, _)| path.file_name().expect("a name")).collect();
    assert_eq!(problems, ["c.tiny"]);
    let model = place.models().find("a.tiny").expect("found with its extension");
    assert_eq!((model.name.as_str(), model.size, &model.header), ("a", 14, &Header::default()));
    assert!(model.digest().expect("a digest").starts_with("sha256:"));
    assert_eq!(place.models().open(&place.path("models/a.tiny")).expect("opened").format, model.format);
    assert!(place.models().open(&place.path("models/d.bin")).is_err());
    // Without magic the name decides.
    place.foreign = vec![foreign("bin", b"")];
    assert!(place.names().contains(&"d".to_owned()));
}

#[test]
fn subdirectories_are_part_of_the_name() {
    let place = Place::new();
    place.model("models/a.gguf");
    place.model("models/org/b.GGUF");
    place.write("models/e.echo", "inferno-echo\n{\"context\": 64}");
    place.write("models/readme.md", "no model");
    place.model("models/.hidden/c.gguf");
    assert_eq!(place.names(), ["a", "e", "org/b"]);
    let models = place.models();
    let by_short_name = models.find("b").expect("found by its short name");
    assert_eq!(by_short_name.name, "org/b");
    assert_eq!(by_short_name.aliases, ["b"]);
    assert_eq!(models.find("a.gguf").expect("found with its extension").name, "a");
    let echo = models.find("e").expect("found");
    assert_eq!((echo.format, echo.header.context_length), (Format::Echo, Some(64)));
}

#[test]
fn links_in_circles_end() {
    let place = Place::new();
    place.model("models/deep/a.gguf");
    symlink(place.path("models"), place.path("models/deep/again")).expect("linked");
    symlink(place.path("models/deep/self"), place.path("models/deep/self")).expect("linked");
    assert_eq!(place.names(), ["deep/a"]);
}

#[test]
fn too_deep_is_said() {
    let place = Place::new();
    place.model("models/1/2/3/4/5/6/7/8/a.gguf");
    place.model("models/1/2/3/4/5/6/7/8/9/b.gguf");
    let listing = place.list();
    assert_eq!(listing.models.len(), 1);
    assert!(listing.problems[0].1.contains("8 directories deep"), "{:?}", listing.problems);
}

#[test]
fn the_hub_cache_is_read_as_it_is_laid_out() {
    let place = Place::new();
    place.hub_model("acme--tiny", "aaaaaaaaaaaa", "tiny-Q4.gguf", &Gguf::model("old"));
    place.hub_model("acme--tiny", "bbbbbbbbbbbb", "tiny-Q4.gguf", &Gguf::model("new"));
    place.hub_model("acme--tiny", "bbbbbbbbbbbb", "sub/other.gguf", &Gguf::model("other"));
    place.write("hub/models--acme--tiny/refs/main", "bbbbbbbbbbbb");
    place.hub_model("solo--one", "cccccccccccc", "one.gguf", &Gguf::model("one"));
    place.write("hub/models--acme--torch/snapshots/d/model.safetensors", "x");
    place.model("hub/datasets--acme--x/snapshots/e/x.gguf");
    assert_eq!(
        place.names(),
        ["acme/tiny/sub/other", "acme/tiny/tiny-Q4", "acme/tiny/tiny-Q4@aaaaaaaa", "solo/one/one"]
    );
    let models = place.models();
    let header_name = |name: &str| models.find(name).expect("found").header.name;
    assert_eq!(header_name("acme/tiny/tiny-Q4").as_deref(), Some("new"), "the revision of main has the name");
    assert_eq!(header_name("acme/tiny/tiny-Q4@aaaaaaaa").as_deref(), Some("old"));
    assert_eq!(header_name("solo/one").as_deref(), Some("one"), "the repository names its only model");
    assert!(models.find("acme/tiny").is_err(), "it has several models");
    assert!(!models.find("solo/one").expect("found").path.is_symlink());
}

#[test]
fn one_file_is_one_model() {
    let place = Place::new();
    let file = place.model("models/a.gguf");
    symlink(&file, place.path("models/b.gguf")).expect("linked");
    fs::hard_link(&file, place.path("models/c.gguf")).expect("linked");
    symlink(place.path("models"), place.path("more")).expect("linked");
    let listing = place.list();
    assert_eq!(listing.models.len(), 1);
    assert_eq!(listing.models[0].aliases, ["b", "c"]);
    assert_eq!(place.models().find("c").expect("found").name, "a");
}

#[test]
fn equal_names_are_told_apart() {
    let place = Place::new();
    place.model("models/a.gguf");
    place.model("models/x/a.gguf");
    place.model("more/a.gguf");
    assert_eq!(place.names(), ["a", "more/a", "x/a"]);
}

#[test]
fn a_split_model_is_one() {
    let place = Place::new();
    for number in 0..3 {
        place.write(&format!("models/big-0000{}-of-00003.gguf", number + 1), split_part(number, 3));
    }
    let listing = place.list();
    assert_eq!(listing.models.len(), 1, "{:?}", listing.problems);
    let model = &listing.models[0];
    let sizes: usize = (0..3).map(|number| split_part(number, 3).len()).sum();
    assert_eq!((model.name.as_str(), model.size), ("big", sizes as u64));
    assert_eq!((model.header.parameters, model.header.tensors), (24, 3));
    assert_eq!(model.files().len(), 3);
    let second = place.models().open(&place.path("models/big-00002-of-00003.gguf")).expect_err("refused");
    assert!(second.to_string().contains("opened by its first part"), "{second}");
}

#[test]
fn a_split_model_in_the_hub_keeps_its_names() {
    let place = Place::new();
    for number in 0..2 {
        let file = format!("big-0000{}-of-00002.gguf", number + 1);
        place.hub_model("acme--big", "abcdef012345", &file, &split_part(number, 2));
    }
    let model = place.models().find("acme/big").expect("found");
    assert!(model.path.ends_with("snapshots/abcdef012345/big-00001-of-00002.gguf"), "{:?}", model.path);
    assert!(model.files().iter().all(|file| file.parent().is_some_and(|dir| dir.ends_with("blobs"))));
}

#[test]
fn missing_parts_are_said() {
    let place = Place::new();
    place.write("models/a-00001-of-00002.gguf", split_part(0, 2));
    place.write("models/b-00002-of-00002.gguf", split_part(1, 2));
    place.write("models/renamed.gguf", split_part(0, 2));
    let listing = place.list();
    assert!(listing.models.is_empty());
    let problem = |file: &str| {
        let found = listing.problems.iter().find(|(path, _)| path.ends_with(file));
        found.map(|(_, why)| why.as_str()).unwrap_or_default()
    };
    assert!(problem("a-00001-of-00002.gguf").contains("part 2 of 2 is missing"), "{:?}", listing.problems);
    assert!(problem("b-00002-of-00002.gguf").contains("first part"), "{:?}", listing.problems);
    assert!(problem("renamed.gguf").contains("has 2 parts"), "{:?}", listing.problems);
}

#[test]
fn accessories_are_not_models() {
    let place = Place::new();
    place.model("models/mmproj-tiny-f16.gguf");
    place.write("models/eye.gguf", Gguf::start(0, 1).text("general.architecture", "clip").data(0));
    place.write("models/lora.gguf", Gguf::start(0, 1).text("general.type", "adapter").data(0));
    let listing = place.list();
    assert!(listing.models.is_empty() && listing.problems.is_empty());
    assert!(place.models().open(&place.path("models/lora.gguf")).is_err());
}

/// A projector whose vectors are as long as this.
fn eye(width: u32) -> Vec<u8> {
    Gguf::start(0, 2).text("general.architecture", "clip").number("clip.vision.projection_dim", width).data(0)
}

/// A chat model whose vectors are as long as this.
fn reader(width: u32) -> Vec<u8> {
    Gguf::start(0, 3)
        .text("general.architecture", "llama")
        .text("tokenizer.chat_template", "{{ messages }}")
        .number("llama.embedding_length", width)
        .data(0)
}

#[test]
fn projectors_belong_to_the_models_beside_them() {
    let place = Place::new();
    place.write("models/one/seer-4b-it-Q4_K_M.gguf", reader(64));
    place.write("models/one/seer-4b-it-Q8_0.gguf", reader(64));
    place.write("models/one/mmproj-model-f16.gguf", eye(64));
    place.write("models/flat/fox-7b.gguf", reader(64));
    place.write("models/flat/owl-7b-instruct.gguf", reader(64));
    place.write("models/flat/owl-70b.gguf", reader(96));
    place.write("models/flat/bear.gguf", reader(64));
    place.write("models/flat/mmproj-Owl-7B-f16.gguf", eye(64));
    place.write("models/flat/mmproj-fox-f16.gguf", eye(64));
    place.write("models/other/blind.gguf", reader(64));
    place.hub_model("org--gazer", "aaaa", "gazer.gguf", &reader(32));
    place.hub_model("org--gazer", "aaaa", "mmproj-BF16.gguf", &eye(32));
    let listing = place.list();
    assert_eq!(listing.problems, []);
    let eyes: Vec<_> = listing
        .models
        .iter()
        .map(|model| {
            let eye = model
                .projector
                .as_ref()
                .map(|projector| projector.path.file_name().expect("a file").to_string_lossy().into_owned());
            (model.name.as_str(), eye)
        })
        .collect();
    let named = |name: &str| Some(name.to_owned());
    assert_eq!(
        eyes,
        [
            ("flat/bear", None),
            ("flat/fox-7b", named("mmproj-fox-f16.gguf")),
            ("flat/owl-70b", None),
            ("flat/owl-7b-instruct", named("mmproj-Owl-7B-f16.gguf")),
            ("one/seer-4b-it-Q4_K_M", named("mmproj-model-f16.gguf")),
            ("one/seer-4b-it-Q8_0", named("mmproj-model-f16.gguf")),
            ("org/gazer/gazer", named("blob-aaaa-mmproj-BF16.gguf")),
            ("other/blind", None),
        ]
    );

    // A model that is named by its file sees with the same, and one that is found by name notices when it is gone.
    let models = place.models();
    let opened = models.open(&place.path("models/flat/fox-7b.gguf")).expect("opened");
    let found = models.find("flat/fox-7b").expect("found");
    assert_eq!(opened.projector, found.projector);
    assert!(found.projector.is_some_and(|projector| projector.size > 0));
    fs::remove_file(place.path("models/flat/mmproj-fox-f16.gguf")).expect("removed");
    assert_eq!(models.find("flat/fox-7b").expect("found").projector, None);
}

#[test]
fn any_projector_that_fits_can_be_taken() {
    let place = Place::new();
    place.write("models/blind.gguf", reader(64));
    let (fitting, other) = (place.write("eyes/a.gguf", eye(64)), place.write("eyes/b.gguf", eye(32)));
    let mut model = place.models().find("blind").expect("found");
    let error = model.see_with(&other).expect_err("another length").to_string();
    assert!(error.contains("vectors of 32 numbers, but the model's have 64"), "{error}");
    let error = model.see_with(&place.path("models/blind.gguf")).expect_err("no projector").to_string();
    assert!(error.contains("no projector for images"), "{error}");
    assert!(model.see_with(&place.path("nothing.gguf")).is_err());
    assert_eq!(model.projector, None);
    model.see_with(&fitting).expect("it fits");
    assert_eq!(model.projector.map(|projector| projector.path), fitting.canonicalize().ok());
}

#[test]
fn adapters_are_listed_apart_and_fit_their_family() {
    let place = Place::new();
    let adapter = |family| {
        Gguf::start(0, 2).text("general.type", "adapter").text("general.architecture", family).data(0)
    };
    place.write("models/adapters/pirate.gguf", adapter("llama"));
    place.write("models/adapters/poet.gguf", adapter("qwen2"));
    place.model("models/tiny.gguf");
    let listing = place.list();
    let names: Vec<&str> = listing.adapters.iter().map(|adapter| adapter.name.as_str()).collect();
    assert_eq!(names, ["pirate", "poet"]);
    let [tiny] = &listing.models[..] else { panic!("one model: {listing:?}") };
    assert_eq!(tiny.header.architecture, "llama");
    assert!(listing.adapters[0].fits(tiny) && !listing.adapters[1].fits(tiny));
}

#[test]
fn broken_files_hide_nothing() {
    let place = Place::new();
    place.model("models/z.gguf");
    let mut cut = Gguf::model("cut");
    cut.truncate(100);
    place.write("models/cut.gguf", cut);
    place.write("models/page.gguf", "<html>");
    symlink(place.path("nowhere"), place.path("models/gone.gguf")).expect("linked");
    let listing = place.list();
    assert_eq!(listing.models.len(), 1);
    assert_eq!(listing.problems.len(), 3, "{:?}", listing.problems);
    let models = place.models();
    let error = models.find("cut").expect_err("refused").to_string();
    assert!(error.contains("incomplete") && error.contains("cut.gguf"), "{error}");
    let error = models.find("gone").expect_err("refused").to_string();
    assert!(error.contains("not there"), "{error}");
}

#[test]
fn names_are_never_paths() {
    let place = Place::new();
    place.model("models/a.gguf");
    place.model("outside.gguf");
    for name in ["../outside", "../../etc/passwd", "/etc/passwd", "a\0", "./a"] {
        let error = place.models().find(name).expect_err("refused");
        assert!(matches!(error, ModelsError::InvalidName { .. }), "{error}");
    }
}

#[test]
fn wrong_names_get_near_ones() {
    let place = Place::new();
    place.model("models/storyteller.gguf");
    let error = place.models().find("storytelr").expect_err("not there");
    assert_eq!(error, ModelsError::NotFound { name: "storytelr".into(), near: vec!["storyteller".into()] });
    assert!(error.to_string().contains("did you mean \"storyteller\"?"), "{error}");
}

#[test]
fn changes_on_disk_are_seen() {
    let place = Place::new();
    let models = place.models();
    assert!(models.find("a").is_err());
    let file = place.model("models/a.gguf");
    assert_eq!(models.find("a").expect("found").header.name.as_deref(), Some("models/a.gguf"));
    place.write("models/a.gguf", Gguf::model("another one"));
    assert_eq!(models.find("a").expect("found").header.name.as_deref(), Some("another one"));
    fs::remove_file(file).expect("removed");
    assert!(models.find("a").is_err());
}

#[test]
fn the_newest_chat_model_is_the_default() {
    let place = Place::new();
    let builtin = place.model("cache/storyteller.gguf");
    let models = Models::new(Config {
        dirs: vec![place.path("models")],
        hf_cache: None,
        foreign: Vec::new(),
        builtin: Some(Builtin { name: "storyteller".to_owned(), path: builtin }),
    });
    let default = || models.default_model().expect("a model").name;
    assert_eq!(default(), "storyteller");
    place.write("models/e.echo", "inferno-echo\n{}");
    assert_eq!(default(), "storyteller", "an echo is no chat model");
    let age = |path: &Path, seconds| {
        let file = fs::File::options().append(true).open(path).expect("opened");
        file.set_modified(SystemTime::now() - Duration::from_secs(seconds)).expect("set");
    };
    age(&place.model("models/new.gguf"), 10);
    age(&place.model("models/old.gguf"), 1000);
    assert_eq!(default(), "new");
    // The user's own model takes the name; the built-in one is still there.
    age(&place.model("models/storyteller.gguf"), 5);
    assert_eq!(default(), "storyteller");
    assert_eq!(
        models.find("builtin/storyteller").expect("found").path,
        place.path("cache/storyteller.gguf").canonicalize().expect("there")
    );
}

#[test]
fn a_file_is_opened_by_its_path() {
    let place = Place::new();
    let file = place.model("elsewhere/my model.gguf");
    let model = place.models().open(&file).expect("opened");
    assert_eq!(model.name, "my model");
    assert_eq!(model.path, file.canonicalize().expect("there"));
    for (path, words) in [("elsewhere", "directory"), ("nowhere.gguf", "cannot be opened")] {
        let error = place.models().open(&place.path(path)).expect_err("refused").to_string();
        assert!(error.contains(words), "{error}");
    }
    let error = place.models().open(Path::new("/dev/zero")).expect_err("refused").to_string();
    assert!(error.contains("not a regular file"), "{error}");
}
