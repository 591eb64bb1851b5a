"""The roles, as classes to derive from: `Step`, `Judge`, `Converter`, `Catalog`, `Filter`, `Command`, `Http`.

The words of a role are in a module of its name: `roles.catalog.Page`, `roles.converter.Route`; those of `Http` are in
`inferno_plugin.http`.
"""

from abc import abstractmethod
from typing import Protocol

# A component has the roles that it plays, and no others.
from inferno_wit.exports import *  # noqa: F403

from .http import Request, Response


class Command(Protocol):
    """A verb of the command line. Standard input, output and error are the user's."""

    @abstractmethod
    def run(self, arguments: list[str]) -> None:
        """
        `arguments` is what the user typed after the verb. What is raised is shown to the user, and the status is 1.
        """
        raise NotImplementedError


class Http(Protocol):
    """Answers requests."""

    @abstractmethod
    def handle(self, request: Request) -> Response:
        """
        What is raised, the host answers in its place.
        """
        raise NotImplementedError
