# Generated from wit/ by sdk/generate.
from inferno_wit.imports.plugins import *  # noqa: F403
