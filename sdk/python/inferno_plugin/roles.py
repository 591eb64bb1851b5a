"""The roles, as classes to derive from: `Step`, `Judge`, `Converter`, `Catalog`, `Filter`.

The words of a role are in a module of its name: `roles.catalog.Page`, `roles.converter.Route`.
"""

# A component has the roles that it plays, and no others.
from inferno_wit.exports import *  # noqa: F403
