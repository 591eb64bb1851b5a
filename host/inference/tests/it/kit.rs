//! Models, workers and conditions for the tests.

use std::{path::PathBuf, time::Duration};

use futures::StreamExt;
use inferno_backend::Backends;
use inferno_inference::{
    Config, Event, Finish, Generate, Generation, Inference, Input, Loaded, WorkerCommand, models,
};
use tempfile::TempDir;

/// Set in the environment of this executable where it is to be a worker.
const WORKER: &str = "INFERNO_TEST_WORKER";

/// How long a condition may take to come true on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Models in a directory of their own, and one [`Inference`] over them.
pub(crate) struct Kit {
    dir: TempDir,
    pub(crate) inference: Inference,
}

impl Kit {
    /// Workers that really work.
    pub(crate) fn new(change: impl FnOnce(&mut Config)) -> Self {
        Self::with_test("kit::become_a_worker", change)
    }

    /// Workers that are a test of this executable, which should do nothing where it is not [`wanted`].
    pub(crate) fn with_test(name: &str, change: impl FnOnce(&mut Config)) -> Self {
        let args = [name, "--exact", "--ignored", "--nocapture", "--test-threads=1"];
        let program = std::env::current_exe().expect("this is a program");
        let worker = WorkerCommand { program, args: args.map(Into::into).to_vec() };
        Self::with(worker, |config| {
            config.env.push((WORKER.into(), "yes".into()));
            change(config);
        })
    }

    /// Workers that are a shell script in the models' directory; their standard input is the socket.
    pub(crate) fn with_script(script: &str, change: impl FnOnce(&mut Config)) -> Self {
        let args = ["-c".into(), script.into()];
        Self::with(WorkerCommand { program: "/bin/sh".into(), args: args.to_vec() }, change)
    }

    fn with(worker: WorkerCommand, change: impl FnOnce(&mut Config)) -> Self {
        let dir = TempDir::new().expect("a temporary directory");
        let mut config = Config::new(worker);
        config.env.push(("KIT".into(), dir.path().display().to_string()));
        change(&mut config);
        let models = models::Models::new(models::Config {
            dirs: vec![dir.path().to_owned()],
            hf_cache: None,
            foreign: Vec::new(),
            builtin: None,
        });
        let kit = Self { inference: Inference::new(models, config), dir };
        kit.model("fast", 0);
        kit.model("slow", 50);
        kit
    }

    /// Writes a model; 0 tokens per second means as many as it can.
    pub(crate) fn model(&self, name: &str, tokens_per_second: u32) {
        let rate = format!("\"tokens_per_second\": {tokens_per_second}");
        let text = format!("inferno-echo\n{{{rate}, \"context\": 1000000, \"embedding\": 8}}\n");
        std::fs::write(self.path(&format!("{name}.echo")), text).expect("the directory is writable");
    }

    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.dir.path().join(file)
    }

    /// What a script has written into a file.
    pub(crate) fn written(&self, file: &str) -> String {
        std::fs::read_to_string(self.path(file)).unwrap_or_default()
    }

    /// The one model that is loaded.
    pub(crate) fn loaded(&self) -> Loaded {
        let mut loaded = self.inference.loaded();
        assert_eq!(loaded.len(), 1, "{loaded:?}");
        loaded.remove(0)
    }

    /// A generation on the slow model that would take many minutes, and has begun.
    pub(crate) async fn endless(&self) -> Generation {
        let request = prompt(&words("endless", 50_000), 50_000);
        let mut generation = self.inference.generate("slow", request).await.expect("it starts");
        let first = generation.next().await.expect("it goes on").expect("it is well");
        assert!(matches!(first, Event::Text(_)), "{first:?}");
        generation
    }
}

/// So many different words; the backend answers with what it was asked, and each word is a token.
pub(crate) fn words(stem: &str, count: usize) -> String {
    (0..count).map(|number| format!("{stem}{number}")).collect::<Vec<_>>().join(" ")
}

/// A request for at most `max_tokens` tokens.
pub(crate) fn prompt(text: &str, max_tokens: u32) -> Generate {
    Generate { max_tokens: Some(max_tokens), ..Generate::new(Input::Prompt(text.into())) }
}

/// The text and the end of a generation.
pub(crate) async fn read(mut generation: Generation) -> (String, Finish, u32) {
    let mut text = String::new();
    while let Some(event) = generation.next().await {
        match event.expect("it is well") {
            Event::Text(more) => text.push_str(&more),
            Event::Done { finish, usage } => {
                assert!(generation.next().await.is_none(), "nothing follows the end");
                return (text, finish, usage.output_tokens);
            }
            other => panic!("{other:?} has no place in a stream"),
        }
    }
    panic!("the stream ended without an end, after {text:?}");
}

/// Waits for a condition.
pub(crate) async fn until(what: &str, condition: impl Fn() -> bool) {
    let wait = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    soon(what, wait).await;
}

/// Waits for something that must not take as long as an endless generation.
pub(crate) async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.unwrap_or_else(|_| panic!("it took too long: {what}"))
}

/// Is there such a process, running or not reaped yet?
pub(crate) fn exists(pid: u32) -> bool {
    std::path::Path::new(&format!("/proc/{pid}")).exists()
}

/// What `kill -9` does.
pub(crate) fn kill(pid: u32) {
    let pid = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw).expect("a process id");
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("it can be killed");
}

/// Was this process started to be a worker?
pub(crate) fn wanted() -> bool {
    std::env::var_os(WORKER).is_some()
}

#[test]
#[ignore = "this is what the other tests start as their worker"]
fn become_a_worker() {
    if !wanted() {
        return;
    }
    let served = inferno_backend::worker::run(Backends::new(vec![inferno_backend_echo::backend()], None));
    // The test harness has nothing to add to the end of a worker.
    std::process::exit(i32::from(served.is_err()));
}
