"""Runs componentize-py."""

import importlib.util
import os
import re
import subprocess
import sys

from . import Failure

PINNED = "0.25.1"


def run(arguments: list[str]) -> None:
    """Fails with what the tool says; for a plugin's own errors that is Python's traceback."""
    if importlib.util.find_spec("componentize_py") is None:
        raise Failure(f"componentize-py is missing; run: {sys.executable} -m pip install componentize-py=={PINNED}")
    done = subprocess.run(
        [sys.executable, "-c", "from componentize_py import script; import sys; sys.exit(script())", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "RUST_BACKTRACE": "0"},
    )
    if done.returncode != 0:
        raise Failure(worded(done.stdout))


def worded(output: str) -> str:
    """What the tool says without its own stack, and a traceback without what stands around the plugin."""
    early = re.search(r"trapping stub: (\S+)", output)
    if early:
        return f"it calls {early[1]} while its modules load, which happens at the build; only the role's methods can"
    said = re.split(r"\n\s*(?:Caused by|Stack backtrace):", output.rpartition("AssertionError: ")[2])[0]
    said = re.sub(r'  File "/\d+/inferno_entry.py", .*\n    .*\n', "", said)
    return re.sub(r'File "/\d+/', 'File "', said).strip()
