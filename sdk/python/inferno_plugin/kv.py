# Generated from wit/ by sdk/generate.
from inferno_wit.imports.kv import *  # noqa: F403
