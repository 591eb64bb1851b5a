//! The parts that models are made of: layers of numbers, norms, attention.

use super::facts::Dimensions;
use super::graph::{Graph, Value};
use super::proto::{Attribute, Elements};
use super::weights::Weights;
use super::{Precision, Stored};
use crate::plan::{Order, Output};

/// The graph beside its numbers.
pub(super) const GRAPH_FILE: &str = "model.onnx";

/// A model that is being put together. Texts are lists of vectors inside (`batch * sequence` of them), since `Gemm`, which
/// takes weights as GGUF has them (a row for each number that comes out), multiplies matrices only. Weights that lay the
/// other way round for `MatMul` are no faster in ONNX Runtime, which packs either when it loads a model; but they would have
/// to be turned over here, and where the same tensor begins and ends a model it would be kept twice.
pub(super) struct Model<'a> {
    pub(super) graph: Graph,
    pub(super) weights: Weights<'a>,
}

/// Shapes that depend on what a caller sends; each is a list of numbers that the graph computes.
pub(super) struct Shapes {
    /// `[batch]`.
    pub(super) batch: Value,
    /// `[sequence]`.
    pub(super) sequence: Value,
}

/// What the heads of one layer look at.
pub(super) struct Heads<'a> {
    /// `[batch, heads, sequence, key]`, already scaled.
    pub(super) queries: &'a str,
    /// `[batch, kv_heads, total, key]`.
    pub(super) keys: &'a str,
    /// `[batch, kv_heads, total, value]`.
    pub(super) values: &'a str,
    /// Added to what each query finds of each key: 0 or what hides it. `[batch, 1, sequence or 1, total]`.
    pub(super) mask: &'a str,
    /// Where several heads of queries share one of keys.
    pub(super) groups: Option<&'a Groups>,
}

/// Two shapes of what queries find, as numbers.
pub(super) struct Groups {
    /// For each head: `[batch, heads, sequence, total]`.
    pub(super) apart: Value,
    /// For each head of keys: `[batch, kv_heads, -1, total]`.
    pub(super) together: Value,
}

impl<'a> Model<'a> {
    pub(super) fn new(tensors: impl IntoIterator<Item = Stored<'a>>, precision: Precision) -> Self {
        Self { graph: Graph::default(), weights: Weights::new(tensors, precision) }
    }

    /// Both files.
    pub(super) fn finish(self, name: &str, ignored: &[&str]) -> Result<Vec<Output>, String> {
        let data = self.weights.finish(ignored)?;
        let head = self.graph.into_bytes(name);
        let bytes = head.len() as u64;
        Ok(vec![Output { path: GRAPH_FILE.to_owned(), head, tensors: Vec::new(), bytes }, data])
    }

    /// How long a batch and its texts are.
    pub(super) fn shapes(&mut self, input_ids: &str) -> Shapes {
        let mut side = |from: i64| {
            let range = [Attribute::int("start", from), Attribute::int("end", from + 1)];
            self.graph.node("Shape", &[input_ids], &range)
        };
        Shapes { batch: side(0), sequence: side(1) }
    }

    /// `[batch, sequence]` and what follows, as numbers.
    pub(super) fn shape(&mut self, shapes: &Shapes, rest: &[u64]) -> Value {
        let rest: Vec<i64> = rest.iter().map(|&side| side as i64).collect();
        let rest = self.graph.numbers(&rest);
        self.joined(&[&shapes.batch, &shapes.sequence, &rest], 0)
    }

    pub(super) fn joined(&mut self, parts: &[&str], axis: i64) -> Value {
        self.graph.node("Concat", parts, &[Attribute::int("axis", axis)])
    }

    pub(super) fn reshape(&mut self, value: &str, shape: &[i64]) -> Value {
        let shape = self.graph.numbers(shape);
        self.graph.node("Reshape", &[value, &shape], &[])
    }

