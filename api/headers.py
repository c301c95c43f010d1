"""The security headers of every answer: those of the API, of its documentation, and of the pages."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence

from starlette.datastructures import MutableHeaders
from starlette.types import Scope

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
NOTHING_INSIDE = "default-src 'none'; frame-ancestors 'none'"
# The documentation's pages and the report carry their scripts in themselves; neither may call another server.
OWN_SCRIPTS = (
    "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; worker-src 'self' blob:; frame-ancestors 'none'"
)


def add_headers(headers: MutableHeaders, scope: Scope, policy: str) -> None:
    """Add what is not there yet: the headers above, and `policy` as the content security policy."""
    for name, value in HEADERS.items():
        headers.setdefault(name, value)
    headers.setdefault("Content-Security-Policy", policy)
    if scope["scheme"] in ("https", "wss"):
        headers.setdefault("Strict-Transport-Security", "max-age=31536000")


def page_policy(host: str, scripts: Sequence[str] = ()) -> str:
    """What a page may load and call: this server alone, which is called `host` (checked before).

    `scripts` are the hashes of the scripts that the page itself carries.
    """
    # Not every browser counts a WebSocket of the same host to 'self'.
    sockets = f" ws://{host} wss://{host}" if host else ""
    return "; ".join(
        (
            "default-src 'none'",
            f"connect-src 'self'{sockets}",
            # Streamlit's protobuf compiles WebAssembly, which is no way in for a script.
            " ".join(("script-src 'self' 'wasm-unsafe-eval'", *scripts)),
            # Streamlit's styles are made in the browser.
            "style-src 'self' 'unsafe-inline'",
            "font-src 'self' data:",
            # Charts and tables draw themselves into pictures of these kinds.
            "img-src 'self' data: blob:",
            "media-src 'self'",
            "worker-src 'self' blob:",
            "manifest-src 'self'",
            "object-src 'none'",
            "frame-src 'none'",
            "frame-ancestors 'none'",
            "base-uri 'self'",
            "form-action 'self'",
        )
    )


def script_hashes(page: str) -> list[str]:
    """The sources, as a policy names them, of the scripts that a page of HTML carries in itself."""
    found = re.findall(r"<script>([^<]*)</script>", page)
    return [f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'" for text in found]
