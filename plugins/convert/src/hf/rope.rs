//! Rotary positions: what the configuration says of them, in its older and its newer form.

use super::Error;
use super::keys::Keys;
use super::object::Object;

/// What turns the positions of a model.
#[derive(Debug)]
pub(super) struct Rope {
    /// The parameters of the layers that see everything.
    global: Object,
    pub(super) theta: f64,
    /// For the layers that see a window only.
    pub(super) local_theta: Option<f64>,
    /// How much of each head is turned.
    pub(super) part: f64,
    /// How they were stretched; `default` where they were not.
    pub(super) kind: String,
}

impl Rope {
    /// Reads it from a configuration; `theta` where that says nothing.
    pub(super) fn read(config: &Object, theta: f64) -> Result<Self, Error> {
        let parameters = config.object("rope_parameters")?;
        let parameters = parameters.map_or_else(|| config.object("rope_scaling"), |found| Ok(Some(found)))?;
        let parameters = parameters.unwrap_or_else(|| Object::empty("config.json"));
        // Models whose layers differ have parameters for each kind of layer.
        let local = parameters.object("sliding_attention")?;
        let global = parameters.object("full_attention")?.unwrap_or(parameters);
        let first = |object: &Object, keys: &[&str]| -> Result<Option<f64>, Error> {
            for key in keys {
                if let Some(number) = object.float(key)? {
                    return Ok(Some(number));
                }
            }
            Ok(None)
        };
        let said = first(&global, &["rope_theta"])?
            .map_or_else(|| first(config, &["rope_theta"]), |n| Ok(Some(n)))?;
        let local_said = local.map(|local| first(&local, &["rope_theta"])).transpose()?.flatten();
        let local_theta =
            local_said.map_or_else(|| first(config, &["rope_local_base_freq"]), |n| Ok(Some(n)))?;
        let part = first(&global, &["partial_rotary_factor"])?;
        let part = part.map_or_else(|| first(config, &["partial_rotary_factor"]), |n| Ok(Some(n)))?;
        let kind = global.text("rope_type")?.or(global.text("type")?).unwrap_or("default").to_owned();
        let theta = said.unwrap_or(theta);
        if theta <= 0.0 {
            return Err(global.wrong("rope_theta", format!("is {theta}, but must be more than 0")));
        }
        Ok(Self { global, theta, local_theta, part: part.unwrap_or(1.0), kind })
    }

    /// Says it in metadata. What is stretched by factors has them in tensors.
    pub(super) fn tell(&self, arch: &str, keys: &mut Keys) -> Result<(), Error> {
        keys.float(format!("{arch}.rope.freq_base"), self.theta);
        if let Some(theta) = self.local_theta {
            keys.float(format!("{arch}.rope.freq_base_swa"), theta);
        }
        match self.kind.as_str() {
            "default" | "llama3" | "longrope" | "su" => Ok(()),
            "linear" => {
                keys.text(format!("{arch}.rope.scaling.type"), "linear");
                keys.float(format!("{arch}.rope.scaling.factor"), self.global.need_float("factor")?);
                Ok(())
            }
            "yarn" => self.tell_yarn(arch, keys),
            other => Err(self.global.wrong(
                "rope_type",
                format!("is {other:?}, which GGUF has no form for; there are default, linear, llama3, longrope and yarn"),
            )),
        }
    }

    fn tell_yarn(&self, arch: &str, keys: &mut Keys) -> Result<(), Error> {
        let key = |name: &str| format!("{arch}.rope.scaling.{name}");
        keys.text(key("type"), "yarn");
        keys.float(key("factor"), self.global.need_float("factor")?);
        keys.count(key("original_context_length"), self.global.need("original_max_position_embeddings")?);
        for (from, to) in [
            ("attention_factor", "yarn_attn_factor"),
            ("beta_fast", "yarn_beta_fast"),
            ("beta_slow", "yarn_beta_slow"),
        ] {
            if let Some(number) = self.global.float(from)? {
                keys.float(key(to), number);
            }
        }
        Ok(())
    }

    /// The factors that Llama 3 divides its frequencies by, for heads of this length.
    pub(super) fn llama3(&self, head: u32) -> Result<Option<Vec<f32>>, Error> {
        if self.kind != "llama3" {
            return Ok(None);
        }
        let stretch = Stretch {
            factor: self.global.float("factor")?.unwrap_or(8.0),
            low: self.global.float("low_freq_factor")?.unwrap_or(1.0),
            high: self.global.float("high_freq_factor")?.unwrap_or(4.0),
            context: self.global.size("original_max_position_embeddings")?.unwrap_or(8192).into(),
        };
        if stretch.factor <= 0.0 || stretch.low <= 0.0 || stretch.high <= stretch.low {
            return Err(self
                .global
                .wrong("rope_type", "is llama3, whose factors must be above 0, the high one the highest"));
        }
        Ok(Some(stretch.factors(self.theta, head)))
    }

    /// The short and the long factors of a model that was stretched so, for heads of which `turned` numbers are turned.
    pub(super) fn long(&self, turned: u32) -> Result<Option<Factors>, Error> {
        if !matches!(self.kind.as_str(), "longrope" | "su") {
            return Ok(None);
        }
        let read = |key: &str| -> Result<Vec<f32>, Error> {
            let list = self.global.floats(key)?.unwrap_or_default();
            if list.len() as u64 * 2 != u64::from(turned) {
                let message = format!("has {} numbers, but must have {}", list.len(), turned / 2);
                return Err(self.global.wrong(key, message));
            }
            Ok(list.into_iter().map(|number| number as f32).collect())
        };
        Ok(Some(Factors { short: read("short_factor")?, long: read("long_factor")? }))
    }

    /// The context that it was trained with before it was stretched.
    pub(super) fn context_before(&self) -> Result<Option<u32>, Error> {
        self.global.size("original_max_position_embeddings")
    }

    /// What attention is multiplied by, where the configuration says it itself.
    pub(super) fn attention_factor(&self) -> Result<Option<f64>, Error> {
        self.global.float("attention_factor")
    }
}

/// What positions are divided by in a short context and in a long one.
pub(super) struct Factors {
    pub(super) short: Vec<f32>,
    pub(super) long: Vec<f32>,
}

/// How Llama 3 was stretched.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Stretch {
    pub(super) factor: f64,
    pub(super) low: f64,
    pub(super) high: f64,
    pub(super) context: f64,
}

impl Stretch {
    /// What the frequencies are divided by: high ones by nothing, low ones by the factor, those between by something between.
    pub(super) fn factors(&self, theta: f64, head: u32) -> Vec<f32> {
        let (short, long) = (self.context / self.high, self.context / self.low);
        let factor = |pair: u32| {
            // In 32 bits, as the models themselves reckon.
            let power = (theta as f32).powf((2 * pair) as f32 / head as f32);
            let wave = 2.0 * std::f64::consts::PI / f64::from(1.0 / power);
            if wave < short {
                return 1.0;
            }
            if wave > long {
                return self.factor as f32;
            }
            let smooth = (self.context / wave - self.low) / (self.high - self.low);
            (1.0 / ((1.0 - smooth) / self.factor + smooth)) as f32
        };
        (0..head / 2).map(factor).collect()
    }
}
