//! Tokens with a meaning of their own, and which of them stand around a text.

use serde_json::Value;

use super::super::Error;
use super::super::folder::Folder;
use super::super::keys::Keys;
use super::super::object::Object;
use super::FILE;
use super::file::{File, Vocabulary};

/// Their names in Hugging Face's files and in GGUF.
pub(in super::super) const NAMES: &[(&str, &str)] = &[
    ("bos", "tokenizer.ggml.bos_token_id"),
    ("eos", "tokenizer.ggml.eos_token_id"),
    ("unk", "tokenizer.ggml.unknown_token_id"),
    ("sep", "tokenizer.ggml.seperator_token_id"),
    ("pad", "tokenizer.ggml.padding_token_id"),
    ("cls", "tokenizer.ggml.cls_token_id"),
    ("mask", "tokenizer.ggml.mask_token_id"),
];

/// Says their numbers in metadata.
pub(super) fn tell(
    folder: &Folder,
    config: &Object,
    file: &File,
    rows: u32,
    keys: &mut Keys,
) -> Result<(), Error> {
    let look = Look {
        settings: folder
            .object("tokenizer_config.json")?
            .unwrap_or_else(|| Object::empty("tokenizer_config.json")),
        map: folder
            .object("special_tokens_map.json")?
            .unwrap_or_else(|| Object::empty("special_tokens_map.json")),
        config: config.clone(),
        file,
        rows,
    };
    let around = around(file)?;
    let mut numbers = Vec::new();
    for (name, key) in NAMES {
        let mut number = look.number(name)?;
        // A BERT marks the ends of a text with these and has no others.
        number = match (*name, number) {
            ("bos", None) => look.number("cls")?,
            ("eos", None) => look.number("sep")?,
            (_, number) => number,
        };
        // What really stands before a text is what was meant.
        if let ("bos", Some(first)) = (*name, around.first) {
            number = Some(first);
        }
        if let Some(number) = number {
            keys.count(*key, number);
            numbers.push((*name, number));
        }
    }
    tell_more_ends(folder, config, rows, &numbers, keys)?;
    let ends = numbers.iter().find(|(name, _)| *name == "eos").map(|(_, number)| *number);
    let separates = numbers.iter().find(|(name, _)| *name == "sep").map(|(_, number)| *number);
    let (first, last) = match around.said {
        true => (around.first.is_some(), around.last.is_some()),
        false => (
            look.settings.flag("add_bos_token")?.unwrap_or(false),
            look.settings.flag("add_eos_token")?.unwrap_or(false),
        ),
    };
    keys.flag("tokenizer.ggml.add_bos_token", first);
    keys.flag(
        "tokenizer.ggml.add_eos_token",
        last && (around.last.is_none() || around.last == ends || around.last == separates),
    );
    Ok(())
}

/// Where a name is looked up.
struct Look<'a> {
    settings: Object,
    map: Object,
    config: Object,
    file: &'a File,
    rows: u32,
}

impl Look<'_> {
    /// The number of the token that has this name.
    fn number(&self, name: &str) -> Result<Option<u32>, Error> {
        let key = format!("{name}_token");
        for object in [&self.settings, &self.map] {
            let text = match object.get(&key) {
                Some(Value::String(text)) => Some(text.as_str()),
                Some(Value::Object(map)) => map.get("content").and_then(Value::as_str),
                _ => None,
            };
            if let Some(number) = text.and_then(|text| number_of(self.file, text)) {
                return Ok(self.known(number));
            }
        }
        let key = format!("{name}_token_id");
        match self.config.get(&key) {
            Some(Value::Number(_)) => Ok(self.config.count(&key)?.and_then(|number| self.known(number))),
            _ => Ok(None),
        }
    }

    fn known(&self, number: u32) -> Option<u32> {
        Some(number).filter(|number| *number < self.rows)
    }
}

