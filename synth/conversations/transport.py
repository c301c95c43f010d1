"""The one HTTP client for model servers: no redirects, no proxies of the environment, checked addresses, bounds."""

from __future__ import annotations

import asyncio
import os
import ssl
import time
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from typing import Any

import httpx2

from synth.conversations.egress import Address, Egress, Host, ServerError, effective, resolve

CONNECT_S = 10.0
LONGEST_S = 3600.0
"""Seconds that a request may take, whatever it asks for."""
ANSWER_BYTES = 32_000_000
"""The longest answer of a chat: some hundred times what a model writes at once."""
FILE_BYTES = 500_000_000
"""The longest file of a batch; what is sent has at most 200 MB at OpenAI."""
FILE_S = 600.0
PIECE = 65_536
PACKED = ("gzip", "x-gzip", "deflate")

TOO_LONG = "The server's answer has over {:,.0f} MB and was cut off. Check the base URL."
PACKED_OTHERWISE = "The server packs its answers in a way that was not asked for ({}). Check the base URL."
REDIRECTED = (
    "The server sends requests on to another address (status {}), which is not followed: what is sent goes to the base "
    "URL alone. Write the address that it names there, if you trust it."
)


def client(egress: Egress, timeout_s: float, most_bytes: int = ANSWER_BYTES) -> httpx2.AsyncClient:
    """A client whose requests end within `timeout_s` seconds, each, and go where the policy permits.

    Raises, from a request, ServerError where the policy forbids it or the answer breaks a bound.
    """
    seconds = min(timeout_s, LONGEST_S)
    # trust_env: no proxy, and no password of a .netrc, comes from the environment.
    return httpx2.AsyncClient(
        transport=GuardedTransport(egress, seconds, most_bytes),
        timeout=httpx2.Timeout(seconds, connect=min(seconds, CONNECT_S)),
        headers={"Accept-Encoding": "gzip, deflate"},
        follow_redirects=False,
        trust_env=False,
    )


