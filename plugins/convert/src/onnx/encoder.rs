//! Models that turn texts into vectors: BERT and those that are built like it.

use inferno_formats::gguf::Value as Meta;

use super::facts::{Dimensions, Facts};
use super::graph::{Side, Value};
use super::model::{Heads, Model};
use super::proto::Elements;
use super::{Precision, Stored};
use crate::plan::{Order, Output};

const TYPES: &str = "token_types.weight";

struct Encoder<'a> {
    model: Model<'a>,
    dimensions: Dimensions,
    epsilon: f32,
    /// `[batch, sequence, heads, key]` as numbers.
    apart: Value,
    mask: Value,
}

pub(super) fn outputs<'a>(
    facts: &Facts<'_>,
    tensors: impl IntoIterator<Item = Stored<'a>>,
    precision: Precision,
) -> Result<Vec<Output>, String> {
    let dimensions = facts.dimensions()?;
    let Dimensions { width, heads, kv_heads, key, value, .. } = dimensions;
    if kv_heads != heads || value != key || heads.checked_mul(key) != Some(width) {
        return Err(format!(
            "the file says that {heads} heads of {key} and {kv_heads} of {value} numbers make a vector of {width}, which \
             those of this architecture do not"
        ));
    }
    if facts.get("attention.causal").and_then(Meta::whole) == Some(1) {
        return Err("no token sees those after it, which this architecture's graph has no way for".to_owned());
    }
    let epsilon = facts.needed_float("attention.layer_norm_epsilon")? as f32;
    let mut model = Model::new(tensors, precision);
    let sides = [Side::Named("batch"), Side::Named("sequence")];
    let ids = model.graph.input("input_ids", Elements::I64, &sides);
    let attention_mask = model.graph.input("attention_mask", Elements::I64, &sides);
    let types = model.weights.has(TYPES).then(|| model.graph.input("token_type_ids", Elements::I64, &sides));
    model.graph.scope("start");
    let shapes = model.shapes(&ids);
    let shown = model.shown(&attention_mask);
    let mask = model.mask(&shown);
    let apart = model.shape(&shapes, &[heads, key]);
    let whole = model.shape(&shapes, &[width]);

    let mut encoder = Encoder { model, dimensions, epsilon, apart, mask };
    let mut hidden = encoder.embedded(&ids, types.as_deref(), &shapes.sequence)?;
    for layer in 0..dimensions.layers {
        hidden = encoder.layer(layer, &hidden)?;
    }
    let mut model = encoder.model;
    model.graph.scope("end");
    model
        .graph
        .output("last_hidden_state", &[Side::Named("batch"), Side::Named("sequence"), Side::Fixed(width)]);
    model.graph.named("last_hidden_state", "Reshape", &[&hidden, &whole], &[]);
    model.finish("bert", &[])
}

impl Encoder<'_> {
    /// The vectors of tokens with those of their types and places, as rows.
    fn embedded(&mut self, ids: &str, types: Option<&str>, sequence: &str) -> Result<Value, String> {
        const TOKENS: &str = "token_embd.weight";
        const PLACES: &str = "position_embd.weight";
        let width = self.dimensions.width;
        let model = &mut self.model;
        let (tokens, _) = model.weights.size(TOKENS)?;
        let mut hidden = model.looked_up(TOKENS, (tokens, width), ids)?;
        if let Some(types) = types {
            // A table of one type is a matrix of one row.
            let rows = model.weights.size(TYPES).map_or(1, |(rows, _)| rows);
            let types = model.looked_up(TYPES, (rows, width), types)?;
            hidden = model.graph.node("Add", &[&hidden, &types], &[]);
        }
        let (places, _) = model.weights.size(PLACES)?;
        let sequence = model.graph.node("Squeeze", &[sequence], &[]);
        let (zero, one) = (model.graph.whole(0), model.graph.whole(1));
        let range = model.graph.node("Range", &[&zero, &sequence, &one], &[]);
        let places = model.looked_up(PLACES, (places, width), &range)?;
        let hidden = model.graph.node("Add", &[&hidden, &places], &[]);
        let hidden = model.reshape(&hidden, &[-1, width as i64]);
        self.norm("token_embd_norm", &hidden)
    }

    fn norm(&mut self, name: &str, value: &str) -> Result<Value, String> {
        self.model.layer_norm(name, value, self.dimensions.width, self.epsilon)
    }

    fn layer(&mut self, layer: u64, hidden: &str) -> Result<Value, String> {
        self.model.graph.scope(format!("blk.{layer}"));
        let name = |part: &str| format!("blk.{layer}.{part}");
        let width = self.dimensions.width;
        let found = self.attention(layer, hidden)?;
        let hidden = self.model.graph.node("Add", &[hidden, &found], &[]);
        let hidden = self.norm(&name("attn_output_norm"), &hidden)?;
        let (inner, _) = self.model.weights.size(&name("ffn_up.weight"))?;
        let up = self.model.linear(&name("ffn_up"), &hidden, (inner, width), Order::Straight)?;
        let inside = self.model.gelu(&up);
        let thought = self.model.linear(&name("ffn_down"), &inside, (width, inner), Order::Straight)?;
        let hidden = self.model.graph.node("Add", &[&hidden, &thought], &[]);
        self.norm(&name("layer_output_norm"), &hidden)
    }

    fn attention(&mut self, layer: u64, hidden: &str) -> Result<Value, String> {
        let Dimensions { width, key, .. } = self.dimensions;
        let mut heads = |part: &str| -> Result<Value, String> {
            let name = format!("blk.{layer}.{part}");
            let found = self.model.linear(&name, hidden, (width, width), Order::Straight)?;
            let found = self.model.apart(&found, &self.apart);
            Ok(self.model.swapped(&found))
        };
        let (queries, keys, values) = (heads("attn_q")?, heads("attn_k")?, heads("attn_v")?);
        let queries = self.model.scaled(&queries, (1.0 / (key as f64).sqrt()) as f32);
        let of = Heads { queries: &queries, keys: &keys, values: &values, mask: &self.mask, groups: None };
        let found = self.model.attention(&of, &self.dimensions);
        self.model.linear(&format!("blk.{layer}.attn_output"), &found, (width, width), Order::Straight)
    }
}
