//! `inferno convert inspect`

use inferno_formats::gguf::Value;
use inferno_sdk::Error;
use serde_json::{Map, Value as Json, json};

use crate::args::Inspect;
use crate::given::Given;
use crate::progress::bytes;
use crate::{gguf, tensors};

/// No more of a text is shown to people.
const SHOWN: usize = 80;

pub(super) fn inspect(inspect: &Inspect) -> Result<bool, Error> {
    let given = Given::at(&super::here(&inspect.file)?)?;
    let found = tensors::of(&given)?;
    let metadata = metadata(&given)?;
    let numbers: u64 = found.iter().map(tensors::Found::numbers).sum();
    let size: u64 = found.iter().map(tensors::Found::bytes).sum();
    if inspect.json {
        let list = found.iter().map(|tensor| {
            json!({
                "name": tensor.name, "shape": tensor.shape, "type": tensor.encoding.name(),
                "file": tensor.file.file_name().map(|name| name.to_string_lossy()),
                "offset": tensor.at, "bytes": tensor.bytes(),
            })
        });
        let list: Vec<_> = list.collect();
        super::print_json(&json!({
            "format": given.format, "metadata": metadata, "tensors": list, "parameters": numbers, "tensor_bytes": size,
        }))?;
        return Ok(true);
    }
    let mut rows: Vec<_> = metadata.iter().map(|(key, value)| vec![key.clone(), short(value)]).collect();
    let mut text = super::table(&rows);
    rows = found
        .iter()
        .map(|tensor| {
            let shape: Vec<_> = tensor.shape.iter().map(u64::to_string).collect();
            vec![
                tensor.name.clone(),
                shape.join(" x "),
                tensor.encoding.name().to_owned(),
                bytes(tensor.bytes()),
            ]
        })
        .collect();
    text.push('\n');
    text.push_str(&super::table(&rows));
    text.push_str(&format!(
        "\n{}: {} tensors, {numbers} parameters, {}\n",
        given.format,
        found.len(),
        bytes(size)
    ));
    super::print(&text)?;
    Ok(true)
}

/// What the model says of itself.
fn metadata(given: &Given) -> Result<Map<String, Json>, Error> {
    let mut told = Map::new();
    if given.format == "gguf" {
        let model = gguf::Model::open(given)?;
        for (key, value) in model.first.metadata.iter() {
            told.insert(key.to_owned(), json_of(value));
        }
    } else {
        for path in tensors::weights(&given.folder)? {
            for (key, text) in tensors::header(&path)?.metadata {
                told.insert(key, json!(text));
            }
        }
    }
    Ok(told)
}

/// Arrays, which may have hundreds of thousands of elements, are told by what they have.
fn json_of(value: &Value) -> Json {
    match value {
        Value::Text(text) => json!(text),
        Value::Bool(yes) => json!(yes),
        Value::Array(array) => json!({ "array": gguf::kind_name(array.kind), "length": array.length }),
        Value::Skipped => Json::Null,
        number => match number.whole().map(i64::try_from) {
            Some(Ok(whole)) => json!(whole),
            Some(Err(_)) => json!(number.whole().map(|whole| whole.to_string())),
            // As people write it: half as many digits would do for the same number.
            None => match number {
                Value::F32(number) => {
                    number.to_string().parse::<f64>().map_or(Json::Null, |number| json!(number))
                }
                number => json!(number.float()),
            },
        },
    }
}

fn short(value: &Json) -> String {
    let text = match value {
        Json::String(text) => text.replace('\n', "\\n"),
        Json::Object(array) => {
            return format!("{} of {}", array["length"], array["array"].as_str().unwrap_or_default());
        }
        other => other.to_string(),
    };
    if text.chars().count() <= SHOWN { text } else { text.chars().take(SHOWN).chain("...".chars()).collect() }
}
