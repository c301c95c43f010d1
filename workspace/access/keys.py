"""Who may call: API keys with permissions, stored as hashes, shown once; and what depends on them: tokens, links, sessions.

A key is 32 random bytes, so that one round of SHA-256 is enough to store it. Those of the settings
(`UNDERSTUDY_API_KEYS`) live beside those made in the app.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cached_property
from hashlib import sha256

from sqlalchemy import update

from synth.errors import Invalid
from synth.linear import whole
from workspace.access.attempts import Attempts
from workspace.access.callers import ANYBODY_HERE, Caller, Refused, WrongKey
from workspace.access.handover import Handover
from workspace.access.links import Links
from workspace.access.page_sessions import PageSessions
from workspace.access.secrets import Secrets
from workspace.access.tokens import Signer
from workspace.catalog.catalog import Catalog
from workspace.catalog.rows import Key, now
from workspace.settings import PERMISSIONS, RESERVED_NAMES, Settings, parse_keys

CLAIMS = frozenset({"sub", "permissions", "key"})
"""What a bearer token says besides when it expires."""
NAME = whole(r"[\w.@ -]{1,100}")


class Access:
    """What a workspace knows of those who call it."""

    def __init__(self, catalog: Catalog, settings: Settings):
        self.catalog, self.settings = catalog, settings
        self.secrets = Secrets(settings)
        self.attempts = Attempts()
        self.sessions = PageSessions(catalog, settings, self.in_force)
        self.links = Links(catalog, self.secrets, self.standing)
        self.published = False
        """Whether the server listens beyond this machine: then it stays guarded, even when its last key is revoked."""
        self._tokens = Signer(
            self.secrets, "understudy tokens", "token", CLAIMS, "Get a new one from POST /api/token, with a key."
        )

    @property
    def guarded(self) -> bool:
        """Whether callers must show a key: as soon as there is one."""
        return self.published or bool(self._given_keys) or bool(self.keys())

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
        if not NAME.fullmatch(name):
            raise Invalid("A key's name has 1 to 100 letters, digits, spaces or . _ @ -")
        if name.lower() in RESERVED_NAMES:
            raise Invalid(f"A key cannot be named {name!r}: that stands for who needs no key. Take another name.")
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
        for known, caller in self._known_keys():
            if hmac.compare_digest(known, digest):
                found = caller
        if found is None:
            raise WrongKey("This key is not known, or it expired or was revoked. Ask for a new one.")
        return found

    def in_force(self, key_id: str) -> Caller:
        """The bearer of a key that neither expired nor was revoked; an empty one stands for nobody's, while no key exists.

        Raises Refused.
        """
        if not key_id and not self.guarded:
            return ANYBODY_HERE
        for _, caller in self._known_keys():
            if caller.key_id == key_id:
                return caller
        raise Refused("What you show depends on a key that is no longer valid, or on none. Show a key.")

    def standing(self, key_id: str, session_id: str) -> Caller:
        """What depends on a key, and on a session of the pages where there is one, stands for this caller.

        Raises Refused.
        """
        return self.sessions.standing(session_id) if session_id else self.in_force(key_id)

    def token(self, caller: Caller, minutes: float | None = None) -> tuple[str, datetime]:
        """A bearer token (JWT) that stands for the caller until it expires."""
        claims = {"sub": caller.owner, "permissions": sorted(caller.permissions), "key": caller.key_id}
        return self._tokens.sign(claims, minutes or self.settings.token_minutes)

    def _token_bearer(self, text: str) -> Caller:
        claims = self._tokens.read(text)
        # It outlives neither the key that bought it nor, if none did, the time without keys; and allows no more than both.
        bearer = self.in_force(claims["key"])
        return replace(bearer, permissions=bearer.shared_with(frozenset(claims["permissions"])), shown="token")

    def _known_keys(self) -> list[tuple[bytes, Caller]]:
        """The keys in force, by their hashes."""
        made = [
            (key.digest, Caller(key.name, frozenset(key.permissions), key.id, "key"))
            for key in self.keys()
            if key.expires is None or key.expires > now()
        ]
        return [*self._given_keys, *made]

    @cached_property
    def _given_keys(self) -> list[tuple[bytes, Caller]]:
        return [
            (_digest(text), Caller(name, frozenset(permissions), _digest(text)[:8].hex(), "key"))
            for text, name, permissions in parse_keys(self.settings.api_keys.get_secret_value())
        ]


def _digest(text: str) -> bytes:
    return sha256(text.encode()).digest()
