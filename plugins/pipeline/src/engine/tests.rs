//! Whole runs: in a line, through a graph, with failures, and killed at every single operation of the disk.

use serde_json::json;

use crate::testing::{Kit, numbers};

const LINE: &str = r#"
    [[source]]
    use = "jsonl"
    path = "in.jsonl"

    [[step]]
    use = "plugin"
    plugin = "tag"

    [[sink]]
    name = "out"
    use = "jsonl"
    path = "out.jsonl"
"#;

#[test]
fn records_go_through_a_plugin_into_a_file() {
    let kit = Kit::new(&[("in.jsonl", &numbers(1000))]);
    let report = kit.run(LINE).unwrap_or_else(|error| panic!("{error}"));
    let lines = kit.lines("out.jsonl");
    assert_eq!(lines.len(), 1000);
    assert_eq!(lines[999], json!({ "n": 999, "tag": true }));
    assert_eq!(report.counts[2].1.passed, 1000);
    assert!(!kit.path("out.jsonl.partial").exists());
    assert!(!kit.path("p.dead.jsonl").exists());
}
