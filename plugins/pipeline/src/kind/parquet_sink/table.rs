//! Records as the columns of a Parquet file.

use std::collections::HashMap;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use parquet::basic::{ConvertedType, LogicalType, Repetition, Type as Physical};
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DoubleType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::Type;
use serde_json::{Map, Value};

use super::Compression;
use crate::error::Error;

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Holds {
    Bool,
    Integer,
    Double,
    Text,
    Json,
}

impl Holds {
    fn of(value: &Value) -> Self {
        match value {
            Value::Bool(_) => Self::Bool,
            Value::Number(number) if number.is_i64() => Self::Integer,
            Value::Number(number) if number.is_f64() => Self::Double,
            Value::String(_) => Self::Text,
            _ => Self::Json,
        }
    }

    /// What holds both.
    fn with(self, other: Self) -> Self {
        match (self, other) {
            _ if self == other => self,
            (Self::Integer, Self::Double) | (Self::Double, Self::Integer) => Self::Double,
            _ => Self::Json,
        }
    }
}

/// The columns in the order in which they appeared.
#[derive(Default)]
pub(super) struct Columns {
    places: HashMap<String, usize>,
    /// What each holds; one that was always null so far holds nothing.
    list: Vec<(String, Option<Holds>)>,
}

impl Columns {
    /// Takes note of the fields of a record.
    pub(super) fn see(&mut self, fields: &Map<String, Value>) {
        for (name, value) in fields {
            let place = match self.places.get(name) {
                Some(place) => *place,
                None => {
                    self.list.push((name.clone(), None));
                    self.places.insert(name.clone(), self.list.len() - 1);
                    self.list.len() - 1
                }
            };
            if !value.is_null() {
                let (new, (_, holds)) = (Holds::of(value), &mut self.list[place]);
                *holds = Some(holds.map_or(new, |old| old.with(new)));
            }
        }
    }

    /// Name and content of each.
    fn list(self) -> Vec<(String, Holds)> {
        self.list.into_iter().map(|(name, holds)| (name, holds.unwrap_or(Holds::Text))).collect()
    }
}

/// A file in the making: its bytes come piece by piece.
pub(super) struct Table {
    columns: Vec<(String, Holds)>,
    writer: SerializedFileWriter<Shared>,
    bytes: Shared,
}

/// Bytes that the writer has given and nobody has fetched yet.
#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Shared {
    fn fetch(&self) -> Vec<u8> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn failed(error: ParquetError) -> Error {
    Error::new(format!("cannot make the Parquet file: {error}"))
}

impl Table {
    pub(super) fn new(columns: Columns, compression: Compression) -> Result<Self, Error> {
        let columns = columns.list();
        let fields = columns.iter().map(|(name, holds)| field(name, *holds).map(Arc::new));
        let fields = fields.collect::<Result<_, _>>().map_err(failed)?;
        let schema = Type::group_type_builder("record").with_fields(fields).build().map_err(failed)?;
        let compression = match compression {
            Compression::Snappy => parquet::basic::Compression::SNAPPY,
            Compression::Gzip => parquet::basic::Compression::GZIP(Default::default()),
            Compression::None => parquet::basic::Compression::UNCOMPRESSED,
        };
        let properties = WriterProperties::builder().set_compression(compression).build();
        let bytes = Shared::default();
        let writer = SerializedFileWriter::new(bytes.clone(), Arc::new(schema), Arc::new(properties));
        Ok(Self { columns, writer: writer.map_err(failed)?, bytes })
    }

    /// Adds rows, and gives the bytes that they are.
    pub(super) fn group(&mut self, rows: &[Map<String, Value>]) -> Result<Vec<u8>, Error> {
        write(&mut self.writer, &self.columns, rows).map_err(failed)?;
        Ok(self.bytes.fetch())
    }

    /// The last bytes.
    pub(super) fn end(self) -> Result<Vec<u8>, Error> {
        self.writer.close().map_err(failed)?;
        Ok(self.bytes.fetch())
    }
}

fn field(name: &str, holds: Holds) -> Result<Type, ParquetError> {
    let physical = match holds {
        Holds::Bool => Physical::BOOLEAN,
        Holds::Integer => Physical::INT64,
        Holds::Double => Physical::DOUBLE,
        Holds::Text | Holds::Json => Physical::BYTE_ARRAY,
    };
    let builder = Type::primitive_type_builder(name, physical).with_repetition(Repetition::OPTIONAL);
    match holds {
        Holds::Text => builder.with_logical_type(Some(LogicalType::String)).build(),
        Holds::Json => builder.with_converted_type(ConvertedType::JSON).build(),
        _ => builder.build(),
    }
}

fn write(
    writer: &mut SerializedFileWriter<Shared>,
    columns: &[(String, Holds)],
    rows: &[Map<String, Value>],
) -> Result<(), ParquetError> {
    let mut group = writer.next_row_group()?;
    for (name, holds) in columns {
        let Some(mut column) = group.next_column()? else { break };
        let values = rows.iter().filter_map(|row| row.get(name).filter(|value| !value.is_null()));
        let levels: Vec<i16> =
            rows.iter().map(|row| i16::from(row.get(name).is_some_and(|value| !value.is_null()))).collect();
        let levels = Some(levels.as_slice());
        match holds {
            Holds::Bool => {
                let values: Vec<_> = values.filter_map(Value::as_bool).collect();
                column.typed::<BoolType>().write_batch(&values, levels, None)?;
            }
            Holds::Integer => {
                let values: Vec<_> = values.filter_map(Value::as_i64).collect();
                column.typed::<Int64Type>().write_batch(&values, levels, None)?;
            }
            Holds::Double => {
                let values: Vec<_> = values.filter_map(Value::as_f64).collect();
                column.typed::<DoubleType>().write_batch(&values, levels, None)?;
            }
            Holds::Text => {
                let values: Vec<_> = values.filter_map(Value::as_str).map(ByteArray::from).collect();
                column.typed::<ByteArrayType>().write_batch(&values, levels, None)?;
            }
            Holds::Json => {
                let values: Vec<_> =
                    values.map(|value| ByteArray::from(value.to_string().as_str())).collect();
                column.typed::<ByteArrayType>().write_batch(&values, levels, None)?;
            }
        }
        column.close()?;
    }
    group.close()?;
    Ok(())
}
