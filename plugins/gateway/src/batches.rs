//! `/v1/batches`: many requests in one file, answered when there is time, each once.

mod answers;
mod engine;
mod ids;
mod input;
mod queue;
mod record;
mod results;
#[cfg(test)]
mod tests;
mod worker;

use inferno_sdk::http::Response;
use serde::Serialize;
use serde_json::{Map, Value};

pub(crate) use answers::Gateway;
pub(crate) use engine::{Stop, Watch, work};
pub(crate) use input::{Rules, check};
pub(crate) use queue::{Lent, Queue};
pub(crate) use record::Record;
pub(crate) use results::{Counts, Results};
pub(crate) use worker::work as work_on;

use input::Problem;
use queue::Job;
use record::{Order, State, Status};

use crate::answer;
use crate::disk::{self, Folder};
use crate::error::ApiError;
use crate::fields::Fields;
use crate::files::{self, EXPIRY, LIFE, Page, Shelf, TIME};
use crate::schema::{Field, Kind, Object, may, must};

/// The endpoints whose requests can be in a batch.
pub(crate) const ENDPOINTS: &[&str] =
    &["/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/v1/responses"];
/// The longest time that a batch may take, in seconds; OpenAI has no other.
const WINDOW: u64 = 24 * 3600;
/// How many batches are remembered. The oldest that are over go first.
const MAX_BATCHES: usize = 1000;
/// OpenAI's limits to what a client may say about a batch.
const MAX_METADATA: usize = 16;
const MAX_METADATA_KEY: usize = 64;
const MAX_METADATA_VALUE: usize = 512;

/// What is asked.
pub(crate) static REQUEST: Object = Object {
    name: "BatchRequest",
    fields: &[&[
        must("input_file_id", Kind::Filled, "A file with the purpose `batch`."),
        must("endpoint", Kind::Word(ENDPOINTS), "What all of its requests are for."),
        must("completion_window", Kind::Word(&["24h"]), "The time in which it is worked on."),
        may("metadata", Kind::Map(&Kind::Text), "Kept and given back; at most 16 pairs."),
        may(
            "output_expires_after",
            Kind::Object(&EXPIRY),
            "How long what comes of it is kept. Default: 30 days.",
        ),
    ]],
};

/// What is answered.
pub(crate) static BATCH: Object = Object {
    name: "Batch",
    fields: &[&[
        must("id", Kind::Text, ""),
        must("object", Kind::Word(&["batch"]), ""),
        must("endpoint", Kind::Word(ENDPOINTS), ""),
        must("errors", Kind::OneOf(&[Kind::Object(&PROBLEMS), Kind::Null]), "What is wrong with its input."),
        must("input_file_id", Kind::Text, ""),
        must("completion_window", Kind::Text, ""),
        must("status", Kind::Word(Status::WORDS), ""),
        must("output_file_id", TEXT, "The answers with status 200."),
        must("error_file_id", TEXT, "The other answers."),
        must("created_at", TIME, ""),
        must("in_progress_at", MOMENT, ""),
        must("expires_at", TIME, "When what is not answered by then will not be."),
        must("finalizing_at", MOMENT, ""),
        must("completed_at", MOMENT, ""),
        must("failed_at", MOMENT, ""),
        must("expired_at", MOMENT, ""),
        must("cancelling_at", MOMENT, ""),
        must("cancelled_at", MOMENT, ""),
        must("request_counts", Kind::Object(&COUNTS), ""),
        must("metadata", Kind::OneOf(&[Kind::Map(&Kind::Text), Kind::Null]), ""),
    ]],
};

const TEXT: Kind = Kind::OneOf(&[Kind::Text, Kind::Null]);
const MOMENT: Kind = Kind::OneOf(&[TIME, Kind::Null]);

static COUNTS: Object = Object {
    name: "BatchCounts",
    fields: &[&[
        must("total", answer::COUNT, ""),
        must("completed", answer::COUNT, "Answered with status 200."),
        must("failed", answer::COUNT, "Answered otherwise, or not in time."),
    ]],
};

static PROBLEMS: Object = Object {
    name: "BatchErrors",
    fields: &[&[
        must("object", Kind::Word(&["list"]), ""),
        must("data", Kind::List(&Kind::Object(&PROBLEM), 0, usize::MAX), ""),
    ]],
};

static PROBLEM: Object = Object {
    name: "BatchError",
    fields: &[&[
        must("code", Kind::Text, ""),
        must("message", Kind::Text, ""),
        must("param", TEXT, ""),
        must("line", MOMENT, "The line of the input, from 1."),
    ]],
};

