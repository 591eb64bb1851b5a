//! What a step has met already: digests, in memory and in what it keeps.

use std::collections::HashSet;

use sha2::{Digest, Sha256};

use crate::error::Error;
use crate::node::Saved;

/// Tells one value from another.
type Print = [u8; 16];

/// A set that only grows, up to a bound.
pub(super) struct Seen {
    all: HashSet<Print>,
    /// Since the last checkpoint.
    new: Vec<u8>,
    most: usize,
}

/// How many different values a step remembers, unless told otherwise: some 40 bytes each.
pub(super) fn usual() -> usize {
    2_000_000
}

impl Seen {
    pub(super) fn new(most: usize) -> Self {
        Self { all: HashSet::new(), new: Vec::new(), most }
    }

    pub(super) fn print(bytes: &[u8]) -> Print {
        let mut print = Print::default();
        print.copy_from_slice(&Sha256::digest(bytes)[..16]);
        print
    }

    pub(super) fn contains(&self, print: &Print) -> bool {
        self.all.contains(print)
    }

    /// False: it was there before.
    pub(super) fn insert(&mut self, print: Print) -> Result<bool, Error> {
        if self.all.contains(&print) {
            return Ok(false);
        }
        if self.all.len() >= self.most {
            return Err(full(self.most));
        }
        self.new.extend(print);
        Ok(self.all.insert(print))
    }

    pub(super) fn save(&mut self) -> Saved {
        match std::mem::take(&mut self.new) {
            nothing if nothing.is_empty() => Saved::Nothing,
            new => Saved::More(new),
        }
    }

    pub(super) fn restore(&mut self, piece: &[u8]) {
        self.all.extend(piece.as_chunks().0);
    }
}

/// What to say when there is no more room.
pub(super) fn full(most: usize) -> Error {
    Error::new(format!("there are more than {most} different ones, which is all that it may remember"))
        .hint("raise `most` as far as the plugin's memory goes, or split the input")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_is_an_error_and_not_a_loss() {
        let mut seen = Seen::new(2);
        assert!(seen.insert(Seen::print(b"a")).unwrap());
        assert!(seen.insert(Seen::print(b"b")).unwrap());
        assert!(!seen.insert(Seen::print(b"a")).unwrap());
        assert!(seen.insert(Seen::print(b"c")).unwrap_err().message.contains("more than 2"));
    }
}
