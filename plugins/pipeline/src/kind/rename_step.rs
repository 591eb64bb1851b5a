//! Other names for fields.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;

use super::Kind;
use super::columns::{Named, Next, each, object, object_mut};
use crate::error::Error;
use crate::node::{Context, Outcome, Step};
use crate::record::Record;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// Old names and new ones, such as `{ body = "text" }`. A record may lack a field; one that has both is rejected.
    #[schemars(with = "BTreeMap<String, String>")]
    fields: Named<Spanned<String>>,
}

pub(crate) struct Rename(Vec<(String, String)>);

impl Rename {
    fn new_name(&self, old: &str) -> Option<&String> {
        self.0.iter().find(|(from, _)| from == old).map(|(_, to)| to)
    }
}

impl Kind for Rename {
    const NAME: &'static str = "rename";
    const ABOUT: &'static str = "gives fields other names";
    type Config = Config;

    fn open(config: Config, _: &Context) -> Result<Self, Error> {
        let mut names: Vec<(String, String)> = Vec::new();
        for (old, new) in config.fields.0 {
            if let Some((other, _)) = names.iter().find(|(_, taken)| taken == new.get_ref()) {
                return Err(Error::new(format!(
                    "`{other}` and `{old}` would both be called `{}`",
                    new.get_ref()
                ))
                .hint("give each a name of its own")
                .at(new.span()));
            }
            names.push((old, new.into_inner()));
        }
        Ok(Self(names))
    }
}

impl Step for Rename {
    fn process(&mut self, _: usize, batch: Vec<Record>) -> Result<Vec<Outcome>, Error> {
        each(batch, |record| {
            let fields = object(record)?;
            let in_the_way = |(old, new): &&(String, String)| {
                fields.contains_key(old) && fields.contains_key(new) && self.new_name(new).is_none()
            };
            if let Some((old, new)) = self.0.iter().find(in_the_way) {
                return Err(format!("`{old}` cannot be called `{new}`, since there is such a field").into());
            }
            if self.0.iter().any(|(old, _)| fields.contains_key(old)) {
                let fields = object_mut(record)?;
                let renamed = std::mem::take(fields).into_iter();
                fields.extend(
                    renamed.map(|(name, value)| (self.new_name(&name).cloned().unwrap_or(name), value)),
                );
            }
            Ok(Next::Keep)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kind::bench::Bench;
    use serde_json::json;

    #[test]
    fn fields_keep_their_place_and_may_swap_names() {
        let bench = Bench::new();
        let mut rename: Rename = bench.open("fields = { a = 'b', b = 'a', c = 'd' }").unwrap();
        let values = [json!({ "a": 1, "x": 0, "b": 2 }), json!({ "c": 1 }), json!({ "c": 1, "d": 2 })];
        let out = bench.pass(&mut rename, values);
        assert_eq!(out[0].to_string(), r#"{"b":1,"x":0,"a":2}"#);
        assert_eq!(out[1], json!({ "d": 1 }));
        assert_eq!(out[2]["rejected"], "`c` cannot be called `d`, since there is such a field");
        let error = bench.error::<Rename>("fields = { a = 'c', b = 'c' }");
        assert_eq!(error.message, "`a` and `b` would both be called `c`");
        assert_eq!(error.span, Some(24..27));
    }
}
