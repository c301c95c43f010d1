"""What a request for a page or the API passes first: whom it names as the host, its path, and where a socket comes from."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import unquote_to_bytes, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocketClose

from api.errors import answer
from api.headers import NOTHING_INSIDE, add_headers, page_policy
from synth.linear import whole, within

HOST = whole(r"(\[[0-9A-Fa-f:.]{1,45}\]|[A-Za-z0-9._-]{1,255})(?::[0-9]{1,5})?", most=300)
OF_API, UNSAFE = within(r"/api(/|$)"), within(rb"[\x00-\x1f\x7f/\\]")


def host_name(host: str) -> str | None:
    """The name in a `Host` header, without its port; None where it is no proper one, such as `user@name`."""
    found = HOST.fullmatch(host)
    return found[1].strip("[]").lower() if found else None


class Door:
    """Refuses what names no proper host, and gives every answer of the pages its security headers."""

    def __init__(
        self,
        app: ASGIApp,
        origins: Sequence[str] = (),
        scripts: Sequence[str] = (),
    ):
        """`origins` are those from which a page's socket may come beside its own; `scripts` the hashes of its scripts."""
        self.app, self._origins, self._scripts = app, frozenset(origins), scripts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        of_api = OF_API.match(scope["path"]) is not None
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        policy = NOTHING_INSIDE if of_api else page_policy(host if host_name(host) else "", self._scripts)

        async def send_marked(message: Message) -> None:
            if message["type"] in ("http.response.start", "websocket.http.response.start"):
                message.setdefault("headers", [])
                add_headers(MutableHeaders(scope=message), scope, policy)
            await send(message)

        refusal = self._refusal(scope, headers, of_api)
        if refusal is None:
            # The API's answers have their headers already, and its documentation a policy of its own.
            await self.app(scope, receive, send if of_api else send_marked)
        elif scope["type"] == "websocket":
            told = "websocket.http.response" in scope.get("extensions", {})
            await (refusal if told else WebSocketClose(1008))(scope, receive, send_marked)
        else:
            await refusal(scope, receive, send_marked)

    def _refusal(self, scope: Scope, headers: Headers, of_api: bool) -> Response | None:
        hosts = headers.getlist("host")
        host = host_name(hosts[0]) if len(hosts) == 1 else None
        # HTTP/1.0 knows no such header.
        if host is None and (hosts or scope.get("http_version") != "1.0"):
            return answer(400, "The Host header is no name of a host. Send one, such as example.org:8501.", "Host")
        if of_api:
            words = "There is nothing here: no path holds such characters."
            return answer(404, words) if _is_unsafe(scope) else None
        origin = headers.get("origin")
        if scope["type"] == "websocket" and origin is not None and not self._is_own(origin, hosts):
            words = "A page of another site may not open a socket here. Behind a proxy, set server.corsAllowedOrigins."
            return answer(403, words, "Origin")
        return None

    def _is_own(self, origin: str, hosts: Sequence[str]) -> bool:
        url = urlsplit(origin)
        default = {"http": ":80", "https": ":443"}.get(url.scheme)
        if default is None:
            return False
        own = {host.removesuffix(default) for host in hosts}
        return url.netloc.removesuffix(default) in own or origin in self._origins


def _is_unsafe(scope: Scope) -> bool:
    """Whether a path holds what no id has: a slash in disguise, a backslash, a control character, a way up."""
    raw = scope.get("raw_path") or scope["path"].encode()
    parts = [unquote_to_bytes(part) for part in raw.partition(b"?")[0].split(b"/")]
    return any(part == b".." or UNSAFE.search(part) for part in parts)
