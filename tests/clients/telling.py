"""How the checks of a client are gathered, run and told: a line for each; the exit status says whether all held."""

import sys
import traceback

CHECKS = []


def check(function):
    CHECKS.append(function)
    return function


def tell(client):
    """Runs the checks; `client` is the name and version of the client that they are about."""
    failed = 0
    for function in CHECKS:
        try:
            function()
        except Exception:
            failed += 1
            print(f"FAILED {function.__name__}\n{traceback.format_exc()}")
        else:
            print(f"ok {function.__name__}")
    print(f"{client}: {len(CHECKS) - failed} of {len(CHECKS)} checks hold")
    sys.exit(1 if failed else 0)
