#!/usr/bin/env python3
"""Turn a checkpoint of train.py into a GGUF file ("llama" architecture).

    python export.py --run run --out storyteller.gguf [--type q8_0|f16]
"""
import argparse
import json
import os

import gguf
import numpy as np
from gguf import quants

from train import SPECIAL, load

NAMES = {"q": "attn_q", "k": "attn_k", "v": "attn_v", "o": "attn_output", "gate": "ffn_gate", "up": "ffn_up",
         "down": "ffn_down", "attn_norm": "attn_norm", "ffn_norm": "ffn_norm"}


def gguf_name(name):
    if name.startswith("blocks."):
        _, i, part, _ = name.split(".")
        return f"blk.{i}.{NAMES[part]}.weight"
    return {"embed.weight": "token_embd.weight", "norm.weight": "output_norm.weight"}[name]


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--run", default="run", help="the --out folder of train.py")
    p.add_argument("--out", default="storyteller.gguf")
    p.add_argument("--type", choices=["q8_0", "f16"], default="q8_0")
    a = p.parse_args()
    here = os.path.dirname(os.path.abspath(__file__))
    model, ck = load(os.path.join(a.run, "checkpoint.pt"))
    c = ck["config"]
    bpe = json.load(open(os.path.join(a.run, "tokenizer.json"), encoding="utf-8"))["model"]

    w = gguf.GGUFWriter(a.out, "llama")
    w.add_name("storyteller")
    w.add_description("A tiny chat model that tells short animal stories")
    w.add_license("mit")
    w.add_file_type(gguf.LlamaFileType.MOSTLY_Q8_0 if a.type == "q8_0" else gguf.LlamaFileType.MOSTLY_F16)
    w.add_vocab_size(c["vocab"])
    w.add_context_length(c["context"])
    w.add_embedding_length(c["dim"])
    w.add_block_count(c["layers"])
    w.add_feed_forward_length(c["ffn"])
    w.add_head_count(c["heads"])
    w.add_head_count_kv(c["kv_heads"])
    w.add_rope_dimension_count(c["dim"] // c["heads"])
    w.add_rope_freq_base(c["theta"])
    w.add_layer_norm_rms_eps(c["eps"])

    tokens = sorted(bpe["vocab"], key=bpe["vocab"].get)
    w.add_tokenizer_model("gpt2")
    w.add_tokenizer_pre("gpt-2")
    w.add_token_list(tokens)
    w.add_token_types([gguf.TokenType.CONTROL if t in SPECIAL else gguf.TokenType.NORMAL for t in tokens])
    w.add_token_merges([m if isinstance(m, str) else " ".join(m) for m in bpe["merges"]])
    # The documents of the corpus begin with no special token, so there is no BOS.
    w.add_eos_token_id(bpe["vocab"]["<|im_end|>"])
    w.add_add_bos_token(False)
    w.add_chat_template(open(os.path.join(here, "chat_template.jinja"), encoding="utf-8").read())

    kind = gguf.GGMLQuantizationType.Q8_0 if a.type == "q8_0" else gguf.GGMLQuantizationType.F16
    for name, t in model.state_dict().items():
        t = t.float().numpy()
        if t.ndim == 1:  # the norms are small and stay exact
            w.add_tensor(gguf_name(name), t.astype(np.float32))
        else:  # no output.weight: the embedding is the output too
            w.add_tensor(gguf_name(name), quants.quantize(t, kind), raw_dtype=kind)
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()
    print(f"{a.out}: {os.path.getsize(a.out)} bytes, {ck['tokens']} tokens seen, validation loss {ck['val_loss']:.4f}")


if __name__ == "__main__":
    main()
