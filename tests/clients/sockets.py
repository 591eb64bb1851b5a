"""The `websockets` package against a plugin that says everything in capitals."""

import os

from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

ADDRESS = os.environ["INFERNO_ADDRESS"]
KEY = {"Authorization": "Bearer " + os.environ["INFERNO_API_KEY"]}


def open_at(path, headers=KEY):
    return connect(f"ws://{ADDRESS}{path}", additional_headers=headers, open_timeout=60, proxy=None)


def refused(path, status, headers=KEY):
    try:
        open_at(path, headers)
    except InvalidStatus as error:
        assert error.response.status_code == status, error.response
        assert error.response.headers["x-request-id"], "a refusal carries the request's name"
        return
    raise AssertionError(f"{path} was not refused")


def ended(code, say):
    with open_at("/probe/upper") as socket:
        socket.send("before")
        assert socket.recv(timeout=60) == "BEFORE"
        try:
            say(socket)
            socket.recv(timeout=60)
        except ConnectionClosed as closed:
            assert closed.rcvd.code == code, closed
            assert closed.rcvd.reason, closed
            return
        raise AssertionError("the connection was not closed")


with open_at("/probe/upper", KEY | {"X-Request-Id": "talk-1"}) as socket:
    assert socket.response.headers["x-request-id"] == "talk-1"
    for said in ["hello", "", "x" * 60_000, '{"a": "b"}']:
        socket.send(said)
        assert socket.recv(timeout=60) == said.upper()
    # In pieces it is one message.
    socket.send(["in ", "three ", "pieces"])
    assert socket.recv(timeout=60) == "IN THREE PIECES"
    many = [f"message {number}" for number in range(500)]
    for said in many:
        socket.send(said)
    assert [socket.recv(timeout=60) for _ in many] == [said.upper() for said in many]
    assert socket.ping().wait(60), "a ping is answered"
assert socket.close_code == 1000, socket.close_code

ended(1003, lambda socket: socket.send(b"bytes"))
ended(1007, lambda socket: socket.send("two\nlines"))
ended(1009, lambda socket: socket.send("x" * 70_000))
refused("/probe/upper", 401, {})
refused("/probe/upper", 403, KEY | {"Origin": "https://evil.example"})
# The plugin answers 404 where there is nothing, and where no WebSocket is it answers as ever.
refused("/probe/nothing", 404)
refused("/probe/hello", 200)
print("all hold")
