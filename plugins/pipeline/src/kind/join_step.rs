//! Fields of a second input, or of a file, for each record that has the same key.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};
use toml::Spanned;

use super::Kind;
use super::columns::{Next, Trouble, each, object, object_mut};
use super::expression::Expression;
use crate::error::Error;
use crate::node::{Context, Outcome, Saved, Step};
use crate::record::Record;

mod table;

use table::{Row, Rows};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// An expression for the key of a record, such as `author_id`. Null, and what is missing, fits nothing.
    #[schemars(with = "String")]
    on: Spanned<String>,
    /// An expression for the key of a row of the table. Unless given: the same.
    #[schemars(with = "Option<String>")]
    table_on: Option<Spanned<String>>,
    /// A file of JSON lines that is the table. Unless given: the second node in `from` is, which is read to its end first.
    #[schemars(with = "Option<String>")]
    file: Option<Spanned<String>>,
    /// What becomes of records without a row: `inner` drops them, `left` passes them as they are.
    #[serde(default)]
    kind: How,
    /// The fields of a row that are taken. Unless given: all.
    fields: Option<Vec<String>>,
    /// The field that a row is put into, as an object. Unless given, its fields become those of the record, which keeps
    /// what it has itself.
    into: Option<String>,
    /// How many rows the table may have; one more is an error.
    #[serde(default = "usual")]
    most: usize,
}

fn usual() -> usize {
    200_000
}

/// What becomes of records without a row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum How {
    #[default]
    Inner,
    Left,
}

pub(crate) struct Join {
    on: Expression,
    table_on: Expression,
    file: Option<PathBuf>,
    how: How,
    fields: Option<Vec<String>>,
    into: Option<String>,
    rows: Rows,
}

/// The input that is the table.
const TABLE: usize = 1;

impl Kind for Join {
    const NAME: &'static str = "join";
    const ABOUT: &'static str = "adds the fields of the rows of a table that have the same key";
    type Config = Config;

    fn open(config: Config, context: &Context) -> Result<Self, Error> {
        let file = match &config.file {
            Some(file) => {
                let path = context.path(file.get_ref());
                std::fs::metadata(&path)
                    .map_err(|error| Error::file("read", &path, &error).at(file.span()))?;
                Some(path)
            }
            None if context.inputs != 2 => {
                let count = context.inputs;
                return Err(Error::new(format!(
                    "a join without a `file` takes from two nodes, but this one from {count}"
                ))
                .hint("name the records first and the table second: `from = [\"records\", \"table\"]`"));
            }
            None => None,
        };
        Ok(Self {
            on: Expression::parse(&config.on)?,
            table_on: Expression::parse(config.table_on.as_ref().unwrap_or(&config.on))?,
            file,
            how: config.kind,
            fields: config.fields,
            into: config.into,
            rows: Rows::new(config.most),
        })
    }
}

impl Step for Join {
    fn first(&self) -> Option<usize> {
        self.file.is_none().then_some(TABLE)
    }

    fn process(&mut self, input: usize, batch: Vec<Record>) -> Result<Vec<Outcome>, Error> {
        if let Some(path) = &self.file {
            self.rows.load(path, |record| row(&self.table_on, &self.fields, record))?;
        } else if input == TABLE {
            return each(batch, |record| {
                let (key, row) = row(&self.table_on, &self.fields, record)?;
                self.rows.add(&key, row)?;
                Ok(Next::Many(Vec::new()))
            });
        }
        each(batch, |record| self.join(record))
    }

    fn save(&mut self) -> Result<Saved, Error> {
        Ok(self.rows.save())
    }

    fn restore(&mut self, piece: &[u8]) -> Result<(), Error> {
        self.rows.restore(piece)
    }
}

impl Join {
    fn join(&self, record: &mut Record) -> Result<Next, Trouble> {
        let key = self.on.eval_or_null(record)?;
        object(record)?;
        match (self.rows.get(&key), self.how) {
            ([], How::Left) => {
                if let Some(into) = &self.into {
                    object_mut(record)?.insert(into.clone(), Value::Null);
                }
                Ok(Next::Keep)
            }
            ([], How::Inner) => Ok(Next::Drop),
            ([row], _) => {
                self.put(record, row)?;
                Ok(Next::Keep)
            }
            (rows, _) => {
                let one = |(n, row): (usize, &Row)| {
                    let mut joined = record.clone();
                    joined.id = format!("{}#{n}", record.id);
                    self.put(&mut joined, row).map(|()| joined)
                };
                Ok(Next::Many((1..).zip(rows).map(one).collect::<Result<_, _>>()?))
            }
        }
    }

