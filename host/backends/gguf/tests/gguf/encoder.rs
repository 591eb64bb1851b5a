//! A model whose tokens see both ways: a BERT with weights at random, written here.

use std::path::Path;

use inferno_backend::{Ability, Backend, ErrorKind, Finish, Model, Rank, Work};
use inferno_backend_gguf::Gguf;

use crate::gguf_file::{File, text};
use crate::harness::{chat, embed, options, run_all};

const WIDTH: u64 = 32;
const CONTEXT: u64 = 64;
const WORDS: [&str; 12] = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "[MASK]",
    "\u{2581}the",
    "\u{2581}fox",
    "\u{2581}owl",
    "\u{2581}is",
    "\u{2581}red",
    "\u{2581}a",
    "s",
];

/// A small BERT with this pooling, as GGUF numbers it, and maybe with a head that scores.
fn bert(path: &Path, pooling: u32, head: bool) {
    let mut file = File::new(0.5);
    file.text("general.architecture", "bert");
    file.number("bert.context_length", CONTEXT as u32);
    file.number("bert.embedding_length", WIDTH as u32);
    file.number("bert.feed_forward_length", 2 * WIDTH as u32);
    file.number("bert.block_count", 2);
    file.number("bert.attention.head_count", 4);
    file.key("bert.attention.layer_norm_epsilon", 6, &1e-6_f32.to_le_bytes());
    file.key("bert.attention.causal", 7, &[0]);
    file.number("bert.pooling_type", pooling);
    file.text("tokenizer.ggml.model", "bert");
    let words = WORDS.iter().flat_map(|word| text(word));
    file.key(
        "tokenizer.ggml.tokens",
        9,
        &8_u32
            .to_le_bytes()
            .into_iter()
            .chain((WORDS.len() as u64).to_le_bytes())
            .chain(words)
            .collect::<Vec<_>>(),
    );
    file.number("tokenizer.ggml.token_type_count", 2);
    for (name, id) in [("padding", 0), ("unknown", 1), ("bos", 2), ("seperator", 3), ("mask", 4)] {
        file.number(&format!("tokenizer.ggml.{name}_token_id"), id);
    }
    let norm = |file: &mut File, name: &str| {
        file.tensor(&format!("{name}.weight"), &[WIDTH]);
        file.tensor(&format!("{name}.bias"), &[WIDTH]);
    };
    let linear = |file: &mut File, name: &str, from: u64, to: u64| {
        file.tensor(&format!("{name}.weight"), &[from, to]);
        file.tensor(&format!("{name}.bias"), &[to]);
    };
    file.tensor("token_embd.weight", &[WIDTH, WORDS.len() as u64]);
    file.tensor("token_types.weight", &[WIDTH, 2]);
    file.tensor("position_embd.weight", &[WIDTH, CONTEXT]);
    norm(&mut file, "token_embd_norm");
    for block in ["blk.0", "blk.1"] {
        for part in ["attn_q", "attn_k", "attn_v", "attn_output"] {
            linear(&mut file, &format!("{block}.{part}"), WIDTH, WIDTH);
        }
        norm(&mut file, &format!("{block}.attn_output_norm"));
        linear(&mut file, &format!("{block}.ffn_up"), WIDTH, 2 * WIDTH);
        linear(&mut file, &format!("{block}.ffn_down"), 2 * WIDTH, WIDTH);
        norm(&mut file, &format!("{block}.layer_output_norm"));
    }
    if head {
        linear(&mut file, "cls", WIDTH, WIDTH);
        linear(&mut file, "cls.output", WIDTH, 1);
    }
    file.write(path);
}

fn load(pooling: u32) -> Result<Box<dyn Model>, inferno_backend::Error> {
    load_with(pooling, false)
}

fn load_with(pooling: u32, head: bool) -> Result<Box<dyn Model>, inferno_backend::Error> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bert.gguf");
    bert(&path, pooling, head);
    Gguf.load(&options(&path, 1), &mut |_| {})
}

fn distance(left: &[f32], right: &[f32]) -> f32 {
    left.iter().zip(right).map(|(left, right)| (left - right).abs()).fold(0.0, f32::max)
}

#[test]
fn an_encoder_embeds_and_does_nothing_else() {
    let mut model = load(1).unwrap();
    let info = model.info();
    assert!(info.embeds && !info.generates && !info.chats);
    assert_eq!(u64::from(info.context), CONTEXT);
    let error = model.submit(1, Work::Generate(chat("Hi"))).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Invalid);
    assert!(error.message.contains("writes no text"), "{error}");
}

