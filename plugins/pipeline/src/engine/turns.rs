//! Which source is next.

use crate::error::Error;
use crate::plan::{Plan, Work};

/// The sources in turns, except that some come first: those that lead to an input that a step needs whole.
pub(super) struct Turns {
    /// Each source, with the sources that have to end before it.
    sources: Vec<(usize, Vec<usize>)>,
    pub(super) next: usize,
}

impl Turns {
    pub(super) fn new(plan: &Plan) -> Result<Self, Error> {
        let is_source = |at: &usize| matches!(plan.nodes[*at].work, Work::Source(_));
        let mut sources: Vec<_> =
            (0..plan.nodes.len()).filter(is_source).map(|at| (at, Vec::new())).collect();
        for node in &plan.nodes {
            let Work::Step(step) = &node.work else { continue };
            let Some(first) = step.first().and_then(|input| node.from.get(input)) else { continue };
            let before = origins(plan, *first);
            let others = node.from.iter().filter(|from| *from != first).flat_map(|from| origins(plan, *from));
            for other in others {
                if before.contains(&other) {
                    let why = format!(
                        "the step `{}` needs all of `{}` before anything else, but the source `{}` leads to both",
                        node.name, plan.nodes[*first].name, plan.nodes[other].name
                    );
                    return Err(Error::new(why).hint("read it with a second source"));
                }
                for (_, waits) in sources.iter_mut().filter(|(at, _)| *at == other) {
                    waits.extend(&before);
                }
            }
        }
        Ok(Self { sources, next: 0 })
    }

    /// The sources that may be asked now, in the order in which to ask them.
    pub(super) fn next(&mut self, ended: impl Fn(usize) -> bool) -> Vec<usize> {
        let count = self.sources.len();
        let round = (0..count).map(|n| &self.sources[(self.next + n) % count]);
        let ready = round.filter(|(at, waits)| !ended(*at) && waits.iter().all(|before| ended(*before)));
        let ready = ready.map(|(at, _)| *at).collect();
        self.next = (self.next + 1) % count.max(1);
        ready
    }
}

/// The sources that lead to a node.
fn origins(plan: &Plan, at: usize) -> Vec<usize> {
    match plan.nodes[at].from.as_slice() {
        [] => vec![at],
        from => from.iter().flat_map(|from| origins(plan, *from)).collect(),
    }
}
