use std::cell::RefCell;
use std::fs;

use inferno_sdk::{Error, ErrorKind};
use serde_json::{Value, json};

use super::engine::{Answer, Answers};
use super::input::Ask;
use super::*;
use crate::testing::{described, fields, now, refused};

/// A queue in memory.
#[derive(Default)]
struct Desk {
    jobs: RefCell<Vec<String>>,
    over: RefCell<Option<String>>,
    refuses: RefCell<Option<ErrorKind>>,
}

impl Queue for Desk {
    fn ensure(&self, batch: &str) -> Result<Job, Error> {
        if let Some(kind) = self.refuses.borrow().clone() {
            return Err(Error { kind, message: "No.".into(), hint: None, retry_after: None });
        }
        let mut jobs = self.jobs.borrow_mut();
        if !jobs.iter().any(|job| job == batch) {
            jobs.push(batch.to_owned());
        }
        Ok(self.over.borrow().clone().map_or(Job::Alive, Job::Over))
    }
}

/// Answers with what it was asked; what is called `bad` is refused.
struct Echo;

impl Answers for Echo {
    async fn answer(&self, ask: &Ask) -> Answer {
        let status = if ask.custom_id == "bad" { 400 } else { 200 };
        Answer { status, body: ask.body.clone(), retry_after: None }
    }
}

struct Office {
    _dir: tempfile::TempDir,
    folder: Folder,
    desk: Desk,
}

impl Office {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::at(dir.path());
        Self { _dir: dir, folder, desk: Desk::default() }
    }

    fn file(&self, id: &str, purpose: &str, content: &str) -> String {
        let draft = self.folder.draft().unwrap();
        disk::write(&draft, content.as_bytes()).unwrap();
        let file = files::File::new(id.into(), content.len() as u64, "in.jsonl".into(), purpose, LIFE);
        Shelf::of(&self.folder).put(&draft, &file).unwrap();
        id.to_owned()
    }

    fn input(&self, ids: &[&str]) -> String {
        let line = |id: &&str| {
            format!(
                "{{\"custom_id\":\"{id}\",\"method\":\"POST\",\"url\":\"/v1/embeddings\",\"body\":{{\"model\":\"m\"}}}}\n"
            )
        };
        self.file("file-in", "batch", &ids.iter().map(line).collect::<String>())
    }

    fn create(&self, more: &str) -> Result<Response, ApiError> {
        let json = format!(
            r#"{{"input_file_id":"file-in","endpoint":"/v1/embeddings","completion_window":"24h"{more}}}"#
        );
        create(&self.folder, &self.desk, fields(&json, &REQUEST)?)
    }

    fn order(&self) -> String {
        described(self.create(""), &BATCH)["id"].as_str().unwrap().to_owned()
    }

    fn see(&self, id: &str) -> Value {
        described(one(&self.folder, &self.desk, id), &BATCH)
    }

    fn work(&self, id: &str) {
        let record = Record::find(&self.folder, id).unwrap();
        now(work_on(&self.folder, record, 4, None, &Echo)).unwrap();
    }

    fn content(&self, id: &Value) -> String {
        fs::read_to_string(Shelf::of(&self.folder).content(id.as_str().unwrap())).unwrap()
    }

    /// Changes what is stored, as time and crashes do.
    fn change(&self, id: &str, file: &str, change: impl FnOnce(&mut Value)) {
        let path = self.folder.batches().join(id).join(file);
        let mut value: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        change(&mut value);
        fs::write(&path, value.to_string()).unwrap();
    }
}

