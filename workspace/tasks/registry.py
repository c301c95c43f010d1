"""What jobs do: plain functions, each named in `TASKS`. A worker process calls one of them with its `Work`."""

from __future__ import annotations

from collections.abc import Callable

from workspace.services.conversations import converse
from workspace.services.releases import replace_rows, self_test
from workspace.tasks.stages import Work
from workspace.tasks.train import evaluate, sample, train
from workspace.tasks.tune import tune

TASKS: dict[str, Callable[[Work], None]] = {
    task.__name__: task for task in (train, sample, evaluate, tune, converse, replace_rows, self_test)
}
