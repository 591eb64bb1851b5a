//! The queue, with a time that is what the tests say.

use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    thread,
    time::Duration,
};

use super::*;
use crate::{Store, StoreError, database::Database};

/// 2026-01-01T00:00:00Z.
const START: i64 = 1_767_225_600_000;
const LEASE: Duration = Duration::from_secs(30);

struct Place {
    dir: tempfile::TempDir,
    time: Arc<AtomicI64>,
}

impl Place {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().expect("a directory"), time: Arc::new(AtomicI64::new(START)) }
    }

    /// A process of its own, as far as the file can tell.
    fn store(&self) -> Store {
        let database = Database::open(&self.dir.path().join("state.db")).expect("opened");
        let time = self.time.clone();
        Store::new(
            database,
            crate::Locks::Names(std::sync::Arc::default()),
            Box::new(move || time.load(Ordering::SeqCst)),
        )
    }

    fn pass(&self, time: Duration) {
        self.time.fetch_add(i64::try_from(time.as_millis()).expect("a time"), Ordering::SeqCst);
    }
}

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

fn new(name: &str) -> NewJob {
    NewJob::new(Task::new("local", "work", vec![name.to_owned()]), Submitter::User)
}

fn submit(store: &Store, name: &str) -> String {
    store.submit_job(&new(name)).expect("submitted").job.id
}

fn after(store: &Store, name: &str, earlier: &[&str]) -> String {
    let job = NewJob { after: earlier.iter().map(|id| (*id).to_owned()).collect(), ..new(name) };
    store.submit_job(&job).expect("submitted").job.id
}

/// Takes the next job, which must be this one.
fn take(store: &Store, name: &str) -> Lease {
    let (job, lease) = store.claim_job("me", LEASE).expect("looked").expect("there is one");
    assert_eq!(job.args, [name]);
    assert_eq!(job.state, JobState::Running);
    lease
}

fn idle(store: &Store) {
    let found = store.claim_job("me", LEASE).expect("looked");
    assert!(found.is_none(), "{found:?}");
}

fn end(store: &Store, lease: &Lease, end: &JobEnd) -> Job {
    store.end_job(lease, end).expect("ended").expect("the lease holds")
}

fn failed(why: &str) -> JobEnd {
    JobEnd::Failed { exit_code: Some(1), error: why.to_owned(), retry: true }
}

fn state(store: &Store, id: &str) -> JobState {
    store.job(id).expect("there").state
}

#[test]
fn the_most_urgent_comes_first_and_then_the_oldest() {
    let place = Place::new();
    let store = place.store();
    submit(&store, "a");
    submit(&store, "b");
    let mut urgent = new("urgent");
    urgent.task.priority = 5;
    store.submit_job(&urgent).expect("submitted");
    let mut later = new("later");
    later.task.priority = 9;
    later.not_before = Some(START as u64 + 1000);
    store.submit_job(&later).expect("submitted");

    for name in ["urgent", "a", "b"] {
        let lease = take(&store, name);
        let job = end(&store, &lease, &JobEnd::Succeeded);
        assert_eq!((job.state, job.exit_code, job.attempts), (JobState::Succeeded, Some(0), 1));
    }
    idle(&store);
    place.pass(seconds(1));
    take(&store, "later");
    idle(&store);
}

#[test]
fn ids_sort_by_time() {
    let place = Place::new();
    let store = place.store();
    let first = submit(&store, "a");
    place.pass(Duration::from_millis(1));
    let second = submit(&store, "b");
    assert!(first < second && first.starts_with("job_"), "{first} {second}");
    let listed: Vec<String> =
        store.jobs(&JobFilter::default()).expect("listed").into_iter().map(|job| job.id).collect();
    assert_eq!(listed, [second, first]);
}

