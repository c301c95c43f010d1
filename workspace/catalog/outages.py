"""Outages of the catalog: told in words, and from faults of the program.

A database that is locked, stopped or full comes back: who asked is told so, and a job waits for it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError, InterfaceError, TimeoutError

from synth.errors import Invalid, InWords
from workspace.telemetry.failures import DISK_FULL, is_disk_full

RETRY_S = 2
"""Seconds after which a caller may ask again."""
BUSY_S = 0.6
"""Seconds that one statement waits for another process, unless its own may wait longer."""
COMES_BACK = "Try again in a few seconds. Jobs that run go on, and nothing was changed."


class CatalogAway(InWords):
    """The catalog does not answer for the moment. What was asked of it changed nothing."""


class CatalogUnusable(CatalogAway):
    """The catalog does not come back by itself: it is damaged, out of reach, or may not be written."""


@contextmanager
def outages_told(engine: Engine) -> Iterator[None]:
    """What the database raises in this block because it is away is raised as CatalogAway.

    Raises Invalid for a text that it cannot store.
    """
    try:
        yield
    except (DBAPIError, TimeoutError, UnicodeEncodeError) as error:
        told = _told(error, engine)
        if told is None:
            raise
        raise told from error


def _told(error: Exception, engine: Engine) -> InWords | None:
    """The outage that an error of the database is; None: it is none."""
    if is_disk_full(error):
        return CatalogAway(DISK_FULL)
    if isinstance(error, TimeoutError):
        return CatalogAway(f"The catalog is away: all connections to it are in use. {COMES_BACK}")
    cause = error.orig if isinstance(error, DBAPIError) else error
    if isinstance(cause, UnicodeEncodeError) or getattr(cause, "sqlstate", None) == "22021" or "NUL" in str(cause):
        return Invalid("A text holds a character that cannot be stored, such as NUL. Leave it out.")
    if isinstance(cause, sqlite3.Error):
        return _told_by_sqlite(cause, engine)
    return _told_by_server(error, cause)


def _told_by_sqlite(error: sqlite3.Error, engine: Engine) -> InWords | None:
    file, name = engine.url.database, getattr(error, "sqlite_errorname", "")
    kind = "_".join(name.split("_")[:2])
    if kind in ("SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_PROTOCOL"):
        return CatalogAway(f"The catalog is away: another process holds it and does not let go. {COMES_BACK}")
    if kind in ("SQLITE_NOTADB", "SQLITE_CORRUPT"):
        return CatalogUnusable(
            f"The catalog {file} cannot be read: it is damaged, or no catalog at all. Nothing was changed. Put a backup "
            f"in its place; or move it aside and start anew: mv '{file}' '{file}.damaged', and likewise '{file}-wal' and "
            f"'{file}-shm' where they are. The server then starts with an empty catalog, and moves the tables that it "
            "finds in the workspace to its folder 'strays', from where they can be uploaded again or deleted."
        )
    if kind in ("SQLITE_CANTOPEN", "SQLITE_READONLY", "SQLITE_PERM", "SQLITE_AUTH"):
        return CatalogUnusable(
            f"The catalog {file} cannot be opened to be written. Let the account that runs the server write this file "
            "and the folder it lies in, or name another folder in UNDERSTUDY_WORKSPACE."
        )
    if kind == "SQLITE_IOERR":
        return CatalogUnusable(
            f"The catalog {file} cannot be read or written: its disk reports an error, or is full. Make room there and "
            "see to the disk."
        )
    if kind == "SQLITE_ERROR" and "no such table" in str(error):
        return CatalogUnusable(
            f"The catalog {file} is not the one that the server opened: it was replaced or deleted. Start the server again."
        )
    return None


SERVER_IS_AWAY = ("08", "57P", "53300", "55P03", "40001", "40P01", "58")
"""SQLSTATE, or how it begins: no connection, shutting down, too many clients, a lock not had, a deadlock, system errors."""


def _told_by_server(error: Exception, cause: object) -> InWords | None:
    state = getattr(cause, "sqlstate", None)
    lost = isinstance(error, InterfaceError) or (isinstance(error, DBAPIError) and error.connection_invalidated)
    unreached = type(cause).__name__ in ("OperationalError", "ConnectionTimeout") and state is None
    if lost or unreached or (state or "").startswith(SERVER_IS_AWAY):
        return CatalogAway(f"The catalog is away: its database does not answer. {COMES_BACK}")
    return None
