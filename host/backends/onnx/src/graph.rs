//! What a graph is for, by its inputs and outputs, which are named as Optimum names them.

use inferno_backend::Error;
use ort::session::Session;
use ort::value::{Outlet, TensorElementType};

use crate::config::Config;

/// What an input or an output is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Port {
    pub(crate) name: String,
    pub(crate) kind: TensorElementType,
    /// Sizes; -1 where any will do.
    pub(crate) shape: Vec<i64>,
}

/// What a graph is for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    Decoder(Decoder),
    Encoder(Encoder),
    Classifier(Encoder),
    /// It takes tensors and gives tensors; why it is nothing more.
    Tensors(String),
}

/// It writes text, one token after the other.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Decoder {
    pub(crate) tokens: Port,
    pub(crate) mask: Option<Port>,
    pub(crate) positions: Option<Port>,
    pub(crate) caches: Vec<Cache>,
}

/// What one layer keeps of the tokens before: its keys, or its values.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Cache {
    pub(crate) input: String,
    pub(crate) output: String,
    pub(crate) kind: TensorElementType,
    pub(crate) heads: i64,
    pub(crate) size: i64,
}

/// It reads texts as a whole.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Encoder {
    pub(crate) tokens: Port,
    pub(crate) mask: Option<Port>,
    pub(crate) types: Option<Port>,
    pub(crate) positions: Option<Port>,
    pub(crate) output: String,
    /// The output has a vector for each token.
    pub(crate) each: bool,
}

/// Outputs with vectors, the best one first.
const VECTORS: &[&str] = &["sentence_embedding", "last_hidden_state", "token_embeddings", "pooler_output"];

/// The inputs and the outputs of a session; a graph with others than tensors is refused.
pub(crate) fn ports(session: &Session) -> Result<(Vec<Port>, Vec<Port>), Error> {
    let all = |outlets: &[Outlet]| outlets.iter().map(Port::of).collect::<Result<Vec<_>, _>>();
    Ok((all(session.inputs())?, all(session.outputs())?))
}

impl Port {
    fn of(outlet: &Outlet) -> Result<Self, Error> {
        let name = outlet.name().to_owned();
        let (kind, shape) =
            outlet.dtype().tensor_type().zip(outlet.dtype().tensor_shape()).ok_or_else(|| {
                Error::invalid(format!(
                    "the graph's {name:?} is no tensor but {}, which is not handled here",
                    outlet.dtype()
                ))
            })?;
        Ok(Self { name, kind, shape: shape.to_vec() })
    }
}

impl Purpose {
    /// By the names and shapes; `reads`: there is a tokenizer.
    pub(crate) fn of(inputs: &[Port], outputs: &[Port], config: &Config, reads: bool) -> Result<Self, Error> {
        let input = |name: &str| inputs.iter().find(|port| port.name == name);
        let output = |name: &str| outputs.iter().find(|port| port.name == name);
        let Some(tokens) = input("input_ids") else {
            return Ok(Self::Tensors("its graph has no input `input_ids`".into()));
        };
        if !reads {
            return Ok(Self::Tensors("there is no tokenizer.json beside it".into()));
        }
        let cached = |port: &&Port| port.name.starts_with("past_key_values.");
        const TEXT: &[&str] = &["input_ids", "attention_mask", "position_ids", "token_type_ids"];
        if let Some(other) = inputs.iter().find(|port| !TEXT.contains(&port.name.as_str()) && !cached(port)) {
            return Ok(Self::Tensors(format!("it is not known here what its input `{}` is", other.name)));
        }
        let (tokens, mask) = (tokens.clone(), input("attention_mask").cloned());
        let positions = input("position_ids").cloned();
        if inputs.iter().any(|port| cached(&port)) {
            if output("logits").is_none() || input("token_type_ids").is_some() {
                return Ok(Self::Tensors("its graph is no decoder as Optimum exports them".into()));
            }
            let caches = inputs.iter().filter(cached).map(|port| Cache::of(port, outputs, config));
            let caches = caches.collect::<Result<Vec<_>, _>>()?;
            return Ok(Self::Decoder(Decoder { tokens, mask, positions, caches }));
        }
        let types = input("token_type_ids").cloned();
        let encoder = |port: &Port| Encoder {
            tokens: tokens.clone(),
            mask: mask.clone(),
            types: types.clone(),
            positions: positions.clone(),
            output: port.name.clone(),
            each: port.shape.len() == 3,
        };
        let vectors =
            VECTORS.iter().find_map(|name| output(name).filter(|port| matches!(port.shape.len(), 2 | 3)));
        if let Some(port) = vectors {
            return Ok(Self::Encoder(encoder(port)));
        }
        match output("logits") {
            Some(port) if port.shape.len() == 2 => Ok(Self::Classifier(encoder(port))),
            Some(_) => {
                Ok(Self::Tensors("its graph keeps nothing of the tokens before (past_key_values)".into()))
            }
            None => Ok(Self::Tensors("its graph has no output that is known here".into())),
        }
    }
}

