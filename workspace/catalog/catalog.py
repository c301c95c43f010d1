"""The catalog: what the workspace holds, in a database that server and workers write to at once.

SQLite in WAL mode, or PostgreSQL by URL. Rows come out of it as plain values, detached from any session: change them
through the services or the queue, never in place.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Engine, create_engine, event, make_url, select, text
from sqlalchemy.orm import Session, sessionmaker

from workspace.catalog.migrations import is_empty, migrate
from workspace.catalog.outages import BUSY_S, CatalogAway, CatalogUnusable, outages_told
from workspace.catalog.rows import E, Entity, NotFound, Row, Run, T
from workspace.telemetry.failures import is_disk_full

Found = TypeVar("Found")
OPENING_S = 20.0
LONGEST_WAIT_S = 5.0
"""Most seconds between two tries while the catalog is away."""


class Catalog:
    """The database, and the only place that opens sessions on it."""

    def __init__(self, url: str, folder: Path, patience_s: float = 0.0, on_new: Callable[[], None] = lambda: None):
        """Open it, and bring it up to date; `on_new` is called before an empty one gets its tables. Raises CatalogAway.

        Every transaction waits up to `patience_s` seconds for a catalog that is away: a job has hours, a caller none.
        """
        self.folder, self.patience_s = folder, patience_s
        self.engine = _engine(url, patience_s)
        self._sessions = sessionmaker(self.engine, expire_on_commit=False)
        event.listen(self._sessions, "loaded_as_persistent", self._place)
        self._on_new = on_new
        # Another process may be bringing it up to date.
        self._waiting(self._migrate, max(patience_s, OPENING_S))

    def _migrate(self) -> None:
        with outages_told(self.engine):
            if is_empty(self.engine):
                self._on_new()
            migrate(self.engine)

    def _place(self, session: Session, row: Row) -> None:
        if isinstance(row, Run):
            row.folder = self.folder / "runs" / row.id

    @contextmanager
    def session(self, patience_s: float | None = None) -> Iterator[Session]:
        """One transaction: committed at the end of the block, undone when the block raises. Raises CatalogAway.

        It waits `patience_s` seconds for its begin while the catalog is away, or as long as the catalog's every one.
        """
        patience_s = self.patience_s if patience_s is None else patience_s
        with outages_told(self.engine), self._sessions() as session:
            if patience_s:
                self._waiting(lambda: self._take(session), patience_s)
            elif self.patience_s:
                self._take(session)
            try:
                yield session
                session.commit()
            except BaseException:
                # What was added is new again, and may be added to another transaction.
                session.rollback()
                raise

    def lasting(self, do: Callable[[Session], Found]) -> Found:
        """What `do` returns of a transaction, which is done anew when the catalog went away in its midst."""

        def once() -> Found:
            with self.session(0.0) as session:
                return do(session)

        return self._waiting(once, self.patience_s)

    def _take(self, session: Session) -> None:
        """Begin a transaction, and on SQLite have the lock it writes under: nothing later in it has to wait."""
        with outages_told(self.engine):
            try:
                lite = self.engine.dialect.name == "sqlite"
                session.connection().exec_driver_sql("BEGIN IMMEDIATE" if lite else "SELECT 1")
            except BaseException:
                session.rollback()
                raise

    def _waiting(self, do: Callable[[], Found], patience_s: float) -> Found:
        """Try until the catalog is there, less and less often. A full disk is not waited for: somebody must clear it."""
        end, wait_s = time.monotonic() + patience_s, 0.1
        while True:
            try:
                return do()
            except CatalogAway as error:
                if time.monotonic() + wait_s > end or isinstance(error, CatalogUnusable) or is_disk_full(error):
                    raise
            time.sleep(wait_s)
            wait_s = min(1.5 * wait_s, LONGEST_WAIT_S)

    def get(self, kind: type[T], id: str) -> T:
        row = self.lasting(lambda session: session.get(kind, id))
        if row is None:
            raise NotFound(f"There is no {kind.word} {id!r} here. It may have been deleted.")
        return row

    def listed(self, kind: type[E], **having: Any) -> Sequence[E]:
        """The rows of a kind, newest first, whose columns have these values; a value of None leaves its column open."""
        query = select(kind).order_by(kind.created.desc(), kind.id)
        for column, value in having.items():
            if value is not None:
                query = query.where(getattr(kind, column) == value)
        return self.lasting(lambda session: session.scalars(query).all())

    def ids(self, kind: type[Entity]) -> set[str]:
        """The ids of all rows of a kind."""
        with self.session() as session:
            return set(session.scalars(select(kind.id)))

    def forget_deleted(self) -> None:
        """Remove from SQLite's write-ahead log what was deleted from its tables."""
        if self.engine.dialect.name == "sqlite":
            with outages_told(self.engine), self.engine.connect() as connection:
                connection.execute(text("PRAGMA wal_checkpoint(TRUNCATE)"))

    def close(self) -> None:
        self.engine.dispose()


def _engine(url: str, patience_s: float) -> Engine:
    """The engine of a server, which soon says that the catalog is away, or of a job, which may wait for it."""
    parts = make_url(url)
    pool: dict[str, Any] = {"pool_size": 20, "max_overflow": 20, "pool_timeout": 2}
    if parts.get_backend_name() != "sqlite":
        # What the address itself says of these is kept.
        given: dict[str, Any] = {"connect_timeout": 2, "tcp_user_timeout": 2000}
        if not patience_s:
            given["options"] = f"-c lock_timeout={int(1000 * BUSY_S)}"
        chosen = {name: value for name, value in given.items() if name not in parts.query}
        return create_engine(url, pool_pre_ping=True, connect_args=chosen, **pool)
    engine = create_engine(url, connect_args={"timeout": BUSY_S / 4 if patience_s else BUSY_S}, **pool)

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, record: Any) -> None:
        # secure_delete: a deleted row's bytes are overwritten, not only forgotten.
        for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON", "secure_delete=ON"):
            connection.execute(f"PRAGMA {pragma}").close()

    return engine
