//! What can be chosen about a conversion, as people type it and as converters are told it.

use inferno_sdk::Error;
use regex_lite::Regex;
use serde::{Deserialize, Serialize};

use crate::engine::Task;
use crate::fault::invalid;
use crate::quant::Encoding;
use crate::quant::mix::{FileType, Wishes};

/// What a converter is told: a task of a conversion under way, or all that is needed for a whole one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Options {
    /// A part of the work, from the engine to an instance of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) task: Option<Task>,
    /// The file below `/in`; none: the only model there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) model: Option<String>,
    /// The file below `/out`; none: `model` with the format's ending.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    #[serde(flatten)]
    pub(crate) choices: Choices,
}

/// What people choose.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Choices {
    /// The file type, such as `Q4_K_M`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) quantize: Option<String>,
    /// `REGEX=TYPE`
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) tensor_types: Vec<String>,
    /// The type of the output layer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) output_tensor_type: Option<String>,
    /// The type of the tokens' vectors.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) token_embedding_type: Option<String>,
    /// `KEY=VALUE`
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) metadata: Vec<String>,
    /// Bytes, such as `4GB`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) split: Option<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) pure: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) keep_output: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) requantize: bool,
}

/// The same, understood.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wish {
    pub(crate) file_type: Option<FileType>,
    pub(crate) wishes: Wishes,
    pub(crate) metadata: Vec<(String, String)>,
    pub(crate) split: Option<u64>,
}

impl Wish {
    /// Something is wanted otherwise for single tensors.
    pub(crate) fn chooses_tensors(&self) -> bool {
        let Wishes { pure, keep_output, again: _, output, token_embedding, tensors } = &self.wishes;
        *pure || *keep_output || output.is_some() || token_embedding.is_some() || !tensors.is_empty()
    }
}

impl Choices {
    pub(crate) fn read(&self) -> Result<Wish, Error> {
        let file_type = self.quantize.as_deref().map(file_type).transpose()?;
        let wishes = Wishes {
            pure: self.pure,
            keep_output: self.keep_output,
            again: self.requantize,
            output: self.output_tensor_type.as_deref().map(encoding).transpose()?,
            token_embedding: self.token_embedding_type.as_deref().map(encoding).transpose()?,
            tensors: self.tensor_types.iter().map(|pair| tensor_type(pair)).collect::<Result<_, _>>()?,
        };
        let metadata = self.metadata.iter().map(|pair| {
            let (key, value) = pair.split_once('=').filter(|(key, _)| !key.is_empty()).ok_or_else(|| {
                invalid(format!("{pair:?} is no metadata"))
                    .with_hint("write it as KEY=VALUE, such as general.name=Story")
            })?;
            Ok((key.to_owned(), value.to_owned()))
        });
        let wish = Wish {
            file_type,
            wishes,
            metadata: metadata.collect::<Result<_, Error>>()?,
            split: self.split.as_deref().map(size).transpose()?,
        };
        if wish.file_type.is_none() && (wish.wishes.again || wish.chooses_tensors()) {
            return Err(invalid(
                "without a type for the whole file there is nothing to choose about single tensors",
            )
            .with_hint("add --quantize TYPE"));
        }
        Ok(wish)
    }
}

fn file_type(name: &str) -> Result<FileType, Error> {
    FileType::from_name(name).ok_or_else(|| {
        let all: Vec<_> = FileType::all().map(FileType::name).collect();
        invalid(format!("there is no type {name:?}"))
            .with_hint(format!("those that there are: {}", all.join(", ")))
    })
}

fn tensor_type(pair: &str) -> Result<(Regex, Encoding), Error> {
    let (pattern, name) = pair.rsplit_once('=').ok_or_else(|| {
        invalid(format!("{pair:?} says no type for tensors"))
            .with_hint("write it as REGEX=TYPE, such as ffn_down=Q6_K")
    })?;
    let pattern =
        Regex::new(pattern).map_err(|why| invalid(format!("{pattern:?} is no regular expression: {why}")))?;
    Ok((pattern, encoding(name)?))
}

/// A type that single tensors can have.
fn encoding(name: &str) -> Result<Encoding, Error> {
    Encoding::from_name(name).filter(|encoding| *encoding != Encoding::F64).ok_or_else(|| {
        let all = Encoding::all().filter(|encoding| *encoding != Encoding::F64).map(Encoding::name);
        let all: Vec<_> = all.collect();
        invalid(format!("there is no type {name:?} for tensors"))
            .with_hint(format!("those that there are: {}", all.join(", ")))
    })
}

/// Bytes as people write them: `4GB`, `500MiB`, `4G` or a plain number.
pub(crate) fn size(text: &str) -> Result<u64, Error> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let unit: u64 = match unit.trim().to_ascii_uppercase().as_str() {
        "" | "B" => 1,
        "K" | "KB" => 1_000,
        "M" | "MB" => 1_000_000,
        "G" | "GB" => 1_000_000_000,
        "KIB" => 1 << 10,
        "MIB" => 1 << 20,
        "GIB" => 1 << 30,
        _ => 0,
    };
    let size =
        number.parse::<u64>().ok().and_then(|number| number.checked_mul(unit)).filter(|size| *size > 0);
    size.ok_or_else(|| invalid(format!("{text:?} is no size")).with_hint("write it as 500MB, 4GB or 4GiB"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_people_write_them() {
        for (text, bytes) in
            [("1", 1), ("2K", 2000), ("3MB", 3_000_000), ("4GiB", 4 << 30), ("5 g", 5_000_000_000)]
        {
            assert_eq!(size(text).unwrap(), bytes, "{text}");
        }
        for text in ["", "0", "x", "1T", "-1", "1.5G", "99999999999999999999"] {
            assert!(size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn choices_that_mean_nothing_are_refused() {
        let choices = Choices::default();
        let refused = |choices: Choices, words: &str| {
            let error = choices.read().unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        };
        refused(
            Choices { quantize: Some("Q9".into()), ..choices.clone() },
            "no type \"Q9\"; those that there are: F32",
        );
        refused(Choices { pure: true, ..choices.clone() }, "--quantize");
        let output = Choices { output_tensor_type: Some("Q6_K".into()), ..choices.clone() };
        refused(output.clone(), "--quantize");
        let both =
            Choices { quantize: Some("Q4_0".into()), token_embedding_type: Some("F16".into()), ..output };
        let wishes = both.read().unwrap().wishes;
        assert_eq!((wishes.output, wishes.token_embedding), (Some(Encoding::Q6K), Some(Encoding::F16)));
        refused(
            Choices { output_tensor_type: Some("Q4_K_M".into()), ..both },
            "no type \"Q4_K_M\" for tensors",
        );
        let quantize = Some("q4_k".to_owned());
        let of = |pair: &str| Choices {
            quantize: quantize.clone(),
            tensor_types: vec![pair.into()],
            ..choices.clone()
        };
        refused(of("ffn"), "REGEX=TYPE");
        refused(of("(=Q8_0"), "no regular expression");
        refused(of("a=F64"), "no type \"F64\" for tensors");
        refused(Choices { metadata: vec!["=x".into()], ..choices.clone() }, "KEY=VALUE");
        let wish = of("a=b=Q6_K").read().unwrap();
        assert_eq!(wish.file_type, Some(FileType::Q4KM));
        assert!(wish.wishes.tensors[0].0.is_match("a=b"));
    }
}