    pub(super) fn unsqueezed(&mut self, value: &str, axes: &[i64]) -> Value {
        let axes = self.graph.numbers(axes);
        self.graph.node("Unsqueeze", &[value, &axes], &[])
    }

    pub(super) fn scaled(&mut self, value: &str, factor: f32) -> Value {
        let factor = self.graph.float(factor);
        self.graph.node("Mul", &[value, &factor], &[])
    }

    /// Rows of a table, one for each number in `indices`, which may have any shape.
    pub(super) fn looked_up(&mut self, name: &str, size: (u64, u64), indices: &str) -> Result<Value, String> {
        let table = self.weights.stored(&mut self.graph, name, size, Order::Straight)?;
        let rows = self.graph.node("Gather", &[&table, indices], &[]);
        Ok(self.weights.widened(&mut self.graph, &rows))
    }

    /// `value` times a matrix, plus a bias where the file has one. `rows` numbers come out, `columns` go in.
    pub(super) fn linear(
        &mut self,
        name: &str,
        value: &str,
        (rows, columns): (u64, u64),
        order: Order,
    ) -> Result<Value, String> {
        let matrix =
            self.weights.matrix(&mut self.graph, &format!("{name}.weight"), (rows, columns), order)?;
        let mut inputs = vec![value.to_owned(), matrix];
        let bias = format!("{name}.bias");
        if self.weights.has(&bias) {
            inputs.push(self.weights.vector(&mut self.graph, &bias, rows, order)?);
        }
        let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
        Ok(self.graph.node("Gemm", &inputs, &[Attribute::int("transB", 1)]))
    }

    /// Divides by the root of the mean square. It is spelled as runtimes look for it, so that they can take it as one.
    pub(super) fn rms_norm(
        &mut self,
        name: &str,
        value: &str,
        length: u64,
        epsilon: f32,
    ) -> Result<Value, String> {
        let weight = self.weights.vector(&mut self.graph, name, length, Order::Straight)?;
        let two = self.graph.float(2.0);
        let last = self.graph.numbers(&[-1]);
        let epsilon = self.graph.float(epsilon);
        let square = self.graph.node("Pow", &[value, &two], &[]);
        let mean = self.graph.node("ReduceMean", &[&square, &last], &[Attribute::int("keepdims", 1)]);
        let mean = self.graph.node("Add", &[&mean, &epsilon], &[]);
        let root = self.graph.node("Sqrt", &[&mean], &[]);
        let even = self.graph.node("Div", &[value, &root], &[]);
        Ok(self.graph.node("Mul", &[&even, &weight], &[]))
    }

    /// Takes the mean away and divides by the root of the variance.
    pub(super) fn layer_norm(
        &mut self,
        name: &str,
        value: &str,
        length: u64,
        epsilon: f32,
    ) -> Result<Value, String> {
        let (weight, bias) = (format!("{name}.weight"), format!("{name}.bias"));
        let weight = self.weights.vector(&mut self.graph, &weight, length, Order::Straight)?;
        let bias = self.weights.vector(&mut self.graph, &bias, length, Order::Straight)?;
        let attributes = [Attribute::int("axis", -1), Attribute::float("epsilon", epsilon)];
        Ok(self.graph.node("LayerNormalization", &[value, &weight, &bias], &attributes))
    }

    /// `x * sigmoid(x)`.
    pub(super) fn silu(&mut self, value: &str) -> Value {
        let gate = self.graph.node("Sigmoid", &[value], &[]);
        self.graph.node("Mul", &[value, &gate], &[])
    }

    /// `x / 2 * (1 + erf(x / sqrt 2))`, as BERT was trained; llama.cpp comes close with a hyperbolic tangent.
    pub(super) fn gelu(&mut self, value: &str) -> Value {
        let root = self.graph.float(std::f32::consts::SQRT_2);
        let inside = self.graph.node("Div", &[value, &root], &[]);
        let erf = self.graph.node("Erf", &[&inside], &[]);
        self.half_of_one_more(value, &erf)
    }

