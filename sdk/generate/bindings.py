"""Writes `sdk/python/inferno_wit`: what componentize-py makes of all interfaces and roles together.

    FOLDER/bin/python sdk/generate/bindings.py           writes
    FOLDER/bin/python sdk/generate/bindings.py --check   fails where something would change

FOLDER is where `sdk/python/install.py` put the tools. Run `main.mjs` first.
"""

import filecmp
import shutil
import sys
import tempfile
from pathlib import Path

SDK = Path(__file__).resolve().parent.parent / "python"
sys.path.insert(0, str(SDK))

from inferno_plugin._build import tool, wit  # noqa: E402

MADE = ["inferno_wit", "componentize_py_types.py"]


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "made"
        wit.write_world(Path(folder) / "wit", wit.FACTS["imports"], wit.FACTS["roles"])
        tool.run(["-q", "-d", f"{folder}/wit", "-w", "plugin", "--world-module", "inferno_wit", "bindings", str(made)])
        files = sorted(path.relative_to(made) for name in MADE for path in [made / name, *(made / name).rglob("*.py")])
        files = [file for file in files if (made / file).is_file()]
        for file in files:
            lines = (made / file).read_text().splitlines()
            (made / file).write_text("\n".join(line.rstrip() for line in lines).rstrip() + "\n")
        stale = [file for file in files if not same(made / file, SDK / file)]
        gone = [path for path in (SDK / "inferno_wit").rglob("*.py") if path.relative_to(SDK) not in files]
        if "--check" not in sys.argv:
            for file in stale:
                (SDK / file).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(made / file, SDK / file)
            for path in gone:
                path.unlink()
            return 0
        for file in [*stale, *gone]:
            print(f"not as wit/ has it: {file}; run sdk/generate/bindings.py", file=sys.stderr)
        return 1 if stale or gone else 0


def same(one: Path, other: Path) -> bool:
    return other.exists() and filecmp.cmp(one, other, shallow=False)


sys.exit(main())
