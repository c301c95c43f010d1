"""The API on a real port of this machine, and a line to it that can be cut."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import uvicorn
from starlette.applications import Starlette
from starlette.routing import Mount

from api import api
from api.connections import Connections
from api.door import Door
from workspace.workspace import Workspace


@contextmanager
def serving(workspace: Workspace) -> Iterator[str]:
    """The server's address; its API is at /api, as in the app."""
    before = getattr(api.state, "workspace", None)
    api.state.workspace = workspace
    app = Connections(Door(Starlette(routes=[Mount("/api", api)])))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(app, log_level="critical"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        thread.join(10)
    api.state.workspace = before


class Line:
    """Passes bytes on to a server, and hangs up after so many of each answer."""

    def __init__(self, address: str, cuts: list[int]):
        self.to = (urlsplit(address).hostname, urlsplit(address).port)
        self.cuts = list(cuts)
        self.brought = 0
        """Bytes that came back in all."""

    @contextmanager
    def open(self) -> Iterator[str]:
        """The address of the line's near end."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            threading.Thread(target=self._accept, args=(listener,), daemon=True).start()
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"

    def _accept(self, listener: socket.socket) -> None:
        # The listener is closed at the end of the test.
        with contextlib.suppress(OSError):
            while True:
                near, _ = listener.accept()
                far = socket.create_connection(self.to)
                threading.Thread(target=self._forward, args=(near, far), daemon=True).start()
                threading.Thread(target=self._back, args=(far, near), daemon=True).start()

    def _forward(self, near: socket.socket, far: socket.socket) -> None:
        with contextlib.suppress(OSError), near, far:
            while piece := near.recv(65536):
                far.sendall(piece)

    def _back(self, far: socket.socket, near: socket.socket) -> None:
        with contextlib.suppress(OSError), near, far:
            while piece := far.recv(65536):
                if self.cuts and len(piece) > 20_000:
                    piece = piece[: self.cuts.pop(0)]
                    near.sendall(piece)
                    self.brought += len(piece)
                    near.shutdown(socket.SHUT_RDWR)
                    return
                near.sendall(piece)
                self.brought += len(piece)