#[test]
fn failures_come_back_later_and_later_until_the_attempts_are_spent() {
    let place = Place::new();
    let store = place.store();
    let mut job = new("a");
    job.task.retry = Retry { attempts: 4, backoff: seconds(10), cap: seconds(25) };
    let id = store.submit_job(&job).expect("submitted").job.id;
    for (attempt, longest) in [(1, 10), (2, 20), (3, 25)] {
        let lease = take(&store, "a");
        let job = end(&store, &lease, &failed("no luck"));
        assert_eq!(
            (job.state, job.attempts, job.error.as_deref()),
            (JobState::Queued, attempt, Some("no luck"))
        );
        let wait = job.not_before as i64 - place.time.load(Ordering::SeqCst);
        assert!((longest * 500..=longest * 1000).contains(&wait), "{wait} ms after attempt {attempt}");
        idle(&store);
        place.pass(seconds(longest as u64));
    }
    let lease = take(&store, "a");
    let job = end(&store, &lease, &failed("no luck"));
    assert_eq!(job.state, JobState::Dead);
    assert_eq!(job.error.as_deref(), Some("it failed 4 times, at last: no luck"));
    place.pass(seconds(10_000));
    idle(&store);

    let runs = store.job_runs(&id).expect("listed");
    assert_eq!(runs.len(), 4);
    assert_eq!(runs[3].outcome.as_deref(), Some("failed"));
    assert_eq!((runs[3].attempt, runs[3].exit_code), (4, Some(1)));
}

#[test]
fn what_cannot_succeed_is_not_tried_again() {
    let place = Place::new();
    let store = place.store();
    submit(&store, "a");
    let lease = take(&store, "a");
    let end_of = JobEnd::Failed { exit_code: None, error: "no such verb".to_owned(), retry: false };
    let job = end(&store, &lease, &end_of);
    assert_eq!((job.state, job.error.as_deref()), (JobState::Failed, Some("no such verb")));
    let mut once = new("b");
    once.task.retry.attempts = 1;
    store.submit_job(&once).expect("submitted");
    let lease = take(&store, "b");
    assert_eq!(
        end(&store, &lease, &failed("no luck")).state,
        JobState::Failed,
        "only one attempt was wanted"
    );
}

#[test]
fn a_runner_that_is_not_heard_of_loses_the_job_and_its_say() {
    let place = Place::new();
    let (first, second) = (place.store(), place.store());
    let id = submit(&first, "a");
    let lost = take(&first, "a");
    place.pass(seconds(20));
    assert_eq!(first.renew_job(&lost, LEASE).expect("renewed"), Beat::Held);
    place.pass(seconds(29));
    idle(&second);
    place.pass(seconds(1));
    let held = take(&second, "a");
    assert_eq!((lost.run(), held.run()), (1, 2));

    assert_eq!(first.renew_job(&lost, LEASE).expect("renewed"), Beat::Lost);
    for late in [JobEnd::Succeeded, JobEnd::Released, JobEnd::Cancelled, failed("late")] {
        assert_eq!(first.end_job(&lost, &late).expect("told"), None);
    }
    assert_eq!(state(&first, &id), JobState::Running);
    assert_eq!(second.renew_job(&held, LEASE).expect("renewed"), Beat::Held);
    let job = end(&second, &held, &JobEnd::Succeeded);
    assert_eq!((job.state, job.attempts), (JobState::Succeeded, 2), "what was lost counts");
    let runs = first.job_runs(&id).expect("listed");
    assert_eq!(runs[0].outcome.as_deref(), Some("lost"));
    assert_eq!(runs[0].error.as_deref(), Some("its runner (me) was not heard of any more"));
}

#[test]
fn a_job_that_takes_its_runners_along_does_not_do_so_for_ever() {
    let place = Place::new();
    let store = place.store();
    let id = submit(&store, "a");
    for _ in 0..3 {
        take(&store, "a");
        place.pass(LEASE);
    }
    idle(&store);
    let job = store.job(&id).expect("there");
    assert_eq!(job.state, JobState::Dead);
    assert!(job.error.expect("a reason").contains("not heard of"));
}

