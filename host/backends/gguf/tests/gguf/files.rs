//! Files, good and bad.

use std::fs;
use std::path::Path;

use inferno_backend::{Backend, ErrorKind, LoadOptions};
use inferno_backend_gguf::Gguf;

use crate::harness::{chat, generate, options, storyteller};

#[test]
fn loading_reports_progress_and_what_the_model_can_do() {
    let mut shares = Vec::new();
    let model = Gguf.load(&options(&storyteller(), 3), &mut |share| shares.push(share)).unwrap();
    assert!(shares.is_sorted() && shares.last() == Some(&1.0), "{shares:?}");
    let info = model.info();
    assert_eq!((info.context, info.sequences), (1024, 3));
    assert!(info.generates && info.chats && info.embeds);
    let weights = fs::metadata(storyteller()).unwrap().len();
    assert!(info.memory > weights / 2 && info.memory < 1 << 30, "{info:?}");
    assert!(Gguf.devices().iter().any(|device| device.name == info.device), "{info:?}");
}

#[test]
fn a_context_that_was_asked_for_is_kept() {
    let asked = |context| LoadOptions { context: Some(context), ..options(&storyteller(), 2) };
    let mut model = Gguf.load(&asked(100), &mut |_| {}).unwrap();
    assert_eq!(model.info().context, 100);
    let outcome = generate(
        &mut *model,
        inferno_backend::Generate { max_tokens: None, ..chat("Tell me a long story.") },
    );
    assert!(outcome.usage().prompt_tokens + outcome.usage().output_tokens <= 100);
    assert_eq!(
        Gguf.load(&asked(1 << 20), &mut |_| {}).unwrap().info().context,
        1024,
        "as much as it was trained with"
    );
}

#[test]
fn a_missing_file_and_another_format_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let error = |path: &Path| Gguf.load(&options(path, 1), &mut |_| {}).err().unwrap();
    assert_eq!(error(&folder.path().join("none.gguf")).kind, ErrorKind::NotFound);
    for content in [&b""[..], b"GG", b"inferno-echo\n{}"] {
        let path = folder.path().join("other.gguf");
        fs::write(&path, content).unwrap();
        let error = error(&path);
        assert_eq!(error.kind, ErrorKind::Invalid);
        assert!(error.message.contains("not a GGUF file") && error.message.contains("other.gguf"), "{error}");
    }
    assert_eq!(error(folder.path()).kind, ErrorKind::Invalid, "a folder");
}

#[test]
fn a_truncated_file_is_an_error_wherever_it_was_cut() {
    let whole = fs::read(storyteller()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cut.gguf");
    let lengths = (4..64).chain((64..20_000).step_by(997)).chain((20_000..whole.len()).step_by(199_999));
    for length in lengths.chain([whole.len() - 1]) {
        fs::write(&path, &whole[..length]).unwrap();
        let error =
            Gguf.load(&options(&path, 1), &mut |_| {}).err().unwrap_or_else(|| panic!("{length} bytes load"));
        assert_eq!(error.kind, ErrorKind::Invalid);
        assert!(error.message.contains("cut.gguf"), "{error}");
        assert!(error.hint.is_some());
    }
}

#[test]
fn a_corrupt_tensor_table_says_what_is_wrong() {
    let mut bytes = fs::read(storyteller()).unwrap();
    let name = b"output_norm.weight";
    let at = bytes.windows(name.len()).position(|window| window == name).unwrap();
    bytes[at] = b'q';
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("corrupt.gguf");
    fs::write(&path, bytes).unwrap();
    let error = Gguf.load(&options(&path, 1), &mut |_| {}).err().unwrap();
    assert!(error.message.contains("output_norm.weight"), "{error}");
}

#[test]
fn a_vocabulary_with_a_token_twice_is_an_error_and_no_abort() {
    let mut bytes = fs::read(storyteller()).unwrap();
    let list = b"tokenizer.ggml.tokens";
    let at = bytes.windows(list.len()).position(|window| window == list).unwrap();
    // A token of one letter, after its length of eight bytes.
    let letter = [1, 0, 0, 0, 0, 0, 0, 0, b'y'];
    let token = at + bytes[at..].windows(letter.len()).position(|window| window == letter).unwrap();
    bytes[token + 8] = b'x';
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("doubled.gguf");
    fs::write(&path, bytes).unwrap();
    let error = Gguf.load(&options(&path, 1), &mut |_| {}).err().unwrap();
    assert!(error.message.contains("token \"x\" twice"), "{error}");
}
