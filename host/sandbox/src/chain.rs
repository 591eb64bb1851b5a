//! Plugins that put other plugins to work: who pays, and how far it may go.

use std::sync::Arc;

use crate::error::{Error, ErrorKind};
use crate::meter::Meter;

/// How many plugins may be at work on behalf of one another: the one that the host called, and those below it.
pub(crate) const MAX_DEPTH: usize = 4;

/// The call of a plugin that puts another one to work. What that one uses is charged to it, and to those above it.
#[derive(Clone)]
pub(crate) struct Payer {
    pub(crate) meter: Arc<Meter>,
    /// The plugins at work, from the one that the host called to the one that pays.
    pub(crate) plugins: Arc<[String]>,
    /// The plugin that pays may put itself to work in another role, where it is not already at work for itself.
    pub(crate) for_itself: bool,
}

impl Payer {
    /// The names from the first one to `plugin`, if that may be put to work as well.
    pub(crate) fn extended(&self, plugin: &str) -> Result<Arc<[String]>, Error> {
        let way = || self.plugins.iter().map(String::as_str).chain([plugin]).collect::<Vec<_>>().join(" -> ");
        let (last, above) =
            self.plugins.split_last().map_or((None, &[][..]), |(last, above)| (Some(last), above));
        let by_itself = last.is_some_and(|last| last == plugin);
        if above.iter().any(|name| name == plugin) || (by_itself && !self.for_itself) {
            return Err(Error::new(
                ErrorKind::Chain,
                format!("plugin \"{plugin}\" would be put to work on behalf of itself: {}", way()),
            ));
        }
        if self.plugins.len() >= MAX_DEPTH {
            return Err(Error::new(
                ErrorKind::Chain,
                format!("at most {MAX_DEPTH} plugins may be at work on behalf of one another: {}", way()),
            ));
        }
        Ok(self.plugins.iter().cloned().chain([plugin.to_owned()]).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Limits;

    #[test]
    fn a_plugin_is_at_work_for_itself_once_and_only_in_another_role() {
        let payer = |plugins: &[&str], for_itself: bool| Payer {
            meter: Arc::new(Meter::new(&Limits::default(), None)),
            plugins: plugins.iter().map(|plugin| (*plugin).to_owned()).collect(),
            for_itself,
        };
        assert!(payer(&["a"], false).extended("a").is_err());
        assert_eq!(*payer(&["a"], true).extended("a").unwrap(), ["a".to_owned(), "a".to_owned()]);
        assert!(payer(&["a", "a"], true).extended("a").is_err());
        assert!(payer(&["a", "b"], true).extended("a").is_err());
        assert!(payer(&["b", "a"], true).extended("a").is_ok());
        assert!(payer(&["a", "b", "c", "d"], true).extended("d").is_err(), "no deeper than others");
    }
}
