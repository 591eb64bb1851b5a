# Generated from wit/ by sdk/generate.
from inferno_wit.imports.quota import *  # noqa: F403
