"""From where a request comes: the address at the other end of its socket, or what a proxy that is believed says.

uvicorn believes `X-Forwarded-For` of any relay on its own machine, and puts what it says in the place of the address.
Here it is believed of the proxies in UNDERSTUDY_TRUSTED_PROXIES alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from workspace.access.addresses import first_stranger, is_among, plain
from workspace.settings import Settings

RELAYED = {"forwarded", "via", "x-real-ip"}
"""Headers that relays and proxies add, besides those that begin with `x-forwarded`."""
SCHEMES = {"http": "ws", "https": "wss"}


def own_settings(scope: Scope) -> Settings:
    """Those of the API that serves this request."""
    return scope["app"].state.workspace.settings


class RealPeer:
    """Sets `client`, `scheme` and `Host` as they are, and notes whether the request came through a stranger's relay."""

    def __init__(self, app: ASGIApp, settings_of: Callable[[Scope], Settings] = own_settings):
        self.app, self.settings_of = app, settings_of

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in ("http", "websocket"):
            state = scope.setdefault("state", {})
            # The API is asked once more behind the gate of the whole server.
            if "relayed" not in state:
                state["relayed"] = _set_peer(scope, receive, self.settings_of(scope).trusted_proxies)
        await self.app(scope, receive, send)


def _set_peer(scope: Scope, receive: Receive, proxies: Sequence[str]) -> bool:
    """Put right what the scope says of the peer; whether a relay that is not believed, or is silent, stands between."""
    headers = Headers(scope=scope)
    relayed = any(name in RELAYED or name.startswith("x-forwarded") for name in headers)
    peer, encrypted = _socket(scope, receive)
    forwarded = ", ".join(headers.getlist("x-forwarded-for"))
    if is_among(peer, proxies):
        client = first_stranger(forwarded, proxies)
        scope["client"] = (plain(client or peer), 0)
        _set_scheme(scope, headers.get("x-forwarded-proto", "https" if encrypted else "http").strip() == "https")
        if host := headers.get("x-forwarded-host"):
            others = [(name, value) for name, value in scope["headers"] if name != b"host"]
            scope["headers"] = [(b"host", host.rpartition(",")[2].strip().encode("latin-1")), *others]
        return client is None
    if peer:
        scope["client"] = (plain(peer), scope["client"][1] if scope.get("client") else 0)
    if "x-forwarded-proto" in headers:
        _set_scheme(scope, encrypted)
    return relayed


def _socket(scope: Scope, receive: Receive) -> tuple[str, bool]:
    """The address at the other end, empty for a UNIX socket; and whether the connection is encrypted here.

    uvicorn's transport knows both, whatever was put into the scope; other servers leave the scope as it is.
    """
    transport = getattr(getattr(receive, "__self__", None), "transport", None)
    if transport is None:
        client = scope.get("client")
        return (client[0] if client else ""), scope["scheme"] in ("https", "wss")
    name = transport.get_extra_info("peername")
    return (name[0] if isinstance(name, tuple) else ""), transport.get_extra_info("sslcontext") is not None


def _set_scheme(scope: Scope, encrypted: bool) -> None:
    scheme = "https" if encrypted else "http"
    scope["scheme"] = SCHEMES[scheme] if scope["type"] == "websocket" else scheme
