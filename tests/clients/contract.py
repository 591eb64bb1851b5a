"""Whether `inferno serve` keeps to the OpenAPI document that it serves, as schemathesis sees it.

Started by tests/tests/clients.rs with the server's address, a valid key and the names of two models: one that echoes
and one that writes stories. Requests that fit the document may still be refused, since the document cannot say that one
field needs another; but never with a 5xx, nor in a form that is not documented.
"""

import json
import os
import sys
import urllib.request

import schemathesis
from schemathesis.cli import schemathesis as cli

ECHO = os.environ["INFERNO_ECHO_MODEL"]
STORY = os.environ["INFERNO_STORY_MODEL"]
ROOT = os.environ["INFERNO_BASE_URL"].removesuffix("/v1")
# Hypothesis describes nested strategies by recursion, deeper than Python's default allows.
sys.setrecursionlimit(20_000)


KEY = os.environ["INFERNO_API_KEY"]
LENGTHS = ["max_tokens", "max_completion_tokens", "max_output_tokens"]


def upload():
    """A file from which batches can be made."""
    ask = {"model": ECHO, "messages": [{"role": "user", "content": "hello"}], "max_tokens": 2}
    line = {"custom_id": "a", "method": "POST", "url": "/v1/chat/completions", "body": ask}
    parts = [("purpose", "", "batch"), ("file", '; filename="in.jsonl"', json.dumps(line))]
    form = [f'--xx\r\ncontent-disposition: form-data; name="{n}"{f}\r\n\r\n{text}\r\n' for n, f, text in parts]
    headers = {"authorization": f"Bearer {KEY}", "content-type": "multipart/form-data; boundary=xx"}
    request = urllib.request.Request(f"{ROOT}/v1/files", "".join([*form, "--xx--"]).encode(), headers)
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)["id"]


FILE = upload()


@schemathesis.hook
def before_call(context, case, kwargs):
    """Mostly names a model that there is, so that requests get as far as one, and keeps answers short. What does not
    fit the document is left as it is.
    """
    body = case.body
    if not isinstance(body, dict) or case.media_type != "application/json":
        return
    if isinstance(body.get("input_file_id"), str) and body["input_file_id"]:
        body = body | {"input_file_id": FILE}
    named = body.get("model")
    if named is None or isinstance(named, str) and 0 < len(named) < 3:
        body = body | {"model": STORY if named is None else ECHO}
    long = [name for name in LENGTHS if type(body.get(name)) is int and 8 < body[name] < 1 << 32]
    case.body = {"max_tokens": 8, "max_output_tokens": 8} | body | dict.fromkeys(long, 8)


arguments = [
    "run",
    f"{ROOT}/openapi.json",
    f"--header=Authorization: Bearer {KEY}",
    "--exclude-checks=positive_data_acceptance",
    "--max-examples=15",
    "--seed=14633",
    "--continue-on-failure",
    "--suppress-health-check=all",
    "--no-color",
    *sys.argv[1:],
]
try:
    cli(arguments)
except SystemExit as end:
    if end.code:
        raise
print("all checks hold")