/// Several of them.
pub(crate) static LIST: Object = Object {
    name: "BatchList",
    fields: &[&[must("data", Kind::List(&Kind::Object(&BATCH), 0, usize::MAX), "")], files::PAGE],
};

/// The query of the list.
pub(crate) const QUERY: &[Field] = &[
    may("limit", Kind::Integer(1, 100), "At most so many. Default: 20."),
    may("after", Kind::Text, "Those after the batch with this id; the newest come first."),
];

/// A batch, as it is answered.
#[derive(Serialize)]
pub(crate) struct View {
    pub(crate) id: String,
    object: &'static str,
    endpoint: String,
    errors: Option<Problems>,
    input_file_id: String,
    completion_window: String,
    pub(crate) status: &'static str,
    pub(crate) output_file_id: Option<String>,
    pub(crate) error_file_id: Option<String>,
    created_at: u64,
    in_progress_at: Option<u64>,
    expires_at: u64,
    finalizing_at: Option<u64>,
    completed_at: Option<u64>,
    failed_at: Option<u64>,
    expired_at: Option<u64>,
    cancelling_at: Option<u64>,
    cancelled_at: Option<u64>,
    pub(crate) request_counts: Counts,
    metadata: Option<Map<String, Value>>,
}

#[derive(Serialize)]
struct Problems {
    object: &'static str,
    data: Vec<Problem>,
}

impl View {
    fn new(order: Order, state: State, cancelling_at: Option<u64>) -> Self {
        let over = state.status.is_over();
        // A wish that came too late changes nothing.
        let cancelling_at = cancelling_at.filter(|_| !over || state.status == Status::Cancelled);
        let status = if cancelling_at.is_some() && !over { Status::Cancelling } else { state.status };
        Self {
            id: order.id,
            object: "batch",
            endpoint: order.endpoint,
            errors: (!state.errors.is_empty()).then_some(Problems { object: "list", data: state.errors }),
            input_file_id: order.input_file_id,
            completion_window: order.completion_window,
            status: status.word(),
            // They are chosen before they are there.
            output_file_id: state.output_file_id.filter(|_| over),
            error_file_id: state.error_file_id.filter(|_| over),
            created_at: order.created_at,
            in_progress_at: state.in_progress_at,
            expires_at: order.expires_at,
            finalizing_at: state.finalizing_at,
            completed_at: state.completed_at,
            failed_at: state.failed_at,
            expired_at: state.expired_at,
            cancelling_at,
            cancelled_at: state.cancelled_at,
            request_counts: state.counts,
            metadata: order.metadata,
        }
    }
}

impl View {
    /// What is wrong with the input.
    pub(crate) fn problems(&self) -> &[Problem] {
        self.errors.as_ref().map_or(&[], |problems| &problems.data)
    }
}

/// `POST /v1/batches`
pub(crate) fn create(folder: &Folder, queue: &impl Queue, mut fields: Fields) -> Result<Response, ApiError> {
    let failed = |error: std::io::Error| ApiError::disk("keep the batch", &error);
    let input_file_id = fields.text("input_file_id").unwrap_or_default();
    let file = Shelf::of(folder).find(&input_file_id);
    let file = file.map_err(|error| ApiError::value("input_file_id", error.message()))?;
    if file.purpose != "batch" {
        let why = format_args!("the purpose of the file is '{}', not 'batch'.", file.purpose);
        return Err(ApiError::value("input_file_id", why));
    }
    let created_at = crate::since_1970().as_secs();
    let order = Order {
        id: disk::new_id(record::PREFIX),
        endpoint: fields.text("endpoint").unwrap_or_default(),
        input_file_id,
        completion_window: fields.text("completion_window").unwrap_or_default(),
        created_at,
        expires_at: created_at + WINDOW,
        metadata: metadata(&mut fields)?,
        output_life: fields
            .object("output_expires_after")
            .and_then(|mut at| at.integer("seconds"))
            .unwrap_or(LIFE),
    };
    make_room(folder)?;
    let record = Record::create(folder, &order).map_err(failed)?;
    if let Err(error) = queue.ensure(&order.id) {
        // Whoever asks again would otherwise order it twice.
        record.remove().map_err(failed)?;
        return Err(ApiError::host(error, "input_file_id"));
    }
    Ok(answer::respond(&View::new(order, State::default(), None)))
}

