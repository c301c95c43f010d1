"""Sessions: what somebody uploaded together, with all that came of it, to be deleted together."""

from __future__ import annotations

import time
from collections import Counter
from datetime import timedelta

from sqlalchemy import case, func, or_, select

from workspace.catalog.catalog import Catalog
from workspace.catalog.rows import UNFINISHED, ConversationSet, Dataset, Job, NotFound, Run, now
from workspace.services.bin import Bin
from workspace.services.datasets import Datasets
from workspace.settings import Settings

LOOK_S = 60
"""Seconds between two looks for sessions that expired."""


class Sessions:
    """The sessions of a workspace."""

    def __init__(self, catalog: Catalog, datasets: Datasets, bin: Bin, settings: Settings):
        self.catalog, self.datasets, self.bin, self.settings = catalog, datasets, bin, settings
        self._looked = 0.0

    def delete(self, session_id: str, owner: str) -> dict[str, int]:
        """Delete every byte of an owner's session, or of one table named by its id; how many of each kind there were.

        Raises NotFound.
        """
        named = or_(Dataset.session == session_id, Dataset.id == session_id)
        with self.catalog.session() as session:
            datasets = session.scalars(select(Dataset.id).where(named, Dataset.owner == owner)).all()
            if not datasets:
                raise NotFound(f"There is no session {session_id!r} here. It may have been deleted, or have expired.")
            counted = Counter(datasets=len(datasets))
            for name, kind in (("runs", Run), ("talks", ConversationSet), ("jobs", Job)):
                counted[name] = session.scalar(select(func.count()).where(kind.dataset_id.in_(datasets))) or 0
        for dataset_id in datasets:
            self.datasets.delete(dataset_id)
        # What a person deleted on a page a moment ago must not come back to an erased session.
        self.bin.erase(session_id, owner)
        return dict(counted)

    def expire(self) -> None:
        """Delete the sessions that the settings let expire: those nobody uploaded to or worked with for long."""
        hours = self.settings.session_hours
        if hours is None or time.monotonic() < self._looked + LOOK_S:
            return
        self._looked = time.monotonic()
        oldest = now() - timedelta(hours=hours)
        uploaded = func.max(Dataset.created)
        query = (
            select(Dataset.session, Dataset.owner)
            .outerjoin(Job, Job.dataset_id == Dataset.id)
            .where(Dataset.session.is_not(None))
            .group_by(Dataset.session, Dataset.owner)
            .having(uploaded < oldest, func.coalesce(func.max(Job.finished), uploaded) < oldest)
            .having(func.max(case((Job.state.in_(UNFINISHED), 1), else_=0)) == 0)
        )
        with self.catalog.session() as session:
            expired = session.execute(query).all()
        for session_id, owner in expired:
            if session_id is not None:
                self.delete(session_id, owner)
