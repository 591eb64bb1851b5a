# Generated from wit/ by sdk/generate.
from inferno_wit.imports.loading import *  # noqa: F403