    /// `x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x^3)))`, as Gemma was trained.
    pub(super) fn gelu_by_tanh(&mut self, value: &str) -> Value {
        let three = self.graph.float(3.0);
        let cube = self.graph.node("Pow", &[value, &three], &[]);
        let cube = self.scaled(&cube, 0.044_715);
        let inside = self.graph.node("Add", &[value, &cube], &[]);
        let inside = self.scaled(&inside, (2.0 / std::f64::consts::PI).sqrt() as f32);
        let tanh = self.graph.node("Tanh", &[&inside], &[]);
        self.half_of_one_more(value, &tanh)
    }

    fn half_of_one_more(&mut self, value: &str, other: &str) -> Value {
        let one = self.graph.float(1.0);
        let more = self.graph.node("Add", &[other, &one], &[]);
        let product = self.graph.node("Mul", &[value, &more], &[]);
        self.scaled(&product, 0.5)
    }

    /// Which keys a caller shows, `[batch, 1, 1, total]`, of a mask of zeros and ones.
    pub(super) fn shown(&mut self, attention_mask: &str) -> Value {
        let shown =
            self.graph.node("Cast", &[attention_mask], &[Attribute::int("to", Elements::Bool as i64)]);
        self.unsqueezed(&shown, &[1, 2])
    }

    /// What is added to what a query finds: 0 where the key is seen, else the lowest number there is, and not minus infinity,
    /// of which rows that see nothing would be no numbers.
    pub(super) fn mask(&mut self, seen: &str) -> Value {
        let (shown, hidden) = (self.graph.float(0.0), self.graph.float(f32::MIN));
        self.graph.node("Where", &[seen, &shown, &hidden], &[])
    }

    /// The numbers of all heads, one head after the other: `[batch, sequence, heads, length]`.
    pub(super) fn apart(&mut self, value: &str, shape: &str) -> Value {
        self.graph.node("Reshape", &[value, shape], &[])
    }

    /// Heads before texts, or texts before heads.
    pub(super) fn swapped(&mut self, value: &str) -> Value {
        self.graph.node("Transpose", &[value], &[Attribute::ints("perm", &[0, 2, 1, 3])])
    }

    /// What all queries find, as rows of the numbers of all heads. Queries that share a head of keys are rows of one
    /// multiplication with it, so that keys and values, which may be long, are never copied for each of them.
    pub(super) fn attention(&mut self, of: &Heads<'_>, dimensions: &Dimensions) -> Value {
        let Dimensions { heads, kv_heads, key, value, .. } = *dimensions;
        let [heads, kv_heads, key, value] = [heads, kv_heads, key, value].map(|side| side as i64);
        let mut queries = of.queries.to_owned();
        if of.groups.is_some() {
            queries = self.reshape(&queries, &[0, kv_heads, -1, key]);
        }
        let keys = self.graph.node("Transpose", &[of.keys], &[Attribute::ints("perm", &[0, 1, 3, 2])]);
        let mut scores = self.graph.node("MatMul", &[&queries, &keys], &[]);
        if let Some(groups) = of.groups {
            scores = self.graph.node("Reshape", &[&scores, &groups.apart], &[]);
        }
        let scores = self.graph.node("Add", &[&scores, of.mask], &[]);
        let mut weights = self.graph.node("Softmax", &[&scores], &[Attribute::int("axis", -1)]);
        if let Some(groups) = of.groups {
            weights = self.graph.node("Reshape", &[&weights, &groups.together], &[]);
        }
        let mut found = self.graph.node("MatMul", &[&weights, of.values], &[]);
        if of.groups.is_some() {
            found = self.reshape(&found, &[0, heads, -1, value]);
        }
        let found = self.swapped(&found);
        self.reshape(&found, &[-1, heads * value])
    }
}
