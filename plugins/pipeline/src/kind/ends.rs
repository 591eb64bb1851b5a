//! Sources and sinks in whole runs, stopped at every single operation of the disk and gone on with.

use std::fs;
use std::rc::Rc;

use serde_json::{Value, json};

use crate::disk::RealDisk;
use crate::engine::faults::{Fault, Faulty};
use crate::error::Error;
use crate::session::Options;
use crate::testing::{Kit, numbers};

/// Small batches and a checkpoint after each.
const SETTINGS: &str = "[pipeline]\nbatch = 3\ncheckpoint = \"0s\"\n";

fn pipeline(source: &str, sink: &str) -> String {
    format!("{SETTINGS}[[source]]\nname = \"from\"\n{source}\n[[sink]]\nname = \"to\"\n{sink}\n")
}

/// Stops a run at every operation of the disk in turn, each time in a folder of its own, and goes on with it; what is
/// there afterwards must be what an undisturbed run leaves.
fn survives<T: PartialEq + std::fmt::Debug>(files: &[(&str, &str)], toml: &str, read: impl Fn(&Kit) -> T) {
    let kit = Kit::new(files);
    kit.run(toml).unwrap_or_else(|error| panic!("{error}"));
    let wanted = read(&kit);
    for fault in [Fault::DiesBefore, Fault::DiesAfter, Fault::PowerCut, Fault::Full] {
        for at in 0.. {
            let kit = Kit::new(files);
            let disk = Faulty::new(fault, at);
            let first = kit.run_on(toml, Rc::new(disk.clone()), Options::default());
            if !disk.is_over() {
                first.unwrap();
                assert!(at > 10, "there are more operations than that");
                break;
            }
            first.unwrap_err();
            kit.run(toml).unwrap_or_else(|error| panic!("{fault:?} at {at}: {error}"));
            assert_eq!(read(&kit), wanted, "{fault:?} at {at}");
        }
    }
}

fn fails(files: &[(&str, &str)], toml: &str) -> Error {
    Kit::new(files).run(toml).unwrap_err()
}

/// The text of the file that an error points at.
fn pointed<'t>(toml: &'t str, error: &Error) -> &'t str {
    &toml[error.span.clone().unwrap_or_default()]
}

const CSV: &str = "id;text\n1;plain\n2;\"two\nlines; and \"\"quotes\"\"\"\n3;\n4;x\n5;y\n6;z\n7;last";

#[test]
fn rows_of_csv_come_and_go_exactly_once() {
    let toml =
        pipeline("use = \"csv\"\npath = \"in.csv\"\ndelimiter = \";\"", "use = \"csv\"\npath = \"out.csv\"");
    survives(&[("in.csv", CSV)], &toml, |kit| kit.read("out.csv"));
    let kit = Kit::new(&[("in.csv", CSV)]);
    kit.run(&toml).unwrap();
    assert!(
        kit.read("out.csv").starts_with("id,text\n1,plain\n2,\"two\nlines; and \"\"quotes\"\"\"\n3,\n4,x\n")
    );
    let toml = pipeline(
        "use = \"csv\"\npath = \"in.csv\"\ndelimiter = \";\"",
        "use = \"jsonl\"\npath = \"out.jsonl\"",
    );
    kit.run(&toml).unwrap();
    let lines = kit.lines("out.jsonl");
    assert_eq!(lines[1], json!({ "id": "2", "text": "two\nlines; and \"quotes\"" }));
    assert_eq!((lines.len(), &lines[6]), (7, &json!({ "id": "7", "text": "last" })));
}

