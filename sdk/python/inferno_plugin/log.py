# Generated from wit/ by sdk/generate.
from inferno_wit.imports.log import *  # noqa: F403
