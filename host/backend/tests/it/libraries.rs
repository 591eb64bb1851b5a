//! Libraries that are opened: one in C against the header, and broken ones of every kind.

use std::env::consts::DLL_EXTENSION;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use inferno_backend::{Backends, Error, ErrorKind, Event, Finish, Library, Linked, Model, Usage, Work};

use crate::abi::{model_file, options, play, prompt};
use crate::scripted::Scripted;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// Compiles a C source file into `dir` with the warnings that the header must not give.
fn compile(dir: &Path, name: &str, source: &Path, extra: &[&str]) -> PathBuf {
    let library = dir.join(name).with_extension(DLL_EXTENSION);
    let include = |path: &str| format!("-I{ROOT}/{path}");
    let output = Command::new("cc")
        .args(["-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-shared", "-fPIC"])
        .args([include("sdk/backend"), include("tests/fixtures/c-backend")])
        .args(extra)
        .arg("-o")
        .args([&library, source])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    library
}

pub(crate) fn tiny(dir: &Path) -> PathBuf {
    compile(dir, "tiny", &Path::new(ROOT).join("tests/fixtures/c-backend/backend.c"), &[])
}

/// The C backend after the statement `odd`.
fn odd(dir: &Path, name: &str, odd: &str) -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/odd.c");
    compile(dir, name, &source, &[&format!("-DODD={odd}")])
}

fn load(library: &Path, text: &str) -> Result<Box<dyn Model>, Error> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("model.tiny");
    fs::write(&path, text).unwrap();
    Library::open(library).unwrap().load(&options(&path), &mut |_| {})
}

#[test]
fn runs_a_backend_written_in_c() {
    let dir = tempfile::tempdir().unwrap();
    let library = tiny(dir.path());
    let mut model = load(&library, "seven c").unwrap();
    assert_eq!(model.info().sequences, 4);
    for id in 1..=4 {
        model.submit(id, prompt("?")).unwrap();
    }
    assert_eq!(model.submit(5, prompt("?")).unwrap_err().kind, ErrorKind::Exhausted);
    model.cancel(2);
    let events = play(model.as_mut()).unwrap();
    let of = |id: u64| events.iter().filter(move |(other, _)| *other == id).map(|(_, event)| event.clone());
    let text = |text: &str| Event::Text(text.into());
    let done = |finish, output_tokens| Event::Done { finish, usage: Usage::new(1, output_tokens) };
    let started = Event::Started { prompt_tokens: 1 };
    assert_eq!(of(2).collect::<Vec<_>>(), [started.clone(), done(Finish::Cancelled, 0)]);
    let whole = [started, text("sev"), text("en "), text("c"), done(Finish::Stop, 3)];
    for id in [1, 3, 4] {
        assert_eq!(of(id).collect::<Vec<_>>(), whole);
    }
    let embed = Work::Embed(inferno_backend::Embed { inputs: vec!["x".into()] });
    assert_eq!(model.submit(6, embed).unwrap_err(), Error::invalid("this backend makes no embeddings"));
    let missing = Library::open(&library).unwrap().load(&options(Path::new("/no/such/file")), &mut |_| {});
    assert_eq!(missing.err().unwrap().kind, ErrorKind::NotFound);
}

#[test]
fn lists_what_is_broken_with_the_reason() {
    let dir = tempfile::tempdir().unwrap();
    let broken = [
        ("abi", "table.abi = 2", "version 2 of the backend ABI, and this Inferno 1"),
        ("size", "table.size -= 8", "its table has 72 bytes, and the backend ABI's 80"),
        ("null", "return NULL", "gave no table"),
        ("function", "table.step = NULL", "`step` is NULL"),
        ("nowhere", "table.describe.ptr = NULL", "points nowhere"),
        ("json", "table.describe.len = 5", "its description is not as expected"),
        (
            "nameless",
            "table.describe = bytes(\"{\\\"name\\\":\\\"\\\",\\\"version\\\":\\\"\\\",\\\"formats\\\":[]}\")",
            "names no",
        ),
        (
            "future",
            "table.describe = bytes(\"{\\\"name\\\":\\\"x\\\",\\\"version\\\":\\\"\\\",\\\"formats\\\":[\\\"x\\\"],\\\"needs\\\":[\\\"warp\\\"]}\")",
            "built for processors with warp",
        ),
    ];
    for (name, statement, _) in broken {
        odd(dir.path(), name, statement);
    }
    fs::write(dir.path().join("text").with_extension(DLL_EXTENSION), "no library").unwrap();
    fs::write(dir.path().join("no-library.txt"), "ignored").unwrap();
    let empty = dir.path().join("empty.c");
    fs::write(&empty, "typedef int nothing;").unwrap();
    compile(dir.path(), "symbol", &empty, &[]);
    tiny(dir.path());
    odd(dir.path(), "unlucky", "(void)0");

    let backends = Backends::new(vec![Linked::of::<Scripted>()], Some(dir.path()));
    let list = backends.list();
    let check = |file: &str, part: &str| {
        let path = dir.path().join(file).with_extension(DLL_EXTENSION);
        let info = list.iter().find(|info| info.path.as_ref() == Some(&path));
        let info = info.unwrap_or_else(|| panic!("{file} is not listed"));
        let error = info.error.as_deref().unwrap_or_default();
        assert!(error.contains(part), "{file}: {error:?} lacks {part:?}");
    };
    for (name, _, part) in broken {
        check(name, part);
    }
    check("text", "text");
    check("symbol", "no symbol `inferno_backend_v1`");
    // Two of one name: the first by file name is the one that is used.
    check("unlucky", "another backend of this name comes first");
    check("tiny", "");
    assert_eq!(list.len(), broken.len() + 5, "{list:?}");
    let usable: Vec<_> = list.iter().filter(|info| info.error.is_none()).collect();
    assert_eq!(usable.iter().map(|info| info.name.as_str()).collect::<Vec<_>>(), ["tiny", "scripted"]);
    assert_eq!(usable[0].devices[0].description, "plain C");
    assert_eq!(usable[1].path, None);
}

