"""What the build needs of a plugin's `plugin.toml`; the host checks the rest."""

import tomllib
from dataclasses import dataclass
from pathlib import Path

from . import Failure
from .wit import ROLES


@dataclass
class Manifest:
    file: Path
    name: str
    roles: list[str]
    asks: set[str]


def read(folder: Path) -> Manifest:
    file = folder / "plugin.toml"
    try:
        table = tomllib.loads(file.read_text())
    except FileNotFoundError:
        raise Failure(f"{file}: there is no such file; every plugin has one") from None
    except (OSError, ValueError) as error:
        raise Failure(f"{file}: {error}") from None
    roles = list(table.get("roles", {}))
    if not roles:
        raise Failure(f"{file}: the plugin plays no role; add a table such as [roles.{ROLES[0]}]")
    for role in roles:
        if role not in ROLES:
            raise Failure(f"{file}: there is no role {role}; there are {', '.join(ROLES)}")
    return Manifest(file, table.get("plugin", {}).get("name", "plugin"), roles, set(table.get("asks", {})))
