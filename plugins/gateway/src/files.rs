//! `/v1/files`: what batches are made from, and what comes of them.

mod form;
mod shelf;
#[cfg(test)]
mod tests;

use std::fs::File as Written;
use std::io::{self, Read, Write};
use std::path::Path;

use inferno_sdk::http::{Cut, Request, Response};
use serde::Serialize;

use form::{Form, Part, Source};
pub(crate) use shelf::{File, LIFE, PREFIX, Shelf};
use shelf::{MAX_FILES, MAX_TOTAL};

use crate::answer;
use crate::disk::{self, Folder};
use crate::error::ApiError;
use crate::fields::Fields;
use crate::schema::{Field, Kind, Object, may, must};

/// The largest file.
const MAX_BYTES: u64 = 200 << 20;
/// The longest text in a form, and the longest name of a file.
const MAX_TEXT: usize = 1024;
/// How much of a file is sent at once.
const CHUNK: usize = 64 * 1024;
const SHORTEST_LIFE: i64 = 3600;
const LONGEST_LIFE: i64 = 30 * 24 * 3600;

/// What is uploaded.
pub(crate) static UPLOAD: Object = Object {
    name: "FileUpload",
    fields: &[&[
        must("file", Kind::File, "Lines of JSON, each a request of a batch."),
        must("purpose", Kind::Word(&["batch"]), "What the file is for."),
        may("expires_after[anchor]", Kind::Word(&["created_at"]), ""),
        may(
            "expires_after[seconds]",
            Kind::Integer(SHORTEST_LIFE, LONGEST_LIFE),
            "How long the file is kept. Default: 30 days.",
        ),
    ]],
};

/// What is known about a file.
pub(crate) static FILE: Object = Object {
    name: "File",
    fields: &[&[
        must("id", Kind::Text, ""),
        must("object", Kind::Word(&["file"]), ""),
        must("bytes", Kind::Integer(0, i64::MAX), "Its size."),
        must("created_at", TIME, "In seconds since 1970 (UTC), as all times."),
        must("expires_at", Kind::OneOf(&[TIME, Kind::Null]), "When it is removed."),
        must("filename", Kind::Text, ""),
        must("purpose", Kind::Word(&["batch", "batch_output"]), ""),
        must("status", Kind::Word(&["processed"]), "Without meaning; OpenAI's clients expect it."),
    ]],
};

pub(crate) const TIME: Kind = Kind::Integer(0, i64::MAX);

/// When what comes of a batch is removed.
pub(crate) static EXPIRY: Object = Object {
    name: "ExpiresAfter",
    fields: &[&[
        must("anchor", Kind::Word(&["created_at"]), ""),
        must("seconds", Kind::Integer(SHORTEST_LIFE, LONGEST_LIFE), ""),
    ]],
};

/// Several of them.
pub(crate) static LIST: Object = Object {
    name: "FileList",
    fields: &[&[must("data", Kind::List(&Kind::Object(&FILE), 0, usize::MAX), "")], PAGE],
};

/// What every list has that comes in pages.
pub(crate) const PAGE: &[Field] = &[
    must("object", Kind::Word(&["list"]), ""),
    must("first_id", Kind::OneOf(&[Kind::Text, Kind::Null]), ""),
    must("last_id", Kind::OneOf(&[Kind::Text, Kind::Null]), ""),
    must("has_more", Kind::Boolean, "Whether there are more after `last_id`."),
];

/// The query of the list.
pub(crate) const QUERY: &[Field] = &[
    may("purpose", Kind::Text, "Only files for this."),
    may("limit", Kind::Integer(1, 10_000), "At most so many. Default: 10,000."),
    may("order", Kind::Word(&["asc", "desc"]), "By the time when they were made. Default: `desc`."),
    may("after", Kind::Text, "Those after the file with this id."),
];

/// What is answered when a file is gone.
pub(crate) static DELETED: Object = Object {
    name: "DeletedFile",
    fields: &[&[
        must("id", Kind::Text, ""),
        must("object", Kind::Word(&["file"]), ""),
        must("deleted", Kind::Boolean, ""),
    ]],
};

