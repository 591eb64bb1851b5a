#!/usr/bin/env python3
"""Train the storyteller model on the CPU within a wall-clock budget.

    python train.py --corpus corpus.jsonl --out run --minutes 24 [--init storyteller.gguf]

Writes run/tokenizer.json, run/checkpoint.pt (every two minutes) and prints the
validation loss. sample.py talks to a checkpoint, export.py turns it into GGUF.
"""
import argparse
import json
import math
import os
import random
import time

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
CONFIG = dict(vocab=1024, dim=256, layers=3, heads=8, kv_heads=4, ffn=512, context=1024, theta=10000.0, eps=1e-5)


def rope_table(c):
    d = c["dim"] // c["heads"]
    angles = torch.outer(torch.arange(c["context"]).float(), c["theta"] ** (-torch.arange(0, d, 2).float() / d))
    return angles.cos(), angles.sin()


def rotate(x, cos, sin):
    """RoPE on neighbouring pairs, which is what llama.cpp's "llama" architecture expects as stored."""
    a, b = x[..., 0::2], x[..., 1::2]
    return torch.stack((a * cos - b * sin, a * sin + b * cos), -1).flatten(-2)


class Norm(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.weight, self.eps = nn.Parameter(torch.ones(c["dim"])), c["eps"]

    def forward(self, x):
        return F.rms_norm(x.float(), x.shape[-1:], self.weight, self.eps)


class Block(nn.Module):
    def __init__(self, c):
        super().__init__()
        d, self.h, self.kv, self.hd = c["dim"], c["heads"], c["kv_heads"], c["dim"] // c["heads"]
        linear = lambda i, o: nn.Linear(i, o, bias=False)
        self.attn_norm, self.ffn_norm = Norm(c), Norm(c)
        self.q, self.k, self.v = linear(d, d), linear(d, self.kv * self.hd), linear(d, self.kv * self.hd)
        self.o = linear(d, d)
        self.gate, self.up, self.down = linear(d, c["ffn"]), linear(d, c["ffn"]), linear(c["ffn"], d)

    def forward(self, x, cos, sin):
        B, T, _ = x.shape
        y = self.attn_norm(x)
        split = lambda t, n: t.view(B, T, n, self.hd).transpose(1, 2)
        q, k, v = split(self.q(y), self.h), split(self.k(y), self.kv), split(self.v(y), self.kv)
        q, k = rotate(q, cos, sin).to(v.dtype), rotate(k, cos, sin).to(v.dtype)
        k, v = (t.repeat_interleave(self.h // self.kv, 1) for t in (k, v))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.o(y.transpose(1, 2).reshape(B, T, -1))
        y = self.ffn_norm(x)
        return x + self.down(F.silu(self.gate(y)) * self.up(y))


class Model(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.embed = nn.Embedding(c["vocab"], c["dim"])
        self.blocks = nn.ModuleList(Block(c) for _ in range(c["layers"]))
        self.norm = Norm(c)
        for name, p in self.named_parameters():
            if p.dim() > 1:  # smaller where a layer writes to the residual stream
                nn.init.normal_(p, std=0.02 / math.sqrt(2 * c["layers"]) if name.endswith(("o.weight", "down.weight")) else 0.02)
        cos, sin = rope_table(c)
        self.register_buffer("cos", cos, persistent=False)
        self.register_buffer("sin", sin, persistent=False)

    def forward(self, ids):
        x, n = self.embed(ids), ids.shape[1]
        for b in self.blocks:
            x = b(x, self.cos[:n], self.sin[:n])
        return F.linear(self.norm(x), self.embed.weight)  # tied output


def load(path):
    """(model, checkpoint) of a checkpoint.pt."""
    ck = torch.load(path, map_location="cpu", weights_only=True)
    m = Model(ck["config"])
    m.load_state_dict(ck["model"])
    return m.eval(), ck


def load_gguf(model, tok, path):
    """Fill the model with the weights of a GGUF file that export.py wrote."""
    import gguf
    from export import gguf_name
    reader = gguf.GGUFReader(path)
    if reader.get_field("tokenizer.ggml.tokens").contents() != sorted(tok.get_vocab(), key=tok.get_vocab().get):
        raise SystemExit(f"{path} has another tokenizer than this corpus gives: its weights would mean other tokens")
    tensors = {t.name: gguf.quants.dequantize(t.data, t.tensor_type) for t in reader.tensors}
    model.load_state_dict({n: torch.from_numpy(np.array(tensors[gguf_name(n)])) for n in model.state_dict()})


def make_tokenizer(docs, path):
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    t = Tokenizer(models.BPE())
    t.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)  # the GPT-2 pattern
    t.decoder = decoders.ByteLevel()
    t.train_from_iterator(docs, trainers.BpeTrainer(
        vocab_size=CONFIG["vocab"], special_tokens=SPECIAL, show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))  # all 256 bytes, so any text can be read
    t.save(path)
    return t


def encode(tok, docs):
    """All documents as one array of ids, and where each starts."""
    ids = [e.ids for e in tok.encode_batch(docs)]
    starts = np.cumsum([0] + [len(i) for i in ids[:-1]])
    return np.concatenate([np.array(i, dtype=np.int64) for i in ids]), starts


class Windows:
    """Endless batches of windows. Each starts at a document, as a prompt does, and is filled with the next ones."""

    def __init__(self, data, rng):
        (self.ids, self.starts), self.rng = data, rng

    def epoch(self, length):
        out, s = [], int(self.starts[self.rng.randrange(20)])
        while s + length + 1 <= len(self.ids):
            out.append(s)
            # Go on with the document that the end of this window cut.
            nxt = int(self.starts[np.searchsorted(self.starts, s + length, side="right") - 1])
            s = nxt if nxt > s else s + length
        self.rng.shuffle(out)
        return out

    def batches(self, size, length):
        while True:
            w = self.epoch(length)
            for i in range(0, len(w) - size + 1, size):
                yield torch.from_numpy(np.stack([self.ids[s:s + length + 1] for s in w[i:i + size]]))


def loss_of(model, batch):
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = model(batch[:, :-1])
    return F.cross_entropy(logits.float().flatten(0, 1), batch[:, 1:].flatten())


@torch.no_grad()
def validate(model, data, length, count=24):
    """Mean loss over every token (prompts too) of the same held-out windows each time."""
    b = Windows(data, random.Random(0)).batches(4, length)
    return sum(loss_of(model, next(b)).item() for _ in range(count)) / count


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--corpus", default="corpus.jsonl")
    p.add_argument("--out", default="run")
    p.add_argument("--minutes", type=float, default=24)
    p.add_argument("--init", help="go on from the weights of this GGUF file, whose tokenizer must be the corpus's")
    p.add_argument("--lr", type=float, default=2.5e-3)
    p.add_argument("--batch-tokens", type=int, default=3072)
    p.add_argument("--long-from", type=float, default=0.7,
                   help="train on half the context up to this share of the time, then on all of it")
    p.add_argument("--threads", type=int, default=2)
    a = p.parse_args()
    os.makedirs(a.out, exist_ok=True)
    torch.set_num_threads(a.threads)
    torch.manual_seed(1)

    docs = [json.loads(line) for line in open(a.corpus, encoding="utf-8")]
    tok = make_tokenizer(docs[:20000], os.path.join(a.out, "tokenizer.json"))
    held = len(docs) // 100
    val, train = encode(tok, docs[:held]), encode(tok, docs[held:])
    model = Model(CONFIG)
    if a.init:
        load_gguf(model, tok, a.init)
    n = sum(x.numel() for x in model.parameters())
    print(f"{n} parameters, {len(train[0])} training tokens, {len(val[0])} held out", flush=True)
    opt = torch.optim.AdamW([
        {"params": [x for x in model.parameters() if x.dim() > 1], "weight_decay": 0.1},
        {"params": [x for x in model.parameters() if x.dim() < 2], "weight_decay": 0.0},
    ], lr=a.lr, betas=(0.9, 0.95), fused=True)

    win = Windows(train, random.Random(1))
    full = CONFIG["context"]
    short, long = win.batches(a.batch_tokens // (full // 2), full // 2), win.batches(a.batch_tokens // full, full)
    begin, step, seen, last, mean = time.time(), 0, 0, 0.0, None
    while True:
        # The schedule follows the clock, so that it ends in time on a busy machine too.
        done = (time.time() - begin) / (60 * a.minutes)
        if done >= 1 or time.time() - begin - last > 120:
            last = time.time() - begin
            v = validate(model, val, full if done >= a.long_from else full // 2)
            print(f"{last:.0f} s, step {step}, {seen} tokens, train loss {mean or 0:.4f}, val loss {v:.4f}", flush=True)
            path = os.path.join(a.out, "checkpoint.pt")
            torch.save(dict(config=CONFIG, model=model.state_dict(), step=step, tokens=seen, seconds=last, val_loss=v), path + ".tmp")
            os.replace(path + ".tmp", path)  # never a half-written checkpoint
        if done >= 1:
            break
        lr = a.lr * min(1, (step + 1) / 200) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * done)))
        for g in opt.param_groups:
            g["lr"] = lr
        batch = next(long if done >= a.long_from else short)
        loss = loss_of(model, batch)
        opt.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        opt.step()
        step, seen = step + 1, seen + batch[:, 1:].numel()
        mean = loss.item() if mean is None else 0.98 * mean + 0.02 * loss.item()
        if step in (20, 100, 500):
            print(f"step {step}, loss {mean:.3f}, {seen / (time.time() - begin):.0f} tokens/s", flush=True)


if __name__ == "__main__":
    main()
