//! The only place that writes to standard output and standard error.

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};

use serde::Serialize;

use crate::failure::Failure;

/// Writes the product to standard output and everything else to standard error.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Printer {
    /// Standard error is a terminal: bars and notes for people make sense.
    pub(crate) interactive: bool,
    colour_out: bool,
    colour_err: bool,
}

impl Printer {
    /// Looks at the streams of the process and at `NO_COLOR`.
    pub(crate) fn detect() -> Self {
        let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
            && std::env::var_os("TERM").is_none_or(|term| term != "dumb");
        let interactive = io::stderr().is_terminal();
        Self {
            interactive,
            colour_out: wanted && io::stdout().is_terminal(),
            colour_err: wanted && interactive,
        }
    }

    /// Whether standard error takes colours.
    pub(crate) fn colours_log(self) -> bool {
        self.colour_err
    }

    /// Part of the product, shown at once: a piece of an answer.
    pub(crate) fn text(self, text: &str) -> Result<(), Failure> {
        let mut out = io::stdout().lock();
        out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(|error| Failure::output(&error))
    }

    /// A line of the product.
    pub(crate) fn line(self, line: impl Display) -> Result<(), Failure> {
        self.text(&format!("{line}\n"))
    }

    /// The product for programs.
    pub(crate) fn json<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Failure> {
        let text = serde_json::to_string_pretty(value)
            .map_err(|error| Failure::new(format!("cannot write the answer as JSON: {error}")))?;
        self.line(text)
    }

    /// The product for people: columns as wide as their widest cell.
    pub(crate) fn table(self, head: &[&str], rows: &[Vec<String>]) -> Result<(), Failure> {
        let mut widths: Vec<usize> = head.iter().map(|cell| cell.chars().count()).collect();
        for row in rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        let render = |cells: &mut dyn Iterator<Item = &str>| {
            let line: String =
                cells.zip(&widths).map(|(cell, width)| format!("{cell:<width$}  ")).collect::<String>();
            line.trim_end().to_owned()
        };
        let title = render(&mut head.iter().copied());
        let mut text =
            if self.colour_out { format!("\x1b[1m{title}\x1b[0m\n") } else { format!("{title}\n") };
        for row in rows {
            text.push_str(&render(&mut row.iter().map(String::as_str)));
            text.push('\n');
        }
        self.text(&text)
    }

    /// The product for people: one fact a line.
    pub(crate) fn facts(self, facts: &[(&str, String)]) -> Result<(), Failure> {
        let width = facts.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
        let mut text = String::new();
        for (name, value) in facts {
            let name = format!("{name:<width$}");
            let name = if self.colour_out { format!("\x1b[1m{name}\x1b[0m") } else { name };
            let mut lines = value.lines();
            text.push_str(format!("{name}  {}", lines.next().unwrap_or_default()).trim_end());
            text.push('\n');
            for line in lines {
                text.push_str(format!("{:width$}  {line}", "").trim_end());
                text.push('\n');
            }
        }
        self.text(&text)
    }

    /// Something for the person at the terminal.
    pub(crate) fn note(self, text: impl Display) {
        // There is nowhere left to report that standard error is gone.
        let _ = writeln!(io::stderr().lock(), "{text}");
    }

    /// Somebody sits at the terminal and can answer.
    pub(crate) fn can_ask(self) -> bool {
        self.interactive && io::stdin().is_terminal()
    }

    /// Asks the person at the terminal; gives the answer without the space around it. The end of the input is an
    /// answer of nothing.
    pub(crate) fn ask(self, question: impl Display) -> Result<String, Failure> {
        let mut err = io::stderr().lock();
        // There is nowhere left to report that standard error is gone; the answer is nothing then, too.
        let _ = write!(err, "{question} ").and_then(|()| err.flush());
        let mut answer = String::new();
        io::stdin()
            .read_line(&mut answer)
            .map_err(|error| Failure::new(format!("cannot read the answer: {error}")))?;
        Ok(answer.trim().to_owned())
    }

    /// Asks whether; anything but a clear yes is no.
    pub(crate) fn agrees(self, question: impl Display) -> Result<bool, Failure> {
        let answer = self.ask(format_args!("{question} [y/N]"))?.to_lowercase();
        Ok(matches!(answer.as_str(), "y" | "yes"))
    }

    /// Something that is not right but stops nothing.
    pub(crate) fn warning(self, text: impl Display) {
        self.labelled("warning", "33", text);
    }

    /// A failure and its hint.
    pub(crate) fn failure(self, failure: &Failure) {
        if failure.is_silent() {
            return;
        }
        self.labelled("error", "31", &failure.message);
        if let Some(hint) = &failure.hint {
            self.labelled("hint", "36", hint);
        }
    }

    fn labelled(self, label: &str, colour: &str, text: impl Display) {
        // Others have their words in it: the names in a file, what a plugin says went wrong.
        let text = visible(&text.to_string());
        if self.colour_err {
            self.note(format_args!("\x1b[1;{colour}m{label}:\x1b[0m {text}"));
        } else {
            self.note(format_args!("{label}: {text}"));
        }
    }
}

/// `1536000` as `1.5 MiB`.
pub(crate) fn bytes(count: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut value = count as f64;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{count} B") } else { format!("{value:.1} {}", UNITS[unit]) }
}

/// `2030000` as `2.0M`, as parameters are counted.
pub(crate) fn count(count: u64) -> String {
    match count {
        0..1_000 => count.to_string(),
        1_000..1_000_000 => format!("{:.1}K", count as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1}M", count as f64 / 1e6),
        _ => format!("{:.1}B", count as f64 / 1e9),
    }
}

/// Text from a file, a plugin or a server, made harmless for a terminal: what would drive it, or hide or reorder what
/// stands beside it, is shown and not obeyed. Lines stay lines.
pub(crate) fn visible(text: &str) -> String {
    text.split('\n').map(inferno_plugins::visible).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_counts_are_for_people() {
        assert_eq!(bytes(0), "0 B");
        assert_eq!(bytes(1023), "1023 B");
        assert_eq!(bytes(1_572_864), "1.5 MiB");
        assert_eq!(count(999), "999");
        assert_eq!(count(2_030_000), "2.0M");
        assert_eq!(count(7_000_000_000), "7.0B");
    }

    #[test]
    fn a_file_cannot_drive_the_terminal() {
        assert_eq!(visible("a\x1b[2Jb\nc\u{202e}"), "a\\u{1b}[2Jb\nc\\u{202e}");
    }
}
