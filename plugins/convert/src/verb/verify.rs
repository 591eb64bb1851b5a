//! `inferno convert verify`

use std::collections::BTreeMap;
use std::fs::File;

use inferno_sdk::Error;
use inferno_sdk::command::StatusLine;
use serde_json::{Value, json};

use crate::args::Verify;
use crate::engine::work::known;
use crate::fault::io;
use crate::given::Given;
use crate::quant::decode::decode;
use crate::tensors::{self, Found};

/// Numbers that are compared at once; whole blocks.
const AT_ONCE: u64 = 256 << 10;

/// How two tensors of a name differ.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Difference {
    numbers: u64,
    largest: f64,
    /// Sums of squares: of the difference, of the one and of the other; and the sum of products.
    apart: f64,
    one: f64,
    other: f64,
    both: f64,
}

impl Difference {
    fn add(&mut self, one: &[f32], other: &[f32]) {
        for (&one, &other) in one.iter().zip(other) {
            let (one, other) = (f64::from(one), f64::from(other));
            let apart = one - other;
            // What is no number differs from everything, and itself.
            self.largest = if apart.is_nan() { f64::INFINITY } else { self.largest.max(apart.abs()) };
            self.apart += apart * apart;
            self.one += one * one;
            self.other += other * other;
            self.both += one * other;
        }
        self.numbers += one.len() as u64;
    }

    fn rms(&self) -> f64 {
        (self.apart / self.numbers.max(1) as f64).sqrt()
    }

    /// The difference as a part of the size of the numbers.
    fn part(&self) -> f64 {
        if self.largest == 0.0 { 0.0 } else { (self.apart / self.one).sqrt() }
    }

    fn cosine(&self) -> f64 {
        if self.largest == 0.0 { 1.0 } else { self.both / (self.one.sqrt() * self.other.sqrt()) }
    }
}

pub(super) fn verify(verify: &Verify) -> Result<bool, Error> {
    let (one, other) = (list(&verify.one)?, list(&verify.other)?);
    let (mut told, mut wrong, mut status) = (Vec::new(), 0_u64, StatusLine::new());
    let mut rows =
        vec![["tensor", "A", "B", "largest", "rms", "part", "cosine", ""].map(str::to_owned).to_vec()];
    for (at, (name, a)) in one.iter().enumerate() {
        if status.due() {
            status.show(&format!("{} of {} tensors", at, one.len()));
        }
        let problem = match other.get(name) {
            None => Err("is not in B".to_owned()),
            Some(b) if a.shape != b.shape => {
                Err(format!("has the shape {:?} in A and {:?} in B", a.shape, b.shape))
            }
            Some(b) => compare(a, b)?.map(|difference| (b, difference)),
        };
        let (b, difference) = match problem {
            Ok(found) => found,
            Err(why) => {
                wrong += 1;
                rows.push(vec![name.clone(), why.clone()]);
                told.push(json!({ "name": name, "problem": why }));
                continue;
            }
        };
        let well = well(&difference, verify.tolerance);
        wrong += u64::from(!well);
        let number = |number: f64| format!("{number:.3e}");
        let types = [a.encoding.name().to_owned(), b.encoding.name().to_owned()];
        let found = [number(difference.largest), number(difference.rms()), number(difference.part())];
        let rest = [format!("{:.7}", difference.cosine()), if well { "" } else { "differs" }.to_owned()];
        rows.push([vec![name.clone()], types.to_vec(), found.to_vec(), rest.to_vec()].concat());
        told.push(told_of(name, a, b, &difference, well));
    }
    for name in other.keys().filter(|name| !one.contains_key(*name)) {
        wrong += 1;
        rows.push(vec![name.clone(), "is not in A".to_owned()]);
        told.push(json!({ "name": name, "problem": "is not in A" }));
    }
    status.clear();
    if verify.json {
        super::print_json(&json!({ "alike": wrong == 0, "tolerance": verify.tolerance, "tensors": told }))?;
    } else {
        let end = match wrong {
            0 => format!("\n{} tensors, all within {}\n", one.len(), verify.tolerance),
            some => {
                format!("\n{some} of {} tensors differ by more than {}\n", rows.len() - 1, verify.tolerance)
            }
        };
        super::print(&format!("{}{end}", super::table(&rows)))?;
    }
    Ok(wrong == 0)
}

