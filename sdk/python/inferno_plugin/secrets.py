# Generated from wit/ by sdk/generate.
from inferno_wit.imports.secrets import *  # noqa: F403
