"""Which interfaces a plugin's modules import. Only those are imported by its component."""

import ast
from pathlib import Path

from . import Failure
from .wit import FACTS


def used(folder: Path) -> list[str]:
    """Follows the imports from `plugin.py` on, as far as they lead to files of the folder."""
    found: set[str] = set()
    waiting, seen = ["plugin"], set()
    while waiting:
        module = waiting.pop()
        file = _file(folder, module)
        if module in seen or file is None:
            continue
        seen.add(module)
        for name in _imports(file, module):
            package, _, interface = name.partition(".")
            if package == "inferno_plugin" and interface in FACTS["imports"]:
                found.add(interface)
            waiting.append(name)
    if not seen:
        raise Failure(f"{folder} has no plugin.py")
    return sorted(found)


def _file(folder: Path, module: str) -> Path | None:
    path = folder.joinpath(*module.split("."))
    found = [file for file in [path.with_suffix(".py"), path / "__init__.py"] if file.is_file()]
    return found[0] if found else None


def _imports(file: Path, module: str) -> set[str]:
    try:
        tree = ast.parse(file.read_bytes(), str(file))
    except SyntaxError as error:
        raise Failure(f"{file}:{error.lineno}: {error.msg}") from None
    package = module if file.name == "__init__.py" else module.rpartition(".")[0]
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join(filter(None, [*parents, base]))
            names.add(base)
            # A name may be a module of the package, or something in it.
            names.update(f"{base}.{alias.name}".lstrip(".") for alias in node.names)
    # Importing a.b runs a, too.
    return names | {".".join(name.split(".")[:end]) for name in names for end in range(1, name.count(".") + 1)}