#[test]
fn rows_that_do_not_fit_are_dead_letters_and_files_that_do_not_are_told() {
    let jsonl = "use = \"jsonl\"\npath = \"out.jsonl\"";
    let kit = Kit::new(&[("in.csv", "a,b\n1,2\n3\n4,5,6\n7,8\n")]);
    kit.run(&pipeline("use = \"csv\"\npath = \"in.csv\"", jsonl)).unwrap();
    assert_eq!(kit.lines("out.jsonl").len(), 2);
    let dead = kit.lines("p.dead.jsonl");
    assert_eq!(dead[0]["reason"], "the row has 1 values, but there are 2 columns");
    assert_eq!((&dead[1]["id"], &dead[1]["data"]), (&json!("in.csv:4"), &json!(["4", "5", "6"])));

    let error = fails(&[("in.csv", "a,a\n1,2\n")], &pipeline("use = \"csv\"\npath = \"in.csv\"", jsonl));
    assert_eq!(error.message, "two columns of in.csv are called `a`");
    let toml = pipeline("use = \"csv\"\npath = \"in.csv\"\ndelimiter = \"::\"", jsonl);
    assert_eq!(pointed(&toml, &fails(&[("in.csv", CSV)], &toml)), "\"::\"");
    let open = format!("a,b\n1,\"{}", "x".repeat(400_000));
    let toml = pipeline("use = \"csv\"\npath = \"in.csv\"\nmax_row = 1000", jsonl);
    let error = fails(&[("in.csv", &open)], &toml);
    assert_eq!(error.message, "the row at line 2 of in.csv is longer than 1000 bytes");

    let named = "use = \"csv\"\npath = \"out.csv\"\ncolumns = [\"b\", \"c\"]\nheader = false";
    let kit = Kit::new(&[("in.jsonl", "{\"a\":1,\"b\":[1,2]}\n{\"b\":true,\"c\":null}\n7\n")]);
    kit.run(&pipeline("use = \"jsonl\"\npath = \"in.jsonl\"", named)).unwrap();
    assert_eq!(kit.read("out.csv"), "\"[1,2]\",\ntrue,\n");
    let kit = Kit::new(&[("in.jsonl", "{\"a\":1}\n{\"a\":2,\"b\":3}\n")]);
    kit.run(&pipeline("use = \"jsonl\"\npath = \"in.jsonl\"", "use = \"csv\"\npath = \"out.csv\"")).unwrap();
    assert_eq!(kit.read("out.csv"), "a\n1\n");
    assert!(
        kit.lines("p.dead.jsonl")[0]["reason"].as_str().unwrap().starts_with("the field `b` is no column")
    );
}

const MIXED: &str = "{\"i\":1,\"d\":1,\"t\":\"x\",\"j\":1,\"b\":true}\n{\"i\":-2,\"d\":2.5,\"j\":\"s\"}\n\
    {\"i\":9007199254740993,\"t\":null,\"late\":[1]}\n{}\n{\"t\":\"y\",\"b\":false,\"n\":null}\n";

