//! The peer: llama.cpp called directly, in a process of its own with the worker's settings. It reads one line with the
//! number of sequences, decodes the prompts in that many at once, and answers one line of JSON.

use std::io::{BufRead, Write};
use std::num::NonZeroU32;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result};
use llama_cpp_2::context::LlamaContext;
use llama_cpp_2::context::params::LlamaContextParams;
use llama_cpp_2::llama_backend::LlamaBackend;
use llama_cpp_2::llama_batch::LlamaBatch;
use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::model::params::LlamaModelParams;
use llama_cpp_2::sampling::LlamaSampler;
use llama_cpp_2::token::LlamaToken;
use serde::{Deserialize, Serialize};

use crate::workload::{self, MAX_TOKENS};

/// What one pass over the prompts took.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Pass {
    /// Tokens written.
    pub(crate) tokens: u64,
    /// From the first prompt to the last token.
    pub(crate) seconds: f64,
    /// Of each request.
    pub(crate) first_token_ms: Vec<f64>,
    /// The answers, in the prompts' order.
    pub(crate) texts: Vec<String>,
}

/// Serves passes until standard input ends.
#[expect(clippy::print_stdout, reason = "one line of JSON per pass is how the benchmark reads it")]
pub(crate) fn serve(model: &Path, threads: i32, context: u32, sequences: u32) -> Result<()> {
    let backend = LlamaBackend::init()?;
    let model = LlamaModel::load_from_file(&backend, model, &LlamaModelParams::default())?;
    let params = LlamaContextParams::default()
        .with_n_ctx(NonZeroU32::new(context * sequences))
        .with_n_seq_max(sequences)
        .with_kv_unified(false)
        .with_no_perf(true)
        .with_n_batch(512)
        .with_n_threads(threads)
        .with_n_threads_batch(threads);
    let mut ctx = model.new_context(&backend, params)?;
    for line in std::io::stdin().lock().lines() {
        let at_once: usize = line?.trim().parse().context("the number of sequences")?;
        println!("{}", serde_json::to_string(&pass(&model, &mut ctx, at_once)?)?);
        std::io::stdout().flush()?;
    }
    Ok(())
}

struct Sequence {
    token: LlamaToken,
    position: i32,
    written: u32,
    bytes: Vec<u8>,
    row: i32,
    sampler: LlamaSampler,
}

fn pass(model: &LlamaModel, ctx: &mut LlamaContext<'_>, at_once: usize) -> Result<Pass> {
    let mut done = Pass { tokens: 0, seconds: 0.0, first_token_ms: Vec::new(), texts: Vec::new() };
    let prompts = workload::prompts();
    let begin = Instant::now();
    for group in prompts.chunks(at_once) {
        let begin = Instant::now();
        // Not `clear_kv_cache`: that also writes zeros over the whole buffer, which no server does per request.
        ctx.clear_kv_cache_seq(None, None, None)?;
        let mut sequences = prefill(model, ctx, group)?;
        done.first_token_ms.extend(group.iter().map(|_| begin.elapsed().as_secs_f64() * 1000.0));
        decode(model, ctx, &mut sequences)?;
        done.tokens += sequences.iter().map(|s| u64::from(s.written)).sum::<u64>();
        done.texts.extend(sequences.iter().map(|s| String::from_utf8_lossy(&s.bytes).into_owned()));
    }
    done.seconds = begin.elapsed().as_secs_f64();
    Ok(done)
}

/// Decodes all prompts of a group as one batch and takes the first token of each.
fn prefill(model: &LlamaModel, ctx: &mut LlamaContext<'_>, group: &[String]) -> Result<Vec<Sequence>> {
    let mut batch = LlamaBatch::new(512, 1);
    let mut sequences = Vec::with_capacity(group.len());
    for (id, prompt) in (0..).zip(group) {
        let tokens = model.vocab().tokenize(prompt.as_bytes(), true, false);
        batch.add_sequence(&tokens, id, false)?;
        let position = i32::try_from(tokens.len())?;
        let row = batch.n_tokens() - 1;
        sequences.push(Sequence {
            token: LlamaToken(0),
            position,
            written: 0,
            bytes: Vec::new(),
            row,
            sampler: LlamaSampler::greedy(),
        });
    }
    ctx.decode(&mut batch)?;
    for s in &mut sequences {
        take(model, ctx, s)?;
    }
    Ok(sequences)
}

/// One batch per step with the last token of each sequence, until all have ended.
fn decode(model: &LlamaModel, ctx: &mut LlamaContext<'_>, sequences: &mut [Sequence]) -> Result<()> {
    let mut batch = LlamaBatch::new(sequences.len(), 1);
    loop {
        batch.clear();
        for (id, s) in (0..).zip(sequences.iter_mut()) {
            s.row = -1;
            if !model.vocab().is_eog(s.token) && s.written < MAX_TOKENS {
                s.row = batch.n_tokens();
                batch.add(s.token, s.position, &[id], true)?;
                s.position += 1;
            }
        }
        if batch.n_tokens() == 0 {
            return Ok(());
        }
        ctx.decode(&mut batch)?;
        for s in sequences.iter_mut().filter(|s| s.row >= 0) {
            take(model, ctx, s)?;
        }
    }
}

/// Samples the next token of a sequence and makes its text, as a server must.
fn take(model: &LlamaModel, ctx: &LlamaContext<'_>, s: &mut Sequence) -> Result<()> {
    s.token = s.sampler.sample(ctx, s.row);
    if !model.vocab().is_eog(s.token) {
        s.written += 1;
        s.bytes.extend(model.vocab().token_to_piece(s.token, false, None));
    }
    Ok(())
}
