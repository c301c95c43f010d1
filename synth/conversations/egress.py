"""The egress policy: which model servers requests may go to, judged by the addresses that are really connected to."""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import dataclass, replace
from typing import Self
from urllib.parse import urlsplit

from synth.errors import Invalid
from synth.linear import ASCII, whole

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

PORTS = {"http": 80, "https": 443}
"""The schemes that are spoken, and the port of each where the URL names none."""

REFUSED = (
    "The model server at this base URL cannot be used. It must have a public address, start with http:// or https://, "
    "answer as OpenAI's API does, and send no redirects; the administrator can allow others with "
    "UNDERSTUDY_ALLOWED_HOSTS."
)
"""The one sentence for every server that a caller named and that was of no use.

A closed port, an inner address, a time-out and a name that does not exist read alike, so that nobody can search the
server's network for what is there.
"""
NO_ADDRESS = "The base URL is no address of a model server; write one such as https://example.org/v1."
HAS_PASSWORD = "The base URL holds a user name or a password. Leave it out, and send the key as the API key."

NAME = whole(r"[\w.-]{1,253}|[0-9a-f:.]{2,45}", ASCII, most=253)
METADATA = ipaddress.ip_address("168.63.129.16")
"""Azure's inner service for its machines, which has a public address; those of other clouds have inner ones."""
NAT64 = ipaddress.ip_network("64:ff9b::/96")
INNER = tuple(
    map(ipaddress.ip_network, ("::/96", "64:ff9b:1::/48", "2002::/16", "2001::/23", "192.0.0.0/24", "192.88.99.0/24"))
)
"""Networks that lead to others, where `ipaddress` may take them for public: tunnels, and addresses within addresses."""


class ServerError(Invalid):
    """Raised when the server cannot be used; the message says why and what to do."""


class Forbidden(ServerError):
    """A base URL that names no server, or one that the policy forbids."""


@dataclass(frozen=True)
class Host:
    """The server that a URL names: what its policy goes by."""

    name: str
    port: int

    @classmethod
    def of(cls, url: str) -> Self:
        """The host of a base URL. Raises Forbidden, whose message holds no part of the URL."""
        from httpx2 import URL, InvalidURL

        try:
            # As the client reads it: two readings of one URL would be two servers.
            read = URL(url)
        except (InvalidURL, TypeError, ValueError):
            raise Forbidden(NO_ADDRESS) from None
        if read.userinfo or "@" in urlsplit(url).netloc:
            raise Forbidden(HAS_PASSWORD)
        # As it is asked of the resolver: international names are written otherwise there.
        name = read.raw_host.decode("ascii").rstrip(".").lower()
        port = read.port if read.port is not None else PORTS.get(read.scheme, 0)
        if read.scheme not in PORTS or not NAME.fullmatch(name) or port not in range(1, 65_536):
            raise Forbidden(NO_ADDRESS)
        return cls(name, port)

    def __str__(self) -> str:
        return f"[{self.name}]" if ":" in self.name else self.name


@dataclass(frozen=True)
class Allowed:
    """A server that is allowed by name, or a network."""

    name: str
    port: int | None = None
    network: Network | None = None

    @property
    def text(self) -> str:
        name = str(self.network) if self.network is not None and self.network.num_addresses > 1 else self.name
        return f"{f'[{name}]' if ':' in name and self.port else name}{f':{self.port}' if self.port else ''}"

    @classmethod
    def of(cls, text: str) -> Self:
        """Read `host`, `host:port`, an address or a network. Raises Invalid."""
        if network := _network(text):
            return cls(text, network=network)
        try:
            parts = urlsplit(f"//{text}")
            name, port = parts.hostname or "", parts.port
        except ValueError:
            raise Invalid(f"{text!r} is no host, host:port or network") from None
        if not NAME.fullmatch(name) or parts.netloc != text or "@" in text or text.endswith(":"):
            raise Invalid(f"{text!r} is no host, host:port or network")
        return cls(name.rstrip("."), port, _network(name))

    def is_for(self, host: Host, address: Address | None = None) -> bool:
        """Whether a host is allowed by its name, or by this one of its addresses."""
        if self.port not in (None, host.port):
            return False
        if self.network is not None and address is not None:
            return effective(address) in self.network
        return self.network is None and self.name == host.name