#[test]
fn a_parquet_file_is_made_whole_and_read_back() {
    let to = pipeline(
        "use = \"jsonl\"\npath = \"in.jsonl\"",
        "use = \"parquet\"\npath = \"out/t.parquet\"\ngroup = 2",
    );
    survives(&[("in.jsonl", MIXED)], &to, |kit| fs::read(kit.path("out/t.parquet")).unwrap());
    for compression in ["snappy", "gzip", "none"] {
        let kit = Kit::new(&[("in.jsonl", MIXED)]);
        kit.run(&format!("{to}compression = \"{compression}\"\n")).unwrap();
        let back =
            pipeline("use = \"parquet\"\npath = \"out/t.parquet\"", "use = \"jsonl\"\npath = \"out.jsonl\"");
        kit.run_on(&back, Rc::new(RealDisk), Options { fresh: true, ..Options::default() }).unwrap();
        let lines = kit.lines("out.jsonl");
        assert_eq!(lines.len(), 5);
        assert_eq!(
            lines[0],
            json!({ "i": 1, "d": 1.0, "t": "x", "j": "1", "b": true, "late": null, "n": null })
        );
        assert_eq!((&lines[1]["d"], &lines[1]["j"]), (&json!(2.5), &json!("\"s\"")));
        assert_eq!((&lines[2]["i"], &lines[2]["late"]), (&json!(9_007_199_254_740_993_i64), &json!("[1]")));
        assert_eq!(lines[3]["i"], Value::Null);
        assert_eq!((&lines[4]["t"], &lines[4]["b"]), (&json!("y"), &json!(false)));
        // It goes on in the midst of a group of rows, too.
        let from = |kit: &Kit| kit.read("out.jsonl");
        let bytes = fs::read(kit.path("out/t.parquet")).unwrap();
        let wanted = from(&kit);
        for at in 0..60 {
            let kit = Kit::new(&[]);
            fs::create_dir(kit.path("out")).unwrap();
            fs::write(kit.path("out/t.parquet"), &bytes).unwrap();
            let small = back.replace("batch = 3", "batch = 1");
            if kit.run_on(&small, Rc::new(Faulty::new(Fault::DiesAfter, at)), Options::default()).is_err() {
                kit.run(&small).unwrap();
            }
            assert_eq!(from(&kit), wanted, "{at}");
        }
    }
    let toml = pipeline("use = \"parquet\"\npath = \"in.jsonl\"", "use = \"jsonl\"\npath = \"out.jsonl\"");
    let error = fails(&[("in.jsonl", MIXED)], &toml);
    assert!(error.message.contains("as Parquet"), "{error}");
    assert_eq!(pointed(&toml, &error), "\"in.jsonl\"");
}

#[test]
fn each_record_has_a_file_and_none_leads_out() {
    let sink = "use = \"files\"\nfolder = \"out\"\nfile = \"{{ k }}/{{ n }}.txt\"\ncontent = \"n={{ n }}\"";
    let toml = pipeline("use = \"jsonl\"\npath = \"in.jsonl\"", sink);
    let lines: String =
        (0..8).map(|n| format!("{{\"n\":{n},\"k\":\"{}\"}}\n", ["a", "b/c"][n % 2])).collect();
    let all = |kit: &Kit| {
        let name = |n: usize| format!("out/{}/{n}.txt", ["a", "b/c"][n % 2]);
        (0..8).map(|n| kit.read(&name(n))).collect::<Vec<_>>()
    };
    survives(&[("in.jsonl", &lines)], &toml, all);

    let name = |n: &str| format!("{{\"k\":{},\"n\":1}}\n", json!(n));
    let bad = ["..", "a/../..", "/etc", "a/./..", "x\\..\\y", "a\u{0}"];
    let mut lines: String = bad.iter().map(|bad| name(bad)).collect();
    lines.push_str(&name("a"));
    lines.push_str(&name("a"));
    let kit = Kit::new(&[("in.jsonl", &lines)]);
    kit.run(&toml).unwrap();
    assert_eq!(kit.read("out/a/1.txt"), "n=1");
    let dead = kit.lines("p.dead.jsonl");
    assert_eq!(dead.len(), bad.len() + 1);
    assert!(dead[0]["reason"].as_str().unwrap().ends_with("leads out of the folder"), "{}", dead[0]);
    assert_eq!(dead[bad.len()]["reason"], "another record has the file a/1.txt already");
    assert_eq!(fs::read_dir(kit.path("out")).unwrap().count(), 1);
}

const TABLE: &str = "use = \"sqlite\"\npath = \"out.db\"\ntable = \"t\"";

