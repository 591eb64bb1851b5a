//! What a GGUF file's metadata says of its model, checked before anything is computed with it.

use inferno_formats::gguf::{Metadata, Value};

/// More layers, or longer heads, than every model there is; so a file cannot ask for a graph without end.
const MAX_LAYERS: u64 = 1024;
const MAX_HEAD: u64 = 4096;
/// Keys that change what is computed, in ways that are not written here, unless they have this value.
const NEUTRAL: &[(&str, f64)] = &[
    ("attention.clamp_kqv", 0.0),
    ("attention.max_alibi_bias", 0.0),
    ("attention.scale", 0.0),
    ("attention.temperature_scale", 0.0),
    ("attn_logit_softcapping", 0.0),
    ("embedding_scale", 1.0),
    ("expert_count", 0.0),
    ("final_logit_softcapping", 0.0),
    ("logit_scale", 1.0),
    ("nextn_predict_layers", 0.0),
    ("residual_scale", 1.0),
    ("rope.scaling.alpha", 0.0),
    ("rope.scaling.attn_factor", 1.0),
    ("use_parallel_residual", 0.0),
];

/// Metadata of one architecture.
pub(super) struct Facts<'a> {
    pub(super) metadata: &'a Metadata,
    /// As the file says it.
    pub(super) architecture: &'a str,
}

/// The shape that decoders and encoders have alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Dimensions {
    /// Blocks.
    pub(super) layers: u64,
    /// Numbers of a token's vector.
    pub(super) width: u64,
    /// Heads of queries.
    pub(super) heads: u64,
    /// Heads of keys and values.
    pub(super) kv_heads: u64,
    /// Numbers of a query or key of one head.
    pub(super) key: u64,
    /// Numbers of a value of one head.
    pub(super) value: u64,
}

impl<'a> Facts<'a> {
    pub(super) fn new(metadata: &'a Metadata) -> Result<Self, String> {
        let architecture = metadata.text("general.architecture");
        let architecture = architecture.ok_or("the file does not say what architecture its model has")?;
        Ok(Self { metadata, architecture })
    }

    /// What a key of the architecture stands for.
    pub(super) fn get(&self, key: &str) -> Option<&'a Value> {
        self.metadata.get(&self.key(key))
    }

    /// A text.
    pub(super) fn text(&self, key: &str) -> Option<&'a str> {
        self.metadata.text(&self.key(key))
    }

    /// A whole number that is not negative. Where there is one for each layer, all must be the same.
    pub(super) fn count(&self, key: &str) -> Result<Option<u64>, String> {
        let Some(value) = self.get(key) else { return Ok(None) };
        let number = match value {
            Value::Array(array) => {
                let mut all = array.whole();
                let first = all.next();
                if all.any(|other| Some(other) != first) {
                    return Err(format!(
                        "metadata {:?} differs from layer to layer, which is not supported",
                        self.key(key)
                    ));
                }
                first
            }
            value => value.whole(),
        };
        let number = number.and_then(|number| u64::try_from(number).ok());
        number.map(Some).ok_or_else(|| format!("metadata {:?} is no whole number", self.key(key)))
    }

    /// A whole number that must be there and lie between 1 and `most`.
    pub(super) fn needed(&self, key: &str, most: u64) -> Result<u64, String> {
        let number = self.count(key)?.ok_or_else(|| format!("metadata {:?} is missing", self.key(key)))?;
        if (1..=most).contains(&number) {
            return Ok(number);
        }
        Err(format!("metadata {:?} is {number}, but must be between 1 and {most}", self.key(key)))
    }

    /// A number with a point.
    pub(super) fn float(&self, key: &str) -> Result<Option<f64>, String> {
        let Some(value) = self.get(key) else { return Ok(None) };
        let number = value.float().filter(|number| number.is_finite());
        number.map(Some).ok_or_else(|| format!("metadata {:?} is no number", self.key(key)))
    }

    /// A number with a point that must be there.
    pub(super) fn needed_float(&self, key: &str) -> Result<f64, String> {
        self.float(key)?.ok_or_else(|| format!("metadata {:?} is missing", self.key(key)))
    }

    /// An error where the metadata asks for something that is not computed here.
    pub(super) fn refuse_extras(&self) -> Result<(), String> {
        for &(key, neutral) in NEUTRAL {
            if let Some(found) = self.float(key)?
                && found != neutral
            {
                return Err(format!(
                    "metadata {:?} is {found}, and what it changes in the computation is not supported",
                    self.key(key)
                ));
            }
        }
        Ok(())
    }

    /// The shape. Each number is small enough to be multiplied with each other.
    pub(super) fn dimensions(&self) -> Result<Dimensions, String> {
        // Rows of that length times as many heads are still far from what a number holds.
        const MAX: u64 = 1 << 24;
        let layers = self.needed("block_count", MAX_LAYERS)?;
        let width = self.needed("embedding_length", MAX)?;
        let heads = self.needed("attention.head_count", MAX)?;
        let kv_heads = self.count("attention.head_count_kv")?.unwrap_or(heads);
        if kv_heads == 0 || !heads.is_multiple_of(kv_heads) {
            return Err(format!(
                "the file says that {heads} heads of queries share {kv_heads} of keys: they cannot"
            ));
        }
        let length = |key: &str| -> Result<u64, String> {
            let length = self.count(key)?.unwrap_or(width / heads);
            if (1..=MAX_HEAD).contains(&length) {
                return Ok(length);
            }
            Err(format!("a head of {length} numbers ({key}) is none: 1 to {MAX_HEAD} are possible"))
        };
        let (key, value) = (length("attention.key_length")?, length("attention.value_length")?);
        Ok(Dimensions { layers, width, heads, kv_heads, key, value })
    }

    /// A key as the file says it.
    pub(super) fn key(&self, key: &str) -> String {
        format!("{}.{key}", self.architecture)
    }
}