fn metadata(fields: &mut Fields) -> Result<Option<Map<String, Value>>, ApiError> {
    let Some(metadata) = fields.object("metadata").map(Fields::rest) else { return Ok(None) };
    if metadata.len() > MAX_METADATA {
        let why = format_args!("it has {} pairs, but at most {MAX_METADATA} are kept.", metadata.len());
        return Err(ApiError::value("metadata", why));
    }
    for (name, value) in &metadata {
        if name.len() > MAX_METADATA_KEY || value.as_str().is_some_and(|text| text.len() > MAX_METADATA_VALUE)
        {
            let why = format_args!(
                "names have at most {MAX_METADATA_KEY} bytes and values at most {MAX_METADATA_VALUE}."
            );
            return Err(ApiError::value("metadata", why));
        }
    }
    Ok(Some(metadata))
}

/// Forgets the oldest batches that are over where there are too many.
fn make_room(folder: &Folder) -> Result<(), ApiError> {
    let failed = |error: std::io::Error| ApiError::disk("make room for the batch", &error);
    let ids = Record::ids(folder).map_err(failed)?;
    let mut surplus = (ids.len() + 1).saturating_sub(MAX_BATCHES);
    for id in ids {
        if surplus == 0 {
            return Ok(());
        }
        let Ok((record, _)) = Record::find(folder, &id) else { continue };
        if record.state().map_err(failed)?.status.is_over() {
            record.remove().map_err(failed)?;
            surplus -= 1;
        }
    }
    if surplus == 0 { Ok(()) } else { Err(ApiError::too_many_batches(MAX_BATCHES)) }
}

/// `GET /v1/batches`
pub(crate) fn list(folder: &Folder, queue: &impl Queue, mut query: Fields) -> Result<Response, ApiError> {
    let limit = query.integer("limit").unwrap_or(20);
    Ok(answer::respond(&page(folder, queue, limit, query.text("after"))?))
}

/// So many batches, the newest first.
pub(crate) fn page(
    folder: &Folder,
    queue: &impl Queue,
    limit: usize,
    after: Option<String>,
) -> Result<Page<View>, ApiError> {
    let ids = Record::ids(folder).map_err(|error| ApiError::disk("list the batches", &error))?;
    // One may be forgotten meanwhile.
    Page::of(files::ordered(ids, true, after), limit, |id| Ok(view(folder, queue, id).ok()))
}

/// `GET /v1/batches/{id}`
pub(crate) fn one(folder: &Folder, queue: &impl Queue, id: &str) -> Result<Response, ApiError> {
    Ok(answer::respond(&view(folder, queue, id)?))
}

/// A batch as it is now.
pub(crate) fn view(folder: &Folder, queue: &impl Queue, id: &str) -> Result<View, ApiError> {
    let failed = |error: std::io::Error| ApiError::disk("read the batch", &error);
    let (record, order) = Record::find(folder, id)?;
    let mut state = record.state().map_err(failed)?;
    if !state.status.is_over()
        && let Job::Over(why) = look(queue, id)?
    {
        // Its job may just have come to a good end.
        state = record.state().map_err(failed)?;
        if !state.status.is_over() {
            state = worker::fail(&record, state, Problem::new("job_failed", why)).map_err(failed)?;
        }
    }
    Ok(View::new(order, state, record.cancelling_at().map_err(failed)?))
}

/// Sees to it that somebody works on a batch: a crash may have come between writing it down and saying so.
fn look(queue: &impl Queue, id: &str) -> Result<Job, ApiError> {
    queue.ensure(id).map_err(|error| ApiError::host(error, "batch_id"))
}

/// `POST /v1/batches/{id}/cancel`
pub(crate) fn cancel(folder: &Folder, queue: &impl Queue, id: &str) -> Result<Response, ApiError> {
    let seen = view(folder, queue, id)?;
    if !matches!(seen.status, "validating" | "in_progress" | "finalizing" | "cancelling") {
        return Err(ApiError::batch_over(id, seen.status));
    }
    let (record, _) = Record::find(folder, id)?;
    record.cancel().map_err(|error| ApiError::disk("cancel the batch", &error))?;
    one(folder, queue, id)
}

/// A batch that is not over and whose input is this file.
pub(crate) fn needing(folder: &Folder, file: &str) -> Result<Option<String>, ApiError> {
    let failed = |error: std::io::Error| ApiError::disk("look for batches", &error);
    for id in Record::ids(folder).map_err(failed)? {
        let Ok((record, order)) = Record::find(folder, &id) else { continue };
        if order.input_file_id == file && !record.state().map_err(failed)?.status.is_over() {
            return Ok(Some(id));
        }
    }
    Ok(None)
}
