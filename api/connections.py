"""What holds for every connection: who sends or reads too slowly is ended, and whom it serves hears of its end.

`Connections` is the outermost layer of the server. As such it sees the start of the server too, and gives uvicorn's
connections a clock for what comes before a request is complete enough to reach any application.
"""

from __future__ import annotations

import asyncio
import logging
import time
import traceback
from http import HTTPStatus
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.errors import answer
from api.headers import NOTHING_INSIDE, add_headers

log = logging.getLogger("understudy.connections")

HEADERS_S = 15.0
"""Seconds from the first byte of a request, or from a connection's start, until all of its headers are there."""
PATIENCE_S = 15.0
"""Seconds a body may stand still. Each byte that arrives buys some back, so that a slow line may take hours."""
LEAST_RATE = 1000
"""Bytes a second: who sends a body more slowly than this for longer than that is ended."""
READ_S = 60.0
"""Seconds a client may take to read anything at all of what waits for it."""
LINGER_S = 10.0
"""Seconds for which the rest of a body that nobody wants is read, so that its sender gets to read the answer."""
SMALL = 64 * 1024
"""Bytes of an unwanted body that are read before the answer: the connection then goes on."""
TIMED = ("uvicorn.protocols.http.httptools_impl", "uvicorn.protocols.http.h11_impl")


class Connections:
    """Ends requests that arrive too slowly, answers what fails, and says so before it closes a connection."""

    def __init__(self, app: ASGIApp):
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            time_connections(receive)
        if scope["type"] == "http":
            await _Request(scope, receive, send).run(self.app)
        else:
            await self.app(scope, receive, send)


