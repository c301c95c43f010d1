"""Migrations: every catalog of an earlier version becomes one of this version, and one of a later version still works."""

from __future__ import annotations

import logging
import shutil
import subprocess
import sys
import tarfile
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, create_engine, inspect, select, text

from tests.test_catalog import a_dataset, a_run, put
from workspace.catalog.catalog import Catalog
from workspace.catalog.migrations import VERSIONS, MigrationFailed, migrate, revision_of
from workspace.catalog.rows import Dataset, Job, MeasurementRow, Row, Run

NEWEST = max(file.stem for file in VERSIONS.glob("[0-9]*.py"))
ROOT = Path(__file__).parent.parent
FIRST = ROOT / "tests" / "data" / "workspace_326e6e6.tar.gz"

MEASUREMENTS_OF_OLD = """
    CREATE TABLE measurements (
        id INTEGER NOT NULL PRIMARY KEY, machine VARCHAR(200) NOT NULL, model VARCHAR(80) NOT NULL, at TIMESTAMP NOT NULL,
        features JSON NOT NULL, seconds FLOAT NOT NULL, memory_mb FLOAT NOT NULL
    )
"""
WITHOUT_LATER = ["DROP TABLE page_sessions", "DROP TABLE revoked_links", "ALTER TABLE jobs DROP COLUMN not_before"]
"""Takes away what later migrations than the first add."""


@pytest.fixture
def url(tmp_path: Path, database_url: str | None) -> str:
    return database_url or f"sqlite:///{tmp_path}/catalog.sqlite"


@pytest.fixture
def open_catalog(url: str, tmp_path: Path) -> Iterator[Callable[[], Catalog]]:
    opened: list[Catalog] = []

    def open_one() -> Catalog:
        opened.append(Catalog(url, tmp_path))
        return opened[-1]

    yield open_one
    for catalog in opened:
        catalog.close()


@pytest.fixture
def engine(url: str) -> Iterator[Engine]:
    engine = create_engine(url)
    yield engine
    engine.dispose()


@pytest.fixture
def versions(tmp_path: Path) -> Path:
    """The migrations of a later version: ours, and what a test adds."""
    return shutil.copytree(VERSIONS, tmp_path / "later" / "versions")


def write_migration(versions: Path, name: str, *steps: str, after: str = NEWEST) -> None:
    lines = ["from alembic import op", "import sqlalchemy as sa", f"revision = {name!r}", f"down_revision = {after!r}"]
    body = [f"    {step}" for step in steps]
    (versions / f"{name}.py").write_text("\n".join([*lines, "def upgrade():", *body, ""]))


def do(engine: Engine, *statements: str) -> None:
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))


def differences(engine: Engine) -> list:
    """What Alembic would change in the catalog to make it as `rows.py` says."""
    with engine.connect() as connection:
        return compare_metadata(MigrationContext.configure(connection), Row.metadata)


def revision(engine: Engine) -> str | None:
    with engine.connect() as connection:
        return revision_of(connection)


def test_a_new_catalog_has_the_tables_that_the_rows_declare(open_catalog, engine):
    open_catalog()
    assert differences(engine) == []
    assert revision(engine) == NEWEST


def test_migrations_are_numbered_and_each_follows_the_one_before():
    names = sorted(file.stem for file in VERSIONS.glob("[0-9]*.py"))
    scripts = ScriptDirectory(str(VERSIONS.parent), version_locations=[str(VERSIONS)])
    followed = {script.revision: script.down_revision for script in scripts.walk_revisions()}
    assert followed == dict(zip(names, [None, *names[:-1]], strict=True))
    assert [int(name[:4]) for name in names] == list(range(1, len(names) + 1))


def test_the_catalog_of_the_first_release_keeps_its_rows(tmp_path):
    with tarfile.open(FIRST) as archive:
        archive.extract("workspace/catalog.sqlite", tmp_path, filter="data")
    engine = create_engine(f"sqlite:///{tmp_path}/workspace/catalog.sqlite")
    assert revision(engine) is None
    tables = inspect(engine).get_table_names()
    with engine.connect() as connection:
        before = {name: connection.scalar(text(f"SELECT count(*) FROM {name}")) for name in tables}
    Catalog(str(engine.url), tmp_path / "workspace").close()
    with engine.connect() as connection:
        after = {name: connection.scalar(text(f"SELECT count(*) FROM {name}")) for name in tables}
    assert after == before and all(before.values())
    assert differences(engine) == []
    assert revision(engine) == NEWEST


