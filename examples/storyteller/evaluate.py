#!/usr/bin/env python3
"""Measure the model, as its GGUF file has it, on documents that it was not trained on. Needs numpy, gguf and tokenizers.

    python evaluate.py [--gguf storyteller.gguf] [--documents 300]

The loss is the mean cross entropy in nats over every token but a document's first. Accuracy is how often an
instruction's facts come back: the hero's name in a story, the very object in a JSON extraction.
"""
import argparse
import json
import random

import gguf
import numpy as np
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

import corpus


class Network:
    """The forward pass in float32, one document at a time; the formulas are those of train.py."""

    def __init__(self, path):
        reader = gguf.GGUFReader(path)
        field = lambda k: reader.get_field(k).contents()
        self.w = {t.name: np.array(gguf.quants.dequantize(t.data, t.tensor_type)) for t in reader.tensors}
        self.layers, self.heads = field("llama.block_count"), field("llama.attention.head_count")
        self.kv, self.eps = field("llama.attention.head_count_kv"), field("llama.attention.layer_norm_rms_epsilon")
        self.context = field("llama.context_length")
        dim = field("llama.rope.dimension_count")
        angles = np.outer(np.arange(self.context), field("llama.rope.freq_base") ** (-np.arange(0, dim, 2) / dim))
        self.cos, self.sin = np.cos(angles).astype(np.float32), np.sin(angles).astype(np.float32)
        tokens, merges = field("tokenizer.ggml.tokens"), field("tokenizer.ggml.merges")
        self.tok = Tokenizer(models.BPE({t: i for i, t in enumerate(tokens)}, [tuple(m.split(" ")) for m in merges]))
        self.tok.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
        self.tok.decoder = decoders.ByteLevel()
        kinds = field("tokenizer.ggml.token_type")
        self.tok.add_special_tokens([t for t, k in zip(tokens, kinds) if k == gguf.TokenType.CONTROL])

    def norm(self, x, name):
        return x / np.sqrt((x * x).mean(-1, keepdims=True) + self.eps) * self.w[name]

    def rotate(self, x):
        a, b, cos, sin = x[..., 0::2], x[..., 1::2], self.cos[:x.shape[1]], self.sin[:x.shape[1]]
        return np.stack((a * cos - b * sin, a * sin + b * cos), -1).reshape(x.shape)

    def logits(self, ids):
        x, n = self.w["token_embd.weight"][ids], len(ids)
        mask = np.triu(np.full((n, n), -np.inf, np.float32), 1)
        for i in range(self.layers):
            m = lambda y, name: y @ self.w[f"blk.{i}.{name}.weight"].T
            split = lambda y, heads: y.reshape(n, heads, -1).transpose(1, 0, 2)
            y = self.norm(x, f"blk.{i}.attn_norm.weight")
            q, k, v = split(m(y, "attn_q"), self.heads), split(m(y, "attn_k"), self.kv), split(m(y, "attn_v"), self.kv)
            q, k = self.rotate(q), self.rotate(k)
            k, v = (np.repeat(t, self.heads // self.kv, 0) for t in (k, v))
            a = softmax(q @ k.transpose(0, 2, 1) / np.sqrt(q.shape[-1]) + mask)
            x = x + m((a @ v).transpose(1, 0, 2).reshape(n, -1), "attn_output")
            y = self.norm(x, f"blk.{i}.ffn_norm.weight")
            gate = m(y, "ffn_gate")
            x = x + m(gate / (1 + np.exp(-gate)) * m(y, "ffn_up"), "ffn_down")
        return self.norm(x, "output_norm.weight") @ self.w["token_embd.weight"].T

    def answer(self, prompt, limit):
        ids = self.tok.encode(f"<|im_start|>user\n{prompt}<|im_end|>\n<|im_start|>assistant\n").ids
        start, stop = len(ids), self.tok.token_to_id("<|im_end|>")
        while len(ids) < min(start + limit, self.context):
            ids.append(int(self.logits(ids)[-1].argmax()))
            if ids[-1] == stop:
                return self.tok.decode(ids[start:-1])
        return self.tok.decode(ids[start:])


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def loss(net, documents):
    total, count = 0.0, 0
    for d in documents:
        ids = net.tok.encode(d).ids[:net.context]
        p = softmax(net.logits(ids[:-1]))
        total -= float(np.log(p[np.arange(len(ids) - 1), ids[1:]]).sum())
        count += len(ids) - 1
    return total / count, count


def names_kept(net, r, tries):
    hit = 0
    for _ in range(tries):
        name, animal = r.choice(corpus.GIRLS + corpus.BOYS), r.choice(corpus.ANIMALS)
        story = net.answer(f"Tell me a short story about {corpus.an(animal)} named {name}.", 60)
        hit += name in story and animal in story
    return hit / tries


def json_right(net, r, tries):
    hit = 0
    for _ in range(tries):
        (_, question), (_, wanted) = corpus.json_turns(r)
        try:
            hit += json.loads(net.answer(question, 80)) == json.loads(wanted)
        except ValueError:
            pass
    return hit / tries


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--gguf", default="storyteller.gguf")
    p.add_argument("--documents", type=int, default=300)
    p.add_argument("--tries", type=int, default=50, help="prompts of each kind for the accuracies")
    p.add_argument("--seed", type=int, default=2, help="of the documents; the model was trained on those of seed 1")
    a = p.parse_args()
    net, r = Network(a.gguf), random.Random(a.seed)
    value, count = loss(net, [corpus.document(r) for _ in range(a.documents)])
    print(f"loss {value:.3f} over {count} tokens of {a.documents} documents")
    print(f"name and animal kept in {names_kept(net, r, a.tries):.0%} of {a.tries} stories")
    print(f"JSON exactly right in {json_right(net, r, a.tries):.0%} of {a.tries} extractions")


if __name__ == "__main__":
    main()