@dataclass(frozen=True)
class Egress:
    """Which servers requests may go to, and by which way. As it comes, any."""

    local_only: bool = False
    """Only servers on this very machine."""
    public_only: bool = False
    """Only public addresses, since others than the machine's owner name the servers."""
    allowed: tuple[Allowed, ...] = ()
    """Exceptions to `public_only`."""
    proxy: str | None = None
    """The proxy for servers that are not on this machine."""

    def here(self, local_only: bool) -> Egress:
        """The same, for requests that may have to stay on this machine."""
        return replace(self, local_only=self.local_only or local_only)

    def trusts(self, host: Host) -> bool:
        """Whether the host may be reached whatever its addresses are."""
        return not self.local_only and (not self.public_only or any(one.is_for(host) for one in self.allowed))

    def permits(self, host: Host, addresses: list[Address]) -> bool:
        """Whether a host with these addresses may be reached: every single one of them must be allowed."""
        if self.trusts(host):
            return True
        return bool(addresses) and all(self._permits(host, address) for address in addresses)

    def _permits(self, host: Host, address: Address) -> bool:
        if self.local_only:
            return effective(address).is_loopback
        return is_public(address) or any(one.is_for(host, address) for one in self.allowed)

    def tells_of(self, url: str) -> bool:
        """Whether a caller may be told in detail what became of a request: not of servers of the caller's choice."""
        if not self.public_only:
            return True
        host = Host.of(url)
        return any(one.is_for(host) or one.is_for(host, literal(host.name)) for one in self.allowed)

    @property
    def words(self) -> str:
        """The policy in a sentence, for the person who is to name a server."""
        if self.local_only:
            return "Only model servers on this machine may be used."
        if not self.public_only:
            return ""
        names = ", ".join(sorted({one.text for one in self.allowed}))
        return f"Model servers with public addresses may be used, and {names}. Redirects are not followed."

    def refusal(self, host: Host) -> str:
        """Why a host may not be reached, in words."""
        if self.public_only:
            return REFUSED
        return (
            f"{host} is not this machine, and only local servers are allowed. Choose a server on 127.0.0.1, or switch "
            "off 'local servers only' in the settings."
        )

    def check(self, url: str) -> None:
        """Refuse a base URL as far as can be seen before the work. Raises Forbidden.

        Names are resolved; they are again when a request is sent, which goes to an address that was checked.
        """
        try:
            host = Host.of(url)
        except Forbidden as error:
            raise Forbidden(REFUSED if self.public_only and str(error) == NO_ADDRESS else str(error)) from None
        if not self.trusts(host) and not self.permits(host, resolve(host)):
            raise Forbidden(self.refusal(host))


ANYWHERE = Egress()
"""No restriction."""


def resolve(host: Host) -> list[Address]:
    """The addresses of a host, in the order in which they are to be tried; none where its name has none."""
    try:
        found = socket.getaddrinfo(host.name, host.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return []
    # An address of a link has the link's name after it.
    return list(dict.fromkeys(ipaddress.ip_address(str(to[0]).partition("%")[0]) for *_, to in found))


def _network(text: str) -> Network | None:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None


def literal(name: str) -> Address | None:
    """The address that a host is given by; None for one with a name."""
    try:
        return ipaddress.ip_address(name)
    except ValueError:
        return None


def effective(address: Address) -> Address:
    """The address that packets arrive at: the IPv4 address within one of IPv6."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        if address in NAT64:
            return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    return address


def is_public(address: Address) -> bool:
    """Whether an address is one of the open internet, and not of a machine, a link, a private network or a cloud."""
    found = effective(address)
    return (
        found.is_global
        and found != METADATA
        and not (found.is_multicast or found.is_reserved or found.is_unspecified)
        and not (isinstance(found, ipaddress.IPv6Address) and found.is_site_local)
        and not any(found in network for network in INNER if network.version == found.version)
    )
