//! The input of a batch: lines of JSON, each a request. It is read twice: checked as a whole, then worked on.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use inferno_sdk::json;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::ENDPOINTS;
use super::ids::Ids;

/// The longest line, with what a request may show.
pub(crate) const MAX_LINE: usize = 8 << 20;
/// The longest `custom_id`.
const MAX_ID: usize = 512;
/// So many mistakes are told; who made more made the same one again.
const MAX_PROBLEMS: usize = 50;

/// What is wrong with an input, as OpenAI says it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Problem {
    pub(crate) code: String,
    pub(crate) message: String,
    pub(crate) param: Option<String>,
    pub(crate) line: Option<u64>,
}

impl Problem {
    pub(crate) fn new(code: &str, message: impl Into<String>) -> Self {
        Self { code: code.to_owned(), message: message.into(), param: None, line: None }
    }

    fn of(param: &str, code: &str, message: impl Into<String>) -> Self {
        Self { param: Some(param.to_owned()), ..Self::new(code, message) }
    }

    fn missing(param: &str) -> Self {
        Self::of(param, "missing_required_parameter", format!("Missing required parameter: '{param}'."))
    }
}

/// What a request must be.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rules {
    /// The endpoint that all are for; none: each says its own.
    pub(crate) endpoint: Option<String>,
    /// The model of those that name none; none: each has to name one.
    pub(crate) model: Option<String>,
    /// How many there may be.
    pub(crate) most: usize,
}

/// A request.
#[derive(Debug, PartialEq)]
pub(crate) struct Ask {
    pub(crate) custom_id: String,
    /// The endpoint.
    pub(crate) url: &'static str,
    /// As a client would send it over HTTP.
    pub(crate) body: Vec<u8>,
}

/// A line, and its place among the requests.
#[derive(Debug, PartialEq)]
pub(crate) struct Line {
    pub(crate) place: usize,
    /// From 1, those counted in that are empty.
    pub(crate) number: u64,
    pub(crate) text: Vec<u8>,
}

/// Reads the lines.
pub(crate) struct Lines {
    file: BufReader<File>,
    place: usize,
    number: u64,
}

impl Lines {
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self { file: BufReader::with_capacity(64 * 1024, File::open(path)?), place: 0, number: 0 })
    }

    /// The next line that is not empty. Of one that is too long, the beginning, which is longer than any may be.
    pub(crate) fn next(&mut self) -> io::Result<Option<Line>> {
        loop {
            let mut text = Vec::new();
            let most = MAX_LINE as u64 + 1;
            if Read::by_ref(&mut self.file).take(most).read_until(b'\n', &mut text)? == 0 {
                return Ok(None);
            }
            self.number += 1;
            if text.last() == Some(&b'\n') {
                text.pop();
            } else if text.len() > MAX_LINE {
                self.file.skip_until(b'\n')?;
            }
            if text.trim_ascii().is_empty() {
                continue;
            }
            let place = self.place;
            self.place += 1;
            return Ok(Some(Line { place, number: self.number, text }));
        }
    }
}

/// Reads all of an input, which can be worked on if nothing is wrong.
pub(crate) fn check(path: &Path, rules: &Rules) -> io::Result<Result<Ids, Vec<Problem>>> {
    let mut lines = Lines::open(path)?;
    let mut ids = Ids::default();
    let mut problems = Vec::new();
    while let Some(line) = lines.next()?
        && problems.len() < MAX_PROBLEMS
    {
        if ids.len() == rules.most {
            let message = format!("The input has more than {} requests. Split it.", rules.most);
            problems.push(Problem::new("too_many_tasks", message));
            break;
        }
        match ask(&line, rules) {
            Ok(ask) => ids.push(&ask.custom_id),
            Err(problem) => {
                problems.push(Problem { line: Some(line.number), ..problem });
                // Keeps the places right.
                ids.push("");
            }
        }
    }
    if ids.len() == 0 {
        let message = "The input is empty. It must have at least one request.";
        problems.push(Problem::new("empty_file", message));
    }
    if problems.is_empty() {
        let again = ids.settle();
        problems = duplicates(path, &again[..again.len().min(MAX_PROBLEMS)])?;
    }
    Ok(if problems.is_empty() { Ok(ids) } else { Err(problems) })
}

