//! A program whose `main` is a verb: it shows what a command can see and do.

use std::io::{Read as _, Write as _};
use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().collect();
    match args.get(1).map(String::as_str) {
        Some("exit") => ExitCode::from(args.get(2).and_then(|code| code.parse().ok()).unwrap_or(0)),
        Some("look") => {
            let seen = [
                ("environment", std::env::vars().next().is_some()),
                ("folder", std::fs::read_dir("/").is_ok()),
                ("file", std::fs::read("/etc/passwd").is_ok()),
                ("writing", std::fs::write("leftover", "x").is_ok()),
                ("tcp", std::net::TcpStream::connect("127.0.0.1:80").is_ok()),
                ("udp", std::net::UdpSocket::bind("127.0.0.1:0").is_ok()),
            ];
            succeeds_if(seen.iter().all(|(what, seen)| {
                let _ = if *seen { writeln!(std::io::stderr(), "there is {what}") } else { Ok(()) };
                !seen
            }))
        }
        // Whether the arguments, after the first two, arrived as the test gave them.
        Some("args") => succeeds_if(args[0] == "verb" && args[2..] == ["a b", "--ü", ""]),
        Some("spin") => loop {
            std::hint::spin_loop();
        },
        Some("print") => {
            let mut out = std::io::stdout();
            succeeds_if((0..100).all(|_| out.write_all(b"0123456789abcdef0123456789abcdef\n").is_ok()))
        }
        // What it reads and when, cut as lines are not.
        Some("say") => {
            let (mut text, mut out) = (String::new(), std::io::stdout());
            let read = std::io::stdin().read_to_string(&mut text);
            let now = std::time::SystemTime::now();
            let said = [format!("{now:?}\n{}", text.to_uppercase()), args[2..].join(" ")];
            let wrote =
                said.iter().all(|part| out.write_all(part.as_bytes()).and_then(|()| out.flush()).is_ok());
            succeeds_if(read.is_ok() && wrote && writeln!(std::io::stderr(), "over").is_ok())
        }
        Some("stdin") => {
            let mut text = String::new();
            succeeds_if(std::io::stdin().read_to_string(&mut text).is_ok())
        }
        _ => ExitCode::FAILURE,
    }
}

fn succeeds_if(right: bool) -> ExitCode {
    if right { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
