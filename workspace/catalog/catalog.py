"""The catalog: what the workspace holds, in a database that server and workers write to at once.

SQLite in WAL mode, or PostgreSQL by URL. Rows come out of it as plain values, detached from any session: change them
through the services or the queue, never in place.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, event, make_url, select, text
from sqlalchemy.orm import Session, sessionmaker

from workspace.catalog.migrations import migrate
from workspace.catalog.rows import E, Entity, NotFound, Row, Run, T


class Catalog:
    """The database, and the only place that opens sessions on it."""

    def __init__(self, url: str, folder: Path):
        self.folder = folder
        self.engine = _engine(url)
        self._sessions = sessionmaker(self.engine, expire_on_commit=False)
        event.listen(self._sessions, "loaded_as_persistent", self._place)
        migrate(self.engine)

    def _place(self, session: Session, row: Row) -> None:
        if isinstance(row, Run):
            row.folder = self.folder / "runs" / row.id

    @contextmanager
    def session(self) -> Iterator[Session]:
        """One transaction: committed at the end of the block, undone when the block raises."""
        with self._sessions.begin() as session:
            yield session

    def get(self, kind: type[T], id: str) -> T:
        with self.session() as session:
            row = session.get(kind, id)
        if row is None:
            raise NotFound(f"There is no {kind.word} {id!r} here. It may have been deleted.")
        return row

    def listed(self, kind: type[E], **having: Any) -> Sequence[E]:
        """The rows of a kind, newest first, whose columns have these values; a value of None leaves its column open."""
        query = select(kind).order_by(kind.created.desc(), kind.id)
        for column, value in having.items():
            if value is not None:
                query = query.where(getattr(kind, column) == value)
        with self.session() as session:
            return session.scalars(query).all()

    def ids(self, kind: type[Entity]) -> set[str]:
        """The ids of all rows of a kind."""
        with self.session() as session:
            return set(session.scalars(select(kind.id)))

    def forget_deleted(self) -> None:
        """Remove from SQLite's write-ahead log what was deleted from its tables."""
        if self.engine.dialect.name == "sqlite":
            with self.engine.connect() as connection:
                connection.execute(text("PRAGMA wal_checkpoint(TRUNCATE)"))

    def close(self) -> None:
        self.engine.dispose()


def _engine(url: str) -> Engine:
    if make_url(url).get_backend_name() != "sqlite":
        return create_engine(url, pool_pre_ping=True)
    engine = create_engine(url, connect_args={"timeout": 30}, pool_size=20, max_overflow=20)

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, record: Any) -> None:
        # secure_delete: a deleted row's bytes are overwritten, not only forgotten.
        for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON", "secure_delete=ON"):
            connection.execute(f"PRAGMA {pragma}").close()

    return engine
