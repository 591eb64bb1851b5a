//! `bench convert`: quantizing in sandboxes against llama.cpp's own quantizer, with the same cores and the same bytes; what
//! it takes of the machine's memory, whatever the size of the model; and what the same model writes per second as ONNX and
//! as GGUF.

use std::fs::{self, File};
use std::io::{BufReader, Read as _, Seek as _, SeekFrom};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use inferno_formats::gguf::{self, Keep, Tensor};
use inferno_tests::gguf::{Kind, Shape, random_model};

use crate::process::{finish, peak};
use crate::report::{Row, percentile};
use crate::run::Places;
use crate::served::{self, Server, isolated};

/// Rounds of each side, alternating.
const ROUNDS: usize = 3;
const TYPES: [&str; 11] =
    ["Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q2_K", "Q3_K_M", "Q4_K_S", "Q4_K_M", "Q5_K_M", "Q6_K"];
/// About 235 million parameters.
const LARGE: Shape = Shape { dim: 1280, layers: 12, heads: 10, kv_heads: 5, ffn: 3840, context: 2048 };

/// Runs all of it.
pub(crate) async fn run(places: &Places, quantizer: &Path, runtime: &Path) -> Result<Vec<Row>> {
    let work = places.home.join("work");
    fs::create_dir_all(&work)?;
    for (name, shape) in [("medium.gguf", Shape::HUNDRED_MILLION), ("large.gguf", LARGE)] {
        let path = work.join(name);
        if !path.exists() {
            random_model(&places.storyteller, &path, shape, Kind::F16, 1)?;
        }
    }
    let mut rows = Vec::new();
    for kind in TYPES {
        rows.push(quantize(places, quantizer, kind)?);
    }
    fs::copy(&places.storyteller, work.join("small.gguf"))?;
    convert(places, &["model", "small.gguf", "small-f16.gguf", "--quantize", "F16", "--requantize"])?;
    let memory = |input: &str| Ok::<_, anyhow::Error>(ours(places, input, "Q4_K_M")?.1);
    let (small, large) = (memory("small-f16.gguf")?, memory("large.gguf")?);
    rows.push(
        Row::versus("Q4_K_M: memory, 235M parameters against 2M", large, "MiB", small).aim("< 200 MiB"),
    );
    rows.extend(backends(places, runtime).await?);
    Ok(rows)
}

/// One type of the model of a hundred million parameters, by both sides.
fn quantize(places: &Places, quantizer: &Path, kind: &str) -> Result<Row> {
    let work = places.home.join("work");
    let (mut here, mut there) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        here.push(ours(places, "medium.gguf", kind)?.0);
        let begin = Instant::now();
        let mut peer = Command::new(quantizer);
        peer.current_dir(&work).args(["medium.gguf", "theirs.gguf", kind]).arg(cores().to_string());
        finish(peer.stdout(Stdio::null()).stderr(Stdio::null()))?;
        there.push(begin.elapsed().as_secs_f64());
    }
    if !same_data(&work.join("ours.gguf"), &work.join("theirs.gguf"))? {
        bail!("{kind}: the tensors are not the same bytes as llama.cpp's");
    }
    let row = Row::versus(
        format!("{kind}: seconds for 97M parameters, F16"),
        percentile(&mut here, 0.5),
        "s",
        percentile(&mut there, 0.5),
    );
    Ok(row.aim("ratio <= 1.5"))
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, Into::into)
}

/// Seconds and MiB of one conversion.
fn ours(places: &Places, input: &str, kind: &str) -> Result<(f64, f64)> {
    convert(places, &["quantize", input, "ours.gguf", kind])
}

fn convert(places: &Places, args: &[&str]) -> Result<(f64, f64)> {
    let mut command = isolated(&places.program, &places.home);
    command.current_dir(places.home.join("work")).arg("convert").args(args).arg("--force");
    let said = places.home.join("said.txt");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create(&said)?);
    let begin = Instant::now();
    let mut process = command.spawn().context("cannot start the conversion")?;
    let memory = peak(&mut process)?;
    let seconds = begin.elapsed().as_secs_f64();
    let status = process.wait()?;
    if !status.success() {
        bail!("the conversion ended with {status}: {}", fs::read_to_string(&said)?);
    }
    Ok((seconds, memory))
}

/// Whether two files end in the same bytes: headers may differ in the order of their keys, data may not.
fn same_data(one: &Path, other: &Path) -> Result<bool> {
    let data = |path: &Path| {
        let contents = gguf::open(path, Keep::Facts)?;
        let mut file = File::open(path)?;
        file.seek(SeekFrom::Start(contents.data))?;
        Ok::<_, anyhow::Error>((contents.tensors, BufReader::with_capacity(1 << 20, file)))
    };
    let ((mine, mut a), (theirs, mut b)) = (data(one)?, data(other)?);
    let told = |tensors: &[Tensor]| {
        tensors.iter().map(|t| (t.name.clone(), t.kind, t.shape.clone(), t.offset)).collect::<Vec<_>>()
    };
    if told(&mine) != told(&theirs) {
        return Ok(false);
    }
    let (mut x, mut y) = (vec![0; 1 << 20], vec![0; 1 << 20]);
    loop {
        let count = a.read(&mut x)?;
        if count == 0 {
            return Ok(b.read(&mut y)? == 0);
        }
        if b.read_exact(&mut y[..count]).is_err() || x[..count] != y[..count] {
            return Ok(false);
        }
    }
}

/// The demo model in F32, as ONNX and as GGUF.
async fn backends(places: &Places, runtime: &Path) -> Result<Vec<Row>> {
    let (work, models) = (places.home.join("work"), places.home.join("models"));
    convert(places, &["model", "small.gguf", "tiny-gguf.gguf", "--quantize", "F32"])?;
    convert(places, &["model", "tiny-gguf.gguf", "tiny-onnx", "--format", "onnx"])?;
    let _gone = fs::remove_dir_all(&models);
    fs::create_dir_all(&models)?;
    for name in ["tiny-gguf.gguf", "tiny-onnx"] {
        fs::rename(work.join(name), models.join(name))?;
    }
    let settings = [
        ("INFERNO_MODELS_DIR", models.display().to_string()),
        ("INFERNO_ONNX_RUNTIME", runtime.display().to_string()),
        ("INFERNO_INFERENCE_THREADS", "1".to_owned()),
        ("INFERNO_INFERENCE_CONTEXT", "512".to_owned()),
    ];
    let server = Server::start(&places.program, &places.home, &settings)?;
    let mut rows = Vec::new();
    for at_once in [1, 8] {
        let (mut onnx, mut gguf) = (Vec::new(), Vec::new());
        for round in 0..=ROUNDS {
            let passes = [
                served::pass(&server, "tiny-onnx", at_once).await?,
                served::pass(&server, "tiny-gguf", at_once).await?,
            ];
            if at_once == 1 && passes[0].texts != passes[1].texts {
                bail!("ONNX and GGUF do not write the same text");
            }
            // The first round loads the models.
            if round > 0 {
                let [a, b] = passes.map(|pass| pass.tokens as f64 / pass.seconds);
                onnx.push(a);
                gguf.push(b);
            }
        }
        rows.push(Row::versus(
            format!("demo model in F32, {at_once} at once: ONNX against GGUF"),
            percentile(&mut onnx, 0.5),
            "tokens/s",
            percentile(&mut gguf, 0.5),
        ));
    }
    Ok(rows)
}
