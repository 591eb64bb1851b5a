//! What lets a model see, if not what we do: a projector with random weights.

use std::{io, path::Path};

use super::{Gguf, Kind, Tensor, Value};

/// Length of a patch's vector.
const SEEN: u64 = 32;
/// Pixels along a side of a patch, and patches along a side of an image.
const SIDE: u64 = 4;

/// Writes a small projector for models whose vectors have this length. It makes 16 tokens of any image, and puts nothing
/// around them.
pub fn projector(out: &Path, length: u32) -> io::Result<()> {
    let mut file = Gguf::default();
    file.set("general.architecture", Value::text("clip"));
    file.set("general.type", Value::text("mmproj"));
    file.set("clip.has_vision_encoder", Value::flag(true));
    file.set("clip.projector_type", Value::text("mlp"));
    file.set("clip.use_gelu", Value::flag(true));
    for (key, number) in [
        ("embedding_length", SEEN as u32),
        ("attention.head_count", 2),
        ("feed_forward_length", 2 * SEEN as u32),
        ("block_count", 2),
        ("projection_dim", length),
        ("image_size", (SIDE * SIDE) as u32),
        ("patch_size", SIDE as u32),
    ] {
        file.set(&format!("clip.vision.{key}"), Value::number(number));
    }
    file.set("clip.vision.attention.layer_norm_epsilon", Value::float(1e-6));
    file.set("clip.vision.image_mean", Value::floats(&[0.5; 3]));
    file.set("clip.vision.image_std", Value::floats(&[0.5; 3]));

    let mut random = 7_u64;
    let mut tensor = |name: &str, shape: &[u64]| {
        let mut data = Vec::new();
        for _ in 0..shape.iter().product() {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let noise = (random >> 40) as f32 / (1 << 24) as f32 - 0.5;
            data.extend(noise.to_le_bytes());
        }
        file.tensors.push(Tensor { name: name.to_owned(), shape: shape.to_vec(), kind: Kind::F32, data });
    };
    let length = u64::from(length);
    tensor("v.patch_embd.weight", &[SIDE, SIDE, 3, SEEN]);
    tensor("v.position_embd.weight", &[SEEN, SIDE * SIDE]);
    for block in ["v.blk.0", "v.blk.1"] {
        for (part, from, to) in [
            ("attn_q", SEEN, SEEN),
            ("attn_k", SEEN, SEEN),
            ("attn_v", SEEN, SEEN),
            ("attn_out", SEEN, SEEN),
            ("ffn_up", SEEN, 2 * SEEN),
            ("ffn_down", 2 * SEEN, SEEN),
        ] {
            tensor(&format!("{block}.{part}.weight"), &[from, to]);
            tensor(&format!("{block}.{part}.bias"), &[to]);
        }
        for norm in ["ln1", "ln2"] {
            tensor(&format!("{block}.{norm}.weight"), &[SEEN]);
            tensor(&format!("{block}.{norm}.bias"), &[SEEN]);
        }
    }
    for (name, from) in [("mm.0", SEEN), ("mm.2", length)] {
        tensor(&format!("{name}.weight"), &[from, length]);
        tensor(&format!("{name}.bias"), &[length]);
    }
    file.write(out)
}
