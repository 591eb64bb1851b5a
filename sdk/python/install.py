"""Makes a folder that can build plugins: a virtual environment with this package and the tool that it needs.

    python install.py FOLDER
    FOLDER/bin/python -m inferno_plugin build PLUGIN

Nothing is installed elsewhere. A folder that is up to date is left alone.
"""

import contextlib
import hashlib
import shutil
import subprocess
import sys
import venv
from collections.abc import Iterator
from pathlib import Path

SDK = Path(__file__).resolve().parent
PARTS = ["pyproject.toml", "componentize_py_types.py", "inferno_plugin", "inferno_wit"]


def main() -> int:
    if len(sys.argv) != 2:
        print("usage: python install.py FOLDER", file=sys.stderr)
        return 2
    if sys.version_info < (3, 11):
        print(f"error: Python 3.11 or newer is needed; this is {sys.version.split()[0]}", file=sys.stderr)
        return 1
    folder = Path(sys.argv[1]).resolve()
    stamp = folder / ".installed"
    digest = fingerprint()
    with alone(folder):
        if stamp.exists() and stamp.read_text() == digest:
            return 0
        try:
            install(folder)
        except subprocess.CalledProcessError as error:
            said = f"error: {tool()} could not be put into {folder}: {Path(error.cmd[0]).name} ended with {error.returncode}"
            print(f"{said}; Python's venv and pip are needed, and a package index", file=sys.stderr)
            return 1
        stamp.write_text(digest)
    return 0


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Has others wait who want the same folder. An environment cannot be moved, so it is made in its place."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with open(folder.with_name(f"{folder.name}.lock"), "w") as lock:
        if sys.platform != "win32":
            import fcntl

            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def install(folder: Path) -> None:
    (folder / ".installed").unlink(missing_ok=True)
    venv.create(folder, clear=True, with_pip=True)
    python = folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    pip = [python, "-m", "pip", "--disable-pip-version-check", "--quiet", "install", "--only-binary", ":all:"]
    subprocess.run([*pip, tool()], check=True, stdout=sys.stderr)
    # Copied rather than installed, which would need more tools.
    where = "import sysconfig; print(sysconfig.get_path('purelib'))"
    packages = Path(subprocess.run([python, "-c", where], check=True, capture_output=True, text=True).stdout.strip())
    for part in PARTS[1:]:
        if (SDK / part).is_dir():
            shutil.copytree(SDK / part, packages / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(SDK / part, packages / part)


def tool() -> str:
    """componentize-py, as pinned in pyproject.toml."""
    import tomllib

    project = tomllib.loads((SDK / "pyproject.toml").read_text())["project"]
    return project["optional-dependencies"]["build"][0]


def fingerprint() -> str:
    """Of all that goes into the folder."""
    digest = hashlib.sha256(sys.version.encode())
    for part in PARTS:
        path = SDK / part
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file() and "__pycache__" not in file.parts:
                digest.update(f"{file.relative_to(SDK)}\0".encode() + file.read_bytes())
    return digest.hexdigest()


sys.exit(main())
