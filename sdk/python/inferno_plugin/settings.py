# Generated from wit/ by sdk/generate.
from inferno_wit.imports.settings import *  # noqa: F403
