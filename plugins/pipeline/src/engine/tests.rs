//! Whole runs: in a line, through a graph, with failures, and killed at every single operation of the disk.

use std::rc::Rc;

use serde_json::json;

use super::faults::{Fault, Faulty};
use crate::session::Options;
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

#[test]
fn a_pipeline_may_be_yaml_and_its_nodes_without_names() {
    let kit = Kit::new(&[("a.jsonl", &numbers(3)), ("b.jsonl", "{\"n\":3}\n{\"n\":-1}\n")]);
    let yaml = "pipeline: { batch: 2, checkpoint: 0s }\nsource:\n  - { use: jsonl, path: a.jsonl }\n  - { use: jsonl, path: b.jsonl }\n\
        step:\n  # Negative ones are dropped.\n  - use: plugin\n    plugin: tag\n    config: {}\nsink:\n  - use: jsonl\n    path: out.jsonl\n\
        \x20 - use: jsonl\n    name: jsonl-2\n    from: [jsonl, jsonl-3]\n    path: all.jsonl\n";
    let report = kit.run_file("p.yaml", yaml).unwrap_or_else(|error| panic!("{error}"));
    let names: Vec<_> = report.counts.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["jsonl", "jsonl-3", "plugin", "jsonl-4", "jsonl-2"]);
    assert_eq!((kit.lines("out.jsonl").len(), kit.lines("all.jsonl").len()), (4, 5));
    assert_eq!(kit.lines("out.jsonl")[0], json!({ "n": 0, "tag": true }));
    let twice = yaml.replace("use: jsonl, path: a", "name: jsonl-2, use: jsonl, path: a");
    assert_eq!(kit.run_file("p.yml", &twice).unwrap_err().message, "two nodes are called `jsonl-2`");
}

#[test]
fn what_fails_goes_to_the_dead_letters_and_what_is_dropped_is_counted() {
    let lines = "{\"n\":1}\n{\"m\":2}\nno json\n{\"n\":-1}\n7\n{\"n\":3}\n";
    let kit = Kit::new(&[("in.jsonl", lines)]);
    let report = kit.run(LINE).unwrap();
    assert_eq!(kit.lines("out.jsonl"), [json!({ "n": 1, "tag": true }), json!({ "n": 3, "tag": true })]);
    let dead = kit.lines("p.dead.jsonl");
    assert_eq!(dead.len(), 3);
    assert_eq!(
        dead[0],
        json!({ "id": "in.jsonl:2", "node": "plugin", "reason": "it has no n", "data": { "m": 2 } })
    );
    assert_eq!(dead[1]["data"], "no json");
    assert!(dead[1]["reason"].as_str().unwrap().starts_with("the item's data does not fit"), "{}", dead[1]);
    let counts = report.counts[1].1;
    assert_eq!((counts.taken, counts.passed, counts.dropped, counts.dead), (6, 2, 1, 3));
    // A run without failures leaves no old letters behind.
    kit.write("in.jsonl", "{\"n\":1}\n");
    kit.run(LINE).unwrap();
    assert!(!kit.path("p.dead.jsonl").exists());
}

#[test]
fn the_file_says_what_becomes_of_failures() {
    let kit = Kit::new(&[("in.jsonl", "{\"n\":1}\n{\"m\":2}\n{\"n\":3}\n")]);
    let with = |rule: &str| LINE.replace("plugin = \"tag\"", &format!("plugin = \"tag\"\n{rule}"));
    let report = kit.run(&with("on_error = \"drop\"")).unwrap();
    assert_eq!(report.counts[1].1.dropped, 1);
    assert!(!kit.path("p.dead.jsonl").exists());
    let error = kit.run(&with("on_error = \"stop\"")).unwrap_err();
    assert_eq!(error.message, "`plugin` failed at the record in.jsonl:2: it has no n");
    assert!(error.hint.unwrap().contains("inferno pipeline resume"));
}

#[test]
fn what_may_work_later_is_tried_again_and_order_stays() {
    let step = |failures: usize, more: &str| {
        let step = format!("plugin = \"flaky\"\nconfig = {{ failures = {failures} }}\n{more}");
        LINE.replace("plugin = \"tag\"", &step)
    };
    let kit = Kit::new(&[("in.jsonl", &numbers(10))]);
    let report = kit.run(&step(13, "retry = { attempts = 3, backoff = \"1s\" }")).unwrap();
    assert_eq!(kit.read("out.jsonl"), numbers(10));
    assert_eq!(report.counts[1].1.retries, 13);
    assert_eq!(kit.host.slept.borrow().as_secs(), 1 + 2);
    // With fewer attempts the first of them fail for good.
    kit.run(&step(13, "retry = { attempts = 2, backoff = \"1s\" }")).unwrap();
    assert_eq!(kit.lines("out.jsonl").len(), 7);
    assert_eq!(kit.lines("p.dead.jsonl")[0]["reason"], "not now (after 2 attempts)");
}

