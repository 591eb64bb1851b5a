//! Models at the service of steps: so many calls at a time, and none that was answered before.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use inferno_sdk::Error as HostError;
use inferno_sdk::inference::{Completion, Finish, Request};
use inferno_sdk::models::Model;
use serde::{Deserialize, Serialize};

use crate::cache::{Cache, Key, key};
use crate::error::Error;
use crate::host::Host;

/// A model's answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Answer {
    /// What it wrote.
    pub(crate) text: String,
    /// It came to an end by itself; false: there was no more room.
    pub(crate) whole: bool,
    pub(crate) prompt_tokens: u32,
    pub(crate) output_tokens: u32,
}

impl From<Completion> for Answer {
    fn from(completion: Completion) -> Self {
        Self {
            text: completion.text,
            whole: completion.finish != Finish::Length,
            prompt_tokens: completion.usage.prompt_tokens,
            output_tokens: completion.usage.output_tokens,
        }
    }
}

/// What became of one call.
pub(crate) type Answered<T> = Result<T, HostError>;

/// The models.
pub(crate) struct Models {
    host: Rc<dyn Host>,
    cache: Option<Rc<RefCell<Cache>>>,
    parallel: usize,
    /// By the names of models.
    digests: RefCell<HashMap<String, String>>,
    asked: Cell<u64>,
    known: Cell<u64>,
}

impl Models {
    /// Without a cache every call is made.
    pub(crate) fn new(host: Rc<dyn Host>, cache: Option<Cache>, parallel: usize) -> Self {
        let cache = cache.map(|cache| Rc::new(RefCell::new(cache)));
        Self { host, cache, parallel, digests: RefCell::default(), asked: Cell::new(0), known: Cell::new(0) }
    }

    /// What is known of a model. Fails if there is none, or if it may not be used.
    pub(crate) fn check(&self, model: &str) -> Result<Model, HostError> {
        self.host.model(model)
    }

    /// One answer for each request, in order. An error is one of the cache's file.
    pub(crate) fn complete(&self, requests: Vec<Request>) -> Result<Vec<Answered<Answer>>, Error> {
        let mut answers: Vec<Option<Answered<Answer>>> = Vec::new();
        let (mut asked, mut places) = (Vec::new(), Vec::new());
        for (place, request) in requests.into_iter().enumerate() {
            let key = match self.digest(&request.model) {
                Ok(digest) => key(&["complete", &digest, &format!("{request:?}")]),
                Err(error) => {
                    answers.push(Some(Err(error)));
                    continue;
                }
            };
            let known = self.get(&key)?.and_then(|bytes| serde_json::from_slice(&bytes).ok());
            if known.is_none() {
                asked.push(request);
                places.push((place, key));
            }
            answers.push(known.map(Ok));
        }
        for (place, answer) in self.ask(asked, &places)? {
            answers[place] = Some(answer);
        }
        Ok(answers.into_iter().flatten().collect())
    }

    /// Asks, and keeps each answer as soon as it is there.
    fn ask(
        &self,
        requests: Vec<Request>,
        places: &[(usize, Key)],
    ) -> Result<Vec<(usize, Answered<Answer>)>, Error> {
        if requests.is_empty() {
            return Ok(Vec::new());
        }
        self.asked.update(|asked| asked + requests.len() as u64);
        let (cache, keys) = (self.cache.clone(), places.to_vec());
        let answered = Rc::new(RefCell::new(Ok(Vec::with_capacity(places.len()))));
        let sink = answered.clone();
        let done = move |n: usize, result: Answered<Completion>| {
            let (place, key) = keys[n];
            let answer = result.map(Answer::from);
            let kept = match (&cache, &answer) {
                (Some(cache), Ok(answer)) => keep(cache, key, answer),
                _ => Ok(()),
            };
            let mut sink = sink.borrow_mut();
            match kept {
                Ok(()) => sink.iter_mut().for_each(|all| all.push((place, answer.clone()))),
                Err(error) => *sink = Err(error),
            }
        };
        self.host.complete(requests, self.parallel, Box::new(done));
        answered.replace(Ok(Vec::new()))
    }

