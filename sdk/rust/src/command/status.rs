//! How far a command is, on standard error.

use std::io::{IsTerminal as _, Write as _, stderr};
use std::time::{Duration, Instant};

/// A line on standard error that says how far a command is: drawn again in place where somebody looks at a terminal, else
/// one line after the other, now and then.
#[derive(Debug)]
pub struct StatusLine {
    redraws: bool,
    shown: Instant,
    width: usize,
}

impl StatusLine {
    /// Nothing is shown yet.
    #[expect(clippy::new_without_default, reason = "the first line is due a while after this very moment")]
    pub fn new() -> Self {
        Self { redraws: stderr().is_terminal(), shown: Instant::now(), width: 0 }
    }

    /// Whether it is time for another line.
    pub fn due(&self) -> bool {
        let every = if self.redraws { Duration::from_millis(100) } else { Duration::from_secs(5) };
        self.shown.elapsed() >= every
    }

    /// Shows a line, in place of the last one on a terminal.
    pub fn show(&mut self, line: &str) {
        self.shown = Instant::now();
        let mut out = stderr();
        let width = line.chars().count();
        // If nobody can see it, the command goes on all the same.
        let _unseen = if self.redraws {
            let rest = " ".repeat(self.width.saturating_sub(width));
            write!(out, "\r{line}{rest}").and_then(|()| out.flush())
        } else {
            writeln!(out, "{line}")
        };
        self.width = width;
    }

    /// Takes the line off the terminal, for what comes after it.
    pub fn clear(&mut self) {
        if self.redraws && self.width > 0 {
            let blank = " ".repeat(self.width);
            let _unseen = write!(stderr(), "\r{blank}\r");
            self.width = 0;
        }
    }
}
