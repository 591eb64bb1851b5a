//! Commands that believe to run on a terminal.

use std::ffi::OsString;
use std::io::Write as _;
use std::process::{Command, Stdio};

/// Runs its arguments on a terminal of its own, and hands on what is typed and what is said.
const TERMINAL: &str = "import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))";

/// Runs a command to its end with these answers, and gives its exit status and all that it said, which must be harmless:
/// colours are ours, and nothing else may drive the terminal.
#[track_caller]
pub(crate) fn on_a_terminal(command: &mut Command, answers: &str) -> (i32, String) {
    let mut terminal = Command::new("python3");
    terminal.args(["-c", TERMINAL]).arg(command.get_program()).args(command.get_args());
    terminal.env_clear();
    let set = command.get_envs().filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned())));
    terminal.envs(set.collect::<Vec<(OsString, OsString)>>()).current_dir(command.get_current_dir().unwrap());
    let mut child =
        terminal.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // The end of what is typed is Ctrl-D, which a terminal turns into the end of the input.
    let mut typed = child.stdin.take().unwrap();
    typed.write_all(answers.as_bytes()).and_then(|()| typed.write_all(b"\x04")).unwrap();
    let output = child.wait_with_output().unwrap();
    drop(typed);
    let said = String::from_utf8(output.stdout).unwrap().replace("\r\n", "\n");
    let mut plain = String::new();
    let mut rest = said.as_str();
    while let Some((before, after)) = rest.split_once("\x1b[") {
        plain.push_str(before);
        let end = after.find(|c: char| !c.is_ascii_digit() && c != ';').unwrap_or(after.len());
        assert!(after[end..].starts_with('m'), "this drives the terminal: {after:?}\nin: {said:?}");
        rest = &after[end + 1..];
    }
    plain.push_str(rest);
    // What is typed is shown by the terminal itself, the end of the input too.
    let plain = plain.replace("^D\u{8}\u{8}", "");
    let harmful = plain.find(|c: char| (c.is_control() && c != '\n') || matches!(c, '\u{202a}'..='\u{202e}'));
    assert!(harmful.is_none(), "this drives the terminal: {said:?}");
    (output.status.code().unwrap(), plain)
}