#[test]
fn what_is_given_back_was_not_tried() {
    let place = Place::new();
    let store = place.store();
    let id = submit(&store, "a");
    let lease = take(&store, "a");
    let job = end(&store, &lease, &JobEnd::Released);
    assert_eq!((job.state, job.attempts, job.runs), (JobState::Queued, 0, 1));
    take(&store, "a");
    assert_eq!(store.job(&id).expect("there").runs, 2);
}

#[test]
fn jobs_follow_those_that_they_wait_for() {
    let place = Place::new();
    let store = place.store();
    let (a, b) = (submit(&store, "a"), submit(&store, "b"));
    let c = after(&store, "c", &[&a, &b]);
    assert_eq!(state(&store, &c), JobState::Blocked);
    assert_eq!(store.job(&c).expect("there").after, [a.as_str(), b.as_str()]);
    let first = take(&store, "a");
    let second = take(&store, "b");
    end(&store, &second, &JobEnd::Succeeded);
    idle(&store);
    end(&store, &first, &JobEnd::Succeeded);
    assert_eq!(state(&store, &c), JobState::Queued);
    take(&store, "c");
    let d = after(&store, "d", &[&a]);
    assert_eq!(state(&store, &d), JobState::Queued, "what it waits for is done already");
}

#[test]
fn what_was_to_follow_a_failure_is_cancelled_with_all_behind_it() {
    let place = Place::new();
    let store = place.store();
    let a = submit(&store, "a");
    let b = after(&store, "b", &[&a]);
    let c = after(&store, "c", &[&b]);
    let lease = take(&store, "a");
    end(&store, &lease, &JobEnd::Failed { exit_code: Some(1), error: "no".to_owned(), retry: false });
    for id in [&b, &c] {
        let job = store.job(id).expect("there");
        assert_eq!(job.state, JobState::Cancelled);
        assert_eq!(job.error, Some(format!("it was to follow {a}, which failed")));
    }
    let wait = NewJob { after: vec![a.clone()], ..new("d") };
    let refused = store.submit_job(&wait).expect_err("it will never succeed");
    assert_eq!(refused.to_string(), format!("the job {a} cannot be waited for: it is failed"));
    assert!(matches!(store.retry_job(&b), Err(StoreError::JobState { .. })), "the one before it first");
    store.retry_job(&a).expect("tried again");
    store.retry_job(&b).expect("tried again");
    assert_eq!((state(&store, &a), state(&store, &b)), (JobState::Queued, JobState::Blocked));
}

#[test]
fn cancelling_takes_effect_at_once_or_at_the_next_beat() {
    let place = Place::new();
    let store = place.store();
    let (a, b) = (submit(&store, "a"), submit(&store, "b"));
    let follower = after(&store, "c", &[&b]);
    let lease = take(&store, "a");
    assert_eq!(store.cancel_job(&b).expect("cancelled").state, JobState::Cancelled);
    assert_eq!(state(&store, &follower), JobState::Cancelled);
    let running = store.cancel_job(&a).expect("asked");
    assert!(running.cancel_asked && running.state == JobState::Running);
    assert_eq!(store.renew_job(&lease, LEASE).expect("renewed"), Beat::Cancel);
    assert_eq!(end(&store, &lease, &JobEnd::Cancelled).state, JobState::Cancelled);
    assert!(matches!(store.cancel_job(&a), Err(StoreError::JobState { .. })));

    let d = submit(&store, "d");
    take(&store, "d");
    store.cancel_job(&d).expect("asked");
    place.pass(LEASE);
    idle(&store);
    assert_eq!(state(&store, &d), JobState::Cancelled, "its runner is gone, and nobody wants it");
}

#[test]
fn the_paused_wait() {
    let place = Place::new();
    let store = place.store();
    let (a, _) = (submit(&store, "a"), submit(&store, "b"));
    assert_eq!(store.pause_job(&a).expect("paused").state, JobState::Paused);
    take(&store, "b");
    idle(&store);
    store.resume_job(&a).expect("resumed");
    store.pause_jobs(true).expect("paused");
    assert!(store.jobs_paused().expect("looked"));
    idle(&store);
    store.pause_jobs(false).expect("resumed");
    take(&store, "a");
    assert!(matches!(store.pause_job(&a), Err(StoreError::JobState { .. })), "it is at work");
}

