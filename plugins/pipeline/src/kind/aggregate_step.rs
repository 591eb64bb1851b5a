//! Groups of records, and what they come to: counts, sums and so on.

use std::collections::{BTreeMap, HashMap};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use toml::Spanned;

use super::columns::{Named, Next, Trouble, each, expressions};
use super::expression::Expression;
use super::rest::Rest;
use super::{Kind, frames, order};
use crate::error::Error;
use crate::node::{Context, Outcome, Saved, Step};
use crate::record::Record;

mod sum;

use sum::{Take, Taken};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// Fields of the result and the expressions that tell groups apart, such as `{ lang = "lang", year = "date[:4]" }`.
    /// Unless given: all records are one group.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, String>")]
    by: Named<Spanned<String>>,
    /// Further fields of the result and what each is, such as `{ n = { take = "count" }, most = { take = "max", of = "size" } }`.
    /// `take` is `count`, `sum`, `mean`, `min`, `max`, `first`, `last` or `collect`, and `of` an expression; null and
    /// what is missing does not count. `collect` keeps `most` values, 1000 unless given.
    #[schemars(with = "BTreeMap<String, Field>")]
    fields: Named<Field>,
    /// How many groups there may be; one more is an error.
    #[serde(default = "usual")]
    most: usize,
}

fn usual() -> usize {
    200_000
}

/// What a field of the result is.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Field {
    /// What is taken of the values.
    #[schemars(with = "Take")]
    take: Spanned<Take>,
    /// The values. Only `count` does without: then it counts records.
    #[schemars(with = "Option<String>")]
    of: Option<Spanned<String>>,
    /// Of `collect`: how many are kept; further ones are left out.
    most: Option<usize>,
}

/// A field of the result.
struct Column {
    name: String,
    take: Take,
    of: Option<Expression>,
    most: usize,
}

#[derive(Serialize, Deserialize)]
struct Group {
    /// The values that it is told by.
    key: Vec<Value>,
    /// One for each column.
    taken: Vec<Taken>,
    #[serde(skip)]
    changed: bool,
}

pub(crate) struct Aggregate {
    node: String,
    by: Vec<(String, Expression)>,
    columns: Vec<Column>,
    most: usize,
    /// As they came up.
    groups: Vec<Group>,
    /// The place of each.
    places: HashMap<Vec<u8>, usize>,
    /// How much was saved since everything was, and how much everything was.
    saved: (usize, usize),
    rest: Rest,
}

/// So much is saved before it is worth while to look whether most of it is out of date.
const WORTH: usize = 1 << 20;

impl Kind for Aggregate {
    const NAME: &'static str = "aggregate";
    const ABOUT: &'static str = "makes one record of each group of records, after the last one has come";
    type Config = Config;

    fn open(config: Config, context: &Context) -> Result<Self, Error> {
        let by = expressions(config.by)?;
        let columns = config.fields.0.into_iter().map(|(name, field)| column(name, field));
        let columns = columns.collect::<Result<Vec<_>, _>>()?;
        Ok(Self {
            node: context.node.clone(),
            by,
            columns,
            most: config.most,
            groups: Vec::new(),
            places: HashMap::new(),
            saved: (0, 0),
            rest: Rest::default(),
        })
    }
}

fn column(name: String, field: Field) -> Result<Column, Error> {
    let take = *field.take.get_ref();
    let of = field.of.as_ref().map(Expression::parse).transpose()?;
    if of.is_none() && take != Take::Count {
        return Err(Error::new(format!("`{name}` does not say of what"))
            .hint("add an expression, such as `of = \"size\"`")
            .at(field.take.span()));
    }
    Ok(Column { name, take, of, most: field.most.unwrap_or(1000) })
}

impl Step for Aggregate {
    fn process(&mut self, _: usize, batch: Vec<Record>) -> Result<Vec<Outcome>, Error> {
        each(batch, |record| {
            self.add(record)?;
            Ok(Next::Many(Vec::new()))
        })
    }

