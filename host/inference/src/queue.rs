//! Who is next: tenants take turns, and of one tenant whoever came first.

use std::{collections::VecDeque, sync::Arc};

/// Those who wait. Requests in the background have their turn when no other one waits.
#[derive(Debug)]
pub(crate) struct Queue<T> {
    foreground: Class<T>,
    background: Class<T>,
}

/// Tenants with someone who waits, the next one first.
type Class<T> = VecDeque<(Arc<str>, VecDeque<(u64, T)>)>;

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self { foreground: VecDeque::new(), background: VecDeque::new() }
    }
}

impl<T> Queue<T> {
    /// Lets someone wait, known by `id`.
    pub(crate) fn push(&mut self, tenant: &Arc<str>, background: bool, id: u64, waiter: T) {
        let class = if background { &mut self.background } else { &mut self.foreground };
        match class.iter_mut().find(|(other, _)| other == tenant) {
            Some((_, waiting)) => waiting.push_back((id, waiter)),
            None => class.push_back((Arc::clone(tenant), VecDeque::from([(id, waiter)]))),
        }
    }

    /// Takes out who is next.
    pub(crate) fn pop(&mut self) -> Option<T> {
        let class = if self.foreground.is_empty() { &mut self.background } else { &mut self.foreground };
        let (tenant, mut waiting) = class.pop_front()?;
        let next = waiting.pop_front();
        if !waiting.is_empty() {
            class.push_back((tenant, waiting));
        }
        next.map(|(_, waiter)| waiter)
    }

    /// Takes out one who does not want to wait any more.
    pub(crate) fn remove(&mut self, id: u64) -> Option<T> {
        [&mut self.foreground, &mut self.background].into_iter().find_map(|class| {
            let place = |waiting: &VecDeque<(u64, T)>| waiting.iter().position(|(other, _)| *other == id);
            let (at, index) =
                (0..).zip(class.iter()).find_map(|(at, (_, waiting))| Some((at, place(waiting)?)))?;
            take(class, at, index)
        })
    }

    /// Takes out one who must make room for somebody else: one in the background for one who is not, else the last one
    /// of the tenant with most, if that has more than `tenant` would have.
    pub(crate) fn displace(&mut self, tenant: &str, background: bool) -> Option<T> {
        if !background && let Some((at, _)) = most(&self.background) {
            return take_last(&mut self.background, at);
        }
        let class = if background { &mut self.background } else { &mut self.foreground };
        let own = class.iter().find(|(other, _)| **other == *tenant).map_or(0, |(_, waiting)| waiting.len());
        let (at, count) = most(class)?;
        if count > own + 1 { take_last(class, at) } else { None }
    }

    pub(crate) fn len(&self) -> usize {
        self.foreground.iter().chain(&self.background).map(|(_, waiting)| waiting.len()).sum()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.foreground.is_empty() && self.background.is_empty()
    }
}

/// The tenant with most who wait, and how many.
fn most<T>(class: &Class<T>) -> Option<(usize, usize)> {
    class.iter().map(|(_, waiting)| waiting.len()).enumerate().max_by_key(|(_, count)| *count)
}

fn take_last<T>(class: &mut Class<T>, at: usize) -> Option<T> {
    let last = class.get(at)?.1.len().checked_sub(1)?;
    take(class, at, last)
}

fn take<T>(class: &mut Class<T>, at: usize, index: usize) -> Option<T> {
    let (_, waiting) = class.get_mut(at)?;
    let taken = waiting.remove(index);
    if waiting.is_empty() {
        class.remove(at);
    }
    taken.map(|(_, waiter)| waiter)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `a1 b1 ...`: one of tenant `a`, ...; capitals are in the background.
    fn queue(names: &str) -> Queue<String> {
        let mut queue = Queue::default();
        for (id, name) in (0..).zip(names.split_whitespace()) {
            let tenant = Arc::from(name[..1].to_lowercase());
            queue.push(&tenant, name.starts_with(char::is_uppercase), id, name.to_owned());
        }
        queue
    }

    fn order(mut queue: Queue<String>) -> String {
        std::iter::from_fn(|| queue.pop()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn tenants_take_turns_and_the_first_come_is_first_served() {
        assert_eq!(order(queue("a1 a2 a3 b1 c1 b2")), "a1 b1 c1 a2 b2 a3");
        let mut queue = queue("a1 a2 b1");
        assert_eq!(queue.pop().as_deref(), Some("a1"));
        queue.push(&Arc::from("c"), false, 9, "c1".into());
        assert_eq!(order(queue), "b1 a2 c1", "who is new does not come before those who wait");
    }

    #[test]
    fn the_background_waits_for_all_others() {
        assert_eq!(order(queue("A1 B1 a1 A2 b1 a2")), "a1 b1 a2 A1 B1 A2");
    }

    #[test]
    fn who_leaves_is_not_served() {
        let mut queue = queue("a1 b1 a2 B2");
        assert_eq!(queue.remove(1).as_deref(), Some("b1"));
        assert_eq!(queue.remove(3).as_deref(), Some("B2"));
        assert_eq!(queue.remove(1), None);
        assert_eq!(queue.len(), 2);
        assert_eq!(order(queue), "a1 a2");
    }

    #[test]
    fn room_is_made_by_those_who_have_more_than_their_share() {
        let displaced = |names: &str, who: &str, background| queue(names).displace(who, background);
        assert_eq!(displaced("a1 a2 a3", "b", false).as_deref(), Some("a3"));
        assert_eq!(displaced("a1 a2 a3", "a", false), None, "nobody makes room for himself");
        assert_eq!(displaced("a1 a2 b1 c1", "b", false), None, "there would be no fairer share");
        assert_eq!(displaced("a1 b1", "c", false), None);
        assert_eq!(displaced("a1 A1 A2 B1", "a", false).as_deref(), Some("A2"), "the background first");
        assert_eq!(displaced("a1 a2 a3", "b", true), None);
        assert_eq!(displaced("A1 A2", "b", true).as_deref(), Some("A2"));
        assert!(Queue::<u8>::default().displace("a", false).is_none());
    }
}
