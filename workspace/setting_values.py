"""What the texts of settings must be: rates, origins, proxies, addresses of servers and databases.

Each takes what was written and gives it back. Raises ValueError, which says what to write instead.
"""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import urlsplit


def rate(text: str) -> str:
    """A rate limit, such as `1200/minute`."""
    # It takes a tenth of a second to import, and most processes leave these settings alone.
    from limits import parse

    try:
        parse(text)
    except ValueError:
        raise ValueError(f"{text!r} is no rate; write a number and a unit, such as 1200/minute or 120/hour") from None
    return text


def origin(text: str) -> str:
    """What a browser sends as `Origin`: scheme and host, nothing after them; or `*`."""
    if text != "*" and not re.fullmatch(r"[a-z][a-z0-9+.-]*://[^/?#\s@]+", text):
        raise ValueError(
            f"{text!r} is no origin; write scheme and host without a path or a slash at the end, such as "
            "https://example.org"
        )
    return text


def trusted_proxy(text: str) -> str:
    """An address, a network, or `unix`: whoever comes through a socket in the file system."""
    if text != "unix":
        try:
            ipaddress.ip_network(text, strict=False)
        except ValueError:
            raise ValueError(
                f"{text!r} is no address and no network; write one such as 10.0.0.7 or 10.0.0.0/24, or unix"
            ) from None
    return text


def server_address(text: str) -> str:
    url = urlsplit(text)
    if url.scheme not in ("http", "https") or not url.hostname:
        raise ValueError("this is no address of a server; write one such as https://example.org/v1")
    if "@" in url.netloc:
        raise ValueError("it holds a user name or password; leave that out and set UNDERSTUDY_LLM_API_KEY")
    return text


def catalog_address(text: str | None) -> str | None:
    """A database of SQLite or PostgreSQL whose driver is installed. The messages leave its password out."""
    if text is None:
        return None
    # It takes a quarter of a second to import; a process without a database server gets there when it opens SQLite.
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError, NoSuchModuleError

    try:
        url = make_url(text)
    except ArgumentError:
        raise ValueError(
            "this is no address of a database; write postgresql+psycopg://user:password@host/name"
        ) from None
    try:
        backend = url.get_backend_name()
        if backend not in ("sqlite", "postgresql"):
            raise ValueError(f"{backend!r} is no database that is supported; there are sqlite and postgresql")
        url.get_dialect().import_dbapi()
    except (NoSuchModuleError, ImportError):
        raise ValueError(
            f"the driver of {url.drivername!r} is not installed; write postgresql+psycopg://user:password@host/name"
        ) from None
    return text
