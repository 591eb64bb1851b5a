"""Makes a component of a plugin's folder."""

import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from . import Failure, manifest, scan, tool, wit

PACKAGE = Path(__file__).resolve().parent.parent


@dataclass
class Built:
    file: Path
    size: int
    roles: list[str]
    imports: list[str]


def build(folder: Path, output: Path | None = None) -> Built:
    output = output or folder / "plugin.wasm"
    plugin = manifest.read(folder)
    imports = scan.used(folder)
    _check_asks(plugin, imports)
    with tempfile.TemporaryDirectory(prefix="inferno-plugin-") as work:
        wit.write_world(Path(work) / "wit", imports, plugin.roles)
        path = Path(work) / "path"
        # Without what stands for the bindings in tests: the tool makes the real ones.
        shutil.copytree(PACKAGE, path / "inferno_plugin", ignore=shutil.ignore_patterns("_build", "__pycache__", "wit"))
        (path / "inferno_entry.py").write_text(_entry(plugin.roles))
        # In the same folder as its place, so that a reader sees the old component or the new one, never a part.
        unfinished = output.with_name(f"{output.name}.{os.getpid()}")
        try:
            tool.run(
                ["-q", "-d", f"{work}/wit", "-w", "plugin", "--world-module", "inferno_wit", *_names(plugin.roles)]
                + ["componentize", "inferno_entry", "-p", str(path), "-p", str(folder), "-o", str(unfinished)]
            )
            os.replace(unfinished, output)
        except Failure as failure:
            raise Failure(f"{plugin.name} does not start: {failure}") from None
        finally:
            unfinished.unlink(missing_ok=True)
    return Built(output, output.stat().st_size, plugin.roles, imports)


def _check_asks(plugin: manifest.Manifest, imports: list[str]) -> None:
    """What is used must be asked for, or the host will refuse it at each call."""
    missing = [name for name in imports if (grant := wit.FACTS["imports"][name]) and grant not in plugin.asks]
    if missing:
        lines = "\n".join(_LINES.get(name, f"{wit.FACTS['imports'][name]} = true") for name in missing)
        raise Failure(f"{plugin.file}: the plugin uses {' and '.join(missing)}, which it must ask for:\n\n[asks]\n{lines}")


_LINES = {
    "inference": 'inference = { models = ["*"] }',
    "secrets": 'secrets = ["NAME"]',
    "plugins": 'plugins = ["NAME"]',
    "quota": 'quota = ["NAME"]',
}


def _names(roles: list[str]) -> list[str]:
    """Two interfaces are called `types`; the host's keeps its name, as the bindings for tests have it."""
    if "http" not in roles:
        return []
    host, version = wit.FACTS["packages"]["host"].split("@")
    names = [f"wasi:http/types@{wit.FACTS['packages']['wasi']}=http_types", f"{host}/types@{version}=types"]
    return [word for name in names for word in ("--import-interface-name", name)]


def _entry(roles: list[str]) -> str:
    """The module that the component begins with."""
    lines = ["import plugin", "from inferno_plugin._play import play"]
    for role in roles:
        name = role.title().replace("-", "")
        lines += [
            f"if not hasattr(plugin, {name!r}):",
            f"    raise ImportError('plugin.py has no class {name}, but plugin.toml names [roles.{role}]')",
        ]
        if role in wit.FACTS["standards"]:
            # What WASI calls the class.
            interface = wit.FACTS["standards"][role].partition("/")[2].partition("@")[0]
            exported = interface.title().replace("-", "")
            lines += [f"from inferno_plugin import _{role}", f"{exported} = _{role}.play(plugin.{name})"]
        else:
            functions = [one.replace("-", "_") for one in wit.FACTS["roles"][role]]
            lines.append(f"{name} = play(plugin.{name}, {functions})")
    return "\n".join(lines) + "\n"