fn rows(kit: &Kit, sql: &str) -> Vec<String> {
    let connection = rusqlite::Connection::open(kit.path("out.db")).unwrap();
    let mut statement = connection.prepare(sql).unwrap();
    statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

#[test]
fn rows_of_sqlite_come_and_go_exactly_once() {
    let jsonl = "use = \"jsonl\"\npath = \"in.jsonl\"";
    let toml = pipeline(jsonl, TABLE);
    let all = |kit: &Kit| rows(kit, "SELECT rowid || ' ' || n FROM t ORDER BY rowid");
    survives(&[("in.jsonl", &numbers(10))], &toml, all);
    survives(&[("in.jsonl", &numbers(10))], &pipeline(jsonl, &format!("{TABLE}\nkey = \"n\"")), |kit| {
        rows(kit, "SELECT n || '' FROM t ORDER BY n")
    });

    // Another run begins anew, or adds.
    let kit =
        Kit::new(&[("in.jsonl", "{\"n\":1}\n{\"n\":2,\"x\":{\"a\":[1]}}\n{\"n\":null,\"N2\":\"u\"}\n")]);
    kit.run(&toml).unwrap();
    kit.run(&toml).unwrap();
    assert_eq!(
        rows(&kit, "SELECT coalesce(n, '-') || coalesce(x, '-') || coalesce(n2, '-') FROM t"),
        ["1--", "2{\"a\":[1]}-", "--u"]
    );
    kit.run(&pipeline(jsonl, &format!("{TABLE}\nappend = true"))).unwrap();
    assert_eq!(rows(&kit, "SELECT count(*) || '' FROM t"), ["6"]);

    // What a run was stopped in is taken back when another one begins instead, and what was there stays.
    let adding = pipeline(jsonl, &format!("{TABLE}\nappend = true"));
    for at in [12, 20, 28] {
        let stopped = kit.run_on(&adding, Rc::new(Faulty::new(Fault::DiesBefore, at)), Options::default());
        if stopped.is_err() {
            kit.run_on(&adding, Rc::new(RealDisk), Options { fresh: true, ..Options::default() }).unwrap();
        }
        let count: usize = rows(&kit, "SELECT count(*) || '' FROM t")[0].parse().unwrap();
        assert_eq!(count % 3, 0);
    }

    let connection = rusqlite::Connection::open(kit.path("out.db")).unwrap();
    connection.execute_batch("CREATE TABLE mine (a); INSERT INTO mine VALUES (1)").unwrap();
    drop(connection);
    let error = kit.run(&pipeline(jsonl, &TABLE.replace("\"t\"", "\"mine\""))).unwrap_err();
    assert_eq!(error.message, "the table `mine` is there already, and no run has made it");
    assert_eq!(rows(&kit, "SELECT a || '' FROM mine"), ["1"]);
}

#[test]
fn a_query_is_read_in_the_order_of_its_key() {
    let database = |kit: &Kit| {
        let connection = rusqlite::Connection::open(kit.path("in.db")).unwrap();
        connection
            .execute_batch(
                "CREATE TABLE notes (id TEXT PRIMARY KEY, text, data BLOB); CREATE TABLE twice (k);
                 WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 9)
                 INSERT INTO notes SELECT 'n' || (10 - i), i * 0.5, x'ff00' FROM n;
                 INSERT INTO twice VALUES (1), (2), (2), (3);",
            )
            .unwrap();
    };
    let source = "use = \"sqlite\"\npath = \"in.db\"\nkey = \"id\"\nquery = \"SELECT * FROM notes -- all\"";
    let toml = pipeline(source, "use = \"jsonl\"\npath = \"out.jsonl\"");
    for at in 0..60 {
        let kit = Kit::new(&[]);
        database(&kit);
        if kit.run_on(&toml, Rc::new(Faulty::new(Fault::DiesAfter, at)), Options::default()).is_err() {
            kit.run(&toml).unwrap();
        }
        let lines = kit.lines("out.jsonl");
        assert_eq!(lines.len(), 9, "{at}");
        assert_eq!(lines[0], json!({ "id": "n1", "text": 4.5, "data": "/wA=" }));
    }
    let kit = Kit::new(&[]);
    database(&kit);
    let wrong = |from: &str, to: &str| {
        let toml = toml.replace(from, to);
        let fresh = Options { fresh: true, ..Options::default() };
        let error = kit.run_on(&toml, Rc::new(RealDisk), fresh).unwrap_err();
        let place = error.span.clone().map_or("", |span| &toml[span]).to_owned();
        (error.message, place)
    };
    let (message, place) = wrong("SELECT * FROM notes -- all", "SELECT * FROM nots");
    assert!(
        message.ends_with("no such table: nots") && place == "\"SELECT * FROM nots\"",
        "{message} {place}"
    );
    let (message, _) = wrong("SELECT * FROM notes -- all", "DELETE FROM notes");
    assert_eq!(message, "this query gives no rows, or changes the database");
    let (message, place) = wrong("\"id\"", "\"ID\"");
    assert_eq!(
        (message.as_str(), place.as_str()),
        ("the query has no column `ID`; it has id, text, data", "\"ID\"")
    );
    let (message, _) =
        wrong("\"id\"\nquery = \"SELECT * FROM notes -- all\"", "\"k\"\nquery = \"SELECT * FROM twice\"");
    assert_eq!(message, "two rows have the key `k` = 2");
    let both = pipeline(source, "use = \"sqlite\"\npath = \"in.db\"\ntable = \"t\"");
    let fresh = Options { fresh: true, ..Options::default() };
    let error = kit.run_on(&both, Rc::new(RealDisk), fresh).unwrap_err();
    assert!(error.message.starts_with("two nodes use the database "), "{error}");
}