fn number_of(file: &File, text: &str) -> Option<u32> {
    if let Some(added) = file.added_tokens.iter().find(|added| added.content == text) {
        return Some(added.id);
    }
    match &file.model.vocab {
        Vocabulary::Numbered(entries) => {
            entries.iter().find(|(known, _)| known == text).map(|(_, number)| *number)
        }
        Vocabulary::Scored(entries) => {
            (0..).zip(entries).find(|(_, (known, _))| known == text).map(|(number, _)| number)
        }
    }
}

/// Models that end their answers in more than one way list them where they say how they are run.
fn tell_more_ends(
    folder: &Folder,
    config: &Object,
    rows: u32,
    numbers: &[(&str, u32)],
    keys: &mut Keys,
) -> Result<(), Error> {
    let generation = folder.object("generation_config.json")?;
    let list = generation.iter().chain([config]).find_map(|object| match object.get("eos_token_id") {
        Some(Value::Array(list)) => Some(list.clone()),
        _ => None,
    });
    let known = |number: &u32| {
        *number < rows && !numbers.iter().any(|(name, other)| *name == "eos" && other == number)
    };
    let numbers = list
        .into_iter()
        .flatten()
        .filter_map(|value| value.as_u64().and_then(|number| u32::try_from(number).ok()));
    for (key, number) in
        ["tokenizer.ggml.eot_token_id", "tokenizer.ggml.eom_token_id"].into_iter().zip(numbers.filter(known))
    {
        keys.count(key, number);
    }
    Ok(())
}

/// What `tokenizer.json` puts around a text.
#[derive(Debug, Default)]
struct Around {
    /// It says something about that.
    said: bool,
    first: Option<u32>,
    last: Option<u32>,
}

fn around(file: &File) -> Result<Around, Error> {
    let mut around = Around::default();
    let Some(processor) = &file.post_processor else { return Ok(around) };
    let steps = match processor.get("processors").and_then(Value::as_array) {
        Some(steps) => steps.iter().collect(),
        None => vec![processor],
    };
    for step in steps {
        around.said = true;
        match step.get("type").and_then(Value::as_str) {
            Some("ByteLevel") => {}
            Some("BertProcessing" | "RobertaProcessing") => {
                let number =
                    |key: &str| step.get(key)?.get(1)?.as_u64().and_then(|number| u32::try_from(number).ok());
                around.first = number("cls");
                around.last = number("sep");
            }
            Some("TemplateProcessing") => read_template(file, step, &mut around)?,
            _ => {
                let found = super::super::object::told(step);
                return Err(Error::new(
                    FILE,
                    format!("post_processor has {found}, which GGUF has no form for"),
                ));
            }
        }
    }
    Ok(around)
}

/// A text, with at most one token before it and one behind it.
fn read_template(file: &File, step: &Value, around: &mut Around) -> Result<(), Error> {
    let parts = step.get("single").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let special = |part: &Value| part.pointer("/SpecialToken/id").and_then(Value::as_str).map(str::to_owned);
    let text = |part: &Value| part.get("Sequence").is_some();
    let number = |name: String| {
        let inner = step
            .pointer("/special_tokens")
            .and_then(|map| map.get(&name))
            .and_then(|token| token.pointer("/ids/0"));
        let inner = inner.and_then(Value::as_u64).and_then(|number| u32::try_from(number).ok());
        inner.or_else(|| number_of(file, &name))
    };
    match parts {
        [middle] if text(middle) => {}
        [first, middle] if text(middle) => around.first = special(first).and_then(number),
        [middle, last] if text(middle) => around.last = special(last).and_then(number),
        [first, middle, last] if text(middle) => {
            around.first = special(first).and_then(number);
            around.last = special(last).and_then(number);
        }
        _ => {
            let found = super::super::object::told(step);
            return Err(Error::new(
                FILE,
                format!("post_processor is {found}, but GGUF has one token before and one behind a text"),
            ));
        }
    }
    Ok(())
}
