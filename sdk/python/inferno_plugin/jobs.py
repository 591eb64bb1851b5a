# Generated from wit/ by sdk/generate.
from inferno_wit.imports.jobs import *  # noqa: F403
