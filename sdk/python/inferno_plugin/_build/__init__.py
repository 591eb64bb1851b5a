"""How `python -m inferno_plugin` works; no part of a plugin."""


class Failure(Exception):
    """Something that the author can mend; its message is all there is to say."""
