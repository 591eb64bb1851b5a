//! Models that write text, token by token: Llama and those that are built like it.

use inferno_formats::gguf::Value as Meta;

use super::facts::{Dimensions, Facts};
use super::graph::{Side, Value};
use super::model::{Groups, Heads, Model, Shapes};
use super::proto::{Attribute, Elements};
use super::rope::{Speed, Turn};
use super::{Precision, Stored};
use crate::plan::{Order, Output};

/// What an architecture does in a way of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kind {
    name: &'static str,
    /// GGUF has the rows of queries and keys so that neighbours are turned together. All others, and all graphs, turn the
    /// halves of a head.
    neighbours: bool,
    /// Queries and keys have norms.
    head_norms: bool,
    /// What Gemmas do: vectors of tokens are scaled by the root of their length, and the gate is a GELU.
    gemma: bool,
    /// What comes out of a layer's halves has norms, and most layers see only the tokens of a window.
    windows: bool,
}

const LLAMA: Kind = Kind { name: "llama", neighbours: true, head_norms: false, gemma: false, windows: false };
const KINDS: [Kind; 5] = [
    LLAMA,
    Kind { name: "qwen2", neighbours: false, ..LLAMA },
    Kind { name: "qwen3", neighbours: false, head_norms: true, ..LLAMA },
    Kind { name: "gemma", neighbours: false, gemma: true, ..LLAMA },
    Kind { name: "gemma3", neighbours: false, head_norms: true, gemma: true, windows: true },
];
/// The architectures that are known, for errors.
pub(super) const ARCHITECTURES: [&str; 5] =
    [KINDS[0].name, KINDS[1].name, KINDS[2].name, KINDS[3].name, KINDS[4].name];
/// Of every that many layers the last sees all tokens, where the file does not say.
const WINDOW_EVERY: u64 = 6;

impl Kind {
    /// The one of this name.
    pub(super) fn of(architecture: &str) -> Option<Self> {
        KINDS.into_iter().find(|kind| kind.name == architecture)
    }
}

/// Which tokens a layer sees, and how their positions turn it.
struct View {
    turn: Turn,
    mask: Value,
}

/// Layers that see only the newest tokens.
#[derive(Clone, Debug, PartialEq)]
struct Windows {
    tokens: u64,
    /// For each layer.
    narrow: Vec<bool>,
    speed: Speed,
}

struct Decoder<'a> {
    model: Model<'a>,
    kind: Kind,
    dimensions: Dimensions,
    epsilon: f32,
    /// What queries are multiplied with.
    scale: f32,
    /// `[batch, sequence, heads, key]`, and so on, as numbers.
    queries: Value,
    keys: Value,
    values: Value,
    groups: Option<Groups>,
}

