# Generated from wit/ by sdk/generate.
from inferno_wit.imports.metrics import *  # noqa: F403
