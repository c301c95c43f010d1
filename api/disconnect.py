"""A client that hangs up ends the work that only its answer was for: the reading of its file."""

from __future__ import annotations

import asyncio
from threading import Event

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from workspace.ingest.process import has_gone


class Disconnects:
    """Watches the connection once a call's body has come, while the call is worked on."""

    def __init__(self, app: ASGIApp):
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        gone, watch = Event(), None

        async def received() -> Message:
            nonlocal watch
            if watch is not None:
                return await asyncio.shield(watch)
            message = await receive()
            if message["type"] == "http.disconnect":
                gone.set()
            elif not message.get("more_body"):
                # From here on nothing comes but the end of the connection.
                watch = asyncio.create_task(_end_of(receive, gone))
            return message

        token = has_gone.set(gone.is_set)
        try:
            await self.app(scope, received, send)
        finally:
            has_gone.reset(token)
            if watch is not None:
                watch.cancel()


async def _end_of(receive: Receive, gone: Event) -> Message:
    while (message := await receive())["type"] != "http.disconnect":
        pass
    gone.set()
    return message