pub(super) fn outputs<'a>(
    facts: &Facts<'_>,
    kind: Kind,
    tensors: impl IntoIterator<Item = Stored<'a>>,
    precision: Precision,
) -> Result<Vec<Output>, String> {
    let dimensions = facts.dimensions()?;
    if facts.get("attention.causal").and_then(Meta::whole) == Some(0) {
        return Err(
            "each token sees those after it, which this architecture's graph has no way for".to_owned()
        );
    }
    let speed = Speed::read(facts, dimensions.key)?;
    let windows = windows(facts, kind, dimensions.layers)?;
    let epsilon = facts.needed_float("attention.layer_norm_rms_epsilon")? as f32;
    let mut model = Model::new(tensors, precision);
    let (vocabulary, _) = model.weights.size("token_embd.weight")?;
    let token_size = (vocabulary, dimensions.width);

    let sequence = [Side::Named("batch"), Side::Named("sequence")];
    let ids = model.graph.input("input_ids", Elements::I64, &sequence);
    let attention_mask =
        model.graph.input("attention_mask", Elements::I64, &[Side::Named("batch"), Side::Named("total")]);
    let positions = model.graph.input("position_ids", Elements::I64, &sequence);
    model.graph.scope("start");
    let shapes = model.shapes(&ids);
    let total = model.graph.node(
        "Shape",
        &[&attention_mask],
        &[Attribute::int("start", 1), Attribute::int("end", 2)],
    );
    let positions = model.graph.node("Cast", &[&positions], &[Attribute::int("to", Elements::F32 as i64)]);
    let wide = View {
        turn: model.turn(&positions, dimensions.key, speed, true)?,
        mask: causal(&mut model, &shapes, &total, &attention_mask, None),
    };
    let narrow = match &windows {
        None => None,
        Some(windows) => Some(View {
            turn: model.turn(&positions, dimensions.key, windows.speed, false)?,
            mask: causal(&mut model, &shapes, &total, &attention_mask, Some(windows.tokens)),
        }),
    };
    let mut decoder = Decoder::new(model, kind, dimensions, epsilon, &shapes, &total);
    let mut hidden = decoder.embedded(&ids, token_size)?;
    for layer in 0..dimensions.layers {
        let view = match (&narrow, &windows) {
            (Some(narrow), Some(windows)) if windows.narrow.get(layer as usize) == Some(&true) => narrow,
            _ => &wide,
        };
        hidden = decoder.layer(layer, &hidden, view)?;
    }
    decoder.logits(&hidden, token_size, &shapes)?;
    decoder.model.finish(kind.name, &[])
}

/// Which layers have windows; none where no layer has.
fn windows(facts: &Facts<'_>, kind: Kind, layers: u64) -> Result<Option<Windows>, String> {
    const KEY: &str = "attention.sliding_window";
    const PATTERN: &str = "attention.sliding_window_pattern";
    let tokens = facts.count(KEY)?.unwrap_or(0);
    let context = facts.count("context_length")?.unwrap_or(0);
    if tokens == 0 || (!kind.windows && tokens >= context) {
        return Ok(None);
    }
    if !kind.windows {
        return Err(format!(
            "each token sees only {tokens} before it ({}), which is not supported for the architecture {:?}",
            facts.key(KEY),
            kind.name
        ));
    }
    let narrow = match facts.get(PATTERN) {
        Some(Meta::Array(pattern)) => pattern.whole().map(|narrow| narrow != 0).collect(),
        _ => {
            let every = facts.count(PATTERN)?.unwrap_or(WINDOW_EVERY);
            (0..layers).map(|layer| every == 0 || layer % every < every - 1).collect()
        }
    };
    let narrow: Vec<bool> = narrow;
    if narrow.len() as u64 != layers {
        return Err(format!("{} is for {} layers, but there are {layers}", facts.key(PATTERN), narrow.len()));
    }
    let speed = Speed { base: Speed::base(facts, "rope.freq_base_swa")?, scale: 1.0 };
    Ok(Some(Windows { tokens, narrow, speed }))
}

/// What hides a key from a query: keys after it, keys that the caller masks, and those before its window.
fn causal(
    model: &mut Model<'_>,
    shapes: &Shapes,
    total: &str,
    attention_mask: &str,
    window: Option<u64>,
) -> Value {
    let graph = &mut model.graph;
    let total = graph.node("Squeeze", &[total], &[]);
    let new = graph.node("Squeeze", &[&shapes.sequence], &[]);
    let past = graph.node("Sub", &[&total, &new], &[]);
    let (zero, one) = (graph.whole(0), graph.whole(1));
    let keys = graph.node("Range", &[&zero, &total, &one], &[]);
    let queries = graph.node("Range", &[&past, &total, &one], &[]);
    let axis = graph.numbers(&[1]);
    let queries = graph.node("Unsqueeze", &[&queries, &axis], &[]);
    let mut seen = graph.node("LessOrEqual", &[&keys, &queries], &[]);
    if let Some(tokens) = window {
        let back = graph.node("Sub", &[&queries, &keys], &[]);
        let tokens = graph.whole(i64::try_from(tokens).unwrap_or(i64::MAX));
        let near = graph.node("Less", &[&back, &tokens], &[]);
        seen = graph.node("And", &[&seen, &near], &[]);
    }
    let shown = model.shown(attention_mask);
    let seen = model.graph.node("And", &[&seen, &shown], &[]);
    model.mask(&seen)
}

