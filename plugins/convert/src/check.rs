//! Whether a plan holds together. Plans are made from what files say about themselves, so nothing in one is believed before
//! it was looked at here.

use std::collections::HashSet;
use std::path::{Component, Path};

use inferno_sdk::Error;

use crate::engine::job::BLOCK;
use crate::engine::work::known;
use crate::fault::invalid;
use crate::plan::{Change, Encoding, Order, Output, Part, Plan, Source, Target};

/// Rows that are taken one by one are read whole.
const MAX_ROW: u64 = 64 << 20;

impl Plan {
    /// Fails at the first thing that cannot be.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let mut names = HashSet::new();
        for output in &self.outputs {
            let plain = |part| matches!(part, Component::Normal(_));
            if output.path.is_empty() || !Path::new(&output.path).components().all(plain) {
                return Err(invalid(format!("{:?} is no name for a file of a result", output.path)));
            }
            if !names.insert(&output.path) {
                return Err(invalid(format!("the result would have two files {:?}", output.path)));
            }
            self.check_output(output)?;
        }
        Ok(())
    }

    fn check_output(&self, output: &Output) -> Result<(), Error> {
        let wrong = |why: String| invalid(format!("{}: {why}", output.path));
        let mut end = output.head.len() as u64;
        let mut places: Vec<&Target> = output.tensors.iter().collect();
        places.sort_by_key(|tensor| tensor.offset);
        for tensor in places {
            let bytes = tensor.bytes().ok_or_else(|| {
                wrong(format!(
                    "rows of {} with {} numbers are no whole blocks of {}",
                    tensor.name,
                    tensor.columns,
                    tensor.encoding.name()
                ))
            })?;
            if tensor.offset < end {
                return Err(wrong(format!("{} would lie on what is before it", tensor.name)));
            }
            end = tensor
                .offset
                .checked_add(bytes)
                .ok_or_else(|| wrong(format!("{} leads past every file", tensor.name)))?;
            self.check_tensor(tensor).map_err(|error| Error {
                message: format!("{}: {}: {}", output.path, tensor.name, error.message),
                ..error
            })?;
        }
        if end > output.bytes {
            return Err(wrong(format!("its tensors take {end} bytes, and it has {}", output.bytes)));
        }
        Ok(())
    }

    fn check_tensor(&self, tensor: &Target) -> Result<(), Error> {
        let parts = match &tensor.source {
            Source::Numbers { numbers } => {
                known(tensor.encoding)?;
                let all = tensor.rows.checked_mul(tensor.columns);
                return if all == Some(numbers.len() as u64) {
                    Ok(())
                } else {
                    Err(invalid("it has other numbers than its shape says"))
                };
            }
            Source::Parts { parts } => parts,
        };
        let mut rows = 0_u64;
        for part in parts {
            self.check_part(tensor, part)?;
            rows = rows.saturating_add(if part.order == Order::Transposed { tensor.rows } else { part.rows });
        }
        if rows != tensor.rows {
            return Err(invalid(format!("it has {} rows, and its parts have {rows}", tensor.rows)));
        }
        Ok(())
    }

    fn check_part(&self, tensor: &Target, part: &Part) -> Result<(), Error> {
        let input =
            self.inputs.get(part.input).ok_or_else(|| invalid("it comes from a file that is not there"))?;
        let turned = part.order == Order::Transposed;
        let columns = if turned { tensor.rows } else { tensor.columns };
        let row = part.encoding.row_bytes(columns);
        let end = row.and_then(|row| row.checked_mul(part.rows)).and_then(|all| all.checked_add(part.offset));
        if end.is_none_or(|end| end > input.bytes) {
            return Err(invalid(format!("its numbers would lie outside {}", input.path)));
        }
        if turned && part.rows != tensor.columns {
            return Err(invalid("turned over, it would have another shape"));
        }
        if part.encoding != tensor.encoding || part.change != Change::None || turned {
            known(part.encoding)?;
            known(tensor.encoding)?;
        }
        match part.order {
            Order::Straight => Ok(()),
            Order::Interleaved { heads } | Order::Deinterleaved { heads } => {
                let size = part.rows.checked_div(heads).filter(|_| part.rows.is_multiple_of(heads));
                if size.is_none_or(|size| !size.is_multiple_of(2)) {
                    return Err(invalid(format!(
                        "{} rows are no {heads} heads with two halves each",
                        part.rows
                    )));
                }
                if row.is_none_or(|row| row > MAX_ROW) || columns > MAX_ROW / 4 {
                    return Err(invalid(format!(
                        "a row of {columns} numbers is too long to be put in its place"
                    )));
                }
                Ok(())
            }
            Order::Transposed => {
                // Blocks of both sides must come in tiles, which end at multiples of a number that all blocks divide.
                let blocks = |encoding: Encoding| encoding.row_bytes(BLOCK).is_some();
                if blocks(part.encoding) && blocks(tensor.encoding) {
                    Ok(())
                } else {
                    Err(invalid("its blocks cannot be turned over"))
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Input;

    fn encoding(name: &str) -> Encoding {
        Encoding::from_name(name).unwrap()
    }

    fn part(rows: u64) -> Part {
        Part {
            input: 0,
            offset: 0,
            rows,
            encoding: encoding("F16"),
            order: Order::Straight,
            change: Change::None,
        }
    }

    fn plan(parts: Vec<Part>) -> Plan {
        let target = Target {
            name: "t".into(),
            offset: 8,
            rows: 4,
            columns: 32,
            encoding: encoding("Q8_0"),
            source: Source::Parts { parts },
        };
        let output = Output { path: "x".into(), head: vec![0; 8], tensors: vec![target], bytes: 8 + 4 * 34 };
        Plan { inputs: vec![Input { path: "in".into(), bytes: 256 }], outputs: vec![output] }
    }

    #[test]
    fn only_a_plan_that_holds_together_passes() {
        plan(vec![part(4)]).check().unwrap();
        plan(vec![part(1), part(3)]).check().unwrap();
        let refused = |change: &dyn Fn(&mut Plan), words: &str| {
            let mut plan = plan(vec![part(4)]);
            change(&mut plan);
            let error = plan.check().expect_err(words).to_string();
            assert!(error.contains(words), "{words:?} is not in {error}");
        };
        let with = |change: fn(&mut Part)| {
            move |plan: &mut Plan| {
                let Source::Parts { parts } = &mut plan.outputs[0].tensors[0].source else { return };
                change(&mut parts[0]);
            }
        };
        refused(&with(|part| part.rows = 3), "it has 4 rows, and its parts have 3");
        refused(&with(|part| part.offset = 1), "outside in");
        refused(&with(|part| part.offset = u64::MAX), "outside in");
        refused(&with(|part| part.input = 1), "a file that is not there");
        refused(&with(|part| part.encoding = encoding("F32")), "outside in");
        refused(&with(|part| part.encoding = encoding("I8")), "numbers in I8 cannot be read");
        refused(&with(|part| part.order = Order::Interleaved { heads: 0 }), "no 0 heads");
        refused(&with(|part| part.order = Order::Interleaved { heads: 4 }), "no 4 heads with two halves");
        refused(&with(|part| part.order = Order::Transposed), "");
        refused(&|plan| plan.outputs[0].tensors[0].columns = 31, "no whole blocks");
        refused(&|plan| plan.outputs[0].tensors[0].offset = 7, "on what is before it");
        refused(&|plan| plan.outputs[0].tensors[0].offset = u64::MAX, "past every file");
        refused(&|plan| plan.outputs[0].bytes = 100, "it has 100");
        refused(&|plan| plan.outputs[0].path = "../x".into(), "no name for a file");
        refused(&|plan| plan.outputs[0].path = "/x".into(), "no name for a file");
        refused(&|plan| plan.outputs.extend(plan.outputs.clone()), "two files");
        refused(&|plan| plan.outputs[0].tensors[0].rows = u64::MAX, "no whole blocks");
        refused(
            &|plan| plan.outputs[0].tensors[0].source = Source::Numbers { numbers: vec![0.0] },
            "other numbers than its shape",
        );
    }
}
