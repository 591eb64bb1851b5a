//! The edges: a line unless the file says otherwise, and never a circle.

use toml::Spanned;

use super::near;
use super::{Named, Node, Part};
use crate::error::Error;

/// Finds what each node takes from. Unless it says so, a step takes from the step before it and the first one from all
/// sources; a sink takes from the last step, or from all sources where there is no step.
pub(super) fn connect(named: Vec<Named<'_>>) -> Result<Vec<Node<'_>>, Error> {
    distinct(&named)?;
    for part in [Part::Source, Part::Sink] {
        if !named.iter().any(|named| named.node.part == part) {
            let word = part.word();
            return Err(Error::new(format!("the pipeline has no {word}"))
                .hint(format!("add one: `[[{word}]]` in TOML, an item of the list `{word}` in YAML")));
        }
    }
    let edges = named.iter().enumerate().map(|(at, _)| origins(&named, at)).collect::<Result<Vec<_>, _>>()?;
    let nodes: Vec<_> =
        named.into_iter().zip(edges).map(|(named, from)| Node { from, ..named.node }).collect();
    all_lead_to_sinks(&nodes)?;
    order(&nodes)?;
    Ok(nodes)
}

fn distinct(named: &[Named<'_>]) -> Result<(), Error> {
    for (at, Named { node, .. }) in named.iter().enumerate() {
        if named[..at].iter().any(|other| other.node.name == node.name) {
            return Err(Error::new(format!("two nodes are called `{}`", node.name))
                .hint("give each a `name` of its own")
                .at(node.span.clone()));
        }
    }
    Ok(())
}

fn origins(named: &[Named<'_>], at: usize) -> Result<Vec<usize>, Error> {
    let Named { node, from, .. } = &named[at];
    let of = |part| named.iter().enumerate().filter(move |(_, n)| n.node.part == part).map(|(at, _)| at);
    match (node.part, from) {
        (Part::Source, None) => Ok(Vec::new()),
        (Part::Source, Some(from)) => Err(Error::new("a source takes from no other node")
            .hint("leave `from` out here; nodes that take from it name it in theirs")
            .at(from.span())),
        (_, Some(from)) => find(named, at, from),
        (part, None) => {
            let before = of(Part::Step).rfind(|step| part == Part::Sink || *step < at);
            Ok(before.map_or_else(|| of(Part::Source).collect(), |step| vec![step]))
        }
    }
}

fn find(named: &[Named<'_>], at: usize, from: &Spanned<Vec<String>>) -> Result<Vec<usize>, Error> {
    if from.get_ref().is_empty() {
        return Err(Error::new("`from` names no node").hint("name one, or leave it out").at(from.span()));
    }
    let mut found = Vec::new();
    for name in from.get_ref() {
        let fits = |other: &Named<'_>| other.node.name == *name && other.node.part != Part::Sink;
        let Some(place) = named.iter().position(fits) else {
            let names = named.iter().enumerate();
            let names = names.filter(|(n, other)| *n != at && other.node.part != Part::Sink);
            let names: Vec<_> = names.map(|(_, other)| other.node.name.as_str()).collect();
            return Err(Error::new(format!("there is no source or step called `{name}`"))
                .hint(near::hint(name, names))
                .at(from.span()));
        };
        if found.contains(&place) {
            return Err(Error::new(format!("`from` names `{name}` twice")).at(from.span()));
        }
        found.push(place);
    }
    Ok(found)
}

fn all_lead_to_sinks(nodes: &[Node<'_>]) -> Result<(), Error> {
    for (at, node) in nodes.iter().enumerate() {
        if node.part != Part::Sink && !nodes.iter().any(|other| other.from.contains(&at)) {
            return Err(Error::new(format!("nothing takes from the {} `{}`", node.part.word(), node.name))
                .hint("name it in the `from` of another node, or remove it")
                .at(node.span.clone()));
        }
    }
    Ok(())
}

/// The nodes so that each comes after all that it takes from.
pub(crate) fn order(nodes: &[Node<'_>]) -> Result<Vec<usize>, Error> {
    let mut order: Vec<usize> = Vec::new();
    while order.len() < nodes.len() {
        let ready =
            |at: &usize| !order.contains(at) && nodes[*at].from.iter().all(|from| order.contains(from));
        match (0..nodes.len()).find(ready) {
            Some(next) => order.push(next),
            None => return Err(circle(nodes, &order)),
        }
    }
    Ok(order)
}

/// Names the nodes of a circle: from any node that is left, one way back always goes on, and so comes round.
fn circle(nodes: &[Node<'_>], order: &[usize]) -> Error {
    let left = |at: &usize| !order.contains(at);
    let mut way = Vec::new();
    let mut at = (0..nodes.len()).find(left).unwrap_or(0);
    while !way.contains(&at) {
        way.push(at);
        at = nodes[at].from.iter().copied().find(left).unwrap_or(at);
    }
    way.drain(..way.iter().position(|n| *n == at).unwrap_or(0));
    way.reverse();
    let names: Vec<_> = way.iter().chain(way.first()).map(|n| format!("`{}`", nodes[*n].name)).collect();
    Error::new(format!("the steps go round in a circle: {}", names.join(" → ")))
        .hint("take one of them out of a `from`")
        .at(nodes[at].span.clone())
}
