//! `bench serve`: many clients at this server and at llama-server, the same GGUF and threads, alternating in one run. Both
//! are built for this machine's processor. Then the overhead against calling llama.cpp in process, as in `bench run`.

mod chat;
mod memory;

use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::Result;
use inferno_tests::gguf::{Kind, Shape, random_model};

use crate::report::{Row, percentile};
use crate::run::{self, Places};
use crate::served::Server;
use chat::{Answer, Ask, Round};

/// Rounds of each side, alternating.
const ROUNDS: usize = 3;
/// Requests that each side works on at once.
const SEQUENCES: u32 = 16;

/// A model and how both sides run it.
struct Plan {
    model: &'static str,
    threads: u32,
    context: u32,
    /// Tokens of an answer at most.
    answer: u32,
    /// Chats of each client in one round.
    chats: usize,
    clients: &'static [usize],
}

const PLANS: [Plan; 2] = [
    Plan { model: "tiny-2m", threads: 1, context: 1024, answer: 96, chats: 4, clients: &[1, 4, 16, 64] },
    Plan { model: "random-100m", threads: 2, context: 2048, answer: 32, chats: 1, clients: &[1, 4, 16, 64] },
];

/// Both sides with the same model.
struct Sides {
    ours: Server,
    theirs: Server,
}

/// Runs all of it; `backends` is the folder of the backend that is built for this processor.
pub(crate) async fn run(places: &Places, peer: &Path, backends: &Path) -> Result<Vec<Row>> {
    let models = places.home.join("models");
    std::fs::create_dir_all(&models)?;
    std::fs::copy(&places.storyteller, models.join("tiny-2m.gguf"))?;
    let large = models.join("random-100m.gguf");
    if !large.exists() {
        random_model(&places.storyteller, &large, Shape::HUNDRED_MILLION, Kind::Q8_0, 1)?;
    }
    let mut rows = Vec::new();
    for plan in &PLANS {
        let sides = Sides::start(places, (peer, backends), plan).await?;
        warm(&sides, plan).await?;
        for &clients in plan.clients {
            rows.extend(load(&sides, plan, clients).await?);
        }
        rows.extend(shared_prefix(&sides, plan).await?);
        rows.extend(long_beside_short(&sides, plan).await?);
        let (ours, theirs) = (memory::of(sides.ours.pid())?, memory::of(sides.theirs.pid())?);
        rows.push(
            Row::versus(format!("{}: memory of the server", plan.model), ours, "MiB", theirs)
                .aim("ratio <= 1"),
        );
    }
    for plan in &PLANS {
        rows.extend(run::throughput(places, plan.model, plan.threads).await?);
    }
    Ok(rows)
}

impl Sides {
    async fn start(places: &Places, (peer, backends): (&Path, &Path), plan: &Plan) -> Result<Self> {
        let models = places.home.join("models");
        let settings = [
            ("INFERNO_MODELS_DIR", models.display().to_string()),
            ("INFERNO_BACKENDS_DIR", backends.display().to_string()),
            ("INFERNO_INFERENCE_THREADS", plan.threads.to_string()),
            ("INFERNO_INFERENCE_CONTEXT", plan.context.to_string()),
            ("INFERNO_INFERENCE_SEQUENCES", SEQUENCES.to_string()),
        ];
        let ours = Server::start(&places.program, &places.home, &settings)?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let mut command = Command::new(peer);
        command.arg("--model").arg(models.join(format!("{}.gguf", plan.model)));
        let (context, threads) = ((plan.context * SEQUENCES).to_string(), plan.threads.to_string());
        let sequences = SEQUENCES.to_string();
        command.args([
            "-c",
            &context,
            "-np",
            &sequences,
            "-t",
            &threads,
            "-tb",
            &threads,
            "--jinja",
            "--offline",
        ]);
        command.args(["--host", "127.0.0.1", "--port", &port.to_string()]);
        command.envs(inferno_inference::WAITING);
        let theirs = Server::other(command, port).await?;
        Ok(Self { ours, theirs })
    }

    /// The same chats at both, one after the other, in turns.
    async fn rounds(&self, clients: impl Fn(usize) -> Vec<Vec<Ask>>) -> Result<(Vec<Round>, Vec<Round>)> {
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for round in 0..ROUNDS {
            // Prompts differ from round to round, so that nobody answers from what is kept of the one before.
            theirs.push(chat::many(&self.theirs, clients(round)).await?);
            ours.push(chat::many(&self.ours, clients(round)).await?);
        }
        Ok((ours, theirs))
    }
}

/// Loads the models and fills what is filled once.
async fn warm(sides: &Sides, plan: &Plan) -> Result<()> {
    let once = || vec![vec![plan.ask("warm up", None)]];
    chat::many(&sides.theirs, once()).await?;
    chat::many(&sides.ours, once()).await?;
    Ok(())
}

