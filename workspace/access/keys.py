"""Who may call: API keys with permissions, stored as hashes, shown once; and the tokens they buy.

A key is 32 random bytes, so that one round of SHA-256 is enough to store it. Those of the settings
(`UNDERSTUDY_API_KEYS`) live beside those made in the app.
"""

from __future__ import annotations

import hmac
import ipaddress
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from hashlib import sha256

import jwt
from sqlalchemy import update

from synth.errors import Invalid, InWords
from workspace.access.handover import Handover
from workspace.access.secrets import Secrets
from workspace.catalog.catalog import Catalog
from workspace.catalog.rows import Key, now
from workspace.settings import LOCAL, PERMISSIONS, Permission, Settings, parse_keys

ALGORITHM = "HS256"


class Refused(InWords, PermissionError):
    """Who calls is unknown: no key, a wrong one, or one that expired or was revoked."""


@dataclass(frozen=True)
class Caller:
    """Somebody who calls: whose things they see, and what they may do."""

    owner: str
    permissions: frozenset[str]
    key_id: str = ""

    def may(self, permission: Permission) -> bool:
        """Whether the permission, or one that includes it, is given: admin includes write, write includes read."""
        return any(PERMISSIONS.index(given) >= PERMISSIONS.index(permission) for given in self.permissions)


ANYBODY_HERE = Caller(LOCAL, frozenset({"admin"}))
"""The one analyst on the machine itself, where no authentication is configured."""


class Access:
    """What a workspace knows of those who call it."""

    def __init__(self, catalog: Catalog, settings: Settings):
        self.catalog, self.settings = catalog, settings
        self.secrets = Secrets(settings)

    @property
    def guarded(self) -> bool:
        """Whether callers must show a key: as soon as there is one."""
        return bool(self._given_keys) or bool(self.keys())

    def told(self, hidden: dict[str, str]) -> bytes:
        """What the worker of a job reads first: its own secrets, given encrypted, and whether keys are asked for."""
        return Handover.of(self.secrets, hidden, self.guarded).model_dump_json().encode()

    def make_key(self, name: str, permissions: Sequence[str], days: float | None = None) -> tuple[Key, str]:
        """A new key and its text, which is shown this once and kept only as a hash.

        Raises Invalid for an unknown permission or an empty name.
        """
        unknown = sorted(set(permissions) - set(PERMISSIONS))
        if unknown or not permissions:
            raise Invalid(f"A key's permissions are one or more of {', '.join(PERMISSIONS)}.")
        if not re.fullmatch(r"[\w.@ -]{1,100}", name):
            raise Invalid("A key's name has 1 to 100 letters, digits, spaces or . _ @ -")
        text = "us_" + secrets.token_urlsafe(32)
        key = Key(
            name=name,
            digest=_digest(text),
            permissions=sorted(set(permissions)),
            expires=now() + timedelta(days=days) if days is not None else None,
        )
        with self.catalog.session() as session:
            session.add(key)
        return key, text

    def keys(self) -> Sequence[Key]:
        """The keys made in the app that were not revoked, newest first."""
        return [key for key in self.catalog.listed(Key) if key.revoked is None]

    def revoke(self, key_id: str) -> Key:
        key = self.catalog.get(Key, key_id)
        with self.catalog.session() as session:
            session.execute(update(Key).where(Key.id == key_id, Key.revoked.is_(None)).values(revoked=now()))
        return key

    def caller(self, text: str) -> Caller:
        """Who shows this key or token. Raises Refused."""
        if text.count(".") == 2:
            return self._token_bearer(text)
        digest = _digest(text)
        found = None
        # Every key is compared, in constant time each, so that the time taken says nothing.
        for known, caller, expires in self._known_keys():
            if hmac.compare_digest(known, digest) and (expires is None or expires > now()):
                found = caller
        if found is None:
            raise Refused("This key is not known, or it expired or was revoked. Ask for a new one.")
        return found

    def token(self, caller: Caller, minutes: float | None = None) -> tuple[str, datetime]:
        """A bearer token (JWT) that stands for the caller until it expires."""
        expires = now() + timedelta(minutes=minutes or self.settings.token_minutes)
        claims = {
            "sub": caller.owner,
            "permissions": sorted(caller.permissions),
            "key": caller.key_id,
            "iat": now(),
            "exp": expires,
        }
        return jwt.encode(claims, self.secrets.signing_key, ALGORITHM), expires

    def _token_bearer(self, text: str) -> Caller:
        try:
            claims = jwt.decode(
                text, self.secrets.signing_key, [ALGORITHM], options={"require": ["exp", "sub", "permissions", "key"]}
            )
        except jwt.ExpiredSignatureError as error:
            raise Refused("This token has expired. Get a new one from POST /api/token.") from error
        except jwt.InvalidTokenError as error:
            raise Refused("This token is not one of ours. Get one from POST /api/token.") from error
        caller = Caller(claims["sub"], frozenset(claims["permissions"]), claims["key"])
        # A token outlives neither the revocation nor the expiry of the key that bought it.
        if caller.key_id and all(
            caller.key_id != known.key_id for _, known, expires in self._known_keys() if not expires or expires > now()
        ):
            raise Refused("The key this token was made with is no longer valid.")
        return caller

    def _known_keys(self) -> list[tuple[bytes, Caller, datetime | None]]:
        made = [(key.digest, Caller(key.name, frozenset(key.permissions), key.id), key.expires) for key in self.keys()]
        return [*self._given_keys, *made]

    @cached_property
    def _given_keys(self) -> list[tuple[bytes, Caller, None]]:
        return [
            (_digest(text), Caller(name, frozenset(permissions), _digest(text)[:8].hex()), None)
            for text, name, permissions in parse_keys(self.settings.api_keys.get_secret_value())
        ]


def is_loopback(address: str) -> bool:
    """Whether a server on this address is reached from its own machine alone."""
    if address in ("", "localhost"):
        return address == "localhost"
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def _digest(text: str) -> bytes:
    return sha256(text.encode()).digest()