/// What is no number is no small one.
fn well(difference: &Difference, tolerance: f64) -> bool {
    difference.part() <= tolerance
}

fn told_of(name: &str, a: &Found, b: &Found, difference: &Difference, well: bool) -> Value {
    json!({
        "name": name, "types": [a.encoding.name(), b.encoding.name()], "numbers": difference.numbers,
        "largest": difference.largest, "rms": difference.rms(), "part": difference.part(),
        "cosine": difference.cosine(), "alike": well,
    })
}

fn list(path: &std::path::Path) -> Result<BTreeMap<String, Found>, Error> {
    let found = tensors::of(&Given::at(&super::here(path)?)?)?;
    Ok(found.into_iter().map(|tensor| (tensor.name.clone(), tensor)).collect())
}

/// The difference, or why there is none to be told.
fn compare(a: &Found, b: &Found) -> Result<Result<Difference, String>, Error> {
    let open = |found: &Found| File::open(&found.file).map_err(|error| io("open", &found.file, &error));
    let (mut from_a, mut from_b) = (open(a)?, open(b)?);
    let (mut bytes_a, mut bytes_b) = (Vec::new(), Vec::new());
    let (mut numbers_a, mut numbers_b) = (Vec::new(), Vec::new());
    let mut difference = Difference::default();
    let all = a.numbers();
    let mut first = 0;
    while first < all {
        let some = (all - first).min(AT_ONCE);
        a.read(&mut from_a, first, some, &mut bytes_a)?;
        b.read(&mut from_b, first, some, &mut bytes_b)?;
        first += some;
        let (Ok(kind_a), Ok(kind_b)) = (known(a.encoding), known(b.encoding)) else {
            // Numbers that cannot be read are the same where their bytes are.
            if a.encoding != b.encoding || bytes_a != bytes_b {
                return Ok(Err(format!(
                    "is {} in A and {} in B, which cannot be compared",
                    a.encoding.name(),
                    b.encoding.name()
                )));
            }
            difference.numbers += some;
            continue;
        };
        numbers_a.resize(some as usize, 0.0);
        numbers_b.resize(some as usize, 0.0);
        let decoded =
            decode(kind_a, &bytes_a, &mut numbers_a).and_then(|()| decode(kind_b, &bytes_b, &mut numbers_b));
        decoded.map_err(|misfit| crate::fault::internal(misfit.to_string()))?;
        difference.add(&numbers_a, &numbers_b);
    }
    Ok(Ok(difference))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_what_they_are_called() {
        let of = |one: &[f32], other: &[f32]| {
            let mut difference = Difference::default();
            difference.add(one, other);
            difference
        };
        let same = of(&[1.0, -2.0], &[1.0, -2.0]);
        assert_eq!((same.largest, same.rms(), same.part(), same.cosine()), (0.0, 0.0, 0.0, 1.0));
        let apart = of(&[3.0, 4.0], &[3.0, 3.0]);
        assert_eq!((apart.largest, apart.part()), (1.0, 0.2));
        assert!((apart.rms() - 0.5_f64.sqrt()).abs() < 1e-12);
        assert!((of(&[1.0, 0.0], &[0.0, 1.0]).cosine()).abs() < 1e-12);
        for odd in [f32::NAN, f32::INFINITY] {
            let difference = of(&[1.0], &[odd]);
            assert_eq!(difference.largest, f64::INFINITY);
            assert!(!well(&difference, 1e9), "{difference:?}");
        }
        assert!(!well(&of(&[0.0], &[1.0]), 1e9));
        assert!(well(&of(&[0.0], &[0.0]), 0.0) && well(&apart, 0.2) && !well(&apart, 0.1));
    }
}