#[test]
fn a_plugin_that_fails_as_a_whole_stops_the_run_unless_the_file_says_otherwise() {
    let step = |kind: &str, more: &str| {
        let step = format!("plugin = \"flaky\"\nconfig = {{ failures = 0, batch = \"{kind}\" }}\n{more}");
        LINE.replace("plugin = \"tag\"", &step)
    };
    let kit = Kit::new(&[("in.jsonl", &numbers(10))]);
    let error = kit.run(&step("trap", "")).unwrap_err();
    assert_eq!(error.message, "`plugin` failed at the record in.jsonl:1: the plugin trapped");
    kit.run_on(
        &step("trap", "on_error = \"dead-letter\""),
        Rc::new(crate::disk::RealDisk),
        Options { fresh: true, ..Options::default() },
    )
    .unwrap();
    assert_eq!(kit.lines("p.dead.jsonl").len(), 10);
    let report = kit.run(&step("busy", "retry = { attempts = 4 }")).unwrap();
    assert_eq!(report.counts[1].1.retries, 30);
    assert_eq!(kit.lines("p.dead.jsonl")[9]["reason"], "the plugin trapped (after 4 attempts)");
}

#[test]
fn a_limit_takes_the_first_records_only() {
    let kit = Kit::new(&[("in.jsonl", &numbers(1000))]);
    let options = Options { limit: Some(300), ..Options::default() };
    kit.run_on(LINE, Rc::new(crate::disk::RealDisk), options).unwrap();
    assert_eq!(kit.lines("out.jsonl").len(), 300);
}

/// Three sinks: everything as it came, what a step made of it, and sums of a step with a memory. Some records fail.
const GRAPH: &str = r#"
    [pipeline]
    batch = 7
    checkpoint = "0s"

    [[source]]
    name = "one"
    use = "jsonl"
    path = "one.jsonl"

    [[source]]
    name = "two"
    use = "jsonl"
    path = "two.jsonl"

    [[step]]
    name = "tag"
    use = "plugin"
    plugin = "tag"
    from = ["one", "two"]

    [[step]]
    name = "sum"
    use = "plugin"
    plugin = "sum"

    [[sink]]
    name = "all"
    use = "jsonl"
    path = "all.jsonl"
    from = ["one", "two"]

    [[sink]]
    name = "tagged"
    use = "jsonl"
    path = "tagged.jsonl"
    from = "tag"

    [[sink]]
    name = "sums"
    use = "jsonl"
    path = "out/sums.jsonl"
    from = "sum"
"#;

const PRODUCTS: [&str; 4] = ["all.jsonl", "tagged.jsonl", "out/sums.jsonl", "p.dead.jsonl"];

fn graph_kit() -> Kit {
    let two = numbers(20).replace("\"n\":5}", "\"m\":5}").replace("\"n\":11}", "\"m\":11}");
    Kit::new(&[("one.jsonl", &numbers(35)), ("two.jsonl", &two)])
}

fn products(kit: &Kit) -> [String; 4] {
    PRODUCTS.map(|name| kit.read(name))
}

#[test]
fn a_graph_forks_joins_and_gives_what_it_kept() {
    let kit = graph_kit();
    kit.run(GRAPH).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(kit.lines("all.jsonl").len(), 55);
    assert_eq!(kit.lines("tagged.jsonl").len(), 53);
    let sums = kit.lines("out/sums.jsonl");
    assert_eq!(sums.len(), 6);
    let sum: i64 = sums.iter().map(|sum| sum["sum"].as_i64().unwrap()).sum();
    assert_eq!(sum, 34 * 35 / 2 + 19 * 20 / 2 - 5 - 11);
    assert_eq!(kit.lines("p.dead.jsonl").len(), 2);
}

/// Has every single operation of the disk be the last of a run, which then goes on.
#[track_caller]
fn survives(fault: Fault, mut check: impl FnMut(&crate::error::Error)) {
    let reference = graph_kit();
    reference.run(GRAPH).unwrap();
    let expect = products(&reference);
    for at in 0.. {
        let kit = graph_kit();
        let disk = Faulty::new(fault, at);
        let result = kit.run_on(GRAPH, Rc::new(disk.clone()), Options::default());
        if !disk.is_over() {
            assert!(at > 100, "a run has many more operations than {at}");
            return;
        }
        check(&result.expect_err("it stopped"));
        // The second run dies as well, a little later.
        let _ = kit.run_on(GRAPH, Rc::new(Faulty::new(fault, at % 37 + 12)), Options::default());
        let finished = kit.run(GRAPH);
        assert!(finished.is_ok(), "at {at}: {finished:?}");
        for (name, (got, expect)) in PRODUCTS.iter().zip(products(&kit).iter().zip(&expect)) {
            assert_eq!(got, expect, "{fault:?} at {at}: {name}");
        }
        let left = std::fs::read_dir(kit.dir.path()).unwrap().map(|entry| entry.unwrap().file_name());
        let left: Vec<_> = left.filter(|name| name.to_string_lossy().ends_with("partial")).collect();
        assert!(left.is_empty(), "at {at}: {left:?}");
    }
}

