"""Who calls: the bearer of a key, token or link, who is signed in to the pages, or whoever is on this machine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from synth.errors import InWords
from workspace.settings import LOCAL, PERMISSIONS, Permission

Purpose = Literal["download", "watch"]
"""What a link is for: to open one file, or to follow one job."""


class Refused(InWords, PermissionError):
    """Who calls is unknown: no key, a wrong one, or one that expired or was revoked."""


class WrongKey(Refused):
    """What was shown was never given out here: a guess, or a mistake."""


@dataclass(frozen=True)
class Caller:
    """Somebody who calls: whose things they see, and what they may do."""

    owner: str
    permissions: frozenset[str]
    key_id: str = ""
    """The key that all of it depends on; empty: whoever is on this machine, while no key exists."""
    shown: Literal["nothing", "key", "token", "link", "session"] = "nothing"
    """By what they are known."""
    session_id: str = ""
    """Where they are signed in to the pages: that session."""
    purpose: Purpose | None = None
    """Of a link: all it is good for."""

    def may(self, permission: Permission) -> bool:
        """Whether the permission, or one that includes it, is given: admin includes write, write includes read."""
        return any(PERMISSIONS.index(given) >= PERMISSIONS.index(permission) for given in self.permissions)

    def shared_with(self, others: frozenset[str]) -> frozenset[str]:
        """The permissions of this caller that are among `others` too, or included in one of them."""
        other = Caller(self.owner, others)
        return frozenset(one for one in PERMISSIONS if self.may(one) and other.may(one))


ANYBODY_HERE = Caller(LOCAL, frozenset({"admin"}))
"""The one analyst on the machine itself, where no authentication is configured."""
