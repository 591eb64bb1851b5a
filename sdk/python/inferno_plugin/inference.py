# Generated from wit/ by sdk/generate.
from inferno_wit.imports.inference import *  # noqa: F403
