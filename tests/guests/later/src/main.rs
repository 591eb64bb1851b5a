//! A command that does what jobs do: works, waits, fails, asks models, and submits jobs.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use inferno_sdk::command::{self, Failure};
use inferno_sdk::inference::{self, Request};
use inferno_sdk::jobs::{self, Plan};

/// What this program did, a line each, in the folder where it is run.
const NOTES: &str = "notes";

fn main() -> ExitCode {
    command::run(work)
}

fn work() -> Result<(), Failure> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args[..] {
        ["say", word] => say(word),
        ["note", what] => note(&format!("did {what}")),
        // Waits until there is a file with this name.
        ["hold", name] => {
            note(&format!("began {name}"))?;
            say("holding")?;
            while !Path::new(name).exists() {
                thread::sleep(Duration::from_millis(10));
            }
            note(&format!("ended {name}"))
        }
        ["spin"] => {
            note("began spin")?;
            loop {
                std::hint::spin_loop();
            }
        }
        // Fails until it has been tried so often.
        ["try", times] => {
            note("tried")?;
            let tried = fs::read_to_string(NOTES)?.lines().filter(|line| *line == "tried").count();
            if tried < times.parse()? { Err("no luck".into()) } else { Ok(()) }
        }
        ["print", bytes] => {
            let mut out = std::io::stdout().lock();
            for _ in 0..bytes.parse::<usize>()? / 10 {
                out.write_all(b"123456789\n")?;
            }
            Ok(())
        }
        ["ask", model, question] => say(&inference::complete(&Request::prompt(model, question))?.text),
        ["submit", ref rest @ ..] => say(&jobs::submit(Plan::new(rest.iter().copied()))?.id()),
        ["submit-once", key, ref rest @ ..] => {
            say(&jobs::submit(Plan::new(rest.iter().copied()).key(key).attempts(1))?.id())
        }
        ["state", id] => {
            let job = jobs::get(id)?;
            say(&format!("{:?} after {} {:?}", job.state()?, job.attempts()?, job.failure()?))
        }
        ["all"] => jobs::all(None)?.iter().try_for_each(|job| say(&job.id())),
        ["cancel", id] => Ok(jobs::get(id)?.cancel()?),
        _ => Err("no such thing to do".into()),
    }
}

fn say(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout();
    writeln!(out, "{text}")?;
    Ok(out.flush()?)
}

fn note(text: &str) -> Result<(), Failure> {
    let mut file = OpenOptions::new().create(true).append(true).open(NOTES)?;
    // One write, so that lines of several processes stay whole.
    Ok(file.write_all(format!("{text}\n").as_bytes())?)
}
