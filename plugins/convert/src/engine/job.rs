//! A plan cut into jobs: what one call of a converter does. A job is small enough that its loss costs little, and large
//! enough that its call costs nothing.

use serde::{Deserialize, Serialize};

use crate::plan::{Change, Encoding, Order, Part, Plan, Source};

/// Bytes that a job reads, about.
const JOB_BYTES: u64 = 4 << 20;
/// How many tensors have a part in a job: models have many small ones.
const JOB_CUTS: usize = 64;
/// Encodings have blocks of so many numbers, or of so many that this is a multiple of theirs.
pub(crate) const BLOCK: u64 = 256;
/// Rows and columns that are turned over at once.
const TILE: u64 = 1024;

/// Which numbers of a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Range {
    /// As they lie, whatever their rows are.
    Numbers { first: u64, count: u64 },
    /// Rows of the target.
    Rows { first: u64, count: u64 },
    /// A rectangle of the target, whose rows are the part's columns.
    Tile { row: u64, rows: u64, column: u64, columns: u64 },
}

/// A range in a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    output: usize,
    target: usize,
    part: usize,
    range: Range,
}

/// Work for one call, as the plan says it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Job {
    places: Vec<Place>,
    /// Bytes that it reads.
    pub(crate) bytes: u64,
}

/// Work for one call, as the converter gets it: with all that it needs to know.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Cut {
    /// Below the folder that is read.
    pub(crate) input: String,
    pub(crate) from: Lies,
    /// Below the folder that is written.
    pub(crate) output: String,
    pub(crate) to: Lies,
    pub(crate) order: Order,
    pub(crate) change: Change,
    pub(crate) range: Range,
}

/// Where numbers lie in a file.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Lies {
    pub(crate) at: u64,
    pub(crate) rows: u64,
    pub(crate) columns: u64,
    pub(crate) encoding: Encoding,
}

impl Lies {
    /// Where so many numbers after the first are; these must be whole blocks.
    pub(crate) fn of(&self, number: u64) -> Option<u64> {
        self.encoding.row_bytes(number)?.checked_add(self.at)
    }

    /// Where a number of a row is.
    pub(crate) fn inside(&self, row: u64, column: u64) -> Option<u64> {
        let row = self.encoding.row_bytes(self.columns)?.checked_mul(row)?;
        row.checked_add(self.encoding.row_bytes(column)?)?.checked_add(self.at)
    }
}

/// All jobs of a plan, in the order of its files.
pub(crate) fn jobs(plan: &Plan) -> Vec<Job> {
    let mut jobs = Vec::new();
    let mut job = Job::default();
    for (output, file) in plan.outputs.iter().enumerate() {
        for (target, tensor) in file.tensors.iter().enumerate() {
            let Source::Parts { parts } = &tensor.source else { continue };
            for (part, from) in parts.iter().enumerate() {
                for (range, bytes) in ranges(from, tensor.columns, tensor.rows) {
                    job.places.push(Place { output, target, part, range });
                    job.bytes = job.bytes.saturating_add(bytes);
                    if job.bytes >= JOB_BYTES || job.places.len() >= JOB_CUTS {
                        jobs.push(std::mem::take(&mut job));
                    }
                }
            }
        }
    }
    if !job.places.is_empty() {
        jobs.push(job);
    }
    jobs
}

/// The ranges of a part of a target with so many columns and rows, and the bytes that each reads.
fn ranges(part: &Part, columns: u64, rows: u64) -> Vec<(Range, u64)> {
    let read = |numbers: u64| bytes_of(part.encoding, numbers);
    match part.order {
        Order::Straight => {
            let all = part.rows.saturating_mul(columns);
            let step = at_once(part.encoding);
            steps(all, step).map(|(first, count)| (Range::Numbers { first, count }, read(count))).collect()
        }
        Order::Interleaved { .. } | Order::Deinterleaved { .. } => {
            let step = (at_once(part.encoding) / columns.max(1)).max(1);
            let range = |(first, count): (u64, u64)| {
                (Range::Rows { first, count }, read(count.saturating_mul(columns)))
            };
            steps(part.rows, step).map(range).collect()
        }
        Order::Transposed => steps(rows, TILE)
            .flat_map(|(row, rows)| {
                steps(part.rows, TILE)
                    .map(move |(column, columns)| (Range::Tile { row, rows, column, columns }, rows, columns))
            })
            .map(|(range, rows, columns)| (range, read(rows.saturating_mul(columns))))
            .collect(),
    }
}

/// So many numbers make a job: whole blocks.
fn at_once(encoding: Encoding) -> u64 {
    let block = bytes_of(encoding, BLOCK).max(1);
    (JOB_BYTES / block).max(1) * BLOCK
}

/// Roughly, where they are no whole blocks.
fn bytes_of(encoding: Encoding, numbers: u64) -> u64 {
    encoding.row_bytes(numbers.next_multiple_of(BLOCK)).unwrap_or(u64::MAX)
}

fn steps(all: u64, step: u64) -> impl Iterator<Item = (u64, u64)> {
    (0..all.div_ceil(step)).map(move |number| (number * step, step.min(all - number * step)))
}

impl Job {
    /// The output that it writes to first, and where in that it begins at the earliest.
    pub(crate) fn begins(&self, plan: &Plan) -> Option<(usize, u64)> {
        let place = self.places.first()?;
        let cut = cut(plan, *place)?;
        let offset = match place.range {
            Range::Numbers { first, .. } => cut.to.of(first)?,
            Range::Rows { first, .. } => cut.to.inside(first, 0)?,
            Range::Tile { .. } => cut.to.at,
        };
        Some((place.output, offset))
    }

    /// What a converter is told.
    pub(crate) fn cuts(&self, plan: &Plan) -> Vec<Cut> {
        self.places.iter().filter_map(|place| cut(plan, *place)).collect()
    }
}

/// A checked plan has all that is asked for here.
fn cut(plan: &Plan, place: Place) -> Option<Cut> {
    let output = plan.outputs.get(place.output)?;
    let target = output.tensors.get(place.target)?;
    let Source::Parts { parts } = &target.source else { return None };
    let part = parts.get(place.part)?;
    let turned = part.order == Order::Transposed;
    let above: u64 = parts[..place.part].iter().map(|part| part.rows).sum();
    let (from_columns, to_rows) =
        if turned { (target.rows, target.rows) } else { (target.columns, part.rows) };
    let to_at = if turned {
        target.offset
    } else {
        target.encoding.row_bytes(target.columns)?.checked_mul(above)?.checked_add(target.offset)?
    };
    Some(Cut {
        input: plan.inputs.get(part.input)?.path.clone(),
        from: Lies { at: part.offset, rows: part.rows, columns: from_columns, encoding: part.encoding },
        output: output.path.clone(),
        to: Lies { at: to_at, rows: to_rows, columns: target.columns, encoding: target.encoding },
        order: part.order,
        change: part.change,
        range: place.range,
    })
}
