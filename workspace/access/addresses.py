"""Addresses: which are of this machine, and which belong to proxies that are believed."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence

UNIX = "unix"
"""Stands for whoever comes through a socket in the file system."""


def plain(address: str) -> str:
    """An address in its usual form: an IPv4 address that came as an IPv6 one (`::ffff:10.0.0.1`) as IPv4."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return str(mapped or found)


def is_loopback(address: str) -> bool:
    """Whether a server on this address is reached from its own machine alone."""
    if address in ("", "localhost"):
        return address == "localhost"
    try:
        return ipaddress.ip_address(plain(address)).is_loopback
    except ValueError:
        return False


def is_among(address: str, proxies: Iterable[str]) -> bool:
    """Whether an address is one of these addresses or in one of these networks; an empty one is a UNIX socket."""
    if not address:
        return UNIX in proxies
    try:
        found = ipaddress.ip_address(plain(address))
    except ValueError:
        return False
    return any(proxy != UNIX and found in ipaddress.ip_network(proxy, strict=False) for proxy in proxies)


def first_stranger(forwarded: str, proxies: Sequence[str]) -> str | None:
    """Of the addresses in `X-Forwarded-For`, the last that is no proxy of ours: each proxy adds whom it saw at the end."""
    hops = [_host(hop.strip()) for hop in forwarded.split(",") if hop.strip()]
    return next((hop for hop in reversed(hops) if not is_among(hop, proxies)), hops[0] if hops else None)


def _host(hop: str) -> str:
    """An address without its port."""
    if hop.startswith("["):
        return hop[1:].partition("]")[0]
    return hop.partition(":")[0] if hop.count(":") == 1 else hop
