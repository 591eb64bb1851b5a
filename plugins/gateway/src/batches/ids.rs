//! Which requests of an input are answered, however many there are: what is kept of each is its place and a digest of its
//! `custom_id`.

use sha2::{Digest, Sha256};

/// The first half of a SHA-256, which is enough to tell all requests of the world apart.
type Mark = [u8; 16];

/// The requests of an input.
#[derive(Default)]
pub(crate) struct Ids {
    /// With the place among the requests; in order after [`settle`](Self::settle).
    marks: Vec<(Mark, u32)>,
    done: Vec<bool>,
}

/// What is known of a `custom_id`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    /// It is the first answer to it.
    First,
    /// It was answered before.
    Again,
    /// No request has it.
    Never,
}

impl Ids {
    /// Adds the next request.
    pub(crate) fn push(&mut self, custom_id: &str) {
        let place = u32::try_from(self.marks.len()).unwrap_or(u32::MAX);
        self.marks.push((mark(custom_id), place));
        self.done.push(false);
    }

    /// After the last request; gives the places of those whose `custom_id` another had before, in order.
    pub(crate) fn settle(&mut self) -> Vec<usize> {
        self.marks.sort_unstable();
        let twins = self.marks.windows(2).filter(|pair| pair[0].0 == pair[1].0);
        let mut again: Vec<usize> = twins.map(|pair| pair[1].1 as usize).collect();
        again.sort_unstable();
        again
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.done.len()
    }

    /// Notes that a request is answered.
    pub(crate) fn answered(&mut self, custom_id: &str) -> Seen {
        let wanted = mark(custom_id);
        let Ok(found) = self.marks.binary_search_by_key(&wanted, |(mark, _)| *mark) else {
            return Seen::Never;
        };
        let done = &mut self.done[self.marks[found].1 as usize];
        if std::mem::replace(done, true) { Seen::Again } else { Seen::First }
    }

    /// Whether the request at this place is answered.
    pub(crate) fn is_done(&self, place: usize) -> bool {
        self.done.get(place).copied().unwrap_or(true)
    }
}

fn mark(custom_id: &str) -> Mark {
    let mut mark = Mark::default();
    mark.copy_from_slice(&Sha256::digest(custom_id)[..16]);
    mark
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_answered_once() {
        let mut ids = Ids::default();
        for id in ["b", "a", "", "a", "b", "a"] {
            ids.push(id);
        }
        assert_eq!(ids.settle(), [3, 4, 5]);
        let mut ids = Ids::default();
        for id in ["b", "a", ""] {
            ids.push(id);
        }
        assert!(ids.settle().is_empty());
        assert_eq!((ids.len(), ids.answered("a"), ids.answered("a")), (3, Seen::First, Seen::Again));
        assert_eq!((ids.answered(""), ids.answered("c")), (Seen::First, Seen::Never));
        assert_eq!([0, 1, 2, 3].map(|place| ids.is_done(place)), [false, true, true, true]);
    }
}