#[test]
fn an_index_has_each_vector_once() {
    let lines: String = (1..9).map(|n| format!("{{\"n\":{n},\"vector\":[{n},1]}}\n")).collect();
    let toml = pipeline("use = \"jsonl\"\npath = \"in.jsonl\"", "use = \"index\"\npath = \"i.index\"");
    survives(&[("in.jsonl", &lines)], &toml, |kit| fs::read(kit.path("i.index")).unwrap());
}

#[test]
fn whole_files_come_once_and_in_order() {
    let files =
        [("d/b.txt", "B"), ("d/a.txt", "A"), ("d/x/c.txt", "C"), ("d/no.md", "-"), ("d/.hid.txt", "-")];
    let jsonl = "use = \"jsonl\"\npath = \"out.jsonl\"";
    let toml = pipeline("use = \"text\"\nfiles = \"d/**/*.txt\"", jsonl);
    let small = toml.replace("batch = 3", "batch = 1");
    survives(&files, &small, |kit| kit.lines("out.jsonl"));
    let kit = Kit::new(&files);
    fs::write(kit.path("d/bad.txt"), b"\xff").unwrap();
    kit.run(&toml).unwrap();
    let found: Vec<_> = kit.lines("out.jsonl").iter().map(|line| line["path"].clone()).collect();
    assert_eq!(found, ["d/a.txt", "d/b.txt", "d/x/c.txt"]);
    assert!(
        kit.lines("p.dead.jsonl")[0]["reason"].as_str().unwrap().starts_with("the file is no UTF-8 text")
    );

    let toml = pipeline("use = \"text\"\nfiles = \"d/*.txt\"\nmax_size = 3", jsonl);
    let kit = Kit::new(&[("d/long.txt", "four"), ("d/s.txt", "abc")]);
    kit.run(&toml).unwrap();
    assert_eq!(kit.lines("p.dead.jsonl")[0]["reason"], "the file is larger than 3 bytes");
    let toml = pipeline("use = \"html\"\nfiles = \"d/*.html\"", jsonl);
    let error = fails(&files, &toml);
    assert_eq!(
        (error.message.as_str(), pointed(&toml, &error)),
        ("there is no file `d/*.html`", "\"d/*.html\"")
    );
    let toml = pipeline("use = \"markdown\"\nfiles = \"d/[a\"", jsonl);
    assert!(fails(&files, &toml).message.starts_with("this pattern is wrong: "));
}
