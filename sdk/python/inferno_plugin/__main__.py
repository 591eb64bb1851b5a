"""`python -m inferno_plugin`: builds plugins and runs their tests."""

import argparse
import os
import subprocess
import sys
from pathlib import Path

from ._build import Failure

ROOT = Path(__file__).resolve().parent.parent


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m inferno_plugin", description="Builds and tests Inferno plugins.")
    verbs = parser.add_subparsers(dest="verb", required=True)
    build = verbs.add_parser("build", help="makes plugin.wasm of plugin.py")
    build.add_argument("folder", nargs="?", default=".", type=Path)
    build.add_argument("-o", "--output", type=Path, metavar="FILE")
    test = verbs.add_parser("test", help="runs the tests natively, with a host that the tests lend")
    test.add_argument("folder", nargs="?", default=".", type=Path)
    options = parser.parse_args()
    try:
        return _build(options.folder, options.output) if options.verb == "build" else _test(options.folder)
    except Failure as failure:
        print(f"error: {failure}", file=sys.stderr)
        return 1


def _build(folder: Path, output: Path | None) -> int:
    from ._build.build import build

    built = build(folder.resolve(), output and output.resolve())
    uses = ", ".join(built.imports) or "nothing of the host"
    print(f"{', '.join(built.roles)}; uses {uses}; {built.size / 2**20:.1f} MiB", file=sys.stderr)
    print(os.path.relpath(built.file))
    return 0


def _test(folder: Path) -> int:
    """With this package's folder on the path, so that it need not be installed."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    command = [sys.executable, "-m", "unittest", "discover", "--pattern", "test_*.py"]
    return subprocess.run(command, cwd=folder, env={**os.environ, "PYTHONPATH": path}).returncode


sys.exit(main())
