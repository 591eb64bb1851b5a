"""Write Inferno plugins in Python.

What all plugins share is here; the roles are in `inferno_plugin.roles`. What the host lends is a module each:
`from inferno_plugin import kv, log`. Tests lend a host of their own with `inferno_plugin.testing`.
"""

from componentize_py_types import Err
from inferno_wit.imports import types as _types
from inferno_wit.imports.types import Error, ErrorKind
from inferno_wit.imports.work import Item, Outcome, Sample, Verdict
from inferno_wit.imports.work import Outcome_Drop as Drop
from inferno_wit.imports.work import Outcome_Emit as Emit
from inferno_wit.imports.work import Outcome_Reject as Reject
from inferno_wit.imports.work import Outcome_Retry as Retry

__all__ = [
    "Drop",
    "Emit",
    "Err",
    "Error",
    "ErrorKind",
    "Item",
    "Outcome",
    "Reject",
    "Retry",
    "Sample",
    "Verdict",
    "failure",
]


def failure(kind: str, message: str, hint: str | None = None, retry_after_ms: int | None = None) -> Err[Error]:
    """A failure to raise. `kind` is a word such as "invalid" or "not-found"; a word of your own becomes `other`."""
    name = "ErrorKind_" + kind.title().replace("-", "")
    case = getattr(_types, name, None) if kind != "other" else None
    return Err(Error(case() if case else _types.ErrorKind_Other(kind), message, hint, retry_after_ms))