    fn finish(&mut self) -> Result<Vec<Record>, Error> {
        let (node, by, columns, groups) = (&self.node, &self.by, &self.columns, &self.groups);
        Ok(self.rest.next(|| groups.iter().map(|group| group.record(node, by, columns)).collect()))
    }

    fn save(&mut self) -> Result<Saved, Error> {
        let mut piece = Vec::new();
        for group in self.groups.iter_mut().filter(|group| group.changed) {
            group.put(&mut piece)?;
        }
        if piece.is_empty() {
            return Ok(Saved::Nothing);
        }
        self.saved.0 += piece.len();
        if self.saved.0 < WORTH.max(2 * self.saved.1) {
            return Ok(Saved::More(piece));
        }
        piece.clear();
        for group in &mut self.groups {
            group.put(&mut piece)?;
        }
        self.saved = (0, piece.len());
        Ok(Saved::All(piece))
    }

    fn restore(&mut self, mut piece: &[u8]) -> Result<(), Error> {
        self.saved.0 += piece.len();
        while let Some(group) = frames::next(&mut piece).map_err(frames::unreadable)? {
            let group: Group = serde_json::from_slice(&group).map_err(frames::unreadable)?;
            let print = print(&group.key);
            match self.places.get(&print) {
                Some(place) => self.groups[*place] = group,
                None => self.push(print, group),
            }
        }
        Ok(())
    }
}

impl Aggregate {
    fn add(&mut self, record: &mut Record) -> Result<(), Trouble> {
        let named = |name: &str, why: String| Trouble::Record(format!("the field `{name}`: {why}"));
        let mut key = Vec::with_capacity(self.by.len());
        for (name, expression) in &self.by {
            key.push(expression.eval_or_null(record).map_err(|why| named(name, why))?);
        }
        let mut values = Vec::with_capacity(self.columns.len());
        for Column { name, take, of, .. } in &self.columns {
            let value = of.as_ref().map_or(Ok(Value::Bool(true)), |of| of.eval_or_null(record));
            let value = value.map_err(|why| named(name, why))?;
            take.check(&value).map_err(|why| named(name, why))?;
            values.push(value);
        }
        if self.columns.is_empty() {
            record.value()?;
        }
        let print = print(&key);
        let place = match self.places.get(&print) {
            Some(place) => *place,
            None if self.groups.len() >= self.most => {
                let most = self.most;
                return Err(Error::new(format!("there are more than {most} groups"))
                    .hint("raise `most` as far as the plugin's memory goes, or group by less")
                    .into());
            }
            None => {
                let taken = self.columns.iter().map(|column| Taken::new(column.take)).collect();
                self.push(print, Group { key, taken, changed: true });
                self.groups.len() - 1
            }
        };
        let group = &mut self.groups[place];
        group.changed = true;
        for ((taken, column), value) in group.taken.iter_mut().zip(&self.columns).zip(values) {
            taken.add(value, column.most);
        }
        Ok(())
    }

    fn push(&mut self, print: Vec<u8>, group: Group) {
        self.places.insert(print, self.groups.len());
        self.groups.push(group);
    }
}

fn print(key: &[Value]) -> Vec<u8> {
    let mut print = Vec::new();
    key.iter().for_each(|value| order::put(&mut print, value));
    print
}

impl Group {
    fn put(&mut self, into: &mut Vec<u8>) -> Result<(), Error> {
        self.changed = false;
        let json = serde_json::to_vec(self);
        let json = json.map_err(|error| Error::new(format!("cannot save a group: {error}")))?;
        frames::put(into, &json);
        Ok(())
    }