def test_a_catalog_from_before_the_first_release_gets_columns_that_may_not_be_empty_although_it_has_rows(
    open_catalog, engine
):
    dataset = a_dataset()
    job = Job(kind="train", owner="ann")
    catalog = open_catalog()
    put(catalog, dataset, job)
    put(catalog, a_run(dataset))
    catalog.close()
    do(
        engine,
        "DROP TABLE alembic_version",
        *WITHOUT_LATER,
        "DROP TABLE talks",
        "DROP TABLE measurements",
        MEASUREMENTS_OF_OLD,
        "INSERT INTO measurements VALUES (1, 'here', 'trees', '2026-10-01 10:00:00', '{}', 1.5, 100)",
        "ALTER TABLE runs DROP COLUMN conditions",
        "ALTER TABLE runs DROP COLUMN size_bytes",
        "ALTER TABLE jobs DROP COLUMN note",
        "ALTER TABLE jobs DROP COLUMN arguments",
        "ALTER TABLE jobs DROP COLUMN enough_asked",
        "ALTER TABLE datasets DROP COLUMN rejected",
        "DROP INDEX ix_datasets_session",
        "ALTER TABLE datasets DROP COLUMN session",
    )
    catalog = open_catalog()
    assert differences(engine) == []
    with catalog.session() as session:
        run = session.scalars(select(Run)).one()
        assert (run.conditions, run.size_bytes) == (None, 0)
        assert session.scalars(select(MeasurementRow)).all() == []
    assert catalog.get(Dataset, dataset.id).rejected == []
    found = catalog.get(Job, job.id)
    assert (found.note, found.arguments, found.stop_early_asked) == ("", {}, False)
    put(catalog, a_run(dataset, conditions={"cases": []}), Job(kind="train", owner="ann"))
    put(catalog, MeasurementRow(machine="here", stage="judge", quantities={}, seconds=1, taken_mb=1, kept_mb=0))


def test_a_catalog_of_a_later_version_is_read_and_written_and_stays_as_it_is(open_catalog, engine, versions, caplog):
    catalog = open_catalog()
    dataset = a_dataset()
    put(catalog, dataset)
    catalog.close()
    write_migration(
        versions,
        "9000_later",
        "op.add_column('datasets', sa.Column('mood', sa.String(), nullable=False, server_default='good'))",
        "op.add_column('runs', sa.Column('weight', sa.Integer()))",
        "op.create_table('moods', sa.Column('id', sa.Integer(), primary_key=True))",
    )
    migrate(engine, versions)
    assert revision(engine) == "9000_later"
    with caplog.at_level(logging.WARNING):
        catalog = open_catalog()
    assert "A newer version of the program has used this catalog (9000_later)" in caplog.text
    assert catalog.get(Dataset, dataset.id).name == "people"
    put(catalog, another := a_dataset(name="others"))
    put(catalog, a_run(another))
    with catalog.session() as session:
        assert session.scalars(select(Dataset.name).order_by(Dataset.name)).all() == ["others", "people"]
    assert revision(engine) == "9000_later"


def test_a_table_that_is_made_anew_keeps_the_rows_that_refer_to_it(open_catalog, engine, versions):
    catalog = open_catalog()
    dataset = a_dataset()
    put(catalog, dataset)
    put(catalog, a_run(dataset))
    write_migration(
        versions,
        "9000_later",
        "with op.batch_alter_table('datasets') as batch:",
        "    batch.alter_column('source', server_default='')",
    )
    migrate(catalog.engine, versions)
    with catalog.session() as session:
        assert session.scalars(select(Run.dataset_id)).all() == [dataset.id]
        session.delete(session.get(Dataset, dataset.id))
    with catalog.session() as session:
        assert session.scalars(select(Run)).all() == []


def test_a_migration_that_fails_half_way_says_so_and_changes_nothing(open_catalog, engine, versions):
    open_catalog().close()
    write_migration(versions, "9000_good", "op.add_column('runs', sa.Column('weight', sa.Integer()))")
    write_migration(
        versions,
        "9001_bad",
        "op.create_table('moods', sa.Column('id', sa.Integer(), primary_key=True))",
        "op.execute(\"INSERT INTO keys VALUES ('nothing')\")",
        after="9000_good",
    )
    with pytest.raises(MigrationFailed, match="The migration 9001_bad of the catalog failed and changed nothing"):
        migrate(engine, versions)
    assert revision(engine) == "9000_good"
    assert "moods" not in inspect(engine).get_table_names()
    put(open_catalog(), a_dataset())


@pytest.mark.parametrize("beginning", ["new", "first release"])
def test_processes_that_open_one_catalog_at_once_migrate_it_once(url, engine, tmp_path, beginning):
    if beginning != "new":
        migrate(engine)
        do(engine, "DROP TABLE alembic_version", *WITHOUT_LATER)
    program = textwrap.dedent(f"""
        import sys, time
        from pathlib import Path
        import alembic.script
        from workspace.catalog.catalog import Catalog
        from workspace.catalog.rows import Job
        print("ready", flush=True)
        sys.stdin.readline()
        catalog = Catalog({url!r}, Path({str(tmp_path)!r}))
        with catalog.session() as session:
            session.add(Job(kind="train", owner="ann"))
    """)
    command = [sys.executable, "-c", program]
    processes = [
        subprocess.Popen(command, cwd=ROOT, text=True, stdin=pipe, stdout=pipe, stderr=pipe)
        for pipe in [subprocess.PIPE] * 3
    ]
    for process in processes:
        assert process.stdout.readline() == "ready\n", process.communicate()[1]
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in processes:
        assert process.communicate(timeout=60)[1] == ""
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert revision(engine) == NEWEST
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM jobs")) == 3
        assert connection.scalar(text("SELECT count(*) FROM alembic_version")) == 1


def test_a_catalog_that_lacks_no_migration_is_opened_without_alembic(url, engine, tmp_path):
    migrate(engine)
    program = f"""
import sys
from pathlib import Path
from workspace.catalog.catalog import Catalog
Catalog({url!r}, Path({str(tmp_path)!r})).close()
print([name for name in sys.modules if name.split(".")[0] == "alembic"])
"""
    told = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert told.stdout == "[]\n"