/// Says of the requests at these places that others have the same `custom_id`.
fn duplicates(path: &Path, places: &[usize]) -> io::Result<Vec<Problem>> {
    let mut problems = Vec::new();
    let mut lines = Lines::open(path)?;
    while problems.len() < places.len()
        && let Some(line) = lines.next()?
    {
        if places.contains(&line.place) {
            let id = custom_id(&line.text);
            let message = format!(
                "The custom_id '{id}' for this request is a duplicate of another request. The custom_id parameter must be \
                 unique for each request in a batch."
            );
            let problem = Problem::of("custom_id", "duplicate_custom_id", message);
            problems.push(Problem { line: Some(line.number), ..problem });
        }
    }
    Ok(problems)
}

type Object<'a> = BTreeMap<Cow<'a, str>, &'a RawValue>;

/// The `custom_id` of a line that was checked.
pub(crate) fn custom_id(line: &[u8]) -> String {
    let object: Object<'_> = serde_json::from_slice(line).unwrap_or_default();
    text(&object, "custom_id").unwrap_or_default()
}

/// The request on a line.
pub(crate) fn ask(line: &Line, rules: &Rules) -> Result<Ask, Problem> {
    if line.text.len() > MAX_LINE {
        let message = format!("This line is longer than {MAX_LINE} bytes.");
        return Err(Problem::new("invalid_request", message));
    }
    let broken = |why: String| {
        Problem::new("invalid_json_line", format!("This line is not parseable as valid JSON: {why}"))
    };
    json::check(&line.text).map_err(|why| broken(why.to_string()))?;
    let object: Object<'_> = serde_json::from_slice(&line.text).map_err(|error| broken(error.to_string()))?;
    let custom_id = text(&object, "custom_id")?;
    if custom_id.is_empty() || custom_id.len() > MAX_ID {
        let message = format!("Invalid 'custom_id': it must have 1 to {MAX_ID} bytes.");
        return Err(Problem::of("custom_id", "invalid_value", message));
    }
    let method = text(&object, "method")?;
    if method != "POST" {
        let message = format!("Invalid method '{method}'. The supported method is 'POST'.");
        return Err(Problem::of("method", "invalid_method", message));
    }
    let url = url(&text(&object, "url")?, rules)?;
    let body = object.get("body").ok_or_else(|| Problem::missing("body"))?;
    Ok(Ask { custom_id, url, body: whole(body, rules)? })
}

fn url(url: &str, rules: &Rules) -> Result<&'static str, Problem> {
    if let Some(endpoint) = rules.endpoint.as_ref().filter(|endpoint| *endpoint != url) {
        let message = format!(
            "The URL provided for this request, '{url}', does not match the batch's endpoint, '{endpoint}'."
        );
        return Err(Problem::of("url", "invalid_url", message));
    }
    ENDPOINTS.iter().copied().find(|known| *known == url).ok_or_else(|| {
        let message = format!("'{url}' takes no batches. Supported values are: {}.", ENDPOINTS.join(", "));
        Problem::of("url", "invalid_url", message)
    })
}

/// A body that names its model.
fn whole(body: &RawValue, rules: &Rules) -> Result<Vec<u8>, Problem> {
    let fields: Object<'_> = serde_json::from_str(body.get())
        .map_err(|_| Problem::of("body", "invalid_type", "Invalid type for 'body': expected an object."))?;
    if fields.get("model").is_some_and(|model| model.get() != "null") {
        return Ok(body.get().as_bytes().to_vec());
    }
    let Some(model) = &rules.model else { return Err(Problem::missing("body.model")) };
    let mut fields: BTreeMap<Cow<'_, str>, Cow<'_, RawValue>> =
        fields.into_iter().map(|(name, value)| (name, Cow::Borrowed(value))).collect();
    let model = serde_json::value::to_raw_value(model)
        .map_err(|error| Problem::of("body.model", "invalid_value", error.to_string()))?;
    fields.insert("model".into(), Cow::Owned(model));
    Ok(crate::answer::json(&fields))
}

