//! The main job, shown with the real program.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::shell::{self, command, say, target};

const CHAT: &str = r#"{"model": "storyteller", "stream": true, "max_tokens": 60,
  "messages": [{"role": "user", "content": "Tell me a short story about a fox named Mia."}]}"#;

pub(crate) fn run() -> Result<()> {
    crate::setup::run()?;
    shell::run(&mut command("cargo build --release"))?;

    show(inferno().args(["models", "list"]))?;
    show(inferno().args(["run", "--prompt", "Tell me a short story about a fox named Mia."]))?;
    show(inferno().args(["plugin", "list"]))?;

    let mut server = Server::start()?;
    show(
        Command::new("curl")
            .args(["--silent", "--show-error", "--fail-with-body", "--no-buffer"])
            .arg(format!("{}/v1/chat/completions", server.url))
            .args(["--header", "content-type: application/json", "--data", CHAT]),
    )?;
    server.stop()?;
    say("\nThe program is target/release/inferno; it is complete in one file. Start with `inferno --help`.");
    Ok(())
}

fn inferno() -> Command {
    let mut command = command(&target().join("release/inferno").display().to_string());
    command.stdin(Stdio::null());
    command
}

fn show(command: &mut Command) -> Result<()> {
    say("");
    shell::run(command)
}

struct Server {
    process: Child,
    url: String,
}

impl Server {
    /// Starts the server on a free port and waits until it says where it listens.
    fn start() -> Result<Self> {
        say("\n$ target/release/inferno serve --port 0 &");
        let mut process = inferno()
            .args(["serve", "--port", "0"])
            .stderr(Stdio::piped())
            .spawn()
            .context("cannot start the server")?;
        let stderr = process.stderr.take().context("the server has no standard error")?;
        let mut lines = BufReader::new(stderr).lines();
        while let Some(line) = lines.next().transpose()? {
            say(&line);
            if let Some(at) = line.find("http://") {
                let url = line[at..].split_whitespace().next().unwrap_or_default().to_owned();
                // Somebody must go on reading, or the server's log would meet a closed pipe.
                std::thread::spawn(move || lines.map_while(Result::ok).for_each(|line| say(&line)));
                return Ok(Self { process, url });
            }
        }
        bail!("the server ended before it listened: {}", process.wait()?)
    }

    fn stop(&mut self) -> Result<()> {
        shell::run(&mut command(&format!("kill -INT {}", self.process.id())))?;
        let status = self.process.wait()?;
        if !status.success() {
            bail!("the server ended with {status}");
        }
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Only where something failed before `stop`; then there is nobody left to tell.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
