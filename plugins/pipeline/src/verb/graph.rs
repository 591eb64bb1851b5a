//! `inferno pipeline graph`: what leads where.

use std::fmt::Write as _;

use super::{print, table};
use crate::args::Format;
use crate::error::Error;
use crate::file::{Node, Part, graph};
use crate::session::Script;

pub(super) fn graph(script: &Script, format: Format) -> Result<(), Error> {
    let file = script.parse()?;
    print(&match format {
        Format::Text => text(&file.nodes)?,
        Format::Mermaid => mermaid(&file.nodes),
        Format::Svg => svg(&file.nodes)?,
    })
}

/// One line for each node, with what it takes from.
fn text(nodes: &[Node<'_>]) -> Result<String, Error> {
    let row = |at: usize| {
        let node = &nodes[at];
        let from: Vec<_> = node.from.iter().map(|from| nodes[*from].name.as_str()).collect();
        let from = if from.is_empty() { String::new() } else { format!("← {}", from.join(", ")) };
        vec![node.name.clone(), node.part.word().to_owned(), node.uses.get_ref().clone(), from]
    };
    Ok(table(&graph::order(nodes)?.into_iter().map(row).collect::<Vec<_>>()))
}

fn mermaid(nodes: &[Node<'_>]) -> String {
    let mut text = "flowchart LR\n".to_owned();
    for (at, node) in nodes.iter().enumerate() {
        let (open, close) = match node.part {
            Part::Source => ("([", "])"),
            Part::Step => ("[", "]"),
            Part::Sink => ("[(", ")]"),
        };
        let _ = writeln!(text, "  n{at}{open}\"{}<br/>{}\"{close}", node.name, node.uses.get_ref());
    }
    for (at, node) in nodes.iter().enumerate() {
        for from in &node.from {
            let _ = writeln!(text, "  n{from} --> n{at}");
        }
    }
    text
}

const BOX: (usize, usize) = (150, 46);
const GAP: (usize, usize) = (60, 24);

/// A picture: a column for each distance from the sources, a row for each node in it.
fn svg(nodes: &[Node<'_>]) -> Result<String, Error> {
    let mut columns = vec![0_usize; nodes.len()];
    for at in graph::order(nodes)? {
        columns[at] = nodes[at].from.iter().map(|from| columns[*from] + 1).max().unwrap_or(0);
    }
    let rows: Vec<_> =
        (0..nodes.len()).map(|at| columns[..at].iter().filter(|c| **c == columns[at]).count()).collect();
    let left = |at: usize| GAP.0 / 2 + columns[at] * (BOX.0 + GAP.0);
    let top = |at: usize| GAP.1 / 2 + rows[at] * (BOX.1 + GAP.1);
    let width = (columns.iter().max().unwrap_or(&0) + 1) * (BOX.0 + GAP.0);
    let height = (rows.iter().max().unwrap_or(&0) + 1) * (BOX.1 + GAP.1);
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" \
         font-family=\"sans-serif\" font-size=\"13\" text-anchor=\"middle\">\n\
         <defs><marker id=\"tip\" markerWidth=\"8\" markerHeight=\"8\" refX=\"7\" refY=\"4\" orient=\"auto\">\
         <path d=\"M0,0 L8,4 L0,8 z\" fill=\"#666\"/></marker></defs>\n"
    );
    for (at, node) in nodes.iter().enumerate() {
        for from in &node.from {
            let (x1, y1) = (left(*from) + BOX.0, top(*from) + BOX.1 / 2);
            let (x2, y2) = (left(at), top(at) + BOX.1 / 2);
            let bend = usize::midpoint(x1, x2);
            let _ = writeln!(
                text,
                "<path d=\"M{x1},{y1} C{bend},{y1} {bend},{y2} {x2},{y2}\" fill=\"none\" stroke=\"#666\" marker-end=\"url(#tip)\"/>"
            );
        }
    }
    for (at, node) in nodes.iter().enumerate() {
        let fill = match node.part {
            Part::Source => "#dcecf9",
            Part::Step => "#f4f4f4",
            Part::Sink => "#e2f3e1",
        };
        let (x, y, middle) = (left(at), top(at), left(at) + BOX.0 / 2);
        let _ = writeln!(
            text,
            "<rect x=\"{x}\" y=\"{y}\" width=\"{}\" height=\"{}\" rx=\"6\" fill=\"{fill}\" stroke=\"#666\"/>\n\
             <text x=\"{middle}\" y=\"{}\" font-weight=\"bold\">{}</text>\n\
             <text x=\"{middle}\" y=\"{}\" fill=\"#555\">{}</text>",
            BOX.0,
            BOX.1,
            y + 19,
            node.name,
            y + 36,
            escape(node.uses.get_ref())
        );
    }
    text.push_str("</svg>\n");
    Ok(text)
}

/// Names are letters and digits; kinds that do not exist may be anything.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file::{Form, parse};

    const FORK: &str = r#"
        [[source]]
        name = "in"
        use = "jsonl"
        [[step]]
        name = "tag"
        use = "plugin"
        [[sink]]
        name = "all"
        use = "jsonl"
        from = "in"
        [[sink]]
        name = "tagged"
        use = "jsonl"
    "#;

    #[test]
    fn a_fork_is_drawn_in_three_ways() {
        let nodes = parse(FORK, Form::Toml, "p").unwrap().nodes;
        let expect = "in      source  jsonl\ntag     step    plugin  ← in\nall     sink    jsonl   ← in\ntagged  sink    jsonl   ← tag\n";
        assert_eq!(text(&nodes).unwrap(), expect);
        let mermaid = mermaid(&nodes);
        assert!(mermaid.contains("n1[\"tag<br/>plugin\"]"), "{mermaid}");
        assert!(mermaid.ends_with("  n0 --> n1\n  n0 --> n2\n  n1 --> n3\n"), "{mermaid}");
        let svg = svg(&nodes).unwrap();
        assert_eq!(svg.matches("<rect").count(), 4);
        assert_eq!(svg.matches("marker-end").count(), 3);
        // Three columns, and two rows since a step and a sink are one step away from the source.
        assert!(svg.contains("width=\"630\" height=\"140\""), "{svg}");
    }
}
