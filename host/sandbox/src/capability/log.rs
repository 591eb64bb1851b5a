//! `inferno:host/log`: lines in the host's log. Needs no grant; what a plugin writes cannot pass for anything else.

use std::borrow::Cow;
use std::fmt::Write as _;

use serde_json::json;
use wasmtime::component::Linker;

use super::bindings::inferno::host::log;
pub(crate) use super::bindings::inferno::host::log::Level;
use crate::state::{Actor, Host, State};
use crate::tape::taped;

/// Longer messages are cut, and the line says so.
const MAX_MESSAGE: usize = 16 << 10;

pub(super) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    log::add_to_linker::<_, Host>(linker, |state| state)
}

impl log::Host for State {
    fn log(&mut self, level: Level, message: String, fields: Vec<(String, String)>) -> wasmtime::Result<()> {
        self.meter.log_line()?;
        let told = || json!({ "level": level, "message": message, "fields": fields });
        let slot = taped!(self.tape, "inferno:host/log.log", told());
        let fields: Vec<(&str, &str)> =
            fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        write_line(&self.actor, level, &message, &fields);
        slot.done(())
    }
}

/// Writes one line on behalf of a plugin.
pub(crate) fn write_line(actor: &Actor, level: Level, message: &str, fields: &[(&str, &str)]) {
    macro_rules! line {
        ($level:expr) => {
            if tracing::enabled!(target: "inferno::plugin", $level) {
                tracing::event!(
                    target: "inferno::plugin",
                    $level,
                    plugin = actor.plugin,
                    tenant = actor.caller.tenant,
                    request_id = actor.caller.request_id,
                    fields = (!fields.is_empty()).then(|| joined(fields)),
                    "{}",
                    harmless(message),
                )
            }
        };
    }
    match level {
        Level::Trace => line!(tracing::Level::TRACE),
        Level::Debug => line!(tracing::Level::DEBUG),
        Level::Info => line!(tracing::Level::INFO),
        Level::Warn => line!(tracing::Level::WARN),
        Level::Error => line!(tracing::Level::ERROR),
    }
}

fn joined(fields: &[(&str, &str)]) -> String {
    let mut text = String::new();
    for (name, value) in fields {
        let space = if text.is_empty() { "" } else { " " };
        let _ = write!(text, "{space}{}={:?}", harmless(name), harmless(value));
    }
    text
}

/// Text that cannot steer a terminal or begin a new line: control characters are written as escapes.
fn harmless(text: &str) -> Cow<'_, str> {
    let is_harmful = |c: char| {
        // Besides controls: line and paragraph separators, and marks that turn the direction of text around.
        c.is_control()
            || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    if text.len() <= MAX_MESSAGE && !text.contains(is_harmful) {
        return Cow::Borrowed(text);
    }
    let end = text.floor_char_boundary(MAX_MESSAGE);
    let mut safe = String::with_capacity(end + 16);
    for c in text[..end].chars() {
        if is_harmful(c) {
            safe.extend(c.escape_default());
        } else {
            safe.push(c);
        }
    }
    if end < text.len() {
        let _ = write!(safe, "... ({} bytes more)", text.len() - end);
    }
    Cow::Owned(safe)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_escaped() {
        assert_eq!(harmless("fine: ünï"), "fine: ünï");
        assert_eq!(harmless("a\nb\x1b[31m\r\0"), "a\\nb\\u{1b}[31m\\r\\u{0}");
        assert_eq!(harmless("a\u{202e}b\u{2028}"), "a\\u{202e}b\\u{2028}");
    }

    #[test]
    fn long_messages_are_cut_between_characters() {
        let long = format!("{}é and more", "x".repeat(MAX_MESSAGE - 1));
        let safe = harmless(&long);
        assert!(safe.ends_with("x... (11 bytes more)"), "{}", &safe[MAX_MESSAGE - 10..]);
    }

    #[test]
    fn fields_are_joined_as_text() {
        assert_eq!(joined(&[("a", "1"), ("b\n", "x \"y\"")]), "a=\"1\" b\\n=\"x \\\"y\\\"\"");
    }
}