#[test]
fn finds_by_name_and_by_format() {
    let dir = tempfile::tempdir().unwrap();
    tiny(dir.path());
    let backends = Backends::new(vec![Linked::of::<Scripted>()], Some(dir.path()));
    let name = |backend: Option<&str>, format: &str| {
        backends.find(backend, format).map(|found| found.name().to_owned())
    };
    assert_eq!(name(None, "tiny"), Ok("tiny".into()));
    assert_eq!(name(None, "play"), Ok("scripted".into()));
    assert_eq!(name(Some("scripted"), "play"), Ok("scripted".into()));
    let error = name(Some("scripted"), "tiny").unwrap_err();
    assert_eq!(error.message, "backend scripted does not run the format `tiny`, only: script, play");
    let error = name(None, "gguf").unwrap_err();
    assert_eq!(error.kind, ErrorKind::NotFound);
    assert_eq!(error.hint.as_deref(), Some("formats that can be used: tiny, script, play"));
    let error = name(Some("onnx"), "onnx").unwrap_err();
    assert_eq!(error.hint.as_deref(), Some("backends that can be used: tiny, scripted"));
}

#[test]
fn a_missing_directory_holds_no_backends() {
    assert!(Backends::new(Vec::new(), Some(Path::new("/no/such/directory"))).list().is_empty());
}

#[test]
fn an_unreadable_directory_is_listed() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let list = Backends::new(Vec::new(), Some(file.path())).list();
    assert!(list[0].error.as_ref().unwrap().contains("cannot read the backends directory"), "{list:?}");
}

#[test]
fn survives_what_a_backend_does_wrong() {
    let dir = tempfile::tempdir().unwrap();
    let message = |library: &Path| load(library, "x").err().unwrap().message;
    let library = odd(dir.path(), "half_info", "table.info = half_info");
    assert!(message(&library).contains("missing field `sequences`"), "{}", message(&library));
    let library = odd(dir.path(), "no_model", "table.load = no_model");
    assert_eq!(message(&library), "backend tiny: `load` failed and gave no reason");

    let step = |name: &str| {
        let mut model = load(&odd(dir.path(), name, &format!("table.step = {name}")), "x").unwrap();
        play(model.as_mut()).unwrap_err().message
    };
    assert_eq!(step("silent_failure"), "backend tiny: `step` failed and gave no reason");
    assert!(step("garbled_failure").starts_with("the backend's error is not as expected"));

    let library = odd(dir.path(), "no_devices", "table.devices = no_devices");
    assert_eq!(
        Library::open(&library).unwrap().devices().unwrap_err().message,
        "backend tiny: `devices` failed"
    );

    let mut model = load(&odd(dir.path(), "bad_events", "table.step = bad_events"), "x").unwrap();
    let events = play(model.as_mut()).unwrap();
    let check = |id: u64, part: &str| match &events[id as usize - 1] {
        (found, Event::Failed(error)) if *found == id => {
            assert!(error.message.contains(part), "{error:?} lacks {part:?}");
        }
        other => panic!("request {id}: {other:?}"),
    };
    check(1, "not UTF-8");
    check(2, "no event of kind 99");
    check(3, "7 bytes");
    check(4, "points nowhere");
    assert_eq!(events[4], (5, Event::Text("good".into())));
}

#[test]
fn a_path_with_quotes_reaches_the_backend() {
    let dir = tempfile::tempdir().unwrap();
    let library = Library::linked(Linked::of::<Scripted>()).unwrap();
    assert!(library.load(&options(&model_file(dir.path(), "")), &mut |_| {}).is_ok());
}
