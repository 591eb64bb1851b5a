//! Models that see, with weights at random, written here: small, but of the shapes that llama.cpp knows.

use std::path::Path;

use image::{ImageFormat, Rgb, RgbImage};

use crate::gguf_file::{File, list, text};

/// Length of a token's vector in the model that reads.
pub(crate) const WIDTH: u64 = 64;
/// The token that ends its answers.
pub(crate) const END: u32 = 258;
const BLOCKS: u64 = 2;
/// Length of a patch's vector in the projectors.
const SEEN: u64 = 32;
const CONTROLS: [&str; 6] = [
    "<|im_start|>",
    "<|im_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<start_of_image>",
    "<end_of_image>",
];
const TEMPLATE: &str = "{% for message in messages %}{{ '<|im_start|>' + message.role + '\\n' + message.content + \
    '<|im_end|>\\n' }}{% endfor %}{{ '<|im_start|>assistant\\n' }}";

/// A model that reads, of the architecture `qwen2vl` (whose positions have dimensions) or `qwen2`.
pub(crate) fn reader(path: &Path, architecture: &str) {
    let mut file = File::new(0.6);
    let own = |key: &str| format!("{architecture}.{key}");
    file.text("general.architecture", architecture);
    file.number(&own("context_length"), 2048);
    file.number(&own("embedding_length"), WIDTH as u32);
    file.number(&own("feed_forward_length"), 2 * WIDTH as u32);
    file.number(&own("block_count"), BLOCKS as u32);
    file.number(&own("attention.head_count"), 4);
    file.number(&own("attention.head_count_kv"), 4);
    file.float(&own("attention.layer_norm_rms_epsilon"), 1e-6);
    file.key(
        &own("rope.dimension_sections"),
        9,
        &list(5, [2_i32, 3, 3, 0].map(|size| size.to_le_bytes().to_vec())),
    );
    file.text("tokenizer.ggml.model", "gpt2");
    file.text("tokenizer.ggml.pre", "qwen2");
    let words: Vec<String> = bytes().chain(["th".into()]).chain(CONTROLS.map(String::from)).collect();
    let count = words.len() as u64;
    file.key("tokenizer.ggml.tokens", 9, &list(8, words.iter().map(|word| text(word))));
    let kind = |word: &String| if CONTROLS.contains(&word.as_str()) { 3_i32 } else { 1 };
    file.key(
        "tokenizer.ggml.token_type",
        9,
        &list(5, words.iter().map(|word| kind(word).to_le_bytes().to_vec())),
    );
    file.key("tokenizer.ggml.merges", 9, &list(8, [text("t h")]));
    file.number("tokenizer.ggml.eos_token_id", END);
    file.key("tokenizer.ggml.add_bos_token", 7, &[0]);
    file.text("tokenizer.chat_template", TEMPLATE);

    file.tensor("token_embd.weight", &[WIDTH, count]);
    file.tensor("output_norm.weight", &[WIDTH]);
    file.tensor("output.weight", &[WIDTH, count]);
    for block in 0..BLOCKS {
        let own = |name: &str| format!("blk.{block}.{name}");
        file.tensor(&own("attn_norm.weight"), &[WIDTH]);
        for part in ["attn_q", "attn_k", "attn_v"] {
            file.tensor(&own(&format!("{part}.weight")), &[WIDTH, WIDTH]);
            file.tensor(&own(&format!("{part}.bias")), &[WIDTH]);
        }
        file.tensor(&own("attn_output.weight"), &[WIDTH, WIDTH]);
        file.tensor(&own("ffn_norm.weight"), &[WIDTH]);
        file.tensor(&own("ffn_gate.weight"), &[WIDTH, 2 * WIDTH]);
        file.tensor(&own("ffn_up.weight"), &[WIDTH, 2 * WIDTH]);
        file.tensor(&own("ffn_down.weight"), &[2 * WIDTH, WIDTH]);
    }
    file.write(path);
}

