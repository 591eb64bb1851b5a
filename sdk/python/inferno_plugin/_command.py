"""What stands between the host and a command: a program, as WASI has it."""

import sys

from componentize_py_types import Err

from ._play import check, described


def play(role: type) -> type:
    check(role, ["run"])

    class Run:
        def run(self) -> None:
            problem = None
            # Those that are there have no buffers, and lose what the host does not take at once.
            sys.stdout, sys.stderr = (open(fd, "w", buffering=1, encoding="utf-8", closefd=False) for fd in (1, 2))
            try:
                # The first is the verb.
                role().run(sys.argv[1:])
            except SystemExit as exit:
                # Of a number WASI tells only whether it is 0.
                problem = None if exit.code in (None, 0) else exit.code
            except Err as error:
                hint = f"\nhint: {error.value.hint}" if error.value.hint else ""
                problem = f"{error.value.message}{hint}"
            except Exception as error:
                problem = described(error)
            sys.stdout.flush()
            if problem is not None:
                if isinstance(problem, str):
                    print(f"error: {problem}", file=sys.stderr, flush=True)
                raise Err(None)

    return Run
