"""Workspaces with a small table and quick generators, each test with its own folder and catalog.

The catalogs are SQLite files; with UNDERSTUDY_TEST_POSTGRES=postgresql+psycopg://user@host/postgres they are
databases of that server, made for each test and dropped after it.
"""

from __future__ import annotations

import os

# Before the libraries are imported that read them; the servers that tests start inherit them.
os.environ |= {
    # Two test processes share the cores: one thread each, and none that waits by spinning.
    "OMP_NUM_THREADS": "1",
    "OMP_WAIT_POLICY": "PASSIVE",
    # Weights are looked for on this machine alone.
    "HF_HUB_OFFLINE": "1",
    # Nothing is measured behind the tests' backs.
    "UNDERSTUDY_CALIBRATE": "false",
}

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, make_url, text

from workspace.catalog.rows import Dataset, new_id
from workspace.settings import Settings
from workspace.workspace import Workspace

ROWS = 100
PLUGIN = "tests.fakes"
"""Adds the generators and the metric that tests need to the lists."""


@pytest.fixture
def database_url() -> Iterator[str | None]:
    """A catalog for one test: SQLite, or a new database on the PostgreSQL server that the environment names."""
    server = os.environ.get("UNDERSTUDY_TEST_POSTGRES")
    if server is None:
        yield None
        return
    name = f"test_{new_id()}"
    engine = create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
        yield make_url(server).set(database=name).render_as_string(hide_password=False)
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    engine.dispose()


@pytest.fixture
def settings(tmp_path: Path, database_url: str | None) -> Settings:
    return Settings(
        workspace=tmp_path / "workspace",
        database_url=database_url,
        plugins=[PLUGIN],
        slots=2,
        threads_per_job=1,
    )


@pytest.fixture
def open_workspace(settings: Settings) -> Iterator[Callable[..., Workspace]]:
    """Opens workspaces on the test's folder, as one server process each would; all are closed in the end."""
    opened: list[Workspace] = []

    def make(other: Settings = settings) -> Workspace:
        opened.append(Workspace(other))
        return opened[-1]

    yield make
    for workspace in opened:
        for job in workspace.jobs.find():
            workspace.jobs.cancel(job.id)
        workspace.close()


def running_workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """A workspace that runs for all tests of a module, which makes a fixture of it; each worker process costs a second."""
    settings = Settings(workspace=tmp_path_factory.mktemp("shared"), plugins=[PLUGIN], threads_per_job=1)
    workspace = Workspace(settings).start()
    yield workspace
    workspace.close()


@pytest.fixture
def workspace(open_workspace: Callable[..., Workspace]) -> Workspace:
    """A workspace whose jobs do not run until `start`."""
    return open_workspace()


def write_people(folder: Path) -> Path:
    """A file of 100 people: city, age, income, and a note with a name in it."""
    file = folder / "people.csv"
    lines = [f"{('Oslo', 'Bergen')[i % 2]},{20 + i % 50},{1000 + 10 * i}.50,Name{i} Surname{i}" for i in range(ROWS)]
    file.write_text("city,age,income,who\n" + "\n".join(lines) + "\n", encoding="utf-8")
    return file


@pytest.fixture
def people(tmp_path: Path) -> Path:
    return write_people(tmp_path)


@pytest.fixture
def dataset(workspace: Workspace, people: Path) -> Dataset:
    return workspace.datasets.add(people, "people.csv")
