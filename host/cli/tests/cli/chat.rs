//! The chat, on a terminal of its own.

use crate::harness::User;
use crate::terminal::Terminal;

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
