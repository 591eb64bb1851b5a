//! Works through an input: so many requests at once, each answered once, until there are none left or a reason to stop.

use std::collections::VecDeque;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use futures::StreamExt;
use futures::stream::FuturesUnordered;

use super::ids::Ids;
use super::input::{self, Ask, Line, Lines, Rules};
use super::results::{Outcome, Results};

/// How much the requests under way may take together; one may, whatever it takes.
const MAX_BYTES: usize = super::input::MAX_LINE;
/// How long one waits before it is tried again for the first time; twice as long each further time.
const FIRST_WAIT: Duration = Duration::from_millis(250);
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// How often a request is tried to which the answer is that it does not go now. More often, and it is the request.
const MOST_TRIES: u32 = 10;
/// How long nothing is looked at while all wait.
const NAP: Duration = Duration::from_millis(200);

/// What answers requests.
pub(crate) trait Answers {
    async fn answer(&self, ask: &Ask) -> Answer;
}

/// An answer, as a client would get it over HTTP.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
    pub(crate) retry_after: Option<Duration>,
}

impl Answer {
    /// Whether the same request may be answered another time: too many wait for the model, or it is not there yet.
    fn may_go_better(&self, tries: u32) -> bool {
        self.status == 429 || self.status == 503 && tries < MOST_TRIES
    }
}

/// Who looks on.
pub(crate) trait Watch {
    /// Whether to stop. Asked before each request, and now and then while all wait.
    fn stop(&mut self) -> io::Result<Option<Stop>>;

    /// Told after each answer, and while all wait.
    fn progress(&mut self, results: &mut Results) -> io::Result<()>;
}

/// Why to stop before the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// Nobody wants the rest any more. What is under way is finished.
    Cancelled,
    /// The time is over. What is under way is dropped.
    Expired,
}

/// A request that has not been answered.
struct Try {
    ask: Ask,
    size: usize,
    tries: u32,
    due: Instant,
}

/// Answers what is not answered yet.
pub(crate) async fn work(
    input: &Path,
    rules: &Rules,
    parallel: usize,
    (ids, results): (&mut Ids, &mut Results),
    answers: &impl Answers,
    watch: &mut impl Watch,
) -> io::Result<Option<Stop>> {
    let mut queue = Queue {
        lines: Lines::open(input)?,
        rules,
        next: None,
        again: VecDeque::new(),
        resume: Instant::now(),
    };
    let mut flying = FuturesUnordered::new();
    let mut bytes = 0;
    loop {
        let stop = watch.stop()?;
        if stop == Some(Stop::Expired) {
            return Ok(stop);
        }
        while stop.is_none() && flying.len() < parallel {
            let room = if flying.is_empty() { usize::MAX } else { MAX_BYTES.saturating_sub(bytes) };
            let Some(next) = queue.take(ids, room)? else { break };
            bytes += next.size;
            flying.push(async move {
                let answer = answers.answer(&next.ask).await;
                (next, answer)
            });
        }
        let Some((mut tried, answer)) = flying.next().await else {
            if stop.is_some() || queue.is_empty(ids)? {
                return Ok(stop);
            }
            watch.progress(results)?;
            std::thread::sleep(queue.wait().min(NAP));
            continue;
        };
        bytes -= tried.size;
        tried.tries += 1;
        if answer.may_go_better(tried.tries) && stop != Some(Stop::Cancelled) {
            queue.put_back(tried, answer.retry_after);
        } else {
            let Answer { status, body, .. } = answer;
            results.add(&tried.ask.custom_id, &Outcome::Answer { status, body: &body })?;
            ids.answered(&tried.ask.custom_id);
        }
        watch.progress(results)?;
    }
}

/// Says of all that is not answered why it will not be.
pub(crate) fn give_up(
    input: &Path,
    (ids, results): (&Ids, &mut Results),
    (code, message): (&'static str, &'static str),
) -> io::Result<()> {
    let mut lines = Lines::open(input)?;
    while let Some(line) = lines.next()? {
        if !ids.is_done(line.place) {
            results.add(&input::custom_id(&line.text), &Outcome::Nothing { code, message })?;
        }
    }
    Ok(())
}

