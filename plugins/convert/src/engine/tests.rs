use std::any::Any;
use std::cell::Cell;
use std::fs;
use std::path::PathBuf;

use futures::executor::block_on;
use inferno_sdk::ErrorKind;
use tempfile::TempDir;

use super::*;
use crate::fault::internal;
use crate::plan::{Change, Encoding, Input, Order, Output, Part, Source, Target as Tensor};

fn encoding(name: &str) -> Encoding {
    Encoding::from_name(name).unwrap()
}

/// Numbers that half precision has, so that nothing is rounded.
fn number(at: usize) -> f32 {
    (at * 37 % 2001) as f32 / 4.0 - 250.0
}

fn free(_: &str) -> Result<Option<Box<dyn Any>>, Error> {
    Ok(Some(Box::new(())))
}

/// A file with `rows` times `columns` numbers of 16 bits, and plans that make others of them.
struct Bench {
    root: TempDir,
    rows: usize,
    columns: usize,
}

impl Bench {
    fn new(rows: usize, columns: usize) -> Self {
        let root = TempDir::new().unwrap();
        fs::create_dir(root.path().join("in")).unwrap();
        fs::create_dir(root.path().join("out")).unwrap();
        let numbers: Vec<f32> = (0..rows * columns).map(number).collect();
        let bytes = work::pack(encoding("F16"), &numbers).unwrap();
        fs::write(root.path().join("in/model"), [b"head".as_slice(), &bytes].concat()).unwrap();
        Self { root, rows, columns }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    fn part(&self, order: Order, change: Change) -> Part {
        Part { input: 0, offset: 4, rows: self.rows as u64, encoding: encoding("F16"), order, change }
    }

    fn plan(&self, to: &str, parts: Vec<Part>) -> Plan {
        let turned = parts[0].order == Order::Transposed;
        let (rows, columns) =
            if turned { (self.columns, self.rows) } else { (self.rows * parts.len(), self.columns) };
        let mut offset = 32;
        let mut tensor = |name: &str, rows: usize, columns: usize, to: &str, source: Source| {
            let made = Tensor {
                name: name.into(),
                offset,
                rows: rows as u64,
                columns: columns as u64,
                encoding: encoding(to),
                source,
            };
            offset = (offset + made.bytes().unwrap()).next_multiple_of(32);
            made
        };
        let numbers = Source::Numbers { numbers: vec![1.0, 2.0] };
        let tensors = vec![
            tensor("some", 1, 2, "F32", numbers),
            tensor("t", rows, columns, to, Source::Parts { parts }),
        ];
        let file = Output { path: "result".into(), head: b"HEAD".to_vec(), tensors, bytes: offset };
        let bytes = fs::metadata(self.path("in/model")).unwrap().len();
        let plan = Plan { inputs: vec![Input { path: "model".into(), bytes }], outputs: vec![file] };
        plan.check().unwrap();
        plan
    }

    fn target(&self) -> Target {
        Target { path: self.path("out/result"), folder: false }
    }

    fn run(&self, plan: &Plan, hands: &impl Hands) -> Result<Vec<u8>, Error> {
        let mut workshop = Workshop::open(&self.target(), plan, "mark", Manner::default(), free)?;
        let mut progress = Progress::silent("result");
        if !workshop.is_whole() {
            let (_, sums) = block_on(run(plan, &self.path("in"), &mut workshop, hands, &mut progress))?;
            workshop.conclude(&serde_json::json!({ "sums": sums }))?;
        }
        workshop.finish()?;
        Ok(fs::read(self.path("out/result")).unwrap())
    }

    /// The numbers of the second tensor of a result.
    fn numbers(&self, plan: &Plan, result: &[u8]) -> Vec<f32> {
        let tensor = &plan.outputs[0].tensors[1];
        let bytes = &result[tensor.offset as usize..][..tensor.bytes().unwrap() as usize];
        let mut numbers = vec![0.0; (tensor.rows * tensor.columns) as usize];
        crate::quant::decode::decode(work::known(tensor.encoding).unwrap(), bytes, &mut numbers).unwrap();
        numbers
    }
}

#[test]
fn rows_come_in_the_order_that_is_asked_for() {
    let bench = Bench::new(24, 5);
    let expected = |row_of: &dyn Fn(usize) -> usize| -> Vec<f32> {
        (0..24)
            .flat_map(|row| (0..5).map(move |column| (row, column)))
            .map(|(row, column)| number(row_of(row) * 5 + column))
            .collect()
    };
    // Two heads of 12 rows, whose halves have six.
    let apart = |row: usize| row / 12 * 12 + row % 12 % 2 * 6 + row % 12 / 2;
    let together = |row: usize| row / 12 * 12 + row % 12 % 6 * 2 + row % 12 / 6;
    let orders: [(Order, &dyn Fn(usize) -> usize); 3] = [
        (Order::Straight, &|row| row),
        (Order::Interleaved { heads: 2 }, &apart),
        (Order::Deinterleaved { heads: 2 }, &together),
    ];
    for (order, row_of) in orders {
        for to in ["F32", "F16"] {
            let plan = bench.plan(to, vec![bench.part(order, Change::None)]);
            let result = bench.run(&plan, &Here).unwrap();
            assert_eq!(bench.numbers(&plan, &result), expected(row_of), "{order:?} {to}");
            assert_eq!(
                (&result[..4], &result[32..40]),
                (b"HEAD".as_slice(), [0, 0, 128, 63, 0, 0, 0, 64].as_slice())
            );
            fs::remove_file(bench.path("out/result")).unwrap();
        }
    }
    let plan = bench.plan(
        "F32",
        vec![bench.part(Order::Straight, Change::None), bench.part(Order::Straight, Change::Add(1.0))],
    );
    let numbers = bench.numbers(&plan, &bench.run(&plan, &Here).unwrap());
    let plain = expected(&|row| row);
    assert_eq!(numbers[..120], plain);
    assert!(numbers[120..].iter().zip(&plain).all(|(more, number)| *more == number + 1.0));
}

#[test]
fn what_is_turned_over_is_whole_however_large_it_is() {
    for (rows, columns) in [(3, 5), (1025, 7), (2, 2050)] {
        let bench = Bench::new(rows, columns);
        let plan = bench.plan("F32", vec![bench.part(Order::Transposed, Change::None)]);
        let numbers = bench.numbers(&plan, &bench.run(&plan, &Here).unwrap());
        let right = |(at, found): (usize, &f32)| *found == number(at % rows * columns + at / rows);
        assert!(numbers.iter().enumerate().all(right), "{rows} x {columns}");
    }
}

/// Hands that drop everything after so many tasks.
struct Tired {
    left: Cell<usize>,
    many: usize,
}

impl Hands for Tired {
    async fn perform(&self, task: Task, input: &Path, output: &Path) -> Result<(), Error> {
        match self.left.get().checked_sub(1) {
            Some(left) => self.left.set(left),
            None => return Err(internal("tired")),
        }
        Here.perform(task, input, output).await
    }

