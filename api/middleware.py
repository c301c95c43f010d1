"""What every call passes: an id and a line in the log, CORS, who calls, how large a body may be.

Plain ASGI, so that streams pass through untouched and WebSockets are treated as HTTP is.
"""

from __future__ import annotations

import logging
import time
from http import HTTPStatus

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware.body_limit import RequestBodyLimitMiddleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import HTTPConnection, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.errors import ApiError, answer, catalog_away
from api.headers import NOTHING_INSIDE, OWN_SCRIPTS, add_headers
from api.security import who_calls
from synth.linear import ASCII, whole
from workspace.access.callers import Caller, Refused
from workspace.catalog.outages import CatalogAway
from workspace.catalog.rows import new_id

REQUEST_ID = "X-Request-ID"
WRITTEN_ID = whole(r"[\w.-]{1,64}", ASCII)
FORMS = ("multipart/form-data", "application/x-www-form-urlencoded")
JSON_MB = 16
"""Largest body that is no upload."""
ENVELOPE_BYTES = 2**20
"""What a form may add to the files in it."""


class Trace:
    """Gives every call an id (the client's own, where it sent one), security headers, and a line in the log."""

    def __init__(self, app: ASGIApp):
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        begun = time.perf_counter()
        given = Headers(scope=scope).get(REQUEST_ID, "")
        request_id = given if WRITTEN_ID.fullmatch(given) else new_id()
        state = scope.setdefault("state", {})
        state["request_id"] = request_id
        status, begun_to_answer = 500, False

        async def send_marked(message: Message) -> None:
            nonlocal status, begun_to_answer
            if message["type"] in ("http.response.start", "websocket.http.response.start", "websocket.accept"):
                begun_to_answer = True
                status = message.get("status", HTTPStatus.SWITCHING_PROTOCOLS)
                message.setdefault("headers", [])
                _mark(MutableHeaders(scope=message), request_id, scope)
            await send(message)

        try:
            await self.app(scope, receive, send_marked)
        except Exception as error:
            if begun_to_answer or scope["type"] != "http":
                raise
            # Answered here and not raised on, or the server would close the connection without a word.
            response = scope["app"].exception_handlers[Exception](Request(scope), error)
            await response(scope, receive, send_marked)
        finally:
            caller = state.get("caller")
            scope["app"].state.workspace.journal.write(
                logging.ERROR if status >= 500 else logging.WARNING if status >= 400 else logging.INFO,
                request=request_id,
                key=caller.owner if isinstance(caller, Caller) else "",
                method=scope.get("method", "WEBSOCKET"),
                route=getattr(scope.get("route"), "path", ""),
                status=int(status),
                ms=round(1000 * (time.perf_counter() - begun), 1),
            )


def _mark(headers: MutableHeaders, request_id: str, scope: Scope) -> None:
    headers[REQUEST_ID] = request_id
    page = headers.get("content-type", "").startswith("text/html")
    add_headers(headers, scope, OWN_SCRIPTS if page else NOTHING_INSIDE)
    # A client may keep a file with an ETag, and revalidate it; nothing else may be cached.
    headers.setdefault("Cache-Control", "private, no-cache" if "etag" in headers else "no-store")
    if "etag" in headers:
        # Else the pages' server compresses a file anew for every visitor, and takes its length away.
        headers.setdefault("Content-Encoding", "identity")


class Cors:
    """Lets the pages of `cors_origins`, and no others, call from a browser."""

    def __init__(self, app: ASGIApp):
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        app = self.app
        if scope["type"] == "http" and (origins := scope["app"].state.workspace.settings.cors_origins):
            app = CORSMiddleware(
                app,
                allow_origins=origins,
                allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
                allow_headers=["Authorization", "Content-Type", "Idempotency-Key", "X-API-Key", REQUEST_ID],
                expose_headers=[REQUEST_ID, "Retry-After", "ETag", "Content-Disposition"],
            )
        await app(scope, receive, send)


class Heads:
    """Answers HEAD wherever GET is answered, with the same headers and no body."""

    def __init__(self, app: ASGIApp):
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self.app(scope, receive, send)
            return

        async def send_headers(message: Message) -> None:
            await send({**message, "body": b""} if message["type"] == "http.response.body" else message)

        # A file is not read for it: `api.files.File` sees what was asked.
        scope.setdefault("state", {})["head"] = True
        asked = {**scope, "method": "GET"}
        await self.app(asked, receive, send_headers)
        scope["route"] = asked.get("route")


class AuthMiddleware:
    """Authenticates the caller before a byte of the body is read, and limits the size of the body."""

    def __init__(self, app: ASGIApp):
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        workspace = scope["app"].state.workspace
        try:
            caller = await run_in_threadpool(who_calls, HTTPConnection(scope), workspace)
        except (Refused, ApiError, CatalogAway) as refusal:
            caller = refusal
        # Public routes ignore it; the others raise the refusal that is kept here.
        scope["state"]["caller"] = caller
        app = self.app
        if scope.get("method", "GET") not in ("GET", "HEAD", "OPTIONS"):
            if isinstance(caller, Exception):
                await refused(caller)(scope, receive, send)
                return
            headers = Headers(scope=scope)
            form = headers.get("content-type", "").startswith(FORMS)
            most_mb = workspace.settings.max_upload_mb if form else JSON_MB
            most = most_mb * 2**20 + ENVELOPE_BYTES
            length = headers.get("content-length", "0")
            if length.isdecimal() and int(length) > most:
                await too_large(most_mb)(scope, receive, send)
                return
            app = RequestBodyLimitMiddleware(app, most)
        await app(scope, receive, send)


def refused(refusal: Refused | ApiError | CatalogAway):
    if isinstance(refusal, CatalogAway):
        return catalog_away(refusal)
    if isinstance(refusal, ApiError):
        return answer(refusal.status, refusal.detail, refusal.field, refusal.headers)
    return answer(401, str(refusal), headers={"WWW-Authenticate": "Bearer"})


def too_large(most_mb: int):
    return answer(413, f"The body is larger than {most_mb:,} MB. Split it, or raise UNDERSTUDY_MAX_UPLOAD_MB.")
