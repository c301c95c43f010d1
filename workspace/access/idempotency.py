"""Answers kept for a while, so that a call sent twice, as after a cut connection, does its work once."""

from __future__ import annotations

from datetime import timedelta
from hashlib import sha256
from typing import NamedTuple

from sqlalchemy import delete, update
from sqlalchemy.exc import IntegrityError

from synth.errors import Invalid
from workspace.catalog.catalog import Catalog
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

    def begin(self, owner: str, key: str, digest: str) -> Answered | None:
        """The answer that the owner's call with this key got before; None when it is the first, which now begins.

        `digest` tells the call from others. Raises Unanswered while the first call is under way, and Invalid when the
        key was used for another call.
        """
        mark = sha256(key.encode()).hexdigest()
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
        mark = sha256(key.encode()).hexdigest()
        with self.catalog.session() as session:
            chosen = update(Answer).where(Answer.owner == owner, Answer.key == mark)
            session.execute(chosen.values(status=status, body=body))

    def forget(self, owner: str, key: str) -> None:
        """Let the key be used again: its call did nothing."""
        mark = sha256(key.encode()).hexdigest()
        with self.catalog.session() as session:
            session.execute(delete(Answer).where(Answer.owner == owner, Answer.key == mark))
