//! What the steps that ask models have in common.

use inferno_sdk::models::Model;
use inferno_sdk::{Error as HostError, ErrorKind};
use toml::Spanned;

use crate::error::Error;
use crate::node::{Context, Outcome};
use crate::record::Record;

/// The model. That there is none is an error at the place of its name.
pub(super) fn model(name: &Spanned<String>, context: &Context) -> Result<Model, Error> {
    context.models.check(name.get_ref()).map_err(|error| Error::from(error).at(name.span()))
}

/// What becomes of a record that a model gave no answer for.
pub(super) fn failed(record: Record, error: &HostError) -> Outcome {
    let why = error.to_string();
    match error.kind {
        ErrorKind::Exhausted | ErrorKind::Unavailable | ErrorKind::Timeout => Outcome::Retry(record, why),
        ErrorKind::Invalid | ErrorKind::ContextLength => Outcome::Reject(record, why),
        _ => Outcome::Fail(record, why),
    }
}

/// A batch of which some records are to be asked about, and the others have failed already.
pub(super) struct Asked<T> {
    outcomes: Vec<Option<Outcome>>,
    waiting: Vec<(usize, Record)>,
    pub(super) questions: Vec<T>,
}

impl<T> Asked<T> {
    /// Makes the question of each record.
    pub(super) fn of(batch: Vec<Record>, mut question: impl FnMut(&mut Record) -> Result<T, String>) -> Self {
        let mut asked = Self { outcomes: Vec::new(), waiting: Vec::new(), questions: Vec::new() };
        for (place, mut record) in batch.into_iter().enumerate() {
            asked.outcomes.push(match question(&mut record) {
                Ok(question) => {
                    asked.questions.push(question);
                    asked.waiting.push((place, record));
                    None
                }
                Err(why) => Some(Outcome::Reject(record, why)),
            });
        }
        asked
    }

    /// What becomes of each record, given the answers.
    pub(super) fn answered<A>(
        mut self,
        answers: Vec<Result<A, HostError>>,
        mut put: impl FnMut(&mut Record, A) -> Result<(), String>,
    ) -> Result<Vec<Outcome>, Error> {
        if answers.len() != self.waiting.len() {
            let (asked, got) = (self.waiting.len(), answers.len());
            return Err(Error::new(format!("the host gave {got} answers to {asked} questions")));
        }
        for ((place, mut record), answer) in self.waiting.into_iter().zip(answers) {
            let outcome = match answer {
                Err(error) => failed(record, &error),
                Ok(answer) => match put(&mut record, answer) {
                    Ok(()) => Outcome::One(record),
                    Err(why) => Outcome::Reject(record, why),
                },
            };
            self.outcomes[place] = Some(outcome);
        }
        Ok(self.outcomes.into_iter().flatten().collect())
    }
}
