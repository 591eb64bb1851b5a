# Generated from wit/ by sdk/generate.
from inferno_wit.imports.models import *  # noqa: F403
