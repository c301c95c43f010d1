"""Sessions of the pages: who signed in with a key, in which browser, until when.

The browser holds 32 random bytes in a cookie that no script can read; the catalog holds their hash. A session ends when
it is signed out of, after hours without a step, after days in any case, and with its key.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256

from sqlalchemy import delete, select, update

from workspace.access.callers import Caller, Refused
from workspace.catalog.catalog import Catalog
from workspace.catalog.rows import PageSession, now
from workspace.settings import Settings

COOKIE = "understudy_session"
STEP_S = 60
"""A step is written down no more often than this: a page asks every second while a job runs."""


class PageSessions:
    """Who is signed in to the pages of a workspace."""

    def __init__(self, catalog: Catalog, settings: Settings, key_in_force: Callable[[str], Caller]):
        """`key_in_force` says what a key is worth now; it raises Refused."""
        self.catalog, self.settings, self.key_in_force = catalog, settings, key_in_force

    @property
    def longest(self) -> timedelta:
        return timedelta(hours=self.settings.sign_in_hours)

    def begin(self, caller: Caller) -> str:
        """Sign somebody in: what their browser shall keep, which is known nowhere else."""
        text = secrets.token_urlsafe(32)
        begun = PageSession(
            digest=_digest(text), key_id=caller.key_id, owner=caller.owner, seen=now(), expires=now() + self.longest
        )
        with self.catalog.session() as session:
            session.execute(delete(PageSession).where(PageSession.expires < now()))
            session.add(begun)
        return text

    def visitor(self, text: str) -> Caller:
        """Who is signed in with this cookie. Raises Refused when nobody is, any more."""
        with self.catalog.session() as session:
            found = session.scalar(select(PageSession).where(PageSession.digest == _digest(text))) if text else None
        caller = self._bearer(found)
        if found is not None and found.seen < now() - timedelta(seconds=STEP_S):
            with self.catalog.session() as session:
                session.execute(update(PageSession).where(PageSession.id == found.id).values(seen=now()))
        return caller

    def standing(self, session_id: str) -> Caller:
        """What a session is worth now. Raises Refused."""
        with self.catalog.session() as session:
            found = session.get(PageSession, session_id)
        return self._bearer(found)

    def end(self, text: str) -> None:
        """Sign out, and with it every link of this session."""
        with self.catalog.session() as session:
            chosen = update(PageSession).where(PageSession.digest == _digest(text), PageSession.ended.is_(None))
            session.execute(chosen.values(ended=now()))

    def _bearer(self, found: PageSession | None) -> Caller:
        idle = timedelta(hours=self.settings.sign_in_idle_hours)
        if found is None or found.ended is not None or min(found.expires, found.seen + idle) <= now():
            raise Refused("You are not signed in, or no longer. Sign in again.")
        caller = self.key_in_force(found.key_id)
        if not caller.may("admin"):
            raise Refused("The pages require a key with the permission admin.")
        return replace(caller, shown="session", session_id=found.id)


def _digest(text: str) -> bytes:
    return sha256(text.encode()).digest()
