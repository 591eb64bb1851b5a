"""A filter: refuses requests whose body mentions a forbidden word. Answers pass; `chunk` would see them."""

from inferno_plugin.roles import Filter as FilterRole
from inferno_plugin.roles import filter as words

FORBIDDEN = "xyzzy"


class Filter(FilterRole):
    def request(self, head: words.RequestHead, body: bytes) -> words.RequestAction:
        if FORBIDDEN.encode() in body:
            return words.RequestAction_Refuse(words.Refusal(400, f"the word {FORBIDDEN} is not spoken here"))
        return words.RequestAction_Pass()

    def response(self, head: words.ResponseHead) -> words.ResponseAction:
        return words.ResponseAction.PASS

    def chunk(self, data: bytes, last: bool) -> bytes:
        return data
