"""Answers kept for a while, so that a call sent twice, as after a cut connection, does its work once."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from hashlib import sha256
from typing import NamedTuple

from sqlalchemy import delete, update
from sqlalchemy.exc import IntegrityError

from synth.errors import Invalid
from workspace.catalog.catalog import Catalog
from workspace.catalog.outages import CatalogAway
from workspace.catalog.rows import Answer, now
from workspace.settings import Settings

ABANDONED = timedelta(minutes=10)
"""A call that has not been answered for this long went down with its server."""


class Answered(NamedTuple):
    """What a call was answered."""

    status: int
    """HTTP status."""
    body: str


class Unanswered(Invalid):
    """The first call of this key is still being answered."""


class IdempotencyStore:
    """What a workspace remembers of the calls that carried an `Idempotency-Key`."""

    def __init__(self, catalog: Catalog, settings: Settings):
        self.catalog, self.settings = catalog, settings
        self._waiting: dict[tuple[str, str], Answered | None] = {}
        """How calls ended that the catalog was not told yet: answered, or with nothing done (None)."""

    def begin(self, owner: str, key: str, digest: str) -> Answered | None:
        """The answer that the owner's call with this key got before; None when it is the first, which now begins.

        `digest` tells the call from others. Raises Unanswered while the first call is under way, and Invalid when the
        key was used for another call.
        """
        mark = sha256(key.encode()).hexdigest()
        self._write_waiting()
        oldest = now() - timedelta(hours=self.settings.repeat_hours)
        with self.catalog.session() as session:
            session.execute(delete(Answer).where(Answer.created < oldest))
            session.execute(delete(Answer).where(Answer.status.is_(None), Answer.created < now() - ABANDONED))
        try:
            with self.catalog.session() as session:
                known = session.get(Answer, (owner, mark))
                if known is None:
                    session.add(Answer(owner=owner, key=mark, digest=digest))
        except IntegrityError as error:
            raise Unanswered("The same call is being answered at this moment. Ask again in a second.") from error
        if known is None:
            return None
        if known.digest != digest:
            raise Invalid("This Idempotency-Key was used for another call. Make a new one for each call.")
        if known.status is None:
            raise Unanswered("The first call with this Idempotency-Key is still being answered. Ask again in a second.")
        return Answered(known.status, known.body)

    def keep(self, owner: str, key: str, status: int, body: str) -> None:
        """Remember what the call was answered."""
        self._waiting[(owner, sha256(key.encode()).hexdigest())] = Answered(status, body)
        with suppress(CatalogAway):
            self._write_waiting()

    def forget(self, owner: str, key: str) -> None:
        """Let the key be used again: its call did nothing."""
        self._waiting[(owner, sha256(key.encode()).hexdigest())] = None
        with suppress(CatalogAway):
            self._write_waiting()

    def _write_waiting(self) -> None:
        """Write how calls ended, also those that ended while the catalog was away."""
        for (owner, mark), answered in list(self._waiting.items()):
            chosen = (Answer.owner == owner, Answer.key == mark)
            with self.catalog.session() as session:
                if answered is None:
                    session.execute(delete(Answer).where(*chosen))
                else:
                    session.execute(update(Answer).where(*chosen).values(status=answered.status, body=answered.body))
            self._waiting.pop((owner, mark), None)
