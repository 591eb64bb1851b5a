"""The words of the role `Http`."""

from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass
class Request:
    """A request, whole."""

    method: str
    """As in the request line, such as `POST`."""
    path_with_query: str
    headers: list[tuple[str, str]] = field(default_factory=list)
    """Those that carry keys are left out."""
    body: bytes = b""


@dataclass
class Response:
    """An answer."""

    status: int = 200
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: str | bytes | Iterable[str | bytes] = b""
    """Of an iterable, such as a generator, each piece is sent as it comes."""
