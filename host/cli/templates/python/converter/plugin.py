"""A converter: sees `/in`, read-only, and writes to `/out`."""

import json
from pathlib import Path

from inferno_plugin import failure
from inferno_plugin.roles import Converter as ConverterRole
from inferno_plugin.roles import converter

ROUTE = converter.Route("text", "vocabulary")
INPUT, OUTPUT = Path("/in"), Path("/out")


class Converter(ConverterRole):
    def routes(self) -> list[converter.Route]:
        return [ROUTE]

    def convert(self, route: converter.Route, options: str) -> list[str]:
        if route != ROUTE:
            raise failure("invalid", f"there is no way from {route.source} to {route.target}")
        upper = chosen(options)
        source = INPUT / "words.txt"
        try:
            text = source.read_text(encoding="utf-8")
        except FileNotFoundError as error:
            raise failure("not-found", f"there is no {source}", "give a folder with a file words.txt") from error
        (OUTPUT / "vocabulary.txt").write_text(vocabulary(text, upper), encoding="utf-8")
        return ["vocabulary.txt"]


def chosen(options: str) -> bool:
    """What the user may choose, as `{ "upper": true }`."""
    try:
        table = json.loads(options)
    except ValueError as error:
        raise failure("invalid", f"the options are not JSON: {error}") from error
    unknown = [name for name in table if name != "upper"]
    if unknown:
        raise failure("invalid", f'the options have "{unknown[0]}"; known is upper')
    return bool(table.get("upper", False))


def vocabulary(text: str, upper: bool) -> str:
    """One word a line, sorted, each once."""
    words = {word.upper() if upper else word for word in text.split()}
    return "".join(f"{word}\n" for word in sorted(words))
