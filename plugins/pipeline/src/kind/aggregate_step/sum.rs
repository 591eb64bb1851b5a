//! What is taken of the values of a group.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Number, Value};

use crate::kind::columns::kind_of;
use crate::kind::order;

/// What is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Take {
    Count,
    Sum,
    Mean,
    Min,
    Max,
    First,
    Last,
    Collect,
}

impl Take {
    /// Whether it can be taken of such a value.
    pub(super) fn check(self, value: &Value) -> Result<(), String> {
        let word = match self {
            Self::Sum => "sum",
            Self::Mean => "mean",
            _ => return Ok(()),
        };
        match value {
            Value::Null | Value::Number(_) => Ok(()),
            other => Err(format!("{} has no {word}", kind_of(other))),
        }
    }
}

/// What was taken so far.
#[derive(Serialize, Deserialize)]
pub(super) enum Taken {
    Count(u64),
    Sum(Total),
    Mean(Total, u64),
    Min(Option<Value>),
    Max(Option<Value>),
    First(Option<Value>),
    Last(Option<Value>),
    Collect(Vec<Value>),
}

/// A sum: exact as long as all are integers that fit.
#[derive(Serialize, Deserialize)]
pub(super) struct Total {
    whole: Option<i64>,
    /// The same as a float, by its bits, which no text can spoil.
    bits: u64,
}

impl Total {
    fn new() -> Self {
        Self { whole: Some(0), bits: 0 }
    }

    fn add(&mut self, number: &Number) {
        self.whole = self.whole.zip(number.as_i64()).and_then(|(sum, more)| sum.checked_add(more));
        self.bits = (self.float() + number.as_f64().unwrap_or_default()).to_bits();
    }

    fn float(&self) -> f64 {
        f64::from_bits(self.bits)
    }

    fn value(&self) -> Value {
        self.whole.map_or_else(|| Value::from(self.float()), Value::from)
    }
}

impl Taken {
    pub(super) fn new(take: Take) -> Self {
        match take {
            Take::Count => Self::Count(0),
            Take::Sum => Self::Sum(Total::new()),
            Take::Mean => Self::Mean(Total::new(), 0),
            Take::Min => Self::Min(None),
            Take::Max => Self::Max(None),
            Take::First => Self::First(None),
            Take::Last => Self::Last(None),
            Take::Collect => Self::Collect(Vec::new()),
        }
    }

    /// Takes one more value. Null does not count.
    pub(super) fn add(&mut self, value: Value, most: usize) {
        if value.is_null() {
            return;
        }
        let is_less = |a: &Value, b: &Value| order::bytes(a) < order::bytes(b);
        match (self, value) {
            (Self::Count(count), _) => *count += 1,
            (Self::Sum(total), Value::Number(number)) => total.add(&number),
            (Self::Mean(total, count), Value::Number(number)) => {
                total.add(&number);
                *count += 1;
            }
            (Self::Min(Some(min)), value) if !is_less(&value, min) => {}
            (Self::Max(Some(max)), value) if !is_less(max, &value) => {}
            (Self::First(Some(_)), _) | (Self::Sum(_) | Self::Mean(..), _) => {}
            (Self::Min(slot) | Self::Max(slot) | Self::First(slot) | Self::Last(slot), value) => {
                *slot = Some(value);
            }
            (Self::Collect(all), value) if all.len() < most => all.push(value),
            (Self::Collect(_), _) => {}
        }
    }

    /// What it comes to; null where there was no value.
    pub(super) fn value(&self) -> Value {
        match self {
            Self::Count(count) => (*count).into(),
            Self::Sum(total) => total.value(),
            Self::Mean(_, 0) => Value::Null,
            Self::Mean(total, count) => (total.float() / *count as f64).into(),
            Self::Min(slot) | Self::Max(slot) | Self::First(slot) | Self::Last(slot) => {
                slot.clone().unwrap_or_default()
            }
            Self::Collect(all) => all.clone().into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn sums_are_exact_until_they_cannot_be() {
        let mut sum = Taken::new(Take::Sum);
        for value in [json!(i64::MAX - 1), json!(1), json!(null)] {
            sum.add(value, 0);
        }
        assert_eq!(sum.value(), json!(i64::MAX));
        sum.add(json!(1), 0);
        assert_eq!(sum.value(), json!(2.0_f64.powi(63)));
    }
}
