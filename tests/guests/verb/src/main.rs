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
        Some("files") => succeeds_if(files(&args[2..]).is_ok()),
        Some("name") => succeeds_if(writeln!(std::io::stdout(), "{}", args[0]).is_ok()),
        // Says that it has begun and goes on for ever, or waits for ever.
        Some("begin") => {
            let mut out = std::io::stdout();
            if writeln!(out, "begun").and_then(|()| out.flush()).is_err() {
                return ExitCode::FAILURE;
            }
            loop {
                match args.get(2).map(String::as_str) {
                    Some("reading") => drop(std::io::stdin().read(&mut [0])),
                    Some("waiting") => std::thread::sleep(std::time::Duration::from_secs(3_600)),
                    _ => std::hint::spin_loop(),
                }
            }
        }
        // Writes a line to a file, says so, and goes on with the next.
        Some("lines") => succeeds_if(lines(&args[2]).is_ok()),
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

/// Does something with files and tells what it found, or what went wrong.
fn files(args: &[String]) -> std::io::Result<()> {
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let told = match words[..] {
        // From another folder.
        ["in", folder, ..] => {
            std::env::set_current_dir(folder)?;
            return files(&args[2..]);
        }
        ["cwd"] => std::env::current_dir().map(|folder| folder.display().to_string()),
        ["read", path] => std::fs::read_to_string(path),
        ["write", path, text] => std::fs::write(path, text).map(|()| "written".to_owned()),
        ["remove", path] => std::fs::remove_file(path).map(|()| "removed".to_owned()),
        ["rename", path, to] => std::fs::rename(path, to).map(|()| "renamed".to_owned()),
        ["link", path, to] => std::fs::hard_link(path, to).map(|()| "linked".to_owned()),
        ["make", path] => std::fs::create_dir(path).map(|()| "made".to_owned()),
        ["list", path] => std::fs::read_dir(path).map(|entries| {
            let mut names: Vec<_> =
                entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
            names.sort();
            names.join(" ")
        }),
        _ => Err(std::io::Error::other("no such thing to do")),
    };
    match told {
        Ok(told) => std::io::stdout().write_all(told.as_bytes()),
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "{error}");
            Err(error)
        }
    }
}

fn lines(path: &str) -> std::io::Result<()> {
    let mut file = std::fs::File::create(path)?;
    let mut out = std::io::stdout();
    for number in 0.. {
        writeln!(file, "line {number}")?;
        writeln!(out, "{number}")?;
        out.flush()?;
    }
    Ok(())
}

fn succeeds_if(right: bool) -> ExitCode {
    if right { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