/// What is to be done.
struct Queue<'a> {
    lines: Lines,
    rules: &'a Rules,
    /// Read, and not yet taken.
    next: Option<Line>,
    /// To be tried again, those that are due first in front.
    again: VecDeque<Try>,
    /// Nothing new is begun before.
    resume: Instant,
}

impl Queue<'_> {
    /// The next request that is not larger than this and due.
    fn take(&mut self, ids: &Ids, room: usize) -> io::Result<Option<Try>> {
        let now = Instant::now();
        if let Some(first) = self.again.front() {
            let fits = first.due <= now && first.size <= room;
            return Ok(if fits { self.again.pop_front() } else { None });
        }
        if self.resume > now || !self.read(ids)? {
            return Ok(None);
        }
        let Some(line) = self.next.take_if(|line| line.text.len() <= room) else { return Ok(None) };
        let ask = input::ask(&line, self.rules).map_err(|problem| {
            // It was checked before the first was asked.
            let why = format!("line {} of the input has changed: {}", line.number, problem.message);
            io::Error::new(io::ErrorKind::InvalidData, why)
        })?;
        Ok(Some(Try { ask, size: line.text.len(), tries: 0, due: now }))
    }

    /// Reads on to the next line that is not answered; false at the end.
    fn read(&mut self, ids: &Ids) -> io::Result<bool> {
        while self.next.is_none() {
            match self.lines.next()? {
                Some(line) if ids.is_done(line.place) => {}
                Some(line) => self.next = Some(line),
                None => return Ok(false),
            }
        }
        Ok(true)
    }

    fn is_empty(&mut self, ids: &Ids) -> io::Result<bool> {
        Ok(self.again.is_empty() && !self.read(ids)?)
    }

    fn put_back(&mut self, tried: Try, retry_after: Option<Duration>) {
        let doubled = FIRST_WAIT.saturating_mul(1 << (tried.tries - 1).min(16)).min(LONGEST_WAIT);
        let due = Instant::now() + retry_after.unwrap_or_default().max(doubled);
        self.resume = self.resume.max(due);
        let place = self.again.partition_point(|other| other.due <= due);
        self.again.insert(place, Try { due, ..tried });
    }

    /// How long until there is something to do.
    fn wait(&self) -> Duration {
        let due = self.again.front().map_or(self.resume, |first| first.due);
        due.saturating_duration_since(Instant::now())
    }
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};
    use std::collections::BTreeMap;
    use std::fs;

    use super::*;
    use crate::batches::results::Counts;
    use crate::testing::now;

    /// Echoes; some requests only after some tries.
    #[derive(Default)]
    struct Echo {
        stubborn: RefCell<BTreeMap<String, (u32, u16)>>,
        asked: RefCell<Vec<String>>,
    }

    impl Answers for Echo {
        async fn answer(&self, ask: &Ask) -> Answer {
            self.asked.borrow_mut().push(ask.custom_id.clone());
            let refused = match self.stubborn.borrow_mut().get_mut(&ask.custom_id) {
                Some((left, status)) if *left > 0 => {
                    *left -= 1;
                    Some(*status)
                }
                _ => None,
            };
            Answer { status: refused.unwrap_or(200), body: ask.body.clone(), retry_after: None }
        }
    }

    /// Stops after so many answers.
    struct After(Cell<u64>, Option<Stop>);

    impl Watch for After {
        fn stop(&mut self) -> io::Result<Option<Stop>> {
            Ok(self.1.filter(|_| self.0.get() == 0))
        }

        fn progress(&mut self, _: &mut Results) -> io::Result<()> {
            self.0.set(self.0.get().saturating_sub(1));
            Ok(())
        }
    }

    struct Case {
        dir: tempfile::TempDir,
        rules: Rules,
    }

    impl Case {
        fn new(requests: usize) -> Self {
            let dir = tempfile::tempdir().unwrap();
            let line = |n| {
                format!(
                    "{{\"custom_id\":\"r{n}\",\"method\":\"POST\",\"url\":\"/v1/embeddings\",\"body\":{{\"model\":\"m\"}}}}\n"
                )
            };
            fs::write(dir.path().join("in"), (0..requests).map(line).collect::<String>()).unwrap();
            Self { dir, rules: Rules { endpoint: None, model: None, most: 1000 } }
        }

        fn run(&self, answers: &Echo, after: u64, stop: Option<Stop>) -> (Option<Stop>, Counts) {
            let at = |name: &str| self.dir.path().join(name);
            let mut ids = input::check(&at("in"), &self.rules).unwrap().ok().unwrap();
            let mut results = Results::open(&at("good"), Some(&at("bad")), &mut ids).unwrap();
            let mut watch = After(Cell::new(after), stop);
            let ended =
                now(work(&at("in"), &self.rules, 4, (&mut ids, &mut results), answers, &mut watch)).unwrap();
            if ended == Some(Stop::Expired) {
                give_up(&at("in"), (&ids, &mut results), ("batch_expired", "late")).unwrap();
            }
            (ended, results.counts())
        }

        fn ids(&self, name: &str) -> Vec<String> {
            let text = fs::read_to_string(self.dir.path().join(name)).unwrap();
            let mut ids: Vec<String> = text.lines().map(|line| input::custom_id(line.as_bytes())).collect();
            ids.sort_unstable();
            ids
        }
    }

    fn counts(total: u64, completed: u64, failed: u64) -> Counts {
        Counts { total, completed, failed }
    }

    #[test]
    fn what_is_cancelled_goes_on_where_it_stopped() {
        let case = Case::new(10);
        let (ended, first) = case.run(&Echo::default(), 3, Some(Stop::Cancelled));
        assert_eq!((ended, first.failed), (Some(Stop::Cancelled), 0));
        assert!((3..10).contains(&first.completed), "{first:?}");
        let answers = Echo::default();
        assert_eq!(case.run(&answers, 0, None), (None, counts(10, 10, 0)));
        assert_eq!(answers.asked.borrow().len() as u64, 10 - first.completed);
        let mut expected: Vec<String> = (0..10).map(|n| format!("r{n}")).collect();
        expected.sort_unstable();
        assert_eq!(case.ids("good"), expected);
        assert_eq!(case.run(&answers, 0, None), (None, counts(10, 10, 0)), "nothing is left");
    }

    #[test]
    fn what_is_late_is_said_of_each() {
        let case = Case::new(10);
        let (ended, after) = case.run(&Echo::default(), 2, Some(Stop::Expired));
        assert_eq!((ended, after), (Some(Stop::Expired), counts(10, 2, 8)));
        assert_eq!((case.ids("good").len(), case.ids("bad").len()), (2, 8));
        assert!(
            fs::read_to_string(case.dir.path().join("bad"))
                .unwrap()
                .contains("\"response\":null,\"error\":{\"code\":\"batch_expired\",\"message\":\"late\"}}")
        );
    }

    #[test]
    fn what_does_not_go_now_is_tried_again_and_what_does_not_go_is_not() {
        let case = Case::new(6);
        let answers = Echo::default();
        answers.stubborn.borrow_mut().extend([
            ("r1".to_owned(), (2, 429)),
            ("r2".to_owned(), (1, 503)),
            ("r4".to_owned(), (9, 400)),
        ]);
        assert_eq!(case.run(&answers, 0, None), (None, counts(6, 5, 1)));
        let asked = answers.asked.borrow();
        let times = |id: &str| asked.iter().filter(|asked| *asked == id).count();
        assert_eq!(["r0", "r1", "r2", "r4"].map(times), [1, 3, 2, 1]);
        assert_eq!(case.ids("bad"), ["r4"]);
        let unlucky = Answer { status: 503, body: Vec::new(), retry_after: None };
        assert!(unlucky.may_go_better(9) && !unlucky.may_go_better(10));
    }
}
