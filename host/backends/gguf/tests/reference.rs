//! The same chat with the same images, here and through llama.cpp's own helpers. A binary of its own, since a process
//! starts llama.cpp once.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

#[path = "gguf/eyes.rs"]
mod eyes;
#[path = "gguf/gguf_file.rs"]
mod gguf_file;

use std::num::NonZero;
use std::path::Path;

use eyes::{END, WIDTH, picture, projector, reader};
use inferno_backend::{Backend, Event, Generate, Image, Input, LoadOptions, Message, Role, Sampling, Work};
use inferno_backend_gguf::Gguf;
use llama_cpp_2::context::params::LlamaContextParams;
use llama_cpp_2::llama_backend::LlamaBackend;
use llama_cpp_2::llama_batch::LlamaBatch;
use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::model::params::LlamaModelParams;
use llama_cpp_2::mtmd::{MtmdBitmap, MtmdContext, MtmdContextParams, MtmdInputText};
use llama_cpp_2::token::LlamaToken;

const LENGTH: usize = 24;

/// What llama.cpp's helper reads and its likeliest tokens.
fn theirs(backend: &LlamaBackend, model: &Path, eye: &Path, images: &[Vec<u8>]) -> (usize, Vec<u32>) {
    let model = LlamaModel::load_from_file(backend, model, &LlamaModelParams::default()).unwrap();
    let mut eye =
        MtmdContext::init_from_file(eye.to_str().unwrap(), &model, &MtmdContextParams::default()).unwrap();
    let params =
        LlamaContextParams::default().with_n_ctx(NonZero::new(1024)).with_n_batch(512).with_n_ubatch(512);
    let mut context = model.new_context(backend, params).unwrap();
    let bitmaps: Vec<_> =
        images.iter().map(|image| MtmdBitmap::from_buffer(&eye, image, false).unwrap()).collect();
    let text = MtmdInputText {
        text: "<|im_start|>user\nThis <__media__>and<__media__> that: what are they?<|im_end|>\n<|im_start|>assistant\n"
            .into(),
        add_special: true,
        parse_special: true,
    };
    let chunks = eye.tokenize(text, &bitmaps.iter().collect::<Vec<_>>()).unwrap();
    let length = chunks.total_tokens();
    let mut position = chunks.eval_chunks(&mut eye, &mut context, 0, 0, 512, true).unwrap();
    let mut tokens = Vec::new();
    let mut row = -1;
    while tokens.len() < LENGTH {
        let logits = context.get_logits_ith(row);
        let best = (0..logits.len()).max_by(|&a, &b| logits[a].total_cmp(&logits[b])).unwrap();
        if best as u32 == END {
            break;
        }
        tokens.push(best as u32);
        let mut batch = LlamaBatch::new(1, 1);
        batch.add(LlamaToken(best as i32), position, &[0], true).unwrap();
        context.decode(&mut batch).unwrap();
        (position, row) = (position + 1, 0);
    }
    (length, tokens)
}

/// The same from this backend.
fn ours(model: &Path, eye: &Path, images: &[Vec<u8>]) -> (usize, Vec<u32>) {
    let options = LoadOptions { projector: Some(eye.into()), context: Some(1024), ..LoadOptions::new(model) };
    let mut model = Gguf.load(&options, &mut |_| {}).unwrap();
    let message = Message { images: vec![5, 8], ..Message::new(Role::User, "This and that: what are they?") };
    let request = Generate {
        max_tokens: Some(LENGTH as u32),
        logprobs: Some(0),
        sampling: Sampling { temperature: 0.0, ..Sampling::default() },
        images: images.iter().cloned().map(Image).collect(),
        ..Generate::new(Input::Chat(vec![message]))
    };
    model.submit(1, Work::Generate(request)).unwrap();
    let (mut length, mut tokens) = (0, Vec::new());
    let mut more = true;
    while more {
        more = model
            .step(&mut |_, event| match event {
                Event::Started { prompt_tokens } => length = prompt_tokens as usize,
                Event::Choices(choices) => tokens.extend(choices.iter().map(|choice| choice.token.id)),
                Event::Text(_) | Event::Done { .. } => {}
                other => panic!("{other:?}"),
            })
            .unwrap();
    }
    (length, tokens)
}

#[test]
fn the_same_is_seen_and_said() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let images = [picture(150, 90, 1), picture(60, 200, 2)];
    let kinds = [("qwen2", "mlp"), ("qwen2", "gemma3"), ("qwen2vl", "qwen2vl_merger")];
    for (architecture, kind) in kinds {
        reader(&path(architecture), architecture);
        projector(&path(kind), kind, WIDTH);
    }
    let backend = LlamaBackend::init().unwrap();
    let theirs =
        kinds.map(|(architecture, kind)| theirs(&backend, &path(architecture), &path(kind), &images));
    drop(backend);
    for ((architecture, kind), theirs) in kinds.into_iter().zip(theirs) {
        assert_eq!(ours(&path(architecture), &path(kind), &images), theirs, "{kind}");
    }
}
