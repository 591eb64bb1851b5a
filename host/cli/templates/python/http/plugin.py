"""An http plugin: answers requests under `/{{name}}` with the number of words in their body."""

from inferno_plugin.http import Request, Response
from inferno_plugin.roles import Http as HttpRole


class Http(HttpRole):
    def handle(self, request: Request) -> Response:
        words = request.body.decode("utf-8", "replace").split()
        return Response(body=f"{len(words)} words\n")
