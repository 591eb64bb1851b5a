"""A host for tests, which run natively, without WebAssembly.

    from inferno_plugin import testing

    class TestJudge(unittest.TestCase):
        def setUp(self):
            self.host = testing.lend(settings={"limit": 3}, inference=lambda asked: "yes")

Plugins must use what is lent through its module (`kv.get(...)`), not import single functions of it.
"""

import importlib
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from . import failure


@dataclass
class Asked:
    """What a plugin asked of a model."""

    model: str
    messages: list[tuple[str, str]] = field(default_factory=list)
    """Role and text of each."""
    stop: list[str] = field(default_factory=list)
    options: dict[str, Any] = field(default_factory=dict)
    """`prompt`, `max_tokens`, `temperature`, ... as far as they were set; a list where there may be several: `tool`."""


@dataclass
class Seen:
    """What the plugin did with the host."""

    log: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    """Level, message and fields of each line."""
    metrics: list[tuple[str, float, dict[str, str]]] = field(default_factory=list)
    """Name, value and labels of each figure."""
    kv: dict[str, bytes] = field(default_factory=dict)
    requests: list[Asked] = field(default_factory=list)


def lend(
    *,
    settings: Mapping[str, Any] | None = None,
    secrets: Mapping[str, str] | None = None,
    kv: Mapping[str, bytes] | None = None,
    inference: Callable[[Asked], str] | Any = None,
    jobs: Any = None,
    loading: Any = None,
    models: Any = None,
    plugins: Any = None,
    quota: Any = None,
) -> Seen:
    """Lends a host to the test: `log`, `metrics`, `kv` and `settings` are always there, the rest is what is given.

    `inference` is the function that gives the answer's text. It, `jobs`, `loading`, `models`, `plugins` and `quota` can also be
    objects with the functions of the interface. What an earlier call lent is gone.
    """
    seen = Seen()
    _put("log", _Log(seen))
    _put("metrics", _Metrics(seen))
    _put("settings", _Settings(settings or {}))
    _put("kv", _Kv(seen, kv or {}))
    _put("secrets", None if secrets is None else _Secrets(secrets))
    _put("inference", _Inference(seen, inference) if callable(inference) else inference)
    others = {"jobs": jobs, "loading": loading, "models": models, "plugins": plugins, "quota": quota}
    for name, given in others.items():
        _put(name, given)
    return seen


def _put(name: str, given: Any) -> None:
    """Puts an object's functions in the place of an interface's."""
    module = importlib.import_module(f"inferno_plugin.{name}")
    bindings = importlib.import_module(f"inferno_wit.imports.{name}")
    for function, original in vars(bindings).items():
        if getattr(original, "__module__", None) != bindings.__name__:
            continue
        substitute = getattr(given, function, None)
        if substitute is None:
            # Types stay as they are.
            substitute = original if isinstance(original, type) else _denied(name)
        setattr(module, function, substitute)


def _denied(name: str) -> Callable[..., Any]:
    def call(*_: Any) -> Any:
        raise failure("denied", f"the test lends no {name}", f"call testing.lend({name}=...) first")

    return call


class _Log:
    def __init__(self, seen: Seen) -> None:
        self.log = lambda level, message, fields: seen.log.append((level.name.lower(), message, dict(fields)))


class _Metrics:
    def __init__(self, seen: Seen) -> None:
        self.count = self.observe = lambda name, value, labels: seen.metrics.append((name, value, dict(labels)))


class _Settings:
    def __init__(self, values: Mapping[str, Any]) -> None:
        self.get = lambda key: json.dumps(values[key]) if key in values else None


class _Secrets:
    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = values

    def get(self, name: str) -> str:
        if name not in self._values:
            raise failure("not-found", f'no secret "{name}"')
        return self._values[name]


class _Kv:
    def __init__(self, seen: Seen, values: Mapping[str, bytes]) -> None:
        self._values = seen.kv
        self._values.update(values)
        self._ends: dict[str, float] = {}

    def get(self, key: str) -> bytes | None:
        self._expire()
        return self._values.get(key)

    def set(self, key: str, value: bytes, ttl_ms: int | None) -> None:
        self._values[key] = value
        self._ends.pop(key, None)
        if ttl_ms is not None:
            self._ends[key] = time.monotonic() + ttl_ms / 1000

    def delete(self, key: str) -> bool:
        self._expire()
        return self._values.pop(key, None) is not None

    def keys(self, prefix: str, after: str | None) -> list[str]:
        self._expire()
        found = sorted(key for key in self._values if key.startswith(prefix) and (after is None or key > after))
        return found[:1000]

    def add(self, key: str, by: int, ttl_ms: int | None) -> int:
        self._expire()
        old = self._values.get(key)
        total = int(old or b"0") + by
        if old is None:
            self.set(key, b"", ttl_ms)
        self._values[key] = str(total).encode()
        return total

    def _expire(self) -> None:
        for key in [key for key, end in self._ends.items() if end <= time.monotonic()]:
            self._values.pop(key, None)
            del self._ends[key]


class _Inference:
    def __init__(self, seen: Seen, answer: Callable[[Asked], str]) -> None:
        self._seen = seen
        self._answer = answer

    class Request:
        def __init__(self, model: str) -> None:
            self.asked = Asked(model)

        def message(self, role: Any, content: str) -> None:
            self.asked.messages.append((role.name.lower(), content))

        def stop(self, text: str) -> None:
            self.asked.stop.append(text)

        def calls(self, content: str, calls: list[Any]) -> None:
            self.asked.messages.append(("assistant", content))
            self._more("calls", calls)

        def tool_result(self, call: str, content: str) -> None:
            self.asked.messages.append(("tool", content))
            self._more("tool_result", call)

        def tool(self, name: str, description: str, parameters: str) -> None:
            self._more("tool", (name, description, parameters))

        def adapter(self, name: str, scale: float) -> None:
            self._more("adapter", (name, scale))

        def image(self, at: int, data: bytes) -> None:
            self._more("image", (len(self.asked.messages) - 1, at, data))

        def logit_bias(self, token: int, bias: float) -> None:
            self._more("logit_bias", (token, bias))

        def _more(self, name: str, value: Any) -> None:
            self.asked.options.setdefault(name, []).append(value)

        def __getattr__(self, name: str) -> Callable[[Any], None]:
            bindings = importlib.import_module("inferno_wit.imports.inference")
            if not hasattr(bindings.Request, name):
                raise AttributeError(name)
            return lambda value: self.asked.options.__setitem__(name, value)

    def complete(self, request: "_Inference.Request") -> "_Completion":
        self._seen.requests.append(request.asked)
        return _Completion(self._answer(request.asked))

    def embed(self, model: str, inputs: list[str]) -> Any:
        raise failure("invalid", "the test's model does not embed; lend an object with `embed` instead")


class _Completion:
    def __init__(self, text: str) -> None:
        self._text = text

    def text(self) -> str:
        return self._text

    def finish(self) -> Any:
        return importlib.import_module("inferno_wit.imports.inference").FinishReason_Stop()

    def usage(self) -> Any:
        return importlib.import_module("inferno_wit.imports.inference").Usage(0, 0)

    def cached_tokens(self) -> int:
        return 0

    def tool_calls(self) -> list[Any]:
        return []

    def choices(self) -> list[Any]:
        return []

    def stopped_by(self) -> str | None:
        return None
