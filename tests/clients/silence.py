"""A conversation lives as long as somebody says something, and no longer."""

import os
import time

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

with connect(f"ws://{os.environ['INFERNO_ADDRESS']}/probe/upper", open_timeout=60, proxy=None) as socket:
    start = time.monotonic()
    while time.monotonic() - start < 1:
        socket.send("still here")
        assert socket.recv(timeout=60) == "STILL HERE"
    try:
        socket.recv(timeout=60)
    except ConnectionClosed as closed:
        assert closed.rcvd.code == 1011 and "300ms" in closed.rcvd.reason, closed
        print("all hold")
