"""How a catalog gets the tables that the program reads: numbered migrations in `versions/`, each applied once.

They run when a catalog is opened, those that it lacks, in order; a new catalog runs all of them. Of several processes
that open it at once one migrates, and the others find the work done.

To add one, write `versions/0002_what_it_does.py` with `revision` (the file's name), `down_revision` (the name before
it) and `upgrade()`, in Alembic's operations, and change `rows.py` alike: a test compares the two. The program of the
version before must still work with the catalog, since somebody may go back to it or still run it beside this one:

- Only add. No table or column is removed, renamed or given another type.
- A new column is nullable or has a server default, so that the version before can insert rows.
- A migration imports nothing of ours: it must do the same next year.
- Stored JSON may gain keys, which the version before ignores. It must not gain new values of a `Literal` or new kinds
  in a union in rows that the version before lists: those it cannot read.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, Engine, inspect, text

from synth.errors import InWords
from workspace.catalog.outages import CatalogAway, outages_told

log = logging.getLogger(__name__)

VERSIONS = Path(__file__).with_name("versions")
LOCKS = {"sqlite": "BEGIN IMMEDIATE", "postgresql": "SELECT pg_advisory_xact_lock(7353)"}
"""What makes a transaction the only one that migrates."""


class MigrationFailed(InWords, RuntimeError):
    """A migration could not be applied, and changed nothing; the message says which and why."""


def is_empty(engine: Engine) -> bool:
    """Whether nothing was ever kept in this catalog: it has no tables."""
    with engine.connect() as connection:
        return not inspect(connection).get_table_names()


def migrate(engine: Engine, versions: Path = VERSIONS) -> None:
    """Apply the migrations that the catalog lacks. Raises MigrationFailed.

    A catalog of a newer version stays as it is: it holds all that this version reads.
    """
    known = sorted(file.stem for file in versions.glob("[0-9]*.py"))
    with engine.connect() as connection:
        revision = revision_of(connection)
    if revision is not None and revision not in known:
        log.warning("A newer version of the program has used this catalog (%s). It stays as it is.", revision)
        return
    lacking = known if revision is None else known[known.index(revision) + 1 :]
    for before, name in zip([revision, *lacking], lacking, strict=False):
        _apply(engine, versions, before, name)


def revision_of(connection: Connection) -> str | None:
    """The last migration that was applied; None: none was."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.scalar(text("SELECT version_num FROM alembic_version"))


def _apply(engine: Engine, versions: Path, before: str | None, name: str) -> None:
    """Apply one migration in a transaction of its own, unless another process was quicker."""
    # Only here: the import takes 0.3 s, and most starts have nothing to migrate.
    from alembic.operations import Operations
    from alembic.runtime.migration import MigrationContext
    from alembic.script import ScriptDirectory

    try:
        with outages_told(engine), _alone(engine) as connection:
            if revision_of(connection) != before:
                return
            scripts = ScriptDirectory(str(versions.parent), version_locations=[str(versions)])
            context = MigrationContext.configure(connection)
            with Operations.context(context):
                scripts.get_revision(name).module.upgrade()
            context.stamp(scripts, name)
    except CatalogAway:
        raise
    except Exception as error:
        raise MigrationFailed(
            f"The migration {name} of the catalog failed and changed nothing: {error} "
            "The version of the program that was used before still opens this workspace."
        ) from error


@contextmanager
def _alone(engine: Engine) -> Iterator[Connection]:
    """A transaction in which nobody else migrates."""
    with engine.connect() as connection:
        lite = connection.dialect.name == "sqlite"
        if lite:
            # SQLite alters a table by making it anew. Dropping the old one would delete the rows that refer to it.
            connection.exec_driver_sql("PRAGMA foreign_keys=OFF")
        try:
            connection.exec_driver_sql(LOCKS[connection.dialect.name])
            yield connection
            connection.commit()
        finally:
            connection.rollback()
            if lite:
                connection.exec_driver_sql("PRAGMA foreign_keys=ON")
