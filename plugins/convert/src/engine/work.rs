//! Carries out cuts: rows are read, decoded, changed, encoded and written, a few at a time. This runs in an instance of its
//! own, which sees what is read and what is written and nothing else.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use inferno_sdk::Error;

use super::job::{BLOCK, Cut, Range};
use crate::fault::{internal, invalid, io};
use crate::plan::{Change, Encoding, Order};
use crate::quant::{self, check, decode, encode};

/// Numbers that are worked on at once; whole blocks.
const AT_ONCE: u64 = 128 << 10;
/// Bytes that are copied at once.
const COPIED: u64 = 256 << 10;

/// Where files are read and written.
pub(crate) struct Bench {
    input: PathBuf,
    output: PathBuf,
    read: BTreeMap<String, File>,
    written: BTreeMap<String, File>,
    bytes: Vec<u8>,
    packed: Vec<u8>,
    numbers: Vec<f32>,
    turned: Vec<f32>,
}

impl Bench {
    /// One that reads below `input` and writes below `output`.
    pub(crate) fn new(input: &Path, output: &Path) -> Self {
        Self {
            input: input.to_owned(),
            output: output.to_owned(),
            read: BTreeMap::new(),
            written: BTreeMap::new(),
            bytes: Vec::new(),
            packed: Vec::new(),
            numbers: Vec::new(),
            turned: Vec::new(),
        }
    }

    /// Carries one out.
    pub(crate) fn cut(&mut self, cut: &Cut) -> Result<(), Error> {
        match cut.range {
            Range::Numbers { first, count } if copies(cut) => self.copy(cut, first, count),
            Range::Numbers { first, count } => self.convert(cut, first, count),
            Range::Rows { first, count } => (first..first + count).try_for_each(|row| self.row(cut, row)),
            Range::Tile { row, rows, column, columns } => self.tile(cut, (row, rows), (column, columns)),
        }
    }

    fn copy(&mut self, cut: &Cut, first: u64, count: u64) -> Result<(), Error> {
        let (from, to) = (at(cut, cut.from.of(first))?, at(cut, cut.to.of(first))?);
        let all = length(cut, cut.from.encoding, count)? as u64;
        let block = match cut.from.encoding {
            Encoding::Ggml(kind) => kind.bytes,
            Encoding::Plain(dtype) => dtype.bytes(),
        };
        let mut done = 0;
        while done < all {
            let some = (all - done).min(COPIED / block * block);
            self.fill(&cut.input, from + done, some as usize)?;
            self.check(cut, from + done)?;
            std::mem::swap(&mut self.bytes, &mut self.packed);
            self.write(&cut.output, to + done)?;
            done += some;
        }
        Ok(())
    }

    fn convert(&mut self, cut: &Cut, first: u64, count: u64) -> Result<(), Error> {
        let mut done = 0;
        while done < count {
            let some = (count - done).min(AT_ONCE);
            self.fetch(cut, at(cut, cut.from.of(first + done))?, some)?;
            self.put(cut, at(cut, cut.to.of(first + done))?)?;
            done += some;
        }
        Ok(())
    }

    /// One row of the target, which is another row of the part.
    fn row(&mut self, cut: &Cut, row: u64) -> Result<(), Error> {
        let columns = cut.to.columns;
        let comes_from = source_row(cut.order, row, cut.from.rows)
            .ok_or_else(|| internal(format!("row {row} of {} comes from nowhere", cut.output)))?;
        let (from, to) = (at(cut, cut.from.inside(comes_from, 0))?, at(cut, cut.to.inside(row, 0))?);
        if copies(cut) {
            self.fill(&cut.input, from, length(cut, cut.from.encoding, columns)?)?;
            self.check(cut, from)?;
            std::mem::swap(&mut self.bytes, &mut self.packed);
            return self.write(&cut.output, to);
        }
        self.fetch(cut, from, columns)?;
        self.put(cut, to)
    }

    fn tile(
        &mut self,
        cut: &Cut,
        (row, rows): (u64, u64),
        (column, columns): (u64, u64),
    ) -> Result<(), Error> {
        self.turned.clear();
        self.turned.resize(usize(rows)? * usize(columns)?, 0.0);
        for (place, from_row) in (column..column + columns).enumerate() {
            // Whole blocks, of which those at the end may not all be wanted.
            let end = (row + rows).next_multiple_of(block(cut.from.encoding)).min(cut.from.columns);
            self.fetch(cut, at(cut, cut.from.inside(from_row, row))?, end - row)?;
            for (number, turned) in
                self.numbers.iter().zip(self.turned[place..].iter_mut().step_by(usize(columns)?))
            {
                *turned = *number;
            }
        }
        let turned = std::mem::take(&mut self.turned);
        for (place, numbers) in turned.chunks_exact(usize(columns)?).enumerate() {
            self.numbers.clear();
            self.numbers.extend_from_slice(numbers);
            self.put(cut, at(cut, cut.to.inside(row + place as u64, column))?)?;
        }
        self.turned = turned;
        Ok(())
    }