#[test]
fn every_pooling_gives_the_same_vector_alone_and_in_company() {
    let mut means = Vec::new();
    for pooling in [1, 2, 3] {
        let mut model = load(pooling).unwrap();
        let long = "the fox is red ".repeat(15);
        let texts = ["the fox is red", "a owl", &long, "foxs"];
        let together = run_all(&mut *model, vec![embed(&texts)]).remove(0);
        assert_eq!(together.prompt_tokens, Some(6 + 4 + 62 + 4), "with the first and the separating token");
        for (text, vector) in texts.iter().zip(&together.vectors) {
            let length: f32 = vector.iter().map(|value| value * value).sum();
            assert!((length - 1.0).abs() < 1e-5);
            let alone = run_all(&mut *model, vec![embed(&[text])]).remove(0);
            assert!(distance(&alone.vectors[0], vector) < 1e-3, "{text}");
        }
        assert!(distance(&together.vectors[0], &together.vectors[1]) > 0.01, "texts differ");
        means.push(together.vectors[0].clone());
    }
    assert!(
        distance(&means[0], &means[1]) > 0.01 && distance(&means[1], &means[2]) > 0.01,
        "poolings differ"
    );
}

#[test]
fn too_long_a_text_is_refused() {
    let error = load(1).unwrap().submit(1, embed(&[&"fox ".repeat(63)])).unwrap_err();
    assert_eq!(error.kind, ErrorKind::ContextLength);
    assert!(error.message.contains("65 tokens") && error.message.contains("64"), "{error}");
}

#[test]
fn a_model_with_a_head_ranks_documents() {
    let mut model = load_with(4, true).unwrap();
    let info = model.info();
    assert!(!info.embeds && !info.generates && info.abilities.contains(&Ability::Rank));
    let rank = |query: &str, documents: &[&str]| {
        Work::Rank(Rank {
            query: query.into(),
            documents: documents.iter().map(|&text| text.into()).collect(),
        })
    };
    let documents = ["the fox is red", "a owl", "foxs", "a owl"];
    let outcome = run_all(&mut *model, vec![rank("red fox", &documents)]).remove(0);
    assert_eq!(outcome.finish(), Finish::Stop);
    let scores: Vec<f32> = outcome.vectors.iter().map(|vector| vector[0]).collect();
    assert!(outcome.vectors.iter().all(|vector| vector.len() == 1) && scores.len() == 4, "{scores:?}");
    assert!((scores[1] - scores[3]).abs() < 1e-4, "the same document has the same score: {scores:?}");
    assert!((scores[0] - scores[1]).abs() > 1e-4, "documents differ: {scores:?}");
    // [CLS] red fox [SEP] and each document with [SEP] behind it.
    assert_eq!(outcome.prompt_tokens, Some(4 * 4 + (4 + 1) + (2 + 1) + (2 + 1) + (2 + 1)));
    let other = run_all(&mut *model, vec![rank("owl", &documents[..1])]).remove(0);
    assert!((other.vectors[0][0] - scores[0]).abs() > 1e-4, "the query counts");
    let alone = run_all(&mut *model, vec![rank("red fox", &documents[..1])]).remove(0);
    assert!((alone.vectors[0][0] - scores[0]).abs() < 1e-3, "alone or in company");

    for (work, kind, named) in [
        (rank("fox", &[]), ErrorKind::Invalid, "no document"),
        (rank("fox", &["owl", &"fox ".repeat(70)]), ErrorKind::ContextLength, "document 2"),
        (embed(&["fox"]), ErrorKind::Invalid, "makes no vectors"),
    ] {
        let error = model.submit(1, work).unwrap_err();
        assert_eq!(error.kind, kind);
        assert!(error.message.contains(named), "{error}");
    }
}

#[test]
fn a_model_without_a_head_does_not_rank() {
    let error = load(4).err().unwrap();
    assert!(error.message.contains("no weights that make a score"), "{error}");
    let mut model = load_with(1, true).unwrap();
    assert!(!model.info().abilities.contains(&Ability::Rank));
    let error = model.submit(1, Work::Rank(Rank { query: "fox".into(), documents: vec!["owl".into()] }));
    assert!(error.unwrap_err().message.contains("ranks no documents"));
}
