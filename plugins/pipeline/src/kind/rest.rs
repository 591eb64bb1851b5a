//! What a step gives in the end, some of it at a time.

use crate::record::Record;

/// How many records go on at once.
pub(super) const AT_ONCE: usize = 256;

/// Records that are left to give; made when they are first asked for.
#[derive(Default)]
pub(super) struct Rest(Option<std::vec::IntoIter<Record>>);

impl Rest {
    /// The next of them.
    pub(super) fn next(&mut self, make: impl FnOnce() -> Vec<Record>) -> Vec<Record> {
        self.0.get_or_insert_with(|| make().into_iter()).by_ref().take(AT_ONCE).collect()
    }
}
