//! What plugins write ends up in the host's log, and cannot pass for anything else there.

use std::io;
use std::sync::{Arc, Mutex};

use tracing_subscriber::fmt::MakeWriter;

use crate::lab::{Lab, ok};

#[derive(Clone, Default)]
pub(crate) struct Captured(Arc<Mutex<Vec<u8>>>);

impl Captured {
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl io::Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Captured {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

// One thread, so that the subscriber of this thread hears everything.
#[tokio::test]
async fn lines_say_who_wrote_them_and_stay_lines() {
    let captured = Captured::default();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(captured.clone()).finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let lab = Lab::new();
    ok(&lab.probe(""), "/probe/log", "").await;
    let text = captured.text();
    let lines: Vec<&str> = text.lines().filter(|line| line.contains("inferno::plugin")).collect();
    assert_eq!(lines.len(), 3, "{text}");
    for line in &lines {
        for part in ["plugin=\"probe\"", "tenant=\"local\"", "request_id=\"req-1\""] {
            assert!(line.contains(part), "{line}");
        }
    }
    assert!(lines[0].contains("WARN") && lines[0].contains("first\\nsecond \\u{1b}[31mred"), "{}", lines[0]);
    assert!(lines[0].contains("why="), "{}", lines[0]);
    assert!(lines[1].contains("printed\\rline") && lines[1].contains("stdout"), "{}", lines[1]);
    assert!(lines[2].contains("last words") && lines[2].contains("stderr"), "{}", lines[2]);
}