    fn put(&self, record: &mut Record, row: &Row) -> Result<(), String> {
        let fields = object_mut(record)?;
        match &self.into {
            Some(into) => {
                fields.insert(into.clone(), Value::Object(row.clone()));
            }
            None => {
                for (name, value) in row {
                    fields.entry(name.clone()).or_insert_with(|| value.clone());
                }
            }
        }
        Ok(())
    }
}

/// The key of a row, and what is taken of it.
fn row(on: &Expression, fields: &Option<Vec<String>>, record: &mut Record) -> Result<(Value, Row), String> {
    let key = on.eval_or_null(record)?;
    let all = object(record)?;
    let row = match fields {
        None => all.clone(),
        Some(fields) => {
            let taken = fields.iter().filter_map(|name| Some((name.clone(), all.get(name)?.clone())));
            taken.collect::<Map<_, _>>()
        }
    };
    Ok((key, row))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kind::bench::Bench;
    use serde_json::json;

    fn table() -> Vec<Value> {
        vec![
            json!({ "id": 1, "name": "one", "n": 0 }),
            json!({ "id": 2, "name": "two" }),
            json!({ "id": 2, "name": "zwei" }),
            json!({ "id": null, "name": "none" }),
        ]
    }

    fn records() -> Vec<Value> {
        vec![json!({ "n": 1 }), json!({ "n": 2.0 }), json!({ "n": 3 }), json!({ "m": 1 })]
    }

    fn joined(fields: &str) -> Vec<(String, Value)> {
        let batches =
            [(1, table()[..2].to_vec()), (1, table()[2..].to_vec()), (0, records()), (0, records())];
        let mut out = Bench::two_inputs().survives::<Join>(fields, &batches);
        out.truncate(out.len() / 2);
        out
    }

    #[test]
    fn rows_come_from_the_second_input_wherever_it_dies() {
        let out = joined("on = 'n'\ntable_on = 'id'");
        let expect = [
            ("in0:2.0".to_owned(), json!({ "n": 1, "id": 1, "name": "one" })),
            ("in0:2.1#1".to_owned(), json!({ "n": 2.0, "id": 2, "name": "two" })),
            ("in0:2.1#2".to_owned(), json!({ "n": 2.0, "id": 2, "name": "zwei" })),
        ];
        assert_eq!(out, expect);
    }

    #[test]
    fn records_without_a_row_may_stay_and_rows_may_be_put_apart() {
        let out = joined("on = 'n'\ntable_on = 'id'\nkind = 'left'\nfields = ['name']\ninto = 'row'");
        let values: Vec<_> = out.into_iter().map(|(_, value)| value).collect();
        assert_eq!(values[0], json!({ "n": 1, "row": { "name": "one" } }));
        assert_eq!(values[3..], [json!({ "n": 3, "row": null }), json!({ "m": 1, "row": null })]);
    }

    #[test]
    fn rows_come_from_a_file_that_must_stay_the_same() {
        let bench = Bench::new();
        let path = bench.dir.path().join("table.jsonl");
        let lines: String = table().iter().map(|row| format!("{row}\n\n")).collect();
        std::fs::write(&path, lines).unwrap();
        let fields = "on = 'n'\ntable_on = 'id'\nfile = 'table.jsonl'";
        let out = bench.survives::<Join>(fields, &[(0, records()), (0, records())]);
        assert_eq!(out.len(), 6);
        let mut step: Join = bench.open(fields).unwrap();
        bench.pass(&mut step, records());
        let Saved::More(piece) = step.save().unwrap() else { panic!("it is kept which file it was") };
        std::fs::write(&path, "{\"id\":1}\n").unwrap();
        let mut step: Join = bench.open(fields).unwrap();
        step.restore(&piece).unwrap();
        let error = step.process(0, Vec::new()).unwrap_err();
        assert!(error.message.ends_with("table.jsonl is not what it was when the run began"), "{error}");
        std::fs::write(&path, "{\"id\":1}\nnonsense\n").unwrap();
        let mut step: Join = bench.open(fields).unwrap();
        let error = step.process(0, Vec::new()).unwrap_err();
        assert!(error.message.contains("table.jsonl, line 2: it is no JSON"), "{error}");
    }

    #[test]
    fn mistakes_are_told() {
        let error = Bench::new().error::<Join>("on = 'n'");
        assert_eq!(error.message, "a join without a `file` takes from two nodes, but this one from 1");
        let error = Bench::new().error::<Join>("on = 'n'\nfile = 'nope'");
        assert_eq!(error.span, Some(16..22));
        let mut step: Join = Bench::two_inputs().open("on = 'n'\nmost = 1").unwrap();
        let batch = records().into_iter().map(|value| Record::from_value("x", value)).collect();
        assert_eq!(step.process(1, batch).unwrap_err().message, "the table has more than 1 rows");
    }
}