impl Plan {
    fn ask(&self, user: &str, system: Option<&str>) -> Ask {
        Ask {
            model: self.model.to_owned(),
            system: system.map(str::to_owned),
            user: user.to_owned(),
            max_tokens: self.answer,
        }
    }

    fn row(&self, what: &str, ours: f64, unit: &'static str, theirs: f64) -> Row {
        Row::versus(format!("{}: {what}", self.model), ours, unit, theirs)
    }
}

/// Tokens per second and time to the first token with so many clients.
async fn load(sides: &Sides, plan: &Plan, clients: usize) -> Result<Vec<Row>> {
    let (ours, theirs) = sides
        .rounds(|round| {
            (0..clients)
                .map(|client| {
                    let story =
                        |chat| format!("{round}-{client}-{chat}: Tell me a story about a fox and a bear.");
                    (0..plan.chats).map(|chat| plan.ask(&story(chat), None)).collect()
                })
                .collect()
        })
        .await?;
    let at = format!("{clients} client{}", if clients == 1 { "" } else { "s" });
    Ok(vec![
        plan.row(&format!("{at}: tokens/s"), rate(&ours), "tokens/s", rate(&theirs)).aim("ratio >= 1"),
        plan.row(&format!("{at}: first token, p50"), first(&ours, 0.5), "ms", first(&theirs, 0.5))
            .aim("ratio <= 1"),
        plan.row(&format!("{at}: first token, p99"), first(&ours, 0.99), "ms", first(&theirs, 0.99)),
    ])
}

/// Chats that begin with the same long instructions.
async fn shared_prefix(sides: &Sides, plan: &Plan) -> Result<Vec<Row>> {
    let (ours, theirs) = sides
        .rounds(|round| {
            let system = instructions(round, plan.context / 2);
            (0..8)
                .map(|client| {
                    let question = |chat| format!("Question {client}-{chat}: who lives in the forest?");
                    let ask = |chat| Ask { max_tokens: 16, ..plan.ask(&question(chat), Some(&system)) };
                    (0..4).map(ask).collect()
                })
                .collect()
        })
        .await?;
    let cached = |rounds: &[Round]| answers(rounds).map(|answer| answer.cached as f64).sum::<f64>();
    Ok(vec![
        plan.row(
            "shared instructions, 8 clients: first token, p50",
            first(&ours, 0.5),
            "ms",
            first(&theirs, 0.5),
        )
        .aim("ratio well below 1"),
        plan.row("shared instructions, 8 clients: tokens/s", rate(&ours), "tokens/s", rate(&theirs))
            .aim("ratio well above 1"),
        plan.row("shared instructions, 8 clients: cached tokens", cached(&ours), "tokens", cached(&theirs)),
    ])
}

/// Short chats that are being answered while prompts come that fill most of the context.
async fn long_beside_short(sides: &Sides, plan: &Plan) -> Result<Vec<Row>> {
    let (ours, theirs) = sides
        .rounds(|round| {
            let long = |number: usize| {
                let text = instructions(round * 10 + number, plan.context * 3 / 4);
                vec![Ask { max_tokens: 4, ..plan.ask(&text, None) }]
            };
            let short = |client| vec![plan.ask(&format!("{round}-{client}: Tell me a story."), None); 2];
            [(0..4).map(short).collect(), vec![long(0), long(1)]].concat()
        })
        .await?;
    let gap = |rounds: &[Round]| {
        let gaps = answers(rounds).filter(|answer| answer.tokens > 4).map(|answer| milliseconds(answer.gap));
        percentile(&mut gaps.collect::<Vec<_>>(), 0.9)
    };
    Ok(vec![
        plan.row(
            "long prompts beside short chats: longest pause of the short ones",
            gap(&ours),
            "ms",
            gap(&theirs),
        )
        .aim("ratio <= 1"),
    ])
}

/// Text of about so many tokens, which differs from its beginning on with the number.
fn instructions(number: usize, tokens: u32) -> String {
    let mut text = format!("{number} is the number of this talk. ");
    // The demo model's tokenizer makes about ten tokens of this sentence.
    for line in 0..tokens / 14 {
        text.push_str(&format!("The fox number {line} lives in the forest. "));
    }
    text
}

fn answers(rounds: &[Round]) -> impl Iterator<Item = &Answer> {
    rounds.iter().flat_map(|round| &round.answers)
}

fn rate(rounds: &[Round]) -> f64 {
    percentile(&mut rounds.iter().map(Round::rate).collect::<Vec<_>>(), 0.5)
}

fn first(rounds: &[Round], share: f64) -> f64 {
    percentile(&mut answers(rounds).map(|answer| milliseconds(answer.first)).collect::<Vec<_>>(), share)
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
