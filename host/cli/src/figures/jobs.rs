//! The queue of jobs, in the words of Prometheus.

use inferno_sandbox::{Exposition, FigureKind, labels};
use inferno_store::Store;

pub(super) fn write(text: &mut Exposition, store: &Store) {
    let name = "inferno_jobs";
    text.family(
        name,
        FigureKind::Gauge,
        "Jobs in the queue, those that ended lately included, by their state.",
    );
    match store.job_counts() {
        Ok(counts) => {
            for (state, count) in counts {
                text.sample(name, &labels([("state", state.as_str())]), count as f64);
            }
        }
        Err(error) => tracing::warn!(%error, "the jobs could not be counted"),
    }
}

#[cfg(test)]
mod tests {
    use inferno_store::{NewJob, Submitter, Task};

    use super::*;

    #[test]
    fn each_state_is_counted() {
        let store = Store::in_memory().unwrap();
        store.submit_job(&NewJob::new(Task::new("local", "work", Vec::new()), Submitter::User)).unwrap();
        let mut text = Exposition::default();
        write(&mut text, &store);
        let text = text.into_text();
        assert!(text.contains("inferno_jobs{state=\"queued\"} 1\n"), "{text}");
        assert!(text.contains("inferno_jobs{state=\"dead\"} 0\n"), "{text}");
    }
}