    fn many(&self) -> usize {
        self.many
    }
}

#[test]
fn what_is_no_number_is_refused_also_where_it_is_only_copied() {
    for order in [Order::Straight, Order::Interleaved { heads: 1 }] {
        for to in ["F16", "F32"] {
            let bench = Bench::new(2, 4);
            let mut model = fs::read(bench.path("in/model")).unwrap();
            // The last number, as 16 bits that say infinity.
            model.truncate(model.len() - 2);
            model.extend([0x00, 0x7c]);
            fs::write(bench.path("in/model"), model).unwrap();
            let plan = bench.plan(to, vec![bench.part(order, Change::None)]);
            let error = bench.run(&plan, &Here).unwrap_err();
            assert!(error.message.starts_with("model: "), "{error}");
            assert_eq!(error.hint.as_deref(), Some("the model is damaged: get it again"));
            assert!(!bench.path("out/result").exists());
        }
    }
}

#[test]
fn what_was_stopped_goes_on_and_comes_to_the_same() {
    let bench = Bench::new(100_000, 100);
    let plan = bench.plan("F32", vec![bench.part(Order::Straight, Change::None)]);
    assert!(job::jobs(&plan).len() >= 4);
    let whole = bench.run(&plan, &Here).unwrap();
    for many in [1, 3] {
        for tasks in 0..8 {
            fs::remove_file(bench.path("out/result")).unwrap();
            fs::remove_file(bench.path("out/result.recipe.json")).unwrap();
            let mut stops = 0;
            let result = loop {
                match bench.run(&plan, &Tired { left: Cell::new(tasks + stops / 4), many }) {
                    Ok(result) => break result,
                    Err(error) => {
                        assert_eq!(error.message, "tired");
                        assert!(!bench.path("out/result").exists());
                        stops += 1;
                    }
                }
            };
            assert!(result == whole, "{many} {tasks}");
            assert!(!bench.path("out/.result.convert").exists());
        }
    }
}

#[test]
fn a_result_is_not_written_over_and_two_do_not_write_it() {
    let bench = Bench::new(2, 2);
    let plan = bench.plan("F32", vec![bench.part(Order::Straight, Change::None)]);
    let open = |manner: Manner, lock: Lock| Workshop::open(&bench.target(), &plan, "mark", manner, lock);
    let taken = open(Manner::default(), |_| Ok(None)).err().unwrap();
    assert_eq!(taken.kind, ErrorKind::Unavailable);
    fs::remove_dir_all(bench.path("out/.result.convert")).unwrap();
    fs::write(bench.path("out/result"), "mine").unwrap();
    let there = bench.run(&plan, &Here).unwrap_err().to_string();
    assert!(there.contains("is there already") && there.contains("--force"), "{there}");
    assert_eq!(fs::read(bench.path("out/result")).unwrap(), b"mine");
    assert!(!bench.path("out/.result.convert").exists());
    drop(open(Manner { force: true, restart: false }, free).unwrap());
    // Of another conversion, or begun anew, nothing is taken over.
    let manner = Manner { force: true, restart: true };
    assert!(open(Manner { restart: false, ..manner }, free).unwrap().resumed);
    assert!(!open(manner, free).unwrap().resumed);
    assert!(
        !Workshop::open(&bench.target(), &plan, "other", Manner { restart: false, ..manner }, free)
            .unwrap()
            .resumed
    );
}