    fn record(&self, node: &str, by: &[(String, Expression)], columns: &[Column]) -> Record {
        let key = by.iter().zip(&self.key).map(|((name, _), value)| (name.clone(), value.clone()));
        let taken =
            columns.iter().zip(&self.taken).map(|(column, taken)| (column.name.clone(), taken.value()));
        let data: Map<_, _> = key.chain(taken).collect();
        let id = format!("{node}:{}", Value::from(self.key.clone()));
        Record::from_value(id, Value::Object(data))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kind::bench::Bench;
    use serde_json::json;

    const FIELDS: &str = r#"
        by = { lang = "lang", even = "n % 2 == 0" }
        [fields]
        count = { take = "count" }
        known = { take = "count", of = "x" }
        sum = { take = "sum", of = "n" }
        mean = { take = "mean", of = "n" }
        min = { take = "min", of = "n" }
        max = { take = "max", of = "x" }
        first = { take = "first", of = "n" }
        last = { take = "last", of = "n" }
        some = { take = "collect", of = "n", most = 3 }
    "#;

    #[test]
    fn groups_come_to_what_they_should_wherever_it_dies() {
        let value = |n: usize| match n % 4 {
            0 => json!({ "lang": "de", "n": n, "x": n as f64 / 3.0 }),
            _ => json!({ "lang": "fr", "n": n, "x": null }),
        };
        let batches: Vec<_> =
            (0..5).map(|batch| (0, (batch * 7..batch * 7 + 7).map(value).collect())).collect();
        let out = Bench::new().survives::<Aggregate>(FIELDS, &batches);
        assert_eq!(out.len(), 3);
        assert_eq!(out[0].0, r#"it:["de",true]"#);
        let expect = json!({
            "lang": "de", "even": true, "count": 9, "known": 9, "sum": 144, "mean": 16.0, "min": 0,
            "max": 32.0 / 3.0, "first": 0, "last": 32, "some": [0, 4, 8],
        });
        assert_eq!(out[0].1.to_string(), expect.to_string());
        assert_eq!(out[1].1["known"], 0);
        assert_eq!(out[1].1["max"], json!(null));
    }

    #[test]
    fn without_groups_all_is_one_and_of_nothing_there_is_nothing() {
        let fields = "fields = { n = { take = 'count' }, sum = { take = 'sum', of = 'x' } }";
        let out =
            Bench::new().survives::<Aggregate>(fields, &[(0, vec![json!({ "x": 0.5 }), json!({ "x": 2 })])]);
        assert_eq!(out, [("it:[]".to_owned(), json!({ "n": 2, "sum": 2.5 }))]);
        assert!(Bench::new().survives::<Aggregate>(fields, &[]).is_empty());
    }

    #[test]
    fn what_changes_all_the_time_does_not_pile_up() {
        let bench = Bench::new();
        let mut step: Aggregate = bench.open("fields.all = { take = 'collect', of = 'x' }").unwrap();
        let (mut pile, mut alls) = (0, 0);
        for n in 0..400 {
            bench.pass(&mut step, [json!({ "x": format!("{n:0>100}") })]);
            match step.save().unwrap() {
                Saved::More(piece) => pile += piece.len(),
                Saved::All(piece) => (pile, alls) = (piece.len(), alls + 1),
                Saved::Nothing => panic!("something is new"),
            }
            assert!(pile < 2 * WORTH, "{pile}");
        }
        assert!(alls > 2, "{alls}");
    }

    #[test]
    fn what_cannot_be_summed_is_rejected_and_counts_nowhere() {
        let bench = Bench::new();
        let mut step: Aggregate =
            bench.open("fields = { n = { take = 'count' }, s = { take = 'sum', of = 'x' } }").unwrap();
        let out = bench.pass(&mut step, [json!({ "x": 1 }), json!({ "x": "1" }), json!({})]);
        assert_eq!(out, [json!({ "rejected": "the field `s`: a text has no sum", "data": { "x": "1" } })]);
        assert_eq!(bench.finish(&mut step)[0].1, json!({ "n": 2, "s": 1 }));
    }

    #[test]
    fn mistakes_are_told() {
        let bench = Bench::new();
        let error = bench.error::<Aggregate>("fields = { s = { take = 'sum' } }");
        assert_eq!((error.message.as_str(), error.span), ("`s` does not say of what", Some(24..29)));
        let mut step: Aggregate = bench.open("by = { x = 'x' }\nfields = {}\nmost = 2").unwrap();
        let batch = (0..3).map(|n| Record::from_value("x", json!({ "x": n }))).collect();
        assert_eq!(step.process(0, batch).unwrap_err().message, "there are more than 2 groups");
    }
}
