"""The interfaces: what a plugin can import and with which grant, and the roles that it can play."""

import json
import shutil
from collections.abc import Iterable
from pathlib import Path

FOLDER = Path(__file__).resolve().parent.parent / "wit"
FACTS = json.loads((FOLDER / "interfaces.json").read_text())
# All that can be played.
ROLES = [*FACTS["roles"], *FACTS["standards"]]


def write_world(target: Path, imports: Iterable[str], roles: Iterable[str]) -> None:
    """Writes the WIT of a world with just these imports and roles; its name is `plugin`."""
    host, host_version = FACTS["packages"]["host"].split("@")
    plugin, plugin_version = FACTS["packages"]["plugin"].split("@")
    # The words that all plugins share are there even where no interface uses them.
    names = ["types", "work", *imports]
    lines = [
        "package inferno:build;",
        "world plugin {",
        *(f"  import {host}/{name}@{host_version};" for name in names),
        *(f"  export {FACTS['standards'].get(role, f'{plugin}/{role}@{plugin_version}')};" for role in roles),
        "}",
        "",
    ]
    for package in ["host", "plugin"]:
        shutil.copytree(FOLDER / package, target / "deps" / package)
    # One package each.
    for file in (FOLDER / "wasi-0.2").glob("*.wit"):
        shutil.copyfile(file, target / "deps" / f"wasi-{file.name}")
    (target / "world.wit").write_text("\n".join(lines))
