"""Whether `inferno serve` keeps to the OpenAPI document that it serves, as schemathesis sees it.

Started by tests/tests/clients.rs with the server's address, a valid key and the names of two models: one that echoes
and one that writes stories. Requests that fit the document may still be refused, since the document cannot say that one
field needs another; but never with a 5xx, nor in a form that is not documented.
"""

import os
import sys

import schemathesis
from schemathesis.cli import schemathesis as cli

ECHO = os.environ["INFERNO_ECHO_MODEL"]
STORY = os.environ["INFERNO_STORY_MODEL"]
ROOT = os.environ["INFERNO_BASE_URL"].removesuffix("/v1")
# Hypothesis describes nested strategies by recursion, deeper than Python's default allows.
sys.setrecursionlimit(20_000)


LENGTHS = ["max_tokens", "max_completion_tokens", "max_output_tokens"]


@schemathesis.hook
def before_call(context, case, kwargs):
    """Mostly names a model that there is, so that requests get as far as one, and keeps answers short. What does not
    fit the document is left as it is.
    """
    body = case.body
    if not isinstance(body, dict):
        return
    named = body.get("model")
    if named is None or isinstance(named, str) and 0 < len(named) < 3:
        body = body | {"model": STORY if named is None else ECHO}
    long = [name for name in LENGTHS if type(body.get(name)) is int and 8 < body[name] < 1 << 32]
    case.body = {"max_tokens": 8, "max_output_tokens": 8} | body | dict.fromkeys(long, 8)


arguments = [
    "run",
    f"{ROOT}/openapi.json",
    f"--header=Authorization: Bearer {os.environ['INFERNO_API_KEY']}",
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