class GuardedTransport(httpx2.AsyncBaseTransport):
    """Sends requests to addresses that were checked, and reads no more of an answer than allowed.

    The name of a server is resolved here and the connection made to the very address that was found: it cannot mean
    one machine when it is checked and another when it is used. The certificate is still the name's.
    """

    def __init__(self, egress: Egress, seconds: float, most_bytes: int):
        self.egress, self.seconds, self.most_bytes = egress, seconds, most_bytes
        self._limits = httpx2.Limits(max_connections=1000, max_keepalive_connections=300)
        tls = _trusted(os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR"))
        self._direct = httpx2.AsyncHTTPTransport(verify=tls, limits=self._limits)
        self._by_proxy = (
            httpx2.AsyncHTTPTransport(verify=tls, limits=self._limits, proxy=egress.proxy) if egress.proxy else None
        )
        self._found: dict[Host, list[Address]] = {}

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        end = time.monotonic() + self.seconds
        async with _until(end, request):
            response = await self._sent(request)
            if 300 <= response.status_code < 400:
                await response.aclose()
                raise ServerError(REDIRECTED.format(response.status_code))
            packing = response.headers.get("content-encoding", "identity").lower()
            if packing not in ("identity", *PACKED):
                await response.aclose()
                raise ServerError(PACKED_OTHERWISE.format("an unknown one" if len(packing) > 20 else packing))
            if _length(response) > self.most_bytes:
                await response.aclose()
                raise ServerError(TOO_LONG.format(self.most_bytes / 1e6))
        stream = BoundedStream(response, request, packing in PACKED, self.most_bytes, end)
        kept = [(name, value) for name, value in response.headers.raw if name.lower() != b"content-encoding"]
        return httpx2.Response(response.status_code, headers=kept, stream=stream, extensions=response.extensions)

    async def _sent(self, request: httpx2.Request) -> httpx2.Response:
        host = Host.of(str(request.url))
        addresses = self._found.get(host) or await asyncio.to_thread(resolve, host)
        if not self.egress.permits(host, addresses):
            raise ServerError(self.egress.refusal(host))
        self._found[host] = addresses
        here = bool(addresses) and all(effective(address).is_loopback for address in addresses)
        if self._by_proxy is not None and not here:
            # A name that is trusted whatever it means may be one that only the proxy knows.
            to = [host.name] if self.egress.trusts(host) else list(map(str, addresses))
            return await self._first(self._by_proxy, request, host, to)
        if not addresses:
            raise httpx2.ConnectError("The name has no address.", request=request)
        try:
            return await self._first(self._direct, request, host, list(map(str, addresses)))
        except httpx2.ConnectError:
            # The server may have moved; the next try resolves its name, and checks it, again.
            self._found.pop(host, None)
            raise

    async def _first(
        self, transport: httpx2.AsyncHTTPTransport, request: httpx2.Request, host: Host, places: list[str]
    ) -> httpx2.Response:
        """The answer of the first of several addresses of a server that can be connected to."""
        for place in places:
            try:
                return await transport.handle_async_request(_sent_to(request, host, place))
            except (httpx2.ConnectError, httpx2.ConnectTimeout):
                if place == places[-1]:
                    raise
        raise httpx2.ConnectError("No address.", request=request)

    async def aclose(self) -> None:
        await self._direct.aclose()
        if self._by_proxy is not None:
            await self._by_proxy.aclose()


class BoundedStream(httpx2.AsyncByteStream):
    """The body of an answer, unpacked, which ends with an error where it grows too long or takes too long."""

    def __init__(self, response: httpx2.Response, request: httpx2.Request, packed: bool, most_bytes: int, end: float):
        self.response, self.request, self.packed, self.most_bytes, self.end = response, request, packed, most_bytes, end

    async def __aiter__(self) -> AsyncIterator[bytes]:
        unpacker = zlib.decompressobj(zlib.MAX_WBITS | 32) if self.packed else None
        chunks = self.response.aiter_raw()
        taken = given = 0
        while True:
            async with _until(self.end, self.request):
                chunk = await anext(chunks, None)
            if chunk is None:
                return
            taken += len(chunk)
            while chunk:
                piece, chunk = self._unpacked(unpacker, chunk) if unpacker is not None else (chunk, b"")
                given += len(piece)
                if max(taken, given) > self.most_bytes:
                    raise ServerError(TOO_LONG.format(self.most_bytes / 1e6))
                yield piece

    def _unpacked(self, unpacker: Any, chunk: bytes) -> tuple[bytes, bytes]:
        """At most one piece of what a packed chunk holds, and what is left of it."""
        try:
            return unpacker.decompress(chunk, PIECE), unpacker.unconsumed_tail
        except zlib.error as error:
            raise httpx2.DecodingError("The answer cannot be unpacked.", request=self.request) from error

    async def aclose(self) -> None:
        await self.response.aclose()


@cache
def _trusted(file: str | None, folder: str | None) -> ssl.SSLContext:
    """The certificates of the system, or those of one's own that the environment names; reading them takes 0.3 s."""
    return httpx2.create_ssl_context()


@asynccontextmanager
async def _until(end: float, request: httpx2.Request) -> AsyncIterator[None]:
    """Let the block take until a moment of the monotonic clock. Raises ReadTimeout."""
    try:
        async with asyncio.timeout(max(0.0, end - time.monotonic())):
            yield
    except TimeoutError as error:
        raise httpx2.ReadTimeout("The answer took too long.", request=request) from error


def _sent_to(request: httpx2.Request, host: Host, place: str) -> httpx2.Request:
    """A request that connects to an address of its server, and shows its name to it."""
    return httpx2.Request(
        request.method,
        request.url.copy_with(host=place),
        headers=request.headers.raw,
        stream=request.stream,
        extensions={**request.extensions, "sni_hostname": host.name},
    )


def _length(response: httpx2.Response) -> int:
    told = response.headers.get("content-length", "")
    return int(told) if told.isdecimal() and len(told) < 20 else 0
