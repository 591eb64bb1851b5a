"""What stands between the host and the role `Http`: a handler of WASI 0.2."""

from collections.abc import Iterable

from componentize_py_types import Err, Ok
from inferno_wit.imports import http_types, streams

from ._play import check, described
from .http import Request, Response

READ = 64 * 1024
# The most that may be written at once.
WRITE = 4096


def play(role: type) -> type:
    check(role, ["handle"])

    class IncomingHandler:
        def handle(self, request: http_types.IncomingRequest, response_out: http_types.ResponseOutparam) -> None:
            try:
                response, body = _begun(role().handle(_received(request)))
            except Err as error:
                return _refuse(response_out, getattr(error.value, "message", str(error.value)))
            except Exception as error:
                return _refuse(response_out, described(error))
            outgoing = response.body()
            http_types.ResponseOutparam.set(response_out, Ok(response))
            # What fails from here on ends the component, so that nobody takes half an answer for a whole one.
            with outgoing.write() as stream:
                for piece in body:
                    data = _bytes(piece)
                    for at in range(0, len(data), WRITE):
                        stream.blocking_write_and_flush(data[at : at + WRITE])
            http_types.OutgoingBody.finish(outgoing, None)

    return IncomingHandler


def _refuse(out: http_types.ResponseOutparam, why: str) -> None:
    http_types.ResponseOutparam.set(out, Err(http_types.ErrorCode_InternalError(why)))


def _received(incoming: http_types.IncomingRequest) -> Request:
    method = incoming.method()
    word = getattr(method, "value", None) or type(method).__name__.removeprefix("Method_").upper()
    with incoming, incoming.headers() as fields:
        headers = [(name, value.decode("utf-8", "replace")) for name, value in fields.entries()]
        with incoming.consume() as body, body.stream() as stream:
            return Request(word, incoming.path_with_query() or "/", headers, b"".join(_pieces(stream)))


def _pieces(stream: streams.InputStream) -> Iterable[bytes]:
    while True:
        try:
            yield stream.blocking_read(READ)
        except Err as error:
            if isinstance(error.value, streams.StreamError_Closed):
                return
            raise


def _begun(answer: Response) -> tuple[http_types.OutgoingResponse, Iterable[str | bytes]]:
    """The head of an answer, and the pieces of its body."""
    headers = list(answer.headers)
    named = {name.lower() for name, _ in headers}
    if isinstance(answer.body, str) and "content-type" not in named:
        headers.append(("content-type", "text/plain; charset=utf-8"))
    whole = isinstance(answer.body, str | bytes)
    if whole and "content-length" not in named:
        headers.append(("content-length", str(len(_bytes(answer.body)))))
    fields = http_types.Fields.from_list([(name, value.encode()) for name, value in headers])
    response = http_types.OutgoingResponse(fields)
    response.set_status_code(answer.status)
    return response, [answer.body] if whole else answer.body


def _bytes(piece: str | bytes) -> bytes:
    return piece.encode() if isinstance(piece, str) else piece
