//! Bars for what takes longer than a second, on terminals only.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::printer::Printer;

/// Before this there is nothing to see: most loads are faster, and a bar that flashes is noise.
const PATIENCE: Duration = Duration::from_secs(1);
const REDRAW: Duration = Duration::from_millis(100);
const STEPS: u64 = 1000;

/// How far the work is, as a share from 0 to 1; stays unknown until the work says something.
#[derive(Clone, Default)]
pub(crate) struct Share(Arc<AtomicU32>);

impl Share {
    pub(crate) fn set(&self, share: f32) {
        self.0.store(share.clamp(0.0, 1.0).to_bits(), Ordering::Relaxed);
    }

    fn get(&self) -> f32 {
        f32::from_bits(self.0.load(Ordering::Relaxed))
    }
}

/// Waits for the work; after a second it shows a bar, or a spinner while the share is unknown.
pub(crate) async fn during<F: Future>(
    printer: Printer,
    label: &str,
    work: impl FnOnce(Share) -> F,
) -> F::Output {
    let share = Share::default();
    let mut work = pin!(work(share.clone()));
    if !printer.interactive {
        return work.await;
    }
    if let Ok(done) = tokio::time::timeout(PATIENCE, &mut work).await {
        return done;
    }
    let spinner = style("{spinner} {msg} {elapsed}");
    let line = style("{msg} {bar:30} {percent:>3}% {elapsed}");
    let bar = ProgressBar::with_draw_target(Some(STEPS), ProgressDrawTarget::stderr())
        .with_style(spinner.clone())
        .with_message(label.to_owned())
        .with_elapsed(PATIENCE);
    loop {
        let known = share.get();
        bar.set_style(if known > 0.0 { line.clone() } else { spinner.clone() });
        bar.set_position((known * STEPS as f32) as u64);
        bar.tick();
        if let Ok(done) = tokio::time::timeout(REDRAW, &mut work).await {
            bar.finish_and_clear();
            return done;
        }
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_stays_within_its_bounds() {
        let share = Share::default();
        assert_eq!(share.get(), 0.0);
        share.set(7.0);
        assert_eq!(share.get(), 1.0);
        share.set(-1.0);
        assert_eq!(share.get(), 0.0);
    }
}