#[derive(Serialize)]
struct Deleted<'a> {
    id: &'a str,
    object: &'static str,
    deleted: bool,
}

/// A part of a list.
#[derive(Serialize)]
pub(crate) struct Page<T> {
    object: &'static str,
    pub(crate) data: Vec<T>,
    first_id: Option<String>,
    last_id: Option<String>,
    has_more: bool,
}

impl<T> Page<T> {
    /// Of the ids in this order, those that `find` finds something for, at most so many.
    pub(crate) fn of(
        ids: impl Iterator<Item = String>,
        limit: usize,
        mut find: impl FnMut(&str) -> Result<Option<T>, ApiError>,
    ) -> Result<Self, ApiError> {
        let mut page =
            Self { object: "list", data: Vec::new(), first_id: None, last_id: None, has_more: false };
        for id in ids {
            let Some(item) = find(&id)? else { continue };
            if page.data.len() == limit {
                page.has_more = true;
                break;
            }
            page.data.push(item);
            page.first_id.get_or_insert_with(|| id.clone());
            page.last_id = Some(id);
        }
        Ok(page)
    }
}

/// `POST /v1/files`
pub(crate) async fn upload(folder: &Folder, request: Request) -> Result<Response, ApiError> {
    let content_type = request.headers().get("content-type");
    let file = receive(folder, Form::new(content_type.as_deref(), request)?, MAX_BYTES).await?;
    Ok(answer::respond(&file))
}

async fn receive<S: Source>(folder: &Folder, form: Form<S>, most: u64) -> Result<File, ApiError> {
    let failed = |error: io::Error| ApiError::disk("keep the file", &error);
    let (count, total) = Shelf::of(folder).sweep().map_err(failed)?;
    if count >= MAX_FILES {
        let why = format_args!(
            "there are {count} files, and no more than {MAX_FILES} are kept. Delete some first."
        );
        return Err(ApiError::storage(why));
    }
    let draft = folder.draft().map_err(failed)?;
    let kept = keep(folder, form, &draft, most.min(MAX_TOTAL.saturating_sub(total))).await;
    if kept.is_err() {
        // What cannot be removed now is swept later.
        let _swept_later = disk::remove(&draft);
    }
    kept
}

/// What the fields of an upload say.
#[derive(Default)]
struct Told {
    purpose: Option<String>,
    life: Option<u64>,
    /// The file's name and its size.
    file: Option<(String, u64)>,
}

async fn keep<S: Source>(
    folder: &Folder,
    mut form: Form<S>,
    draft: &Path,
    most: u64,
) -> Result<File, ApiError> {
    let mut told = Told::default();
    while let Some(part) = form.next().await? {
        match &*part.name {
            "file" if told.file.is_some() => return Err(ApiError::value("file", "there must be only one.")),
            "file" => {
                let bytes = write(&mut form, draft, most).await?;
                told.file = Some((name(&part)?, bytes));
            }
            "purpose" => {
                let purpose = form.text(&part, MAX_TEXT).await?;
                crate::schema::check_form(&UPLOAD, "purpose", &purpose)?;
                told.purpose = Some(purpose);
            }
            "expires_after[anchor]" | "expires_after[seconds]" => {
                let text = form.text(&part, MAX_TEXT).await?;
                crate::schema::check_form(&UPLOAD, &part.name, &text)?;
                told.life = text.parse().ok().or(told.life);
            }
            _ => {}
        }
    }
    let Told { purpose, life, file } = told;
    let (filename, bytes) = file.ok_or_else(|| ApiError::missing("file"))?;
    let purpose = purpose.ok_or_else(|| ApiError::missing("purpose"))?;
    let file = File::new(disk::new_id(PREFIX), bytes, filename, &purpose, life.unwrap_or(LIFE));
    Shelf::of(folder).put(draft, &file).map_err(|error| ApiError::disk("keep the file", &error))?;
    Ok(file)
}