impl Cache {
    fn of(port: &Port, outputs: &[Port], config: &Config) -> Result<Self, Error> {
        let wrong =
            |why: String| Error::invalid(format!("the graph's cache `{}` cannot be used: {why}", port.name));
        let output = port.name.replacen("past_key_values.", "present.", 1);
        if !outputs.iter().any(|port| port.name == output) {
            return Err(wrong(format!("there is no output `{output}`")));
        }
        let [_, heads, _, size] = port.shape[..] else {
            return Err(wrong(format!(
                "it has {} dimensions, not batch, heads, tokens and size",
                port.shape.len()
            )));
        };
        if !matches!(
            port.kind,
            TensorElementType::Float32 | TensorElementType::Float16 | TensorElementType::Bfloat16
        ) {
            return Err(wrong(format!("its type is {}", port.kind)));
        }
        let known = |size: i64, other: Option<u32>| if size > 0 { Some(size) } else { other.map(i64::from) };
        let (heads, size) = known(heads, config.heads)
            .zip(known(size, config.head_size))
            .ok_or_else(|| wrong("neither the graph nor config.json says how large it is".into()))?;
        Ok(Self { input: port.name.clone(), output, kind: port.kind, heads, size })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ports(ports: &[(&str, &[i64])]) -> Vec<Port> {
        let port = |&(name, shape): &(&str, &[i64])| Port {
            name: name.to_owned(),
            kind: TensorElementType::Float32,
            shape: shape.to_vec(),
        };
        ports.iter().map(port).collect()
    }

    const TOKENS: (&str, &[i64]) = ("input_ids", &[-1, -1]);
    const MASK: (&str, &[i64]) = ("attention_mask", &[-1, -1]);
    const PAST: (&str, &[i64]) = ("past_key_values.0.key", &[-1, 2, -1, 8]);

    fn purpose(inputs: &[(&str, &[i64])], outputs: &[(&str, &[i64])]) -> Result<Purpose, Error> {
        Purpose::of(&ports(inputs), &ports(outputs), &Config::default(), true)
    }

    #[test]
    fn a_decoder_has_a_cache() {
        let logits: (&str, &[i64]) = ("logits", &[-1, -1, 10]);
        let found = purpose(&[TOKENS, MASK, PAST], &[logits, ("present.0.key", &[-1, 2, -1, 8])]).unwrap();
        let Purpose::Decoder(decoder) = found else { panic!("{found:?}") };
        assert_eq!((decoder.caches[0].heads, decoder.caches[0].size), (2, 8));
        assert_eq!(decoder.caches[0].output, "present.0.key");
        assert!(decoder.mask.is_some() && decoder.positions.is_none());
        let error = purpose(&[TOKENS, PAST], &[logits]).unwrap_err();
        assert!(error.message.contains("no output `present.0.key`"), "{error}");
        let free: (&str, &[i64]) = ("past_key_values.0.key", &[-1, -1, -1, -1]);
        let error = purpose(&[TOKENS, free], &[logits, ("present.0.key", &[])]).unwrap_err();
        assert!(error.message.contains("how large"), "{error}");
        let Purpose::Tensors(why) = purpose(&[TOKENS], &[logits]).unwrap() else { panic!("no cache") };
        assert!(why.contains("past_key_values"), "{why}");
    }

    #[test]
    fn an_encoder_gives_vectors_and_a_classifier_logits() {
        let hidden: (&str, &[i64]) = ("last_hidden_state", &[-1, -1, 8]);
        let whole: (&str, &[i64]) = ("sentence_embedding", &[-1, 8]);
        let Purpose::Encoder(encoder) = purpose(&[TOKENS, MASK], &[hidden]).unwrap() else {
            panic!("an encoder")
        };
        assert!(encoder.each);
        let Purpose::Encoder(encoder) = purpose(&[TOKENS], &[hidden, whole]).unwrap() else {
            panic!("an encoder")
        };
        assert_eq!((encoder.output.as_str(), encoder.each), ("sentence_embedding", false));
        let found = purpose(&[TOKENS, MASK], &[("logits", &[-1, 2])]).unwrap();
        assert!(matches!(found, Purpose::Classifier(_)), "{found:?}");
    }

    #[test]
    fn the_rest_takes_tensors_and_says_why() {
        let why = |inputs: &[(&str, &[i64])], reads| {
            let purpose =
                Purpose::of(&ports(inputs), &ports(&[("y", &[1])]), &Config::default(), reads).unwrap();
            let Purpose::Tensors(why) = purpose else { panic!("{purpose:?}") };
            why
        };
        assert!(why(&[("x", &[1])], true).contains("`input_ids`"));
        assert!(why(&[TOKENS], false).contains("tokenizer.json"));
        assert!(why(&[TOKENS, ("use_cache_branch", &[1])], true).contains("`use_cache_branch`"));
        assert!(why(&[TOKENS], true).contains("no output"));
    }
}
