//! The chat, on a terminal of its own.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use crate::harness::User;

/// A program on a terminal, and a person before it.
struct Terminal {
    keyboard: File,
    screen: Receiver<Vec<u8>>,
    seen: String,
    child: Child,
}

impl Terminal {
    fn open(user: &User, arguments: &[&str]) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap();
        let path = std::path::Path::new(std::ffi::OsStr::from_bytes(name.as_bytes()));
        let side = || Stdio::from(OpenOptions::new().read(true).write(true).open(path).unwrap());
        let child = user
            .command(arguments)
            .env("TERM", "xterm")
            .env("NO_COLOR", "1")
            .stdin(side())
            .stdout(side())
            .stderr(side())
            .spawn()
            .unwrap();
        let keyboard = File::from(master);
        let mut output = keyboard.try_clone().unwrap();
        let (sender, screen) = channel();
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            // Linux ends a terminal whose other side is closed with an error.
            while let Ok(count) = output.read(&mut bytes) {
                if count == 0 || sender.send(bytes[..count].to_vec()).is_err() {
                    break;
                }
            }
        });
        Self { keyboard, screen, seen: String::new(), child }
    }

    fn press(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).unwrap();
    }

    /// Waits until the text is on the screen, and forgets all up to it.
    #[track_caller]
    fn expect(&mut self, text: &str) {
        loop {
            if let Some(at) = self.seen.find(text) {
                self.seen.drain(..at + text.len());
                return;
            }
            match self.screen.recv_timeout(Duration::from_secs(60)) {
                Ok(bytes) => self.seen.push_str(&String::from_utf8_lossy(&bytes)),
                Err(error) => panic!("{error}: no {text:?} in {:?}", self.seen),
            }
        }
    }

    fn end(mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // It may have ended already, as the tests want it to.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_chat_answers_knows_its_commands_and_ends_with_ctrl_d() {
    let user = User::new().echo("parrot");
    let mut terminal = Terminal::open(&user, &["run", "parrot"]);
    terminal.expect("Chat with parrot");
    terminal.expect(">>> ");
    terminal.press("polly wants crackers\r");
    terminal.expect("crackers"); // as typed
    terminal.expect("polly wants crackers\r\n"); // as answered
    terminal.expect(">>> ");
    terminal.press("/help\r");
    terminal.expect("/system TEXT");
    terminal.press("/celar\r");
    terminal.expect("did you mean `/clear`?");
    terminal.expect(">>> ");
    terminal.press("\x03");
    terminal.expect("leaves the chat");
    terminal.expect(">>> ");
    terminal.press("\x04");
    assert_eq!(terminal.end(), Some(0));
}

#[test]
fn what_does_not_fit_is_told_and_the_chat_goes_on() {
    let user = User::new().echo("parrot");
    let mut terminal = Terminal::open(&user, &["run", "parrot"]);
    terminal.expect(">>> ");
    terminal.press(&format!("{}\r", "a ".repeat(100)));
    terminal.expect("error: ");
    terminal.expect(">>> ");
    terminal.press("hello\r");
    terminal.expect("hello");
    terminal.expect("hello\r\n");
    terminal.expect(">>> ");
    terminal.press("/exit\r");
    assert_eq!(terminal.end(), Some(0));
}

#[test]
fn ctrl_c_stops_an_answer() {
    let text = "inferno-echo\n{\"tokens_per_second\": 5, \"context\": 4096}\n";
    let user = User::new().file(".local/share/inferno/models/parrot.echo", text);
    let prompt = "polly ".repeat(1000);
    let mut terminal = Terminal::open(&user, &["run", "parrot", "-p", &prompt]);
    terminal.expect("polly polly");
    rustix::process::kill_process(
        rustix::process::Pid::from_child(&terminal.child),
        rustix::process::Signal::INT,
    )
    .unwrap();
    assert_eq!(terminal.end(), Some(130));
}