impl<'a> Decoder<'a> {
    fn new(
        mut model: Model<'a>,
        kind: Kind,
        dimensions: Dimensions,
        epsilon: f32,
        shapes: &Shapes,
        total: &str,
    ) -> Self {
        let Dimensions { layers, width, heads, kv_heads, key, value } = dimensions;
        // The one Gemma 3 of 62 layers divides by another length than that of its heads.
        let divisor = if kind.windows && layers == 62 { width / heads } else { key };
        let queries = model.shape(shapes, &[heads, key]);
        let keys = model.shape(shapes, &[kv_heads, key]);
        let values = model.shape(shapes, &[kv_heads, value]);
        let groups = (heads != kv_heads).then(|| {
            let heads = model.graph.numbers(&[heads as i64]);
            let groups = model.graph.numbers(&[kv_heads as i64, -1]);
            Groups {
                apart: model.joined(&[&shapes.batch, &heads, &shapes.sequence, total], 0),
                together: model.joined(&[&shapes.batch, &groups, total], 0),
            }
        });
        let scale = (1.0 / (divisor as f64).sqrt()) as f32;
        Self { model, kind, dimensions, epsilon, scale, queries, keys, values, groups }
    }

    /// The vectors of tokens, as rows.
    fn embedded(&mut self, ids: &str, size: (u64, u64)) -> Result<Value, String> {
        let width = self.dimensions.width;
        let hidden = self.model.looked_up("token_embd.weight", size, ids)?;
        let hidden = self.model.reshape(&hidden, &[-1, width as i64]);
        Ok(if self.kind.gemma { self.model.scaled(&hidden, (width as f32).sqrt()) } else { hidden })
    }

    fn layer(&mut self, layer: u64, hidden: &str, view: &View) -> Result<Value, String> {
        self.model.graph.scope(format!("blk.{layer}"));
        let normed = self.norm(layer, "attn_norm", hidden)?;
        let found = self.attention(layer, &normed, view)?;
        let found = self.after(layer, "post_attention_norm", found)?;
        let hidden = self.model.graph.node("Add", &[hidden, &found], &[]);
        let normed = self.norm(layer, "ffn_norm", &hidden)?;
        let thought = self.feed_forward(layer, &normed)?;
        let thought = self.after(layer, "post_ffw_norm", thought)?;
        Ok(self.model.graph.node("Add", &[&hidden, &thought], &[]))
    }

    fn norm(&mut self, layer: u64, name: &str, value: &str) -> Result<Value, String> {
        let name = format!("blk.{layer}.{name}.weight");
        self.model.rms_norm(&name, value, self.dimensions.width, self.epsilon)
    }

    /// The norm of what a half of a layer found, where the architecture has one.
    fn after(&mut self, layer: u64, name: &str, value: Value) -> Result<Value, String> {
        if self.kind.windows { self.norm(layer, name, &value) } else { Ok(value) }
    }

    fn attention(&mut self, layer: u64, hidden: &str, view: &View) -> Result<Value, String> {
        let Dimensions { width, heads, kv_heads, key, value, .. } = self.dimensions;
        let (queries_shape, keys_shape, values_shape) =
            (self.queries.clone(), self.keys.clone(), self.values.clone());
        let queries = self.heads(layer, "attn_q", hidden, (heads, key), &queries_shape)?;
        let keys = self.heads(layer, "attn_k", hidden, (kv_heads, key), &keys_shape)?;
        let name = format!("blk.{layer}.attn_v");
        let values = self.model.linear(&name, hidden, (kv_heads * value, width), Order::Straight)?;
        let values = self.model.apart(&values, &values_shape);
        let values = self.model.swapped(&values);

        let queries = self.model.turned(&queries, &view.turn);
        let queries = self.model.scaled(&queries, self.scale);
        let keys = self.model.turned(&keys, &view.turn);
        let keys = self.remembered(layer, "key", &keys, key);
        let values = self.remembered(layer, "value", &values, value);
        let heads_of = Heads {
            queries: &queries,
            keys: &keys,
            values: &values,
            mask: &view.mask,
            groups: self.groups.as_ref(),
        };
        let found = self.model.attention(&heads_of, &self.dimensions);
        let name = format!("blk.{layer}.attn_output");
        self.model.linear(&name, &found, (width, heads * value), Order::Straight)
    }