/// A projector of this kind for models whose vectors have this length.
///
/// - `mlp`: 16 tokens for any image, nothing around them.
/// - `gemma3`: 4 tokens that look at one another, between two control tokens.
/// - `qwen2vl_merger`: the larger the image the more tokens, in two dimensions, between two control tokens.
pub(crate) fn projector(path: &Path, kind: &str, width: u64) {
    let mut file = File::new(0.5);
    let patch = if kind == "qwen2vl_merger" { 14 } else { 4 };
    file.text("general.architecture", "clip");
    file.text("general.type", "mmproj");
    file.key("clip.has_vision_encoder", 7, &[1]);
    file.text("clip.projector_type", kind);
    file.number("clip.vision.embedding_length", SEEN as u32);
    file.number("clip.vision.attention.head_count", 2);
    file.number("clip.vision.feed_forward_length", 2 * SEEN as u32);
    file.number("clip.vision.block_count", 2);
    file.number("clip.vision.projection_dim", width as u32);
    file.float("clip.vision.attention.layer_norm_epsilon", 1e-6);
    file.number("clip.vision.image_size", 4 * patch as u32);
    file.number("clip.vision.patch_size", patch as u32);
    file.number("clip.vision.projector.scale_factor", 2);
    file.key("clip.use_gelu", 7, &[1]);
    for key in ["clip.vision.image_mean", "clip.vision.image_std"] {
        file.key(key, 9, &list(6, [0.5_f32; 3].map(|share| share.to_le_bytes().to_vec())));
    }
    let linear = |file: &mut File, name: &str, from: u64, to: u64| {
        file.tensor(&format!("{name}.weight"), &[from, to]);
        file.tensor(&format!("{name}.bias"), &[to]);
    };
    file.tensor("v.patch_embd.weight", &[patch, patch, 3, SEEN]);
    if kind == "qwen2vl_merger" {
        file.tensor("v.patch_embd.weight.1", &[patch, patch, 3, SEEN]);
    } else {
        file.tensor("v.position_embd.weight", &[SEEN, 16]);
    }
    for block in ["v.blk.0", "v.blk.1"] {
        for part in ["attn_q", "attn_k", "attn_v", "attn_out"] {
            linear(&mut file, &format!("{block}.{part}"), SEEN, SEEN);
        }
        for norm in ["ln1", "ln2"] {
            file.tensor(&format!("{block}.{norm}.weight"), &[SEEN]);
            file.tensor(&format!("{block}.{norm}.bias"), &[SEEN]);
        }
        linear(&mut file, &format!("{block}.ffn_up"), SEEN, 2 * SEEN);
        linear(&mut file, &format!("{block}.ffn_down"), 2 * SEEN, SEEN);
    }
    match kind {
        "mlp" => {
            linear(&mut file, "mm.0", SEEN, width);
            linear(&mut file, "mm.2", width, width);
        }
        "gemma3" => {
            file.tensor("mm.input_projection.weight", &[width, SEEN]);
            file.tensor("mm.soft_emb_norm.weight", &[SEEN]);
        }
        _ => {
            linear(&mut file, "mm.0", 4 * SEEN, 4 * SEEN);
            linear(&mut file, "mm.2", 4 * SEEN, width);
        }
    }
    file.write(path);
}

/// A picture that is another one with every seed, as a PNG.
pub(crate) fn picture(width: u32, height: u32, seed: u32) -> Vec<u8> {
    let image = RgbImage::from_fn(width, height, |x, y| {
        let at = x.wrapping_mul(37).wrapping_add(y.wrapping_mul(59)).wrapping_add(seed.wrapping_mul(101));
        Rgb([at as u8, (at / 3) as u8, (at ^ 0x5a) as u8])
    });
    let mut bytes = std::io::Cursor::new(Vec::new());
    image.write_to(&mut bytes, ImageFormat::Png).unwrap();
    bytes.into_inner()
}

/// The 256 bytes as byte-level tokenizers write them.
fn bytes() -> impl Iterator<Item = String> {
    let shown = |byte: u32| matches!(byte, 0x21..=0x7e | 0xa1..=0xac | 0xae..=0xff);
    let mut hidden = 0x100..;
    (0..=255_u32).map(move |byte| match shown(byte) {
        true => char::from_u32(byte).unwrap().to_string(),
        false => char::from_u32(hidden.next().unwrap()).unwrap().to_string(),
    })
}
