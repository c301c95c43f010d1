"""Workspaces with a small table and quick generators, each test with its own folder and SQLite file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from workspace.catalog import Dataset
from workspace.settings import Settings
from workspace.workspace import Workspace

ROWS = 100
PLUGIN = "tests.fakes"
"""Adds the generators and the metric that tests need to the lists."""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(workspace=tmp_path / "workspace", plugins=[PLUGIN], slots=2, threads_per_job=1)


@pytest.fixture
def open_workspace(settings: Settings) -> Iterator[Callable[..., Workspace]]:
    """Opens workspaces on the test's folder, as one server process each would; all are closed in the end."""
    opened: list[Workspace] = []

    def make(other: Settings = settings) -> Workspace:
        opened.append(Workspace(other))
        return opened[-1]

    yield make
    for workspace in opened:
        for job in workspace.jobs():
            workspace.cancel(job.id)
        workspace.close()


@pytest.fixture
def workspace(open_workspace: Callable[..., Workspace]) -> Workspace:
    """A workspace whose jobs do not run until `start`."""
    return open_workspace()


@pytest.fixture
def people(tmp_path: Path) -> Path:
    """A file of 100 people: city, age, income, and a note with a name in it."""
    file = tmp_path / "people.csv"
    lines = [f"{('Oslo', 'Bergen')[i % 2]},{20 + i % 50},{1000 + 10 * i}.50,Name{i} Surname{i}" for i in range(ROWS)]
    file.write_text("city,age,income,who\n" + "\n".join(lines) + "\n", encoding="utf-8")
    return file


@pytest.fixture
def dataset(workspace: Workspace, people: Path) -> Dataset:
    return workspace.add_dataset(people, "people.csv")