#[test]
fn killed_before_any_operation_nothing_is_lost_or_doubled() {
    survives(Fault::DiesBefore, |_| {});
}

#[test]
fn killed_after_any_operation_or_amid_a_write_nothing_is_lost_or_doubled() {
    survives(Fault::DiesAfter, |_| {});
}

#[test]
fn when_the_power_fails_at_any_operation_nothing_is_lost_or_doubled() {
    survives(Fault::PowerCut, |_| {});
}

#[test]
fn a_full_disk_stops_the_run_with_the_name_of_the_file_and_it_goes_on_later() {
    survives(Fault::Full, |error| {
        assert!(error.message.contains("cannot ") && error.message.contains("the disk is full"), "{error}");
        assert!(error.message.contains(".jsonl") || error.message.contains(".inferno"), "{error}");
        assert!(error.hint.as_ref().is_some_and(|hint| hint.contains("inferno pipeline resume")), "{error}");
    });
}

#[test]
fn a_damaged_checkpoint_is_told_and_a_fresh_run_goes_over_it() {
    let kit = graph_kit();
    let disk = Faulty::new(Fault::DiesBefore, 150);
    kit.run_on(GRAPH, Rc::new(disk), Options::default()).unwrap_err();
    let path = ".inferno/p/run/checkpoint";
    let whole = kit.read(path);
    for torn in [0, 1, whole.len() / 2, whole.len() - 3] {
        kit.write(path, &whole[..torn]);
        let error = kit.run(GRAPH).unwrap_err();
        assert!(error.message.contains("checkpoint is damaged"), "{error}");
        assert!(error.hint.unwrap().contains("--fresh"));
    }
    kit.run_on(GRAPH, Rc::new(crate::disk::RealDisk), Options { fresh: true, ..Options::default() }).unwrap();
    assert_eq!(kit.lines("all.jsonl").len(), 55);
}

#[test]
fn a_pipeline_or_an_input_that_changed_in_between_is_told() {
    let kit = graph_kit();
    kit.run_on(GRAPH, Rc::new(Faulty::new(Fault::DiesBefore, 150)), Options::default()).unwrap_err();
    let error = kit.run(&GRAPH.replace("out/sums", "sums")).unwrap_err();
    assert_eq!(error.message, "`sums` is not what it was when the last run stopped");
    kit.run(&GRAPH.replace("batch = 7", "batch = 9")).expect("how many records go on together may change");
    let options = Options { resume: true, ..Options::default() };
    let error = kit.run_on(GRAPH, Rc::new(crate::disk::RealDisk), options).unwrap_err();
    assert_eq!(error.message, "there is no run to go on with");

    let kit = graph_kit();
    kit.run_on(GRAPH, Rc::new(Faulty::new(Fault::DiesBefore, 150)), Options::default()).unwrap_err();
    kit.write("one.jsonl", &numbers(35).replace("\"n\":1", "\"n\":7"));
    let error = kit.run(GRAPH).unwrap_err();
    assert!(error.message.ends_with("one.jsonl is not the file that it was when the run stopped"), "{error}");
}

#[test]
fn a_pipeline_runs_once_at_a_time() {
    let kit = graph_kit();
    kit.run(GRAPH).unwrap();
    let name = kit.read(".inferno/p/lock");
    kit.host.locks.borrow_mut().insert(name.clone());
    let error = kit.run(GRAPH).unwrap_err();
    assert_eq!(error.message, "p is running already");
    kit.host.locks.borrow_mut().remove(&name);
    kit.run(GRAPH).unwrap();
    assert!(kit.host.locks.borrow().is_empty(), "the lock is free after a run");
}

#[test]
fn several_instances_keep_the_order_and_one_without_a_memory_may_not_absorb() {
    let line = format!("[pipeline]\nbatch = 5\nparallel = 3\n{LINE}");
    let with =
        |plugin: &str| line.replace("plugin = \"tag\"", &format!("plugin = \"{plugin}\"\nmemory = \"none\""));
    let kit = Kit::new(&[("in.jsonl", &numbers(103))]);
    kit.run(&with("tag")).unwrap();
    let numbers: Vec<_> = kit.lines("out.jsonl").iter().map(|line| line["n"].as_u64().unwrap()).collect();
    assert_eq!(numbers, (0..103).collect::<Vec<_>>());
    let error = kit.run(&with("sum")).unwrap_err();
    assert_eq!(
        error.message,
        "the step `plugin`: the plugin sum absorbs records, but has no memory by the file"
    );
}