    /// Queries or keys of all heads, `[batch, heads, sequence, key]`, with their norm.
    fn heads(
        &mut self,
        layer: u64,
        name: &str,
        hidden: &str,
        (heads, length): (u64, u64),
        shape: &str,
    ) -> Result<Value, String> {
        let order = if self.kind.neighbours { Order::Deinterleaved { heads } } else { Order::Straight };
        let size = (heads * length, self.dimensions.width);
        let found = self.model.linear(&format!("blk.{layer}.{name}"), hidden, size, order)?;
        let mut found = self.model.apart(&found, shape);
        if self.kind.head_norms {
            let name = format!("blk.{layer}.{name}_norm.weight");
            found = self.model.rms_norm(&name, &found, length, self.epsilon)?;
        }
        Ok(self.model.swapped(&found))
    }

    /// What was remembered of earlier tokens, and the new ones after it: it goes in and comes out.
    fn remembered(&mut self, layer: u64, what: &str, new: &str, length: u64) -> Value {
        let shape = |tokens| {
            let heads = Side::Fixed(self.dimensions.kv_heads);
            [Side::Named("batch"), heads, Side::Named(tokens), Side::Fixed(length)]
        };
        let (before, after) = (shape("past"), shape("total"));
        let graph = &mut self.model.graph;
        let past = graph.input(&format!("past_key_values.{layer}.{what}"), Elements::F32, &before);
        let name = format!("present.{layer}.{what}");
        graph.output(&name, &after);
        graph.named(&name, "Concat", &[&past, new], &[Attribute::int("axis", 2)])
    }

    fn feed_forward(&mut self, layer: u64, hidden: &str) -> Result<Value, String> {
        let width = self.dimensions.width;
        let name = |part: &str| format!("blk.{layer}.{part}");
        // How wide it is may differ from layer to layer, and the tensors say it.
        let (inner, _) = self.model.weights.size(&name("ffn_gate.weight"))?;
        let gate = self.model.linear(&name("ffn_gate"), hidden, (inner, width), Order::Straight)?;
        let gate = if self.kind.gemma { self.model.gelu_by_tanh(&gate) } else { self.model.silu(&gate) };
        let up = self.model.linear(&name("ffn_up"), hidden, (inner, width), Order::Straight)?;
        let inside = self.model.graph.node("Mul", &[&gate, &up], &[]);
        self.model.linear(&name("ffn_down"), &inside, (width, inner), Order::Straight)
    }

    /// How likely each token is to be the next one.
    fn logits(
        &mut self,
        hidden: &str,
        (vocabulary, width): (u64, u64),
        shapes: &Shapes,
    ) -> Result<(), String> {
        self.model.graph.scope("end");
        let hidden = self.model.rms_norm("output_norm.weight", hidden, width, self.epsilon)?;
        let name = if self.model.weights.has("output.weight") { "output" } else { "token_embd" };
        let logits = self.model.linear(name, &hidden, (vocabulary, width), Order::Straight)?;
        let shape = self.model.shape(shapes, &[vocabulary]);
        let sides = [Side::Named("batch"), Side::Named("sequence"), Side::Fixed(vocabulary)];
        self.model.graph.output("logits", &sides);
        self.model.graph.named("logits", "Reshape", &[&logits, &shape], &[]);
        Ok(())
    }
}
