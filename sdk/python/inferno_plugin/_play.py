"""What stands between the host and a plugin's class."""

from functools import cache
from pathlib import PurePath

from componentize_py_types import Err

from . import failure


def play(role: type, functions: list[str]) -> type:
    """A role whose failures reach the host as such: whatever is raised, the component itself goes on."""
    check(role, functions)
    # The tool makes an object for each function; the plugin has one for all, made when it is first needed.
    player = cache(role)
    return type(role.__name__, (), {name: _guarded(player, name) for name in functions})


def check(role: type, functions: list[str]) -> None:
    """All that a role promises must be written."""
    missing = [name for name in functions if not _is_written(getattr(role, name, None))]
    if missing:
        raise TypeError(f"class {role.__name__} has no method {' and no '.join(missing)}")


def _is_written(method) -> bool:
    return callable(method) and not getattr(method, "__isabstractmethod__", False)


def _guarded(player, name: str):
    def call(_, *arguments):
        try:
            return getattr(player(), name)(*arguments)
        except Err:
            raise
        except Exception as error:
            raise failure("internal", described(error)) from error

    return call


def described(error: BaseException) -> str:
    """A mistake of the plugin's, for whoever runs it."""
    return f"the plugin failed in {_where(error)}: {_worded(error)}"


def _where(error: BaseException) -> str:
    """The innermost place; the host has no use for the rest."""
    trace = error.__traceback__
    while trace.tb_next is not None:
        trace = trace.tb_next
    code = trace.tb_frame.f_code
    return f"{code.co_name} ({PurePath(code.co_filename).name}:{trace.tb_lineno})"


def _worded(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
