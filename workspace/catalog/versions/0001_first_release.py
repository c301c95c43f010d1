"""The tables of the first release, which had no migrations.

A catalog of that release has them all. One from before it gets what it lacks; a column that may not be empty says
nothing in the rows that are there: an empty text, 0, no entries.
"""

from __future__ import annotations

from collections.abc import Iterator

import sqlalchemy as sa
from alembic import op
from sqlalchemy.schema import CreateColumn

revision = "0001_first_release"
down_revision = None

OBJECT, LIST = sa.JSON(), sa.JSON()
MOMENT = sa.DateTime(timezone=True)
FILLS: dict[type, str] = {
    sa.String: "''",
    sa.Integer: "0",
    sa.Double: "0",
    sa.Boolean: "false",
    sa.DateTime: "'1970-01-01 00:00:00'",
    sa.JSON: "'{}'",
}
"""What an absent column that may not be empty holds in rows that are there, by its type."""


def some(name: str, kind: sa.types.TypeEngine) -> sa.Column:
    """A column that always holds something."""
    return sa.Column(name, kind, nullable=False)


def maybe(name: str, kind: sa.types.TypeEngine) -> sa.Column:
    return sa.Column(name, kind, nullable=True)


def key(name: str = "id", kind: sa.types.TypeEngine | None = None) -> sa.Column:
    return sa.Column(name, kind or sa.String(32), primary_key=True)


def refers(name: str, table: str, *, nullable: bool = False, primary_key: bool = False) -> sa.Column:
    """A row that is deleted with the one it refers to."""
    other = sa.ForeignKey(f"{table}.id", ondelete="CASCADE")
    return sa.Column(name, sa.String(32), other, nullable=nullable, primary_key=primary_key)