fn name(part: &Part) -> Result<String, ApiError> {
    match part.filename.as_deref() {
        None | Some("") => Err(ApiError::value("file", "it has no filename; send it as a file.")),
        Some(name) if name.len() > MAX_TEXT => Err(ApiError::value("file", "its filename is too long.")),
        Some(name) => Ok(name.to_owned()),
    }
}

/// Writes the data of a part as it comes.
async fn write<S: Source>(form: &mut Form<S>, draft: &Path, most: u64) -> Result<u64, ApiError> {
    let failed = |error: io::Error| ApiError::disk("keep the file", &error);
    let mut file = Written::create(draft).map_err(failed)?;
    let mut length: u64 = 0;
    while let Some(data) = form.data().await? {
        length += data.len() as u64;
        if length > MAX_BYTES.min(most) {
            return Err(if most < MAX_BYTES {
                ApiError::storage(format_args!(
                    "the files may have {MAX_TOTAL} bytes together. Delete some first."
                ))
            } else {
                ApiError::file_too_large(MAX_BYTES)
            });
        }
        file.write_all(&data).map_err(failed)?;
    }
    file.sync_all().map_err(failed)?;
    Ok(length)
}

/// `GET /v1/files`
pub(crate) fn list(folder: &Folder, mut query: Fields) -> Result<Response, ApiError> {
    let shelf = Shelf::of(folder);
    let purpose = query.text("purpose");
    let limit = query.integer("limit").unwrap_or(10_000);
    let ids = shelf.ids().map_err(|error| ApiError::disk("list the files", &error))?;
    let ids = ordered(ids, query.text("order").as_deref() != Some("asc"), query.text("after"));
    let page = Page::of(ids, limit, |id| {
        // One may be deleted or expire meanwhile.
        let file = shelf.find(id).ok();
        Ok(file.filter(|file| purpose.as_ref().is_none_or(|purpose| *purpose == file.purpose)))
    })?;
    Ok(answer::respond(&page))
}

/// Ids in this order, those after one of them; it need not be there any more.
pub(crate) fn ordered(
    mut ids: Vec<String>,
    descending: bool,
    after: Option<String>,
) -> impl Iterator<Item = String> {
    if descending {
        ids.reverse();
    }
    ids.into_iter().filter(move |id| match &after {
        Some(after) if descending => id < after,
        Some(after) => id > after,
        None => true,
    })
}

/// `GET /v1/files/{id}`
pub(crate) fn one(folder: &Folder, id: &str) -> Result<Response, ApiError> {
    Ok(answer::respond(&Shelf::of(folder).find(id)?))
}

/// `GET /v1/files/{id}/content`
pub(crate) fn content(folder: &Folder, id: &str) -> Result<Response, ApiError> {
    let shelf = Shelf::of(folder);
    let about = shelf.find(id)?;
    let opened = Written::open(shelf.content(id));
    let mut file = opened.map_err(|error| ApiError::disk("read the file", &error))?;
    let response = Response::stream(200, async move |mut body| {
        let mut chunk = Vec::with_capacity(CHUNK);
        loop {
            let read = Read::by_ref(&mut file).take(CHUNK as u64).read_to_end(&mut chunk);
            match read {
                Ok(0) => return Ok(()),
                Ok(_) => body.write(&mut chunk).await?,
                Err(error) => return Err(Cut::Failed(format!("the file cannot be read: {error}"))),
            }
        }
    });
    let name: String = about
        .filename
        .chars()
        .map(|c| if c.is_ascii_graphic() && c != '"' && c != '\\' { c } else { '_' })
        .collect();
    Ok(response
        .header("content-type", "application/octet-stream")
        .header("content-disposition", format!("attachment; filename=\"{name}\"")))
}

/// `DELETE /v1/files/{id}`
pub(crate) fn delete(folder: &Folder, id: &str) -> Result<Response, ApiError> {
    let shelf = Shelf::of(folder);
    shelf.find(id)?;
    if let Some(batch) = crate::batches::needing(folder, id)? {
        return Err(ApiError::file_in_use(id, &batch));
    }
    shelf.remove(id).map_err(|error| ApiError::disk("delete the file", &error))?;
    Ok(answer::respond(&Deleted { id, object: "file", deleted: true }))
}