#[test]
fn whoever_does_not_want_to_wait_tries_again_at_once() {
    let place = Place::new();
    let store = place.store();
    let id = submit(&store, "a");
    let lease = take(&store, "a");
    end(&store, &lease, &failed("no luck"));
    idle(&store);
    store.retry_job(&id).expect("tried");
    let lease = take(&store, "a");
    assert!(matches!(store.retry_job(&id), Err(StoreError::JobState { .. })), "it is at work");
    let job = end(&store, &lease, &JobEnd::Succeeded);
    assert_eq!(job.attempts, 2, "the one before still counts");
}

#[test]
fn a_paused_queue_makes_no_jobs_and_forgets_no_lease() {
    let place = Place::new();
    let store = place.store();
    nightly(&store, None);
    let id = submit(&store, "a");
    take(&store, "a");
    store.pause_jobs(true).expect("paused");
    place.pass(seconds(24 * 3600));
    idle(&store);
    assert_eq!(state(&store, &id), JobState::Queued, "its runner was not heard of");
    assert_eq!(store.jobs(&JobFilter::default()).expect("listed").len(), 1);
    store.pause_jobs(false).expect("resumed");
    take(&store, "a");
    take(&store, "nightly");
    place.pass(LEASE);
    store.take_back_jobs().expect("taken back");
    assert_eq!(state(&store, &id), JobState::Queued);
}

#[test]
fn a_key_submits_once() {
    let place = Place::new();
    let store = place.store();
    let job = NewJob { key: Some("k".to_owned()), ..new("a") };
    let first = store.submit_job(&job).expect("submitted");
    let again = place.store().submit_job(&job).expect("submitted");
    assert_eq!((first.fresh, again.fresh), (true, false));
    assert_eq!(first.job.id, again.job.id);
    let other = NewJob { key: Some("k".to_owned()), ..new("b") };
    assert!(matches!(store.submit_job(&other), Err(StoreError::Invalid { .. })));
    let of_plugin = NewJob { by: Submitter::Plugin("p".to_owned()), ..job };
    assert!(store.submit_job(&of_plugin).expect("submitted").fresh, "keys are each submitter's own");
}

#[test]
fn a_plugin_has_its_share_of_the_queue() {
    let place = Place::new();
    let store = place.store();
    let by = Submitter::Plugin("p".to_owned());
    let job = NewJob { by: by.clone(), most: Some(2), ..new("a") };
    for _ in 0..2 {
        store.submit_job(&job).expect("submitted");
    }
    let full = store.submit_job(&job).expect_err("full").to_string();
    assert!(full.starts_with("2 jobs of plugin:p for tenant \"local\" have not ended yet"), "{full}");
    let other = NewJob { task: Task { tenant: "other".to_owned(), ..job.task.clone() }, ..job.clone() };
    store.submit_job(&other).expect("tenants are apart");
    let lease = take(&store, "a");
    end(&store, &lease, &JobEnd::Succeeded);
    store.submit_job(&job).expect("there is room again");
}

#[test]
fn listing_filters_and_pages() {
    let place = Place::new();
    let store = place.store();
    let ids: Vec<String> = (0..5).map(|number| submit(&store, &number.to_string())).collect();
    take(&store, "0");
    let list = |filter: JobFilter| {
        let jobs = store.jobs(&filter).expect("listed");
        jobs.into_iter().map(|job| job.args[0].clone()).collect::<Vec<_>>()
    };
    assert_eq!(list(JobFilter { limit: 2, ..JobFilter::default() }), ["4", "3"]);
    assert_eq!(
        list(JobFilter { limit: 2, before: Some(ids[3].clone()), ..JobFilter::default() }),
        ["2", "1"]
    );
    assert_eq!(list(JobFilter { states: vec![JobState::Running], ..JobFilter::default() }), ["0"]);
    assert!(list(JobFilter { tenant: Some("other".to_owned()), ..JobFilter::default() }).is_empty());
    assert!(list(JobFilter { verb: Some("other".to_owned()), ..JobFilter::default() }).is_empty());
    let counts = store.job_counts().expect("counted");
    assert_eq!((counts[&JobState::Queued], counts[&JobState::Running], counts[&JobState::Dead]), (4, 1, 0));
}

