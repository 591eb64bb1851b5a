//! A program whose `main` is a verb: it shows what a command can see and do.

use std::io::Read as _;
use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().collect();
    match args.get(1).map(String::as_str) {
        Some("exit") => ExitCode::from(args.get(2).and_then(|code| code.parse().ok()).unwrap_or(0)),
        // What it saw, as the exit code: one bit for each thing that it should not have.
        Some("look") => {
            let seen = [
                std::env::vars().next().is_some(),
                std::fs::read_dir("/").is_ok(),
                std::fs::read("/etc/passwd").is_ok(),
                std::fs::write("leftover", "x").is_ok(),
                std::net::TcpStream::connect("127.0.0.1:80").is_ok(),
                std::net::UdpSocket::bind("127.0.0.1:0").is_ok(),
            ];
            let bits: u8 = seen.iter().enumerate().map(|(bit, seen)| u8::from(*seen) << bit).sum();
            ExitCode::from(bits)
        }
        Some("args") => ExitCode::from(u8::try_from(args.len()).unwrap_or(u8::MAX)),
        Some("spin") => loop {
            std::hint::spin_loop();
        },
        Some("stdin") => {
            let mut text = String::new();
            match std::io::stdin().read_to_string(&mut text) {
                Ok(_) => ExitCode::SUCCESS,
                Err(_) => ExitCode::FAILURE,
            }
        }
        _ => ExitCode::from(2),
    }
}
