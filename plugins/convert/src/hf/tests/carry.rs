//! Carries out a plan, one number after the other: slow and plain, so that the plans are checked apart from the engine.

use std::fs;
use std::path::Path;

use crate::plan::{Change, Encoding, Order, Part, Plan, Source};

/// Writes the outputs of a plan.
pub(super) fn carry(plan: &Plan, from: &Path, to: &Path) {
    let inputs: Vec<Vec<u8>> =
        plan.inputs.iter().map(|input| fs::read(from.join(&input.path)).unwrap()).collect();
    for (input, bytes) in plan.inputs.iter().zip(&inputs) {
        assert_eq!(input.bytes, bytes.len() as u64);
    }
    for output in &plan.outputs {
        let mut file = output.head.clone();
        file.resize(output.bytes as usize, 0);
        for target in &output.tensors {
            let numbers = match &target.source {
                Source::Numbers { numbers } => numbers.clone(),
                Source::Parts { parts } => parts
                    .iter()
                    .flat_map(|part| read(part, target.columns as usize, &inputs[part.input]))
                    .collect(),
            };
            assert_eq!(numbers.len() as u64, target.rows * target.columns, "{}", target.name);
            let bytes = encode(target.encoding, &numbers);
            assert_eq!(bytes.len() as u64, target.bytes().unwrap());
            let start = target.offset as usize;
            file[start..start + bytes.len()].copy_from_slice(&bytes);
        }
        fs::write(to.join(&output.path), file).unwrap();
    }
}

fn read(part: &Part, columns: usize, input: &[u8]) -> Vec<f32> {
    let rows = part.rows as usize;
    let row_bytes = part.encoding.row_bytes(columns as u64).unwrap() as usize;
    let start = part.offset as usize;
    let rows: Vec<Vec<f32>> =
        (0..rows).map(|row| decode(part.encoding, &input[start + row * row_bytes..][..row_bytes])).collect();
    let place = |row: usize| match part.order {
        Order::Straight => row,
        Order::Interleaved { heads } => {
            let size = rows.len() / heads as usize;
            let (head, inside) = (row / size, row % size);
            head * size + (inside % 2) * (size / 2) + inside / 2
        }
        Order::Deinterleaved { heads } => {
            let size = rows.len() / heads as usize;
            let (head, inside) = (row / size, row % size);
            head * size + 2 * (inside % (size / 2)) + inside / (size / 2)
        }
        Order::Transposed => unreachable!("no route of these turns a tensor over"),
    };
    let add = if let Change::Add(number) = part.change { number } else { 0.0 };
    (0..rows.len())
        .flat_map(|row| rows[place(row)].iter().map(|number| number + add).collect::<Vec<_>>())
        .collect()
}

pub(super) fn decode(encoding: Encoding, bytes: &[u8]) -> Vec<f32> {
    match encoding.name() {
        "F32" => bytes.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect(),
        "BF16" => bytes
            .chunks_exact(2)
            .map(|b| f32::from_bits(u32::from(u16::from_le_bytes([b[0], b[1]])) << 16))
            .collect(),
        "F16" => bytes.chunks_exact(2).map(|b| half(u16::from_le_bytes([b[0], b[1]]))).collect(),
        other => panic!("{other} is not read here"),
    }
}

fn encode(encoding: Encoding, numbers: &[f32]) -> Vec<u8> {
    match encoding.name() {
        "F32" => numbers.iter().flat_map(|number| number.to_le_bytes()).collect(),
        "BF16" => numbers.iter().flat_map(|number| bf16(*number).to_le_bytes()).collect(),
        "F16" => numbers.iter().flat_map(|number| to_half(*number).to_le_bytes()).collect(),
        other => panic!("{other} is not written here"),
    }
}

/// To the nearest, ties to even.
pub(super) fn bf16(number: f32) -> u16 {
    let bits = number.to_bits();
    ((bits + 0x7fff + ((bits >> 16) & 1)) >> 16) as u16
}

fn half(bits: u16) -> f32 {
    let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
    let (exponent, fraction) = (i32::from((bits >> 10) & 31), f32::from(bits & 1023));
    match exponent {
        0 => sign * fraction * 2.0_f32.powi(-24),
        31 => panic!("no number"),
        exponent => sign * (1.0 + fraction / 1024.0) * 2.0_f32.powi(exponent - 15),
    }
}

/// To the nearest, ties to even, by looking at the neighbours.
pub(super) fn to_half(number: f32) -> u16 {
    let sign = if number.is_sign_negative() { 0x8000 } else { 0 };
    let size = number.abs();
    let (mut low, mut high) = (0_u16, 0x7bff_u16);
    while high - low > 1 {
        let middle = low.midpoint(high);
        if half(middle) <= size { low = middle } else { high = middle }
    }
    let (below, above) = (size - half(low), half(high) - size);
    let up = above < below || (above == below && high % 2 == 0);
    sign | if up { high } else { low }
}