    /// One vector for each text, in order. The outer error is one of the cache's file.
    pub(crate) fn embed(&self, model: &str, texts: Vec<String>) -> Result<Answered<Vec<Vec<f32>>>, Error> {
        let digest = match self.digest(model) {
            Ok(digest) => digest,
            Err(error) => return Ok(Err(error)),
        };
        let keys: Vec<_> = texts.iter().map(|text| key(&["embed", &digest, text])).collect();
        let mut vectors = Vec::with_capacity(texts.len());
        for key in &keys {
            vectors.push(self.get(key)?.map(|bytes| floats(&bytes)));
        }
        let unknown = vectors.iter().zip(texts).filter(|(vector, _)| vector.is_none());
        let unknown: Vec<_> = unknown.map(|(_, text)| text).collect();
        if !unknown.is_empty() {
            self.asked.update(|asked| asked + unknown.len() as u64);
            let mut fresh = match self.host.embed(model, unknown) {
                Ok(fresh) => fresh.into_iter(),
                Err(error) => return Ok(Err(error)),
            };
            for (key, slot) in keys.into_iter().zip(&mut vectors).filter(|(_, slot)| slot.is_none()) {
                let Some(vector) = fresh.next() else { break };
                if let Some(cache) = &self.cache {
                    cache.borrow_mut().put(key, &bytes(&vector))?;
                }
                *slot = Some(vector);
            }
        }
        Ok(Ok(vectors.into_iter().flatten().collect()))
    }

    /// How many calls may be under way at a time.
    pub(crate) fn parallel(&self) -> usize {
        self.parallel
    }

    /// The tokens of a text.
    pub(crate) fn tokenize(&self, model: &str, text: &str) -> Answered<Vec<u32>> {
        self.host.tokenize(model, text)
    }

    /// How many calls were made, and how many were answered from the cache.
    pub(crate) fn calls(&self) -> (u64, u64) {
        (self.asked.get(), self.known.get())
    }

    /// Makes durable what was kept.
    pub(crate) fn sync(&self) -> Result<(), Error> {
        self.cache.as_ref().map_or(Ok(()), |cache| cache.borrow_mut().sync())
    }

    fn digest(&self, model: &str) -> Answered<String> {
        if let Some(digest) = self.digests.borrow().get(model) {
            return Ok(digest.clone());
        }
        let digest = self.host.digest(model)?;
        self.digests.borrow_mut().insert(model.to_owned(), digest.clone());
        Ok(digest)
    }

    fn get(&self, key: &Key) -> Result<Option<Vec<u8>>, Error> {
        let Some(cache) = &self.cache else { return Ok(None) };
        let found = cache.borrow_mut().get(key)?;
        self.known.update(|known| known + u64::from(found.is_some()));
        Ok(found)
    }
}

fn keep(cache: &RefCell<Cache>, key: Key, answer: &Answer) -> Result<(), Error> {
    match serde_json::to_vec(answer) {
        Ok(bytes) => cache.borrow_mut().put(key, &bytes),
        Err(error) => Err(Error::new(format!("cannot keep an answer: {error}"))),
    }
}

fn bytes(vector: &[f32]) -> Vec<u8> {
    vector.iter().flat_map(|value| value.to_le_bytes()).collect()
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes.as_chunks().0.iter().map(|chunk| f32::from_le_bytes(*chunk)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::RealDisk;
    use crate::testing::FakeHost;

    #[test]
    fn what_was_answered_once_is_not_asked_again() {
        let dir = tempfile::tempdir().unwrap();
        let host = Rc::new(FakeHost::default());
        let open = || {
            let cache = Cache::open(dir.path().join("answers"), Rc::new(RealDisk)).unwrap();
            Models::new(host.clone(), Some(cache), 4)
        };
        let ask = |texts: &[&str]| {
            let requests = texts.iter().map(|text| Request::prompt("m", *text)).collect();
            let answers = open().complete(requests).unwrap();
            answers.into_iter().map(|answer| answer.unwrap().text).collect::<Vec<_>>()
        };
        assert_eq!(ask(&["a", "b"]), ["a", "b"]);
        assert_eq!(ask(&["c", "a", "b", "d"]), ["c", "a", "b", "d"]);
        // The host of the tests answers the last of a batch first.
        assert_eq!(*host.prompts.borrow(), ["b", "a", "d", "c"]);
        let embed = |texts: &[&str]| {
            open().embed("m", texts.iter().map(|text| (*text).to_owned()).collect()).unwrap().unwrap()
        };
        assert_eq!(embed(&["aa", "e"]), [[2., 0., 0., 0., 0.], [0., 1., 0., 0., 0.]]);
        assert_eq!(embed(&["e", "u", "aa"])[1..], [[0., 0., 0., 0., 1.], [2., 0., 0., 0., 0.]]);
        assert_eq!(host.prompts.borrow()[4..], ["aa", "e", "u"]);
    }

    #[test]
    fn other_settings_are_another_question() {
        let host = Rc::new(FakeHost::default());
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::open(dir.path().join("answers"), Rc::new(RealDisk)).unwrap();
        let models = Models::new(host, Some(cache), 1);
        let mut request = Request::prompt("m", "a");
        models.complete(vec![request.clone()]).unwrap();
        request.temperature = Some(0.0);
        models.complete(vec![request.clone()]).unwrap();
        models.complete(vec![request]).unwrap();
        assert_eq!(models.calls(), (2, 1));
    }
}