#[test]
fn what_has_ended_is_forgotten_after_a_while() {
    let place = Place::new();
    let store = place.store();
    let (a, b) = (submit(&store, "a"), submit(&store, "b"));
    let lease = take(&store, "a");
    assert!(matches!(store.remove_job(&a), Err(StoreError::JobState { .. })));
    end(&store, &lease, &JobEnd::Succeeded);
    let follower = after(&store, "c", &[&a]);
    place.pass(seconds(100));
    assert!(store.prune_jobs(seconds(100)).expect("pruned").is_empty());
    place.pass(seconds(1));
    assert_eq!(store.prune_jobs(seconds(100)).expect("pruned"), [a.as_str()]);
    assert!(matches!(store.job(&a), Err(StoreError::NoSuchJob { .. })));
    assert!(store.job_runs(&a).expect("listed").is_empty());
    take(&store, "b");
    take(&store, "c");
    assert!(store.job(&follower).expect("there").after.is_empty());
    assert_eq!(state(&store, &b), JobState::Running);
}

fn nightly(store: &Store, max_runs: Option<u32>) -> Schedule {
    let task = Task::new("local", "work", vec!["nightly".to_owned()]);
    let time_zone = Some("Europe/Berlin".to_owned());
    store
        .create_schedule(&NewSchedule { task, cron: "0 2 * * *".to_owned(), time_zone, max_runs })
        .expect("made")
}

#[test]
fn a_schedule_makes_one_job_for_each_time() {
    let place = Place::new();
    let (first, second) = (place.store(), place.store());
    let schedule = nightly(&first, None);
    assert_eq!(schedule.next_run, Some(START as u64 + 3_600_000), "two o'clock in Berlin");
    idle(&first);
    place.pass(seconds(3600));
    take(&first, "nightly");
    idle(&second);
    let job = &first.jobs(&JobFilter::default()).expect("listed")[0];
    assert_eq!(job.submitter, Submitter::Schedule(schedule.id.clone()));
    place.pass(seconds(24 * 3600));
    take(&second, "nightly");
    assert_eq!(first.schedule(&schedule.id).expect("there").runs, 2);
}

#[test]
fn missed_times_count_as_one() {
    let place = Place::new();
    let store = place.store();
    let schedule = nightly(&store, None);
    place.pass(seconds(10 * 24 * 3600));
    take(&store, "nightly");
    idle(&store);
    let next = store.schedule(&schedule.id).expect("there").next_run;
    assert_eq!(next, Some(START as u64 + 1000 * (10 * 24 * 3600 + 3600)), "the next one to come");
}

#[test]
fn a_schedule_ends_after_its_last_job() {
    let place = Place::new();
    let store = place.store();
    let schedule = nightly(&store, Some(2));
    for _ in 0..2 {
        place.pass(seconds(24 * 3600));
        let lease = take(&store, "nightly");
        end(&store, &lease, &JobEnd::Succeeded);
    }
    let spent = store.schedule(&schedule.id).expect("there");
    assert_eq!((spent.enabled, spent.next_run, spent.runs), (false, None, 2));
    place.pass(seconds(24 * 3600));
    idle(&store);
    assert!(store.enable_schedule(&schedule.id, true).is_err());
}

#[test]
fn a_schedule_can_rest_and_go() {
    let place = Place::new();
    let store = place.store();
    let schedule = nightly(&store, None);
    store.enable_schedule(&schedule.id, false).expect("rests");
    place.pass(seconds(5 * 24 * 3600));
    idle(&store);
    store.enable_schedule(&schedule.id, true).expect("goes on");
    idle(&store);
    place.pass(seconds(24 * 3600));
    take(&store, "nightly");
    assert_eq!(store.remove_schedule(&schedule.id).expect("removed").runs, 1);
    assert!(store.schedules().expect("listed").is_empty());
    let none = store.remove_schedule(&schedule.id).expect_err("gone");
    assert!(matches!(none, StoreError::NoSuchJob { .. }));
}

