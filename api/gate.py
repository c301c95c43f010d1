"""The gate before the pages: on a guarded server nothing of them is reached by who is not signed in.

A page leads to the sign-in; all else that the pages' server answers (its socket, uploads, media, components, metrics) is
401 before a byte of the body is read. Each step that comes over an open socket is checked anew, so that it ends with its
session. While no key exists, only this machine itself is let in, as by the API.
"""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import quote, urlencode

from starlette.concurrency import run_in_threadpool
from starlette.requests import HTTPConnection
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket

from api.errors import ApiError, answer, catalog_away
from api.security import must_be_here
from api.sign_in import SIGN_IN, SIGN_OUT, notice
from workspace.access.callers import Refused
from workspace.access.page_sessions import COOKIE
from workspace.catalog.outages import CatalogAway
from workspace.workspace import Workspace

API = "/api"
OPEN = {"/_stcore/health", SIGN_IN, SIGN_OUT}
"""What needs no session: whether the server is well, and the way in and out."""
PARTS = {"_stcore", "media", "component", "static", "app"}
"""First parts of paths that are no page."""


class Gate:
    """Lets through to the pages who is signed in, or, while no key exists, who is on this machine."""

    def __init__(self, app: ASGIApp, workspace: Callable[[], Workspace], last_step: bytes):
        """`last_step` is what the pages get in the place of each step of a session that ended."""
        self.app, self.workspace, self.last_step = app, workspace, last_step

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        if scope["type"] not in ("http", "websocket") or path == API or path.startswith(f"{API}/") or path in OPEN:
            await self.app(scope, receive, send)
            return
        connection = HTTPConnection(scope)
        try:
            await run_in_threadpool(must_be_let_in, connection, self.workspace())
        except (Refused, ApiError, CatalogAway) as refusal:
            await _turn_away(connection, refusal, receive, send)
            return
        if scope["type"] == "websocket":
            receive = self._checking(connection, receive)
        await self.app(scope, receive, send)

    def _checking(self, connection: HTTPConnection, receive: Receive) -> Receive:
        """What comes over a socket, with each step of somebody who may no longer take it replaced."""

        async def checked() -> Message:
            message = await receive()
            if message["type"] == "websocket.receive":
                try:
                    await run_in_threadpool(must_be_let_in, connection, self.workspace())
                except (Refused, ApiError):
                    return {"type": "websocket.receive", "bytes": self.last_step}
                except CatalogAway:
                    # Who it is cannot be told now: the socket ends, and the page opens another by itself.
                    return {"type": "websocket.disconnect", "code": 1013}
            return message

        return checked


def must_be_let_in(connection: HTTPConnection, workspace: Workspace) -> None:
    """Raises Refused for who is not signed in on a guarded server, and as `must_be_here` does on another."""
    connection.state.guarded = workspace.access.guarded
    if connection.state.guarded:
        workspace.access.sessions.visitor(connection.cookies.get(COOKIE, ""))
    else:
        must_be_here(connection, workspace)


async def _turn_away(
    connection: HTTPConnection, refusal: Refused | ApiError | CatalogAway, receive: Receive, send: Send
) -> None:
    scope = connection.scope
    response = _refusal(connection, refusal)
    if scope["type"] == "websocket":
        # The server says 403 in the place of an answer that the protocol does not carry.
        socket = WebSocket(scope, receive, send)
        if "websocket.http.response" in scope.get("extensions", {}):
            await socket.send_denial_response(response)
        else:
            await socket.close(1008)
        return
    await response(scope, receive, send)


def _refusal(connection: HTTPConnection, refusal: Refused | ApiError | CatalogAway) -> Response:
    away = isinstance(refusal, CatalogAway)
    status = 503 if away else refusal.status if isinstance(refusal, ApiError) else 401
    scope = connection.scope
    parts = scope["path"].split("/")
    page = scope["type"] == "http" and scope["method"] in ("GET", "HEAD") and not PARTS & set(parts[1:])
    if not page:
        if isinstance(refusal, CatalogAway):
            return catalog_away(refusal)
        return answer(status, str(refusal), headers={"Cache-Control": "no-store"})
    if not away and connection.state.guarded:
        query = scope["query_string"].decode("latin-1")
        wanted = quote(scope["path"]) + (f"?{query}" if query else "")
        return RedirectResponse(f"{SIGN_IN}?{urlencode({'next': wanted})}", 303, {"Cache-Control": "no-store"})
    return notice(str(refusal), status, "In a moment" if away else "Not from here")
