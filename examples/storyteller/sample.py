#!/usr/bin/env python3
"""Ask the model, from its GGUF file, as a check of the export without any other runner.

    python sample.py --tokenizer run/tokenizer.json "Tell me a short story about a fox named Mia."
"""
import argparse

import torch
from tokenizers import Tokenizer

from train import CONFIG, Model, load_gguf


@torch.no_grad()
def generate(model, tok, prompt, temperature, limit=300):
    ids = tok.encode(prompt).ids
    start, stop = len(ids), tok.token_to_id("<|im_end|>")
    while len(ids) < min(start + limit, CONFIG["context"]):
        logits = model(torch.tensor([ids]))[0, -1]
        nxt = int(logits.argmax()) if temperature <= 0 else int(torch.multinomial((logits / temperature).softmax(0), 1))
        if nxt == stop:
            break
        ids.append(nxt)
    return tok.decode(ids[start:], skip_special_tokens=False)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("prompts", nargs="+")
    p.add_argument("--gguf", default="storyteller.gguf")
    p.add_argument("--tokenizer", default="run/tokenizer.json")
    p.add_argument("--temperature", type=float, default=0.0)
    p.add_argument("--seed", type=int, default=1)
    a = p.parse_args()
    torch.manual_seed(a.seed)
    model, tok = Model(CONFIG), Tokenizer.from_file(a.tokenizer)
    load_gguf(model, tok, a.gguf)
    model.eval()
    for q in a.prompts:
        print(f"> {q}\n" + generate(model, tok, f"<|im_start|>user\n{q}<|im_end|>\n<|im_start|>assistant\n", a.temperature) + "\n")


if __name__ == "__main__":
    main()
