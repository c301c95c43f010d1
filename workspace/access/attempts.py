"""Wrong keys, counted by address, so that nobody can guess on and on."""

from __future__ import annotations

import ipaddress
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from hashlib import sha256

from synth.errors import InWords

MOST_WRONG = 30
"""Wrong keys that one address may show in a minute."""
WINDOW_S = 60.0
MOST_ADDRESSES = 10_000
"""Addresses that are remembered; each has at most MOST_WRONG moments of eight bytes."""
MOST_RIGHT = 10_000


class TooManyWrongKeys(InWords, PermissionError):
    """An address showed too many wrong keys; `wait_s` says when it may try again."""

    def __init__(self, wait_s: int):
        super().__init__(f"Too many wrong keys came from your address. Try again in {wait_s} s.")
        self.wait_s = wait_s


class Attempts:
    """Remembers which addresses showed wrong keys in the last minute, and which right ones.

    An address that guesses is refused before its key is looked at, or it would learn which guess is right. Keys that were
    right at that address before go on being taken: others behind the same proxy work on.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic):
        self.clock = clock
        self._wrong: OrderedDict[str, deque[float]] = OrderedDict()
        self._right: OrderedDict[tuple[str, bytes], None] = OrderedDict()
        self._lock = threading.Lock()

    def check(self, address: str, key: str) -> None:
        """Raises TooManyWrongKeys when this address must wait before it shows this key."""
        with self._lock:
            if (_network(address), _digest(key)) in self._right:
                return
            moments = self._recent(_network(address))
            if len(moments) == MOST_WRONG:
                raise TooManyWrongKeys(max(1, round(moments[0] + WINDOW_S - self.clock())))

    def wrong(self, address: str, key: str) -> None:
        with self._lock:
            network = _network(address)
            self._right.pop((network, _digest(key)), None)
            self._wrong[network] = self._recent(network)
            self._wrong[network].append(self.clock())
            self._wrong.move_to_end(network)
            while len(self._wrong) > MOST_ADDRESSES:
                self._wrong.popitem(last=False)

    def right(self, address: str, key: str) -> None:
        with self._lock:
            known = (_network(address), _digest(key))
            self._right[known] = None
            self._right.move_to_end(known)
            while len(self._right) > MOST_RIGHT:
                self._right.popitem(last=False)

    def _recent(self, network: str) -> deque[float]:
        moments = self._wrong.get(network, deque(maxlen=MOST_WRONG))
        while moments and moments[0] <= self.clock() - WINDOW_S:
            moments.popleft()
        return moments


def _network(address: str) -> str:
    """Who is behind an address: itself, or of IPv6 the network of one household (/64)."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((found, 64), strict=False))
    return str(found)


def _digest(key: str) -> bytes:
    return sha256(key.encode()).digest()
