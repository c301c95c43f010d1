"""Rows of the catalog as JSON, to be put back exactly as they were. Only the version that wrote them reads them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, DateTime, Table, delete, insert, select
from sqlalchemy.orm import Session
from sqlalchemy.types import TypeDecorator

from workspace.catalog.rows import Event, Row

Archived = dict[str, list[dict[str, Any]]]
"""The rows of each table, by the table's name."""


def table_of(kind: type[Row]) -> Table:
    """The table that holds the rows of a kind."""
    return Row.metadata.tables[kind.__tablename__]


def take_out(session: Session, wanted: Mapping[type[Row], ColumnElement[bool]]) -> Archived:
    """The rows of each kind that meet a condition, as JSON. They stay in the catalog."""
    taken: Archived = {}
    for kind, condition in wanted.items():
        table = table_of(kind)
        rows = session.execute(select(table).where(condition).order_by(*table.primary_key)).mappings()
        taken[table.name] = [
            {column.name: _plain(session, column.type, row[column.name]) for column in table.columns} for row in rows
        ]
    return taken


def put_back(session: Session, kinds: Sequence[type[Row]], taken: Archived) -> None:
    """Insert archived rows again, each kind after those before it; rows that are there already are left as they are."""
    for kind in kinds:
        table = table_of(kind)
        rows = [
            {column.name: _typed(session, column.type, row[column.name]) for column in table.columns}
            for row in taken.get(table.name, [])
        ]
        keys = [column.name for column in table.primary_key]
        present = {
            tuple(found)
            for row in rows
            for found in session.execute(select(*table.primary_key).where(*(table.c[key] == row[key] for key in keys)))
        }
        if kind is Event and present:
            # SQLite numbers events anew once the last ones are gone: these come after what was reported meanwhile.
            jobs = {row["job_id"] for row in rows}
            session.execute(delete(Event).where(Event.job_id.in_(jobs)))
            rows, present = [{name: value for name, value in row.items() if name not in keys} for row in rows], set()
        missing = [row for row in rows if tuple(row.get(key) for key in keys) not in present]
        if missing:
            session.execute(insert(table), missing)


def _plain(session: Session, kind: Any, value: Any) -> Any:
    if isinstance(kind, TypeDecorator):
        value = kind.process_bind_param(value, session.get_bind().dialect)
    return value.isoformat() if isinstance(value, datetime) else value


def _typed(session: Session, kind: Any, value: Any) -> Any:
    if value is not None and isinstance(getattr(kind, "impl_instance", kind), DateTime):
        value = datetime.fromisoformat(value)
    return kind.process_result_value(value, session.get_bind().dialect) if isinstance(kind, TypeDecorator) else value