    /// Reads numbers, and changes them.
    fn fetch(&mut self, cut: &Cut, from: u64, count: u64) -> Result<(), Error> {
        self.fill(&cut.input, from, length(cut, cut.from.encoding, count)?)?;
        self.numbers.resize(usize(count)?, 0.0);
        let encoding = known(cut.from.encoding)?;
        self.check(cut, from)?;
        decode::decode(encoding, &self.bytes, &mut self.numbers).map_err(|why| internal(why.to_string()))?;
        match cut.change {
            Change::None => {}
            Change::Add(more) => self.numbers.iter_mut().for_each(|number| *number += more),
        }
        Ok(())
    }

    /// What is no number, or infinite, is no model's: also where it is only copied, since nobody would load it.
    fn check(&self, cut: &Cut, from: u64) -> Result<(), Error> {
        let Ok(encoding) = known(cut.from.encoding) else { return Ok(()) };
        check::finite(encoding, &self.bytes).map_err(|why| {
            invalid(format!("{}: {why}, after byte {from}", cut.input))
                .with_hint("the model is damaged: get it again")
        })
    }

    /// Writes the numbers.
    fn put(&mut self, cut: &Cut, to: u64) -> Result<(), Error> {
        let encoding = known(cut.to.encoding)?;
        self.packed.resize(length(cut, cut.to.encoding, self.numbers.len() as u64)?, 0);
        encode::encode(encoding, &self.numbers, &mut self.packed).map_err(|why| internal(why.to_string()))?;
        if let Err(why) = check::finite(encoding, &self.packed) {
            return Err(invalid(format!("{}: {why}, near byte {}", cut.input, cut.from.at)).with_hint(
                "the model is damaged, or needs an encoding with a larger range, such as BF16 or F32",
            ));
        }
        self.write(&cut.output, to)
    }

    fn fill(&mut self, name: &str, at: u64, length: usize) -> Result<(), Error> {
        let path = self.input.join(name);
        if !self.read.contains_key(name) {
            let file = File::open(&path).map_err(|error| io("open", &path, &error))?;
            self.read.insert(name.to_owned(), file);
        }
        let Some(mut file) = self.read.get(name) else { return Err(internal(format!("{name} is not open"))) };
        self.bytes.resize(length, 0);
        let read = file.seek(SeekFrom::Start(at)).and_then(|_| file.read_exact(&mut self.bytes));
        read.map_err(|error| io("read", &path, &error))
    }

    fn write(&mut self, name: &str, at: u64) -> Result<(), Error> {
        let path = self.output.join(name);
        if !self.written.contains_key(name) {
            let file =
                OpenOptions::new().write(true).open(&path).map_err(|error| io("open", &path, &error))?;
            self.written.insert(name.to_owned(), file);
        }
        let Some(mut file) = self.written.get(name) else {
            return Err(internal(format!("{name} is not open")));
        };
        let written = file.seek(SeekFrom::Start(at)).and_then(|_| file.write_all(&self.packed));
        written.map_err(|error| io("write", &path, &error))
    }
}

/// Whether the bytes stay as they are.
fn copies(cut: &Cut) -> bool {
    cut.from.encoding == cut.to.encoding && cut.change == Change::None
}

/// Numbers packed as the plan says.
pub(crate) fn pack(encoding: Encoding, numbers: &[f32]) -> Result<Vec<u8>, Error> {
    let known = known(encoding)?;
    let length = known.bytes(numbers.len()).ok_or_else(|| internal("these numbers are no whole blocks"))?;
    let mut packed = vec![0; length];
    encode::encode(known, numbers, &mut packed).map_err(|why| internal(why.to_string()))?;
    Ok(packed)
}

/// The encoding, where numbers can be read from it.
pub(crate) fn known(encoding: Encoding) -> Result<quant::Encoding, Error> {
    let found = match encoding {
        Encoding::Ggml(kind) => quant::Encoding::from_number(kind.number),
        Encoding::Plain(_) => None,
    };
    found.ok_or_else(|| {
        let all: Vec<_> = quant::Encoding::all().map(quant::Encoding::name).collect();
        invalid(format!("numbers in {} cannot be read or written, only copied", encoding.name()))
            .with_hint(format!("those that can: {}", all.join(", ")))
    })
}

/// The row of a part that becomes this row of the target.
fn source_row(order: Order, row: u64, rows: u64) -> Option<u64> {
    let (heads, apart) = match order {
        Order::Straight | Order::Transposed => return Some(row),
        Order::Interleaved { heads } => (heads, true),
        Order::Deinterleaved { heads } => (heads, false),
    };
    let size = rows.checked_div(heads).filter(|size| *size > 0 && size.is_multiple_of(2))?;
    let (head, place, half) = (row / size, row % size, size / 2);
    let from = if apart { place % 2 * half + place / 2 } else { place % half * 2 + place / half };
    Some(head * size + from)
}

fn block(encoding: Encoding) -> u64 {
    match encoding {
        Encoding::Ggml(kind) => kind.block,
        Encoding::Plain(_) => 1,
    }
}

fn at(cut: &Cut, place: Option<u64>) -> Result<u64, Error> {
    place.ok_or_else(|| internal(format!("a job for {} does not keep to blocks of {BLOCK}", cut.output)))
}

fn length(cut: &Cut, encoding: Encoding, numbers: u64) -> Result<usize, Error> {
    usize(at(cut, encoding.row_bytes(numbers))?)
}

fn usize(number: u64) -> Result<usize, Error> {
    usize::try_from(number).map_err(|_| internal(format!("{number} is more than memory has room for")))
}