fn text(object: &Object<'_>, name: &str) -> Result<String, Problem> {
    let value = object.get(name).ok_or_else(|| Problem::missing(name))?;
    serde_json::from_str(value.get()).map_err(|_| {
        Problem::of(name, "invalid_type", format!("Invalid type for '{name}': expected a string."))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules() -> Rules {
        Rules { endpoint: Some("/v1/completions".into()), model: None, most: 6 }
    }

    fn checked(input: &str, rules: &Rules) -> Result<Ids, Vec<Problem>> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), input).unwrap();
        check(file.path(), rules).unwrap()
    }

    fn line(id: &str) -> String {
        format!(
            r#"{{"custom_id":"{id}","method":"POST","url":"/v1/completions","body":{{"model":"m","prompt":"a"}}}}"#
        )
    }

    #[track_caller]
    fn wrong(input: &str, code: &str, param: Option<&str>, number: Option<u64>, says: &str) {
        let problems = checked(input, &rules()).err().unwrap();
        let [problem] = &problems[..] else { panic!("{problems:?}") };
        assert_eq!(
            (&*problem.code, problem.param.as_deref(), problem.line),
            (code, param, number),
            "{problem:?}"
        );
        assert!(problem.message.contains(says), "{problem:?}");
    }

    #[test]
    fn each_mistake_has_its_line() {
        let good = line("a");
        let with = |from: &str, to: &str| format!("{good}\n\n{}\n", line("b").replace(from, to));
        let check = |from: &str, to: &str, code, param, says| {
            wrong(&with(from, to), code, Some(param), Some(3), says)
        };
        wrong("\n \n", "empty_file", None, None, "at least one request");
        wrong(&format!("{good}\n{{\"custom_id\""), "invalid_json_line", None, Some(2), "EOF");
        wrong(&format!("{good}\n[1]"), "invalid_json_line", None, Some(2), "map");
        check("\"custom_id\":\"b\",", "", "missing_required_parameter", "custom_id", "'custom_id'");
        check("\"b\"", "7", "invalid_type", "custom_id", "expected a string");
        check("\"b\"", "\"\"", "invalid_value", "custom_id", "1 to 512");
        check("\"b\"", "\"a\"", "duplicate_custom_id", "custom_id", "The custom_id 'a'");
        check("POST", "GET", "invalid_method", "method", "'GET'");
        check("/v1/completions", "/v1/embeddings", "invalid_url", "url", "'/v1/completions'");
        check("\"model\":\"m\",", "", "missing_required_parameter", "body.model", "'body.model'");
        check(r#"{"model":"m","prompt":"a"}"#, "[]", "invalid_type", "body", "an object");
        check(r#","body":{"model":"m","prompt":"a"}"#, "", "missing_required_parameter", "body", "'body'");
        let many: String = (0..7).map(|n| line(&n.to_string()) + "\n").collect();
        wrong(&many, "too_many_tasks", None, None, "more than 6");
        let long = line(&"x".repeat(MAX_LINE));
        wrong(&format!("{long}\n{good}\n"), "invalid_request", None, Some(1), "longer than");
    }

    #[test]
    fn many_mistakes_are_told_up_to_a_point() {
        let problems = checked(&"x\n".repeat(500), &Rules { most: 1000, ..rules() }).err().unwrap();
        assert_eq!(problems.len(), MAX_PROBLEMS);
        let problems = checked(&(line("a") + "\n").repeat(4), &rules()).err().unwrap();
        assert_eq!(
            problems.iter().map(|problem| problem.line).collect::<Vec<_>>(),
            [Some(2), Some(3), Some(4)]
        );
    }

    #[test]
    fn a_model_is_put_in_where_there_is_none() {
        let rules = Rules { endpoint: None, model: Some("d\"".into()), most: 10 };
        let ask = |text: String| {
            let line = Line { place: 0, number: 1, text: text.into_bytes() };
            ask(&line, &rules).unwrap()
        };
        let own = ask(line("a"));
        assert_eq!((own.url, &*own.body), ("/v1/completions", &br#"{"model":"m","prompt":"a"}"#[..]));
        for none in ["\"model\":null,", ""] {
            let given = ask(line("a").replace("\"model\":\"m\",", none));
            assert_eq!(given.body, br#"{"model":"d\"","prompt":"a"}"#);
        }
    }

    #[test]
    fn lines_are_read_to_the_last_even_without_its_end() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "a\r\n\n b").unwrap();
        let mut lines = Lines::open(file.path()).unwrap();
        let line = |place, number, text: &[u8]| Some(Line { place, number, text: text.to_vec() });
        assert_eq!(lines.next().unwrap(), line(0, 1, b"a\r"));
        assert_eq!(lines.next().unwrap(), line(1, 3, b" b"));
        assert_eq!(lines.next().unwrap(), None);
    }
}