class _Request:
    """A request on its way through the application."""

    def __init__(self, scope: Scope, receive: Receive, send: Send):
        self._scope, self._receive, self._send = scope, receive, send
        headers = Headers(scope=scope)
        length = headers.get("content-length", "")
        chunked = "transfer-encoding" in headers
        self._length = int(length) if length.isdecimal() and not chunked else None
        self._complete = not chunked and self._length in (None, 0)
        # Such a client sends its body only when it is asked to.
        self._waits = "expect" in headers
        self._patience_s = PATIENCE_S
        self._started = self._answered = self._ended = self._closing = False

    async def run(self, app: ASGIApp) -> None:
        try:
            await app(self._scope, self.receive, self.send)
        except Exception as error:
            # Of an answer that broke off, only a cut connection tells the client.
            if self._started and not self._answered and not self._ended:
                raise
            await self._failed(error)
        if self._closing and not self._ended:
            if not self._waits:
                await self._drain(LINGER_S)
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    async def receive(self) -> Message:
        if self._ended:
            return {"type": "http.disconnect"}
        if self._complete:
            return await self._receive()
        begun = time.monotonic()
        try:
            async with asyncio.timeout(max(self._patience_s, 0)):
                message = await self._receive()
        except TimeoutError:
            await self._too_slow()
            return {"type": "http.disconnect"}
        waited = time.monotonic() - begun
        self._patience_s = min(PATIENCE_S, self._patience_s - waited + len(message.get("body", b"")) / LEAST_RATE)
        self._complete = not message.get("more_body", False)
        return message

    async def send(self, message: Message) -> None:
        if self._ended:
            return
        if message["type"] == "http.response.start":
            if not self._complete:
                await self._settle(message)
            self._started = True
        elif message["type"] == "http.response.body" and not message.get("more_body", False):
            self._answered = True
            if self._closing:
                message = {**message, "more_body": True}
        await self._send(message)

    async def _settle(self, message: Message) -> None:
        """Before an answer to a body that was not read: read it, where it is small, or say that this is the end."""
        if self._length is not None and self._length <= SMALL and not self._waits:
            await self._drain(1.0)
        if not self._complete:
            message["headers"] = [*message.get("headers", []), (b"connection", b"close")]
            self._closing = True

    async def _drain(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                while not self._complete:
                    message = await self._receive()
                    self._complete = not message.get("more_body", False)
        except TimeoutError:
            log.debug("A body that nobody wanted went on for longer than %g s.", seconds)

    async def _too_slow(self) -> None:
        if not self._started:
            self._started = True
            words = (
                f"The body arrived more slowly than {LEAST_RATE:,} bytes a second. Send it again over a better line."
            )
            await self._answer(HTTPStatus.REQUEST_TIMEOUT, words)
        self._ended = True

    async def _failed(self, error: Exception) -> None:
        # The place and the type, not the message: it may quote a row.
        place = "".join(traceback.format_tb(error.__traceback__))
        log.error("%s in %s\n%s", type(error).__name__, self._scope["path"], place)
        if self._started:
            return
        self._started = self._answered = self._ended = True
        words = f"Something unexpected happened ({type(error).__name__}). The server's log says where."
        await self._answer(HTTPStatus.INTERNAL_SERVER_ERROR, words)

    async def _answer(self, status: int, words: str) -> None:
        response = answer(status, words, headers={"Connection": "close", "Cache-Control": "no-store"})
        add_headers(MutableHeaders(raw=response.raw_headers), self._scope, NOTHING_INSIDE)
        await response(self._scope, self._receive, self._send)


def time_connections(receive: Receive) -> None:
    """Give the connections of the uvicorn server whose start is told by `receive` a clock.

    Streamlit starts uvicorn itself and passes on none of its settings, and `uvicorn app:app` need not be told of any:
    this is the one place where both let the application reach the class of their connections, uvicorn's `http` setting.
    """
    config = getattr(getattr(receive, "__self__", None), "config", None)
    kind = getattr(config, "http_protocol_class", None)
    if not isinstance(kind, type) or config is None:
        log.warning("Slow clients are not ended: this server is not uvicorn.")
    elif issubclass(kind, TimedProtocol):
        return
    elif kind.__module__ not in TIMED:
        log.warning("Slow clients are not ended: %s is unknown.", kind.__name__)
    else:
        config.http_protocol_class = type(f"Timed{kind.__name__}", (TimedProtocol, kind), {})


class TimedProtocol(asyncio.Protocol):
    """A connection of uvicorn's that is closed when a request's headers, or the reading of an answer, take too long."""

    transport: Any
    cycle: Any
    loop: asyncio.AbstractEventLoop
    _headers_due: asyncio.TimerHandle | None = None
    _reading_due: asyncio.TimerHandle | None = None
    _bytes_came = False
    _unread = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._await_headers()

    def data_received(self, data: bytes) -> None:
        self._bytes_came = True
        super().data_received(data)
        if self._has_request:
            self._headers_due = _cancelled(self._headers_due)
        else:
            self._await_headers()

    def connection_lost(self, exc: Exception | None) -> None:
        self._headers_due, self._reading_due = _cancelled(self._headers_due), _cancelled(self._reading_due)
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._await_reading()

    def resume_writing(self) -> None:
        self._reading_due = _cancelled(self._reading_due)
        super().resume_writing()

    @property
    def _has_request(self) -> bool:
        """Whether an application works for it, or it has become a WebSocket, which has clocks of its own."""
        under_way = self.cycle is not None and not self.cycle.response_complete
        return under_way or self.transport.get_protocol() is not self

    def _await_headers(self) -> None:
        if self._headers_due is None and not self.transport.is_closing():
            self._headers_due = self.loop.call_later(HEADERS_S, self._end_without_headers)

    def _end_without_headers(self) -> None:
        self._headers_due = None
        if self._has_request or self.transport.is_closing():
            return
        if self._bytes_came:
            self.transport.write(b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")
        self.transport.close()

    def _await_reading(self) -> None:
        self._unread = self.transport.get_write_buffer_size()
        self._reading_due = self.loop.call_later(READ_S, self._end_unread)

    def _end_unread(self) -> None:
        if self.transport.get_write_buffer_size() < self._unread:
            self._await_reading()
        else:
            # What waits will not be read: closing would wait for it.
            self.transport.abort()


def _cancelled(timer: asyncio.TimerHandle | None) -> None:
    if timer is not None:
        timer.cancel()
