use inferno_sdk::http::{BodyError, Method};
use serde_json::{Value, json};

use super::*;
use crate::schema::check_query;
use crate::testing::{described, now, refused};

fn form(parts: &[(&str, Option<&str>, &str)]) -> String {
    let mut body = String::new();
    for (name, filename, data) in parts {
        let filename = filename.map(|name| format!("; filename=\"{name}\"")).unwrap_or_default();
        body +=
            &format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"{filename}\r\n\r\n{data}\r\n");
    }
    body + "--b--\r\n"
}

fn sent(body: &str) -> Request {
    Request::new(Method::Post, "/v1/files")
        .with_header("content-type", "multipart/form-data; boundary=b")
        .with_body(body)
}

struct Office {
    dir: tempfile::TempDir,
    folder: Folder,
}

impl Office {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::at(dir.path());
        Self { dir, folder }
    }

    fn send(&self, parts: &[(&str, Option<&str>, &str)]) -> Result<Response, ApiError> {
        now(upload(&self.folder, sent(&form(parts))))
    }

    fn drafts(&self) -> usize {
        disk::entries(&self.dir.path().join("drafts")).unwrap().len()
    }
}

const FILE_PART: (&str, Option<&str>, &str) = ("file", Some("a.jsonl"), "{}\r\n{}");
const PURPOSE: (&str, Option<&str>, &str) = ("purpose", None, "batch");

#[test]
fn what_is_uploaded_is_there_until_it_is_deleted() {
    let office = Office::new();
    let file = described(office.send(&[FILE_PART, ("x", None, "ignored"), PURPOSE]), &FILE);
    let id = file["id"].as_str().unwrap();
    assert_eq!(
        (&file["bytes"], &file["filename"], &file["purpose"]),
        (&6.into(), &"a.jsonl".into(), &"batch".into())
    );
    assert_eq!(file["expires_at"].as_u64().unwrap() - file["created_at"].as_u64().unwrap(), LIFE);
    assert_eq!(described(one(&office.folder, id), &FILE), file);
    let got = content(&office.folder, id).unwrap();
    assert_eq!(got.get_header("content-disposition"), Some("attachment; filename=\"a.jsonl\""));
    assert_eq!(now(got.into_bytes()).unwrap(), b"{}\r\n{}");
    let gone = described(delete(&office.folder, id), &DELETED);
    assert_eq!(gone, json!({"id": id, "object": "file", "deleted": true}));
    refused(one(&office.folder, id), 404, "id", "not_found", id);
    refused(content(&office.folder, id), 404, "id", "not_found", id);
    refused(delete(&office.folder, id), 404, "id", "not_found", id);
    assert_eq!(office.drafts(), 0);
}

#[test]
fn a_file_is_kept_as_long_as_is_asked() {
    let office = Office::new();
    let life = |seconds| {
        [
            FILE_PART,
            PURPOSE,
            ("expires_after[anchor]", None, "created_at"),
            ("expires_after[seconds]", None, seconds),
        ]
    };
    let file = described(office.send(&life("3600")), &FILE);
    assert_eq!(file["expires_at"].as_u64().unwrap() - file["created_at"].as_u64().unwrap(), 3600);
    let param = "expires_after[seconds]";
    refused(office.send(&life("3599")), 400, param, "invalid_value", "from 3600");
    refused(office.send(&life("long")), 400, param, "invalid_type", "an integer");
}

#[test]
fn what_is_no_upload_is_refused_and_leaves_nothing() {
    let office = Office::new();
    let check = |parts: &[_], param, code, says| refused(office.send(parts), 400, param, code, says);
    check(&[PURPOSE], "file", "missing_required_parameter", "'file'");
    check(&[FILE_PART], "purpose", "missing_required_parameter", "'purpose'");
    check(
        &[FILE_PART, ("purpose", None, "fine-tune")],
        "purpose",
        "invalid_value",
        "The supported value is 'batch'",
    );
    check(&[("file", None, "x"), PURPOSE], "file", "invalid_value", "no filename");
    check(&[FILE_PART, FILE_PART], "file", "invalid_value", "only one");
    check(&[("purpose", None, &"x".repeat(1025))], "purpose", "invalid_value", "longer than 1024");
    refused(now(upload(&office.folder, sent("--b\r\n"))), 400, "", "", "ends before its last boundary");
    let json = Request::new(Method::Post, "/v1/files")
        .with_header("content-type", "application/json")
        .with_body("{}");
    refused(now(upload(&office.folder, json)), 400, "", "", "multipart/form-data");
    assert_eq!(office.drafts(), 0);
    assert!(Shelf::of(&office.folder).ids().unwrap().is_empty());
}

/// A body that does not end.
struct Endless(usize);

impl Source for Endless {
    async fn more(&mut self) -> Result<Option<Vec<u8>>, BodyError> {
        self.0 += 1;
        Ok(Some(match self.0 {
            1 => b"--b\r\nContent-Disposition: form-data; name=file; filename=a\r\n\r\n".to_vec(),
            _ => vec![b'x'; 1000],
        }))
    }
}

#[test]
fn what_is_too_large_is_not_read_to_its_end() {
    let office = Office::new();
    let endless = || Form::new(Some("multipart/form-data; boundary=b"), Endless(0)).unwrap();
    refused(
        now(receive(&office.folder, endless(), 5000)),
        400,
        "file",
        "storage_limit_exceeded",
        "Delete some",
    );
    assert_eq!(office.drafts(), 0);
    let over = now(receive(&office.folder, endless(), u64::MAX)).unwrap_err();
    let (status, _, code, message) = crate::testing::seen(over);
    assert_eq!((status, code), (413, "request_too_large".into()), "{message}");
}

#[test]
fn lists_are_ordered_and_come_in_pages() {
    let office = Office::new();
    let mut ids = Vec::new();
    for _ in 0..3 {
        std::thread::sleep(std::time::Duration::from_millis(2));
        let file = described(office.send(&[FILE_PART, PURPOSE]), &FILE);
        ids.push(file["id"].as_str().unwrap().to_owned());
    }
    let page =
        |query: &str| described(list(&office.folder, check_query(QUERY, query).unwrap().into()), &LIST);
    let listed = |query: &str| -> Vec<String> {
        let page = page(query);
        page["data"].as_array().unwrap().iter().map(|file| file["id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(listed("order=asc"), ids);
    assert_eq!(listed(""), [&*ids[2], &*ids[1], &*ids[0]]);
    assert_eq!(listed(&format!("order=asc&after={}", ids[0])), ids[1..]);
    assert_eq!(listed(&format!("after={}", ids[1])), ids[..1]);
    assert!(listed("purpose=batch_output").is_empty());
    let first = page("limit=1&purpose=batch");
    assert_eq!((&first["has_more"], &first["last_id"]), (&Value::Bool(true), &json!(ids[2])));
    delete(&office.folder, &ids[1]).unwrap();
    assert_eq!(listed(&format!("after={}", ids[1])), ids[..1], "one that is gone still has its place");
}
