//! Vectors into an index that can be searched.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Kind;
use super::columns::{kind_of, object};
use super::growing::Growing;
use super::index::{Head, MOST_DIMENSIONS, Text, entry, unit};
use crate::error::Error;
use crate::node::{Context, Refused, Sink};
use crate::record::Record;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// The file. While the run is under way it is called so with `.partial` at its end.
    path: String,
    /// The field with the vector, as the step `embed` makes it.
    #[serde(default = "vector_field")]
    field: String,
    /// The fields that are kept beside it; without it, all others.
    #[serde(default)]
    keep: Option<Vec<String>>,
    /// The model that made the vectors, so that `inferno pipeline search` asks it too; without it, that of the step `embed`
    /// that the records come through.
    #[serde(default)]
    model: Option<String>,
}

fn vector_field() -> String {
    "vector".to_owned()
}

pub(crate) struct Index {
    file: Growing,
    field: String,
    keep: Option<Vec<String>>,
    model: Option<String>,
    /// How long the vectors are, once there is one.
    dimensions: Option<usize>,
}

impl Kind for Index {
    const NAME: &'static str = "index";
    const ABOUT: &'static str =
        "vectors into a file that `inferno pipeline search` finds the nearest in; exactly once";
    type Config = Config;

    fn open(config: Config, context: &Context) -> Result<Self, Error> {
        let file = Growing::new(&config.path, context);
        Ok(Self {
            file,
            field: config.field,
            keep: config.keep,
            model: config.model.or_else(|| context.embedder.clone()),
            dimensions: None,
        })
    }
}

#[derive(Deserialize)]
struct Mark {
    length: u64,
    dimensions: Option<usize>,
}

impl Index {
    /// The entry of a record; for people, why it has none.
    fn entry(&self, record: &mut Record) -> Result<(usize, Vec<u8>), String> {
        let id = record.id.clone();
        let fields = object(record)?;
        let vector = vector(fields.get(&self.field), &self.field)?;
        if let Some(dimensions) = self.dimensions
            && vector.len() != dimensions
        {
            return Err(format!(
                "its vector has {} numbers, and the first one had {dimensions}",
                vector.len()
            ));
        }
        let vector = unit(&vector).ok_or("its vector has no direction: it is zero, or not finite")?;
        let kept = |name: &String| match &self.keep {
            Some(keep) => keep.contains(name),
            None => *name != self.field,
        };
        let data =
            fields.iter().filter(|(name, _)| kept(name)).map(|(name, value)| (name.clone(), value.clone()));
        let text = json!(Text { id, data: Value::Object(data.collect()) }).to_string();
        let entry = entry(&vector, &text).ok_or("it is larger than 4 GiB")?;
        Ok((vector.len(), entry))
    }

    fn begin(&mut self, dimensions: usize) -> Result<(), Error> {
        let head = json!(Head::new(dimensions, self.model.clone()));
        self.file.write(format!("{head}\n").as_bytes())?;
        self.dimensions = Some(dimensions);
        Ok(())
    }
}

impl Sink for Index {
    fn start(&mut self, mark: Option<&Value>) -> Result<(), Error> {
        let mark = mark.map_or(Ok(Mark { length: 0, dimensions: None }), Mark::deserialize);
        let Mark { length, dimensions } = mark.map_err(|error| {
            Error::new(format!("the place in {} is unreadable: {error}", self.file.partial().display()))
        })?;
        self.dimensions = dimensions;
        self.file.start(length)
    }

    fn write(&mut self, batch: &[Record]) -> Result<Vec<Refused>, Error> {
        let mut refused = Vec::new();
        for (index, record) in batch.iter().enumerate() {
            match self.entry(&mut record.clone()) {
                Ok((dimensions, entry)) => {
                    if self.dimensions.is_none() {
                        self.begin(dimensions)?;
                    }
                    self.file.write(&entry)?;
                }
                Err(why) => refused.push(Refused { index, why, retry: false }),
            }
        }
        Ok(refused)
    }

    fn commit(&mut self) -> Result<Value, Error> {
        Ok(json!({ "length": self.file.commit()?, "dimensions": self.dimensions }))
    }

    fn publish(&mut self) -> Result<(), Error> {
        self.file.publish()
    }
}

fn vector(value: Option<&Value>, field: &str) -> Result<Vec<f32>, String> {
    let numbers = match value {
        Some(Value::Array(numbers)) => numbers,
        Some(other) => {
            return Err(format!("the field `{field}` is no array of numbers but {}", kind_of(other)));
        }
        None => return Err(format!("there is no field `{field}`")),
    };
    if !(1..=MOST_DIMENSIONS).contains(&numbers.len()) {
        return Err(format!("its vector has {} numbers", numbers.len()));
    }
    let number = |value: &Value| value.as_f64().map(|number| number as f32);
    let vector: Option<Vec<f32>> = numbers.iter().map(number).collect();
    vector.ok_or_else(|| format!("the field `{field}` has something in it that is no number"))
}
