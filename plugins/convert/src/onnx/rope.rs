//! Positions, which turn queries and keys.

use super::facts::Facts;
use super::graph::Value;
use super::model::Model;

/// What each vector is turned with, by its position: `[batch, 1, sequence, length]`.
pub(super) struct Turn {
    cos: Value,
    sin: Value,
}

/// How fast positions turn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Speed {
    /// The slowest pair turns by about one in so many tokens.
    pub(super) base: f64,
    /// Positions are multiplied with this.
    pub(super) scale: f64,
}

/// The factors that speeds are divided by, one for each pair.
const FACTORS: &str = "rope_freqs.weight";

impl Speed {
    /// As the metadata has it; an error where it asks for a kind of scaling that is not written here.
    pub(super) fn read(facts: &Facts<'_>, length: u64) -> Result<Self, String> {
        let turned = facts.count("rope.dimension_count")?.unwrap_or(length);
        if turned != length {
            return Err(format!(
                "positions turn {turned} of the {length} numbers of a head, and only models where they turn all are \
                 supported"
            ));
        }
        if !length.is_multiple_of(2) {
            return Err(format!(
                "heads have {length} numbers, which are no pairs that a position could turn"
            ));
        }
        let base = Self::base(facts, "rope.freq_base")?;
        let kind = facts.text("rope.scaling.type").unwrap_or("linear");
        let factor = match facts.float("rope.scaling.factor")? {
            Some(factor) => factor,
            None => facts.float("rope.scale_linear")?.unwrap_or(0.0),
        };
        let scale = match (kind, factor) {
            ("none", _) | ("linear", 0.0) => 1.0,
            ("linear", factor) if factor > 0.0 => 1.0 / factor,
            _ => {
                return Err(format!(
                    "positions are scaled in the way {kind:?} by {factor}, and only \"linear\" ones are supported, and those \
                     that the file has factors for ({FACTORS})"
                ));
            }
        };
        Ok(Self { base, scale })
    }

    /// A base that a file names.
    pub(super) fn base(facts: &Facts<'_>, key: &str) -> Result<f64, String> {
        let base = facts.float(key)?.unwrap_or(10_000.0);
        if base > 0.0 {
            return Ok(base);
        }
        Err(format!("metadata {:?} is {base}, but must be more than 0", facts.key(key)))
    }
}

impl Model<'_> {
    /// What positions (`[batch, sequence]`) turn vectors of this length with.
    pub(super) fn turn(
        &mut self,
        positions: &str,
        length: u64,
        speed: Speed,
        factors: bool,
    ) -> Result<Turn, String> {
        let pairs = length / 2;
        let speeds: Vec<f32> = (0..pairs)
            .map(|pair| {
                let exponent = pair as f64 * 2.0 / length as f64;
                (speed.base.powf(-exponent) * speed.scale) as f32
            })
            .collect();
        let mut speeds = self.graph.floats(&speeds);
        if factors && self.weights.has(FACTORS) {
            let factors =
                self.weights.vector(&mut self.graph, FACTORS, pairs, crate::plan::Order::Straight)?;
            speeds = self.graph.node("Div", &[&speeds, &factors], &[]);
        }
        // Every head turns alike: `[batch, 1, sequence, 1]`.
        let positions = self.unsqueezed(positions, &[1, 3]);
        let angles = self.graph.node("Mul", &[&positions, &speeds], &[]);
        let cos = self.graph.node("Cos", &[&angles], &[]);
        let sin = self.graph.node("Sin", &[&angles], &[]);
        let back = self.graph.node("Neg", &[&sin], &[]);
        Ok(Turn { cos: self.joined(&[&cos, &cos], -1), sin: self.joined(&[&back, &sin], -1) })
    }

    /// Turns vectors whose halves belong together: number `n` of the first with number `n` of the second.
    pub(super) fn turned(&mut self, value: &str, turn: &Turn) -> Value {
        let (first, second) = self.graph.halves(value);
        let crossed = self.joined(&[&second, &first], -1);
        let straight = self.graph.node("Mul", &[value, &turn.cos], &[]);
        let crossed = self.graph.node("Mul", &[&crossed, &turn.sin], &[]);
        self.graph.node("Add", &[&straight, &crossed], &[])
    }
}
