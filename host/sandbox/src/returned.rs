//! How large what a plugin gives back is, for the limit on it.

use crate::capability::bindings::inferno::host::work::{Item, Outcome, Verdict};
use crate::role::bindings::catalog::exports::inferno::plugin::catalog::{Artifact, Entry, Page};
use crate::role::bindings::converter::exports::inferno::plugin::converter::Route;
use crate::role::bindings::filter::exports::inferno::plugin::filter::{RequestAction, ResponseAction};

/// Something that a role's function gives back.
pub(crate) trait Returned {
    /// Its texts and bytes; an empty one takes room as well.
    fn bytes(&self) -> usize;
}

impl Returned for () {
    fn bytes(&self) -> usize {
        0
    }
}

impl Returned for u8 {
    fn bytes(&self) -> usize {
        1
    }
}

impl Returned for String {
    fn bytes(&self) -> usize {
        size_of::<Self>() + self.len()
    }
}

impl<T: Returned> Returned for Vec<T> {
    fn bytes(&self) -> usize {
        self.iter().map(Returned::bytes).sum()
    }
}

impl Returned for Item {
    fn bytes(&self) -> usize {
        self.id.bytes() + self.data.bytes()
    }
}

impl Returned for Outcome {
    fn bytes(&self) -> usize {
        let inside = match self {
            Self::Emit(items) => items.bytes(),
            Self::Retry(why) | Self::Reject(why) | Self::Drop(why) => why.bytes(),
        };
        size_of::<Self>() + inside
    }
}

impl Returned for Verdict {
    fn bytes(&self) -> usize {
        size_of::<Self>() + self.reason.len()
    }
}

impl Returned for Route {
    fn bytes(&self) -> usize {
        self.source.bytes() + self.target.bytes()
    }
}

impl Returned for Page {
    fn bytes(&self) -> usize {
        self.entries.bytes() + self.next.as_ref().map_or(0, Returned::bytes)
    }
}

impl Returned for Entry {
    fn bytes(&self) -> usize {
        let Self { kind, name, version, summary } = self;
        [kind, name, version, summary].map(Returned::bytes).iter().sum()
    }
}

impl Returned for Artifact {
    fn bytes(&self) -> usize {
        self.url.bytes() + self.digest.bytes()
    }
}

impl Returned for RequestAction {
    fn bytes(&self) -> usize {
        match self {
            Self::Pass => 0,
            Self::Replace(body) => body.len(),
            Self::Refuse(refusal) => refusal.message.bytes(),
        }
    }
}

impl Returned for ResponseAction {
    fn bytes(&self) -> usize {
        0
    }
}