release = sa.MetaData()
sa.Table(
    "datasets",
    release,
    key(),
    some("name", sa.String()),
    some("owner", sa.String(200)),
    some("created", MOMENT),
    some("rows", sa.Integer()),
    some("columns", sa.Integer()),
    some("schema", OBJECT),
    some("split", OBJECT),
    some("summary", sa.String()),
    some("lines", sa.Integer()),
    some("rejected", LIST),
    some("rejected_rows", sa.Integer()),
    some("source", sa.String()),
    some("size_bytes", sa.Integer()),
    maybe("session", sa.String(64)),
    sa.Index("ix_datasets_owner", "owner"),
    sa.Index("ix_datasets_session", "session"),
)
sa.Table(
    "jobs",
    release,
    key(),
    some("kind", sa.String(40)),
    some("owner", sa.String(200)),
    refers("dataset_id", "datasets", nullable=True),
    maybe("run_id", sa.String(32)),
    some("arguments", OBJECT),
    maybe("batch_id", sa.String(32)),
    some("state", sa.String(20)),
    some("created", MOMENT),
    maybe("started", MOMENT),
    maybe("finished", MOMENT),
    some("attempts", sa.Integer()),
    maybe("cancel_asked", MOMENT),
    some("enough_asked", sa.Boolean()),
    some("progress", sa.Double()),
    some("stage", sa.String()),
    some("note", sa.String()),
    some("error", sa.String()),
    maybe("heard", MOMENT),
    maybe("ends", MOMENT),
    maybe("cpu_seconds", sa.Double()),
    maybe("peak_mb", sa.Double()),
    maybe("host", sa.String()),
    maybe("pid", sa.Integer()),
    maybe("born", sa.Double()),
    sa.Index("jobs_by_state", "state", "created"),
    sa.Index("ix_jobs_owner", "owner"),
    sa.Index("ix_jobs_dataset_id", "dataset_id"),
    sa.Index("ix_jobs_run_id", "run_id"),
    sa.Index("ix_jobs_batch_id", "batch_id"),
)
sa.Table(
    "dependencies",
    release,
    refers("job_id", "jobs", primary_key=True),
    key("needs"),
    some("well", sa.Boolean()),
)
sa.Table(
    "batches",
    release,
    key(),
    some("owner", sa.String(200)),
    some("created", MOMENT),
    some("operations", OBJECT),
    sa.Index("ix_batches_owner", "owner"),
)
sa.Table(
    "answers",
    release,
    key("owner", sa.String(200)),
    key("key", sa.String(64)),
    some("created", MOMENT),
    some("asked", sa.String(64)),
    maybe("status", sa.Integer()),
    some("body", sa.String()),
)
sa.Table(
    "bugs",
    release,
    key(),
    some("owner", sa.String(200)),
    some("created", MOMENT),
    some("text", sa.String()),
    some("versions", OBJECT),
    some("log", LIST),
    sa.Index("ix_bugs_owner", "owner"),
)
sa.Table(
    "events",
    release,
    key("seq", sa.Integer()),
    refers("job_id", "jobs"),
    some("at", MOMENT),
    some("progress", sa.Double()),
    some("stage", sa.String()),
    some("note", sa.String()),
    some("curve", OBJECT),
    sa.Index("ix_events_job_id", "job_id"),
)
sa.Table(
    "runs",
    release,
    key(),
    refers("dataset_id", "datasets"),
    maybe("job_id", sa.String(32)),
    some("owner", sa.String(200)),
    some("created", MOMENT),
    some("model", sa.String(80)),
    some("params", OBJECT),
    some("seed", sa.Integer()),
    some("rows", sa.Integer()),
    some("schema", OBJECT),
    some("split", OBJECT),
    maybe("conditions", OBJECT),
    maybe("options", OBJECT),
    maybe("rules", LIST),
    maybe("parent_id", sa.String(32)),
    maybe("fit_seconds", sa.Double()),
    maybe("sample_seconds", sa.Double()),
    maybe("cpu_seconds", sa.Double()),
    maybe("peak_mb", sa.Double()),
    some("note", sa.String()),
    some("size_bytes", sa.Integer()),
    sa.Index("ix_runs_dataset_id", "dataset_id"),
    sa.Index("ix_runs_owner", "owner"),
)
sa.Table(
    "talks",
    release,
    key(),
    some("name", sa.String()),
    some("owner", sa.String(200)),
    some("created", MOMENT),
    refers("dataset_id", "datasets", nullable=True),
    maybe("job_id", sa.String(32)),
    some("ordered", OBJECT),
    some("prompt_hash", sa.String(64)),
    some("outcome", OBJECT),
    some("note", sa.String()),
    sa.Index("ix_talks_owner", "owner"),
    sa.Index("ix_talks_dataset_id", "dataset_id"),
)
sa.Table(
    "keys",
    release,
    key(),
    some("name", sa.String(100)),
    some("created", MOMENT),
    some("digest", sa.LargeBinary()),
    some("permissions", LIST),
    maybe("expires", MOMENT),
    maybe("revoked", MOMENT),
)
sa.Table(
    "measurements",
    release,
    key("id", sa.Integer()),
    some("at", MOMENT),
    some("machine", sa.String(200)),
    some("stage", sa.String(100)),
    some("quantities", OBJECT),
    some("seconds", sa.Double()),
    some("taken_mb", sa.Double()),
    some("kept_mb", sa.Double()),
    sa.Index("measurements_by_machine", "machine", "stage"),
)


def upgrade() -> None:
    connection = op.get_bind()
    inspector = sa.inspect(connection)
    tables = set(inspector.get_table_names())
    measurements = release.tables["measurements"]
    if measurements.name in tables and set(_absent(measurements, inspector)):
        # What a measurement meant changed twice before the release, and the columns it lost may not be empty.
        # Jobs measure anew.
        op.drop_table(measurements.name)
        tables.remove(measurements.name)
    for table in release.sorted_tables:
        if table.name not in tables:
            table.create(connection)
            continue
        for column in _absent(table, inspector):
            kind = CreateColumn(column).compile(dialect=connection.dialect)
            fill = "'[]'" if column.type is LIST else FILLS[type(column.type)]
            op.execute(f"ALTER TABLE {table.name} ADD COLUMN {kind}" + ("" if column.nullable else f" DEFAULT {fill}"))
        present = {index["name"] for index in inspector.get_indexes(table.name)}
        for index in table.indexes:
            if index.name not in present:
                index.create(connection)


def _absent(table: sa.Table, inspector: sa.Inspector) -> Iterator[sa.Column]:
    """The columns that the catalog's table lacks."""
    present = {column["name"] for column in inspector.get_columns(table.name)}
    return (column for column in table.columns if column.name not in present)