#[test]
fn a_batch_goes_from_its_order_to_its_files() {
    let office = Office::new();
    office.input(&["a", "bad", "c"]);
    let made = described(office.create(r#","metadata":{"k":"v"}"#), &BATCH);
    let id = made["id"].as_str().unwrap();
    assert_eq!((&made["status"], &made["metadata"]), (&"validating".into(), &json!({"k": "v"})));
    assert_eq!(made["expires_at"].as_u64().unwrap() - made["created_at"].as_u64().unwrap(), 24 * 3600);
    assert_eq!(*office.desk.jobs.borrow(), [id]);
    assert_eq!(office.see(id)["status"], "validating");
    refused(files::delete(&office.folder, "file-in"), 400, "file_id", "file_in_use", id);

    office.work(id);
    let done = office.see(id);
    assert_eq!(done["status"], "completed", "{done}");
    assert_eq!(done["request_counts"], json!({"total": 3, "completed": 2, "failed": 1}));
    assert!(
        done["in_progress_at"].is_u64() && done["finalizing_at"].is_u64() && done["completed_at"].is_u64()
    );
    assert!(done["failed_at"].is_null() && done["errors"].is_null());
    let output = office.content(&done["output_file_id"]);
    let first: Value = serde_json::from_str(output.lines().next().unwrap()).unwrap();
    assert_eq!((&first["custom_id"], &first["response"]["status_code"]), (&"a".into(), &200.into()));
    assert_eq!((&first["response"]["body"], &first["error"]), (&json!({"model": "m"}), &Value::Null));
    assert!(first["id"].as_str().unwrap().starts_with("batch_req_"));
    assert_eq!(output.lines().count(), 2);
    assert!(office.content(&done["error_file_id"]).contains("\"custom_id\":\"bad\""));
    let file = Shelf::of(&office.folder).find(done["output_file_id"].as_str().unwrap()).unwrap();
    assert_eq!((&*file.purpose, file.filename), ("batch_output", format!("{id}_output.jsonl")));
    office.work(id);
    assert_eq!(office.see(id), done, "nothing more happens");
    refused(cancel(&office.folder, &office.desk, id), 400, "batch_id", "invalid_status", "'completed'");
    let left = disk::entries(&office.folder.batches().join(id)).unwrap().len();
    assert_eq!(left, 2, "the order and the state");
    assert_eq!(files::delete(&office.folder, "file-in").unwrap().status(), 200);
}

#[test]
fn what_cannot_be_ordered_is_refused() {
    let office = Office::new();
    refused(office.create(""), 400, "input_file_id", "invalid_value", "No such File object: file-in");
    office.file("file-in", "batch_output", "");
    refused(office.create(""), 400, "input_file_id", "invalid_value", "'batch_output'");
    office.input(&["a"]);
    let pairs: Vec<String> = (0..17).map(|n| format!("\"{n}\":\"\"")).collect();
    let many = format!(",\"metadata\":{{{}}}", pairs.join(","));
    refused(office.create(&many), 400, "metadata", "invalid_value", "17 pairs");
    let long = format!(",\"metadata\":{{\"k\":\"{}\"}}", "x".repeat(513));
    refused(office.create(&long), 400, "metadata", "invalid_value", "at most 512");
    *office.desk.refuses.borrow_mut() = Some(ErrorKind::Exhausted);
    refused(office.create(""), 429, "", "rate_limit_exceeded", "No.");
    assert!(Record::ids(&office.folder).unwrap().is_empty(), "what has no job is not there");
    let request = |json| fields(json, &REQUEST);
    let wrong = r#"{"input_file_id":"f","endpoint":"/v1/rerank","completion_window":"24h"}"#;
    refused(request(wrong), 400, "endpoint", "invalid_value", "'/v1/embeddings'");
    let wrong = r#"{"input_file_id":"f","endpoint":"/v1/embeddings","completion_window":"1h"}"#;
    refused(request(wrong), 400, "completion_window", "invalid_value", "'24h'");
}

#[test]
fn a_bad_input_fails_with_its_lines() {
    let office = Office::new();
    office.input(&["a", "b", "a"]);
    let id = office.order();
    office.work(&id);
    let failed = office.see(&id);
    assert_eq!(failed["status"], "failed");
    assert!(failed["failed_at"].is_u64() && failed["output_file_id"].is_null());
    let problem = &failed["errors"]["data"][0];
    assert_eq!((&problem["code"], &problem["line"]), (&"duplicate_custom_id".into(), &3.into()));

    let id = office.order();
    Shelf::of(&office.folder).remove("file-in").unwrap();
    office.work(&id);
    assert_eq!(office.see(&id)["errors"]["data"][0]["code"], "file_not_found");
}

#[test]
fn a_wish_to_cancel_is_heard() {
    let office = Office::new();
    office.input(&["a", "b"]);
    let id = office.order();
    let asked = described(cancel(&office.folder, &office.desk, &id), &BATCH);
    assert_eq!(asked["status"], "cancelling");
    assert!(asked["cancelling_at"].is_u64());
    assert_eq!(described(cancel(&office.folder, &office.desk, &id), &BATCH), asked, "once is enough");
    office.work(&id);
    let done = office.see(&id);
    assert_eq!((&done["status"], &done["cancelling_at"]), (&"cancelled".into(), &asked["cancelling_at"]));
    assert_eq!(done["request_counts"], json!({"total": 2, "completed": 0, "failed": 0}));
    assert!(
        done["cancelled_at"].is_u64() && done["output_file_id"].is_null() && done["error_file_id"].is_null()
    );
}

#[test]
fn what_is_late_expires() {
    let office = Office::new();
    office.input(&["a", "b"]);
    let id = office.order();
    office.change(&id, "order.json", |order| order["expires_at"] = 1.into());
    office.work(&id);
    let done = office.see(&id);
    assert_eq!(done["status"], "expired");
    assert_eq!(done["request_counts"], json!({"total": 2, "completed": 0, "failed": 2}));
    let errors = office.content(&done["error_file_id"]);
    assert_eq!(errors.matches("batch_expired").count(), 2, "{errors}");
}

#[test]
fn a_job_that_is_dead_is_told_and_one_that_is_missing_is_made() {
    let office = Office::new();
    office.input(&["a"]);
    let id = office.order();
    office.desk.jobs.borrow_mut().clear();
    assert_eq!(office.see(&id)["status"], "validating");
    assert_eq!(*office.desk.jobs.borrow(), [&*id], "as after a crash between the two");
    *office.desk.over.borrow_mut() = Some("It failed 1000 times.".into());
    let failed = office.see(&id);
    assert_eq!(
        (&failed["status"], &failed["errors"]["data"][0]["message"]),
        (&"failed".into(), &"It failed 1000 times.".into())
    );
    *office.desk.over.borrow_mut() = None;
    assert_eq!(office.see(&id), failed, "that is how it stays");
}

#[test]
fn whoever_goes_on_finds_what_others_have_done() {
    let office = Office::new();
    let ids: Vec<String> = (0..20).map(|n| format!("r{n}")).collect();
    office.input(&ids.iter().map(String::as_str).collect::<Vec<_>>());
    let id = office.order();
    office.work(&id);
    let whole = office.content(&office.see(&id)["output_file_id"]);
    // As if it had been killed in run 1, at this byte of its output, and in each state that it goes through.
    for (cut, status) in
        [(0, "validating"), (1, "in_progress"), (500, "in_progress"), (whole.len(), "finalizing")]
    {
        office.change(&id, "state.json", |state| {
            *state = json!({"run": 1, "status": status, "output_file_id": "file-out", "error_file_id": "file-err"});
        });
        let path = office.folder.batches().join(&id).join("output.1");
        fs::write(&path, &whole[..cut]).unwrap();
        let (record, _) = Record::find(&office.folder, &id).unwrap();
        office.work(&id);
        let state = record.state().unwrap();
        assert_eq!((state.run, state.status, state.counts.completed), (2, Status::Completed, 20));
        assert!(!path.exists());
        let output = office.content(&json!(state.output_file_id));
        assert!(output.starts_with(&whole[..if cut == 500 { 200 } else { 0 }]));
        let mut seen: Vec<String> = output.lines().map(|line| input::custom_id(line.as_bytes())).collect();
        seen.sort_unstable();
        let mut expected = ids.clone();
        expected.sort_unstable();
        assert_eq!(seen, expected, "cut at {cut}");
        assert_eq!(state.output_file_id.as_deref(), Some("file-out"));
    }
}

#[test]
fn lists_have_the_newest_first() {
    let office = Office::new();
    office.input(&["a"]);
    let mut made: Vec<String> = (0..3)
        .map(|_| {
            std::thread::sleep(std::time::Duration::from_millis(2));
            office.order()
        })
        .collect();
    made.reverse();
    let page = |query: &str| {
        let query = crate::schema::check_query(QUERY, query).unwrap();
        described(list(&office.folder, &office.desk, query.into()), &LIST)
    };
    let ids = |page: &Value| -> Vec<String> {
        page["data"]
            .as_array()
            .unwrap()
            .iter()
            .map(|batch| batch["id"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!((ids(&page("")), &page("")["has_more"]), (made.clone(), &false.into()));
    let first = page("limit=2");
    assert_eq!((ids(&first), &first["has_more"]), (made[..2].to_vec(), &true.into()));
    assert_eq!((&first["first_id"], &first["last_id"]), (&json!(made[0]), &json!(made[1])));
    let rest = page(&format!("limit=2&after={}", made[1]));
    assert_eq!((ids(&rest), &rest["has_more"]), (made[2..].to_vec(), &false.into()));
}
