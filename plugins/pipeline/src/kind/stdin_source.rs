//! Records from standard input.

use std::io::{self, BufRead};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::Kind;
use crate::error::Error;
use crate::node::{Context, Progress, Pull, Pulled, Room, Source};
use crate::record::Record;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// What the lines are: `jsonl` (JSON, one record each) or `lines` (text, records with the field `text`).
    #[serde(default)]
    format: Format,
    /// The longest line, in bytes.
    #[serde(default = "longest")]
    max_line: u64,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Format {
    #[default]
    Jsonl,
    Lines,
}

fn longest() -> u64 {
    16 << 20
}

pub(crate) struct Stdin {
    format: Format,
    max_line: u64,
    input: Box<dyn BufRead>,
    lines: u64,
    bytes: u64,
    /// Of all that came, since another run has to be given the same again.
    digest: Sha256,
}

#[derive(Serialize, Deserialize)]
struct Place {
    lines: u64,
    digest: String,
}

impl Kind for Stdin {
    const NAME: &'static str = "stdin";
    const ABOUT: &'static str =
        "lines from standard input, one record each; a run that goes on has to be given the same input again";
    type Config = Config;

    fn open(config: Config, _: &Context) -> Result<Self, Error> {
        Ok(Self::over(config, Box::new(io::BufReader::new(io::stdin()))))
    }
}

impl Stdin {
    fn over(config: Config, input: Box<dyn BufRead>) -> Self {
        let Config { format, max_line } = config;
        Self { format, max_line, input, lines: 0, bytes: 0, digest: Sha256::new() }
    }

    /// The next line, without its end; for people, why it is of no use.
    fn next(&mut self) -> Result<Option<Result<String, String>>, Error> {
        let mut line = Vec::new();
        let mut whole = true;
        loop {
            let mut piece = Vec::new();
            let taken = io::Read::take(&mut self.input, self.max_line.max(1)).read_until(b'\n', &mut piece);
            let taken = taken.map_err(|error| Error::new(format!("cannot read standard input: {error}")))?;
            if taken == 0 && line.is_empty() {
                return Ok(None);
            }
            self.digest.update(&piece);
            self.bytes += taken as u64;
            let ended = taken == 0 || piece.ends_with(b"\n");
            // Of a line that is too long, only the first piece is kept.
            match line.is_empty() {
                true => line = piece,
                false if taken > 0 && piece != b"\n" => whole = false,
                false => {}
            }
            if ended {
                break;
            }
        }
        self.lines += 1;
        while matches!(line.last(), Some(b'\n' | b'\r')) {
            line.pop();
        }
        if !whole {
            return Ok(Some(Err(format!("the line is longer than {} bytes", self.max_line))));
        }
        let text = String::from_utf8(line);
        Ok(Some(text.map_err(|error| format!("it is no UTF-8 text: {}", error.utf8_error()))))
    }

    fn digest(&self) -> String {
        self.digest.clone().finalize()[..8].iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl Source for Stdin {
    fn start(&mut self, position: Option<&Value>) -> Result<(), Error> {
        let Some(position) = position else { return Ok(()) };
        let place = Place::deserialize(position)
            .map_err(|error| Error::new(format!("the place in standard input is unreadable: {error}")))?;
        while self.lines < place.lines && self.next()?.is_some() {}
        if self.digest() != place.digest {
            return Err(Error::new("standard input is not what it was when the run stopped")
                .hint("give the same input again from its beginning, or begin again with `--fresh`"));
        }
        Ok(())
    }

    fn pull(&mut self, room: Room) -> Result<Pull, Error> {
        let (mut batch, mut bytes) = (Vec::new(), 0);
        while batch.len() < room.records && bytes < room.bytes {
            let Some(line) = self.next()? else { break };
            let id = format!("stdin:{}", self.lines);
            batch.push(match (line, self.format) {
                (Ok(text), Format::Jsonl) if text.trim_ascii().is_empty() => continue,
                (Ok(text), format) => {
                    bytes += text.len();
                    Pulled::Record(match format {
                        Format::Jsonl => Record::from_text(id, text),
                        Format::Lines => Record::from_value(id, json!({ "text": text })),
                    })
                }
                (Err(why), _) => Pulled::Bad { record: Record::from_value(id, Value::Null), why },
            });
        }
        Ok(if batch.is_empty() { Pull::End } else { Pull::Batch(batch) })
    }

    fn position(&self) -> Value {
        json!(Place { lines: self.lines, digest: self.digest() })
    }

    fn progress(&self) -> Progress {
        Progress { done: self.bytes, total: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &'static [u8], format: Format) -> Stdin {
        Stdin::over(Config { format, max_line: 20 }, Box::new(text))
    }

    fn pull(source: &mut Stdin, records: usize) -> Vec<(String, String)> {
        match source.pull(Room { records, bytes: 1000 }).unwrap() {
            Pull::Batch(batch) => batch
                .into_iter()
                .map(|pulled| match pulled {
                    Pulled::Record(record) => record.into_parts(),
                    Pulled::Bad { record, why } => (record.id, why),
                })
                .collect(),
            _ => Vec::new(),
        }
    }

    #[test]
    fn lines_come_once_and_again_from_a_place() {
        let text = b"{\"n\":1}\r\n\n{\"n\":2}\nxxxxxxxxxxxxxxxxxxxxx\n\xff\n{\"n\":3}";
        let mut all = source(text, Format::Jsonl);
        let first = pull(&mut all, 2);
        assert_eq!(first[1], ("stdin:3".to_owned(), "{\"n\":2}".to_owned()));
        let place = all.position();
        let rest = pull(&mut all, 9);
        assert_eq!(rest[0].1, "the line is longer than 20 bytes");
        assert!(rest[1].1.starts_with("it is no UTF-8 text"));
        assert_eq!(rest[2], ("stdin:6".to_owned(), "{\"n\":3}".to_owned()));
        let mut again = source(text, Format::Jsonl);
        again.start(Some(&place)).unwrap();
        assert_eq!(pull(&mut again, 9), rest);
        let error = source(b"{\"n\":1}\n\n{\"n\":9}\n", Format::Jsonl).start(Some(&place)).unwrap_err();
        assert_eq!(error.message, "standard input is not what it was when the run stopped");
    }

    #[test]
    fn lines_of_text_are_records_too() {
        let lines = pull(&mut source(b"a\n\nb", Format::Lines), 9);
        assert_eq!(lines[1], ("stdin:2".to_owned(), "{\"text\":\"\"}".to_owned()));
        assert_eq!(lines.len(), 3);
    }
}