#[test]
fn of_many_who_look_each_job_and_each_time_is_taken_once() {
    let place = Place::new();
    let store = place.store();
    let jobs: HashSet<String> = (0..40).map(|number| submit(&store, &number.to_string())).collect();
    nightly(&store, None);
    place.pass(seconds(24 * 3600));
    let taken: Vec<String> = thread::scope(|scope| {
        let look = || {
            // A handle of its own each, as processes have.
            let store = place.store();
            let mut taken = Vec::new();
            while let Some((job, lease)) = store.claim_job("me", LEASE).expect("looked") {
                assert_eq!(store.renew_job(&lease, LEASE).expect("renewed"), Beat::Held);
                assert!(store.end_job(&lease, &JobEnd::Succeeded).expect("ended").is_some());
                assert!(store.end_job(&lease, &JobEnd::Succeeded).expect("told").is_none(), "once");
                taken.push(job.id);
            }
            taken
        };
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(look)).collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("no panic")).collect()
    });
    assert_eq!(taken.len(), 41, "40 jobs and one of the schedule");
    let distinct: HashSet<String> = taken.iter().cloned().collect();
    assert_eq!(distinct.len(), 41);
    assert!(distinct.is_superset(&jobs));
}

/// Whatever happens in whatever order: a job has one holder at most, no attempt too many, and ends once.
#[test]
fn no_job_is_held_twice() {
    for seed in 1..=30_u64 {
        let place = Place::new();
        let stores = [place.store(), place.store(), place.store()];
        let mut random = seed;
        let mut next = |below: u64| {
            // Xorshift: the same numbers for the same seed.
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            random % below
        };
        for number in 0..4 {
            submit(&stores[0], &number.to_string());
        }
        let mut held: Vec<(String, Lease, i64)> = Vec::new();
        for _ in 0..120 {
            let store = &stores[next(3) as usize];
            let now = place.time.load(Ordering::SeqCst);
            match next(6) {
                0 | 1 => {
                    if let Some((job, lease)) = store.claim_job("me", seconds(5)).expect("looked") {
                        let other = held.iter().find(|(id, _, until)| *id == job.id && *until > now);
                        assert!(other.is_none(), "seed {seed}: {} is held", job.id);
                        assert!(job.attempts <= job.max_attempts);
                        held.push((job.id, lease, now + 5000));
                    }
                }
                2 if !held.is_empty() => {
                    let at = next(held.len() as u64) as usize;
                    let beat = store.renew_job(&held[at].1, seconds(5)).expect("renewed");
                    let (id, lease, _) = &held[at];
                    let newest =
                        !held.iter().any(|(other, newer, _)| other == id && newer.run() > lease.run());
                    assert!(newest || beat == Beat::Lost, "seed {seed}: an old lease holds");
                    if beat == Beat::Held {
                        held[at].2 = now + 5000;
                    }
                }
                3 if !held.is_empty() => {
                    let (id, lease, _) = held.swap_remove(next(held.len() as u64) as usize);
                    let ends = [JobEnd::Succeeded, JobEnd::Released, failed("by chance")];
                    let ended = store.end_job(&lease, &ends[next(3) as usize]).expect("told");
                    let newer =
                        held.iter().any(|(other, newer, _)| *other == id && newer.run() > lease.run());
                    assert!(!(newer && ended.is_some()), "seed {seed}: an old lease ended a job");
                }
                4 => place.pass(Duration::from_millis(next(8000))),
                _ => {
                    let ids = store.jobs(&JobFilter::default()).expect("listed");
                    let job = &ids[next(ids.len() as u64) as usize];
                    let _ = store.retry_job(&job.id);
                }
            }
        }
    }
}
