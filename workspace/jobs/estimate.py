"""How long a job will take and how much memory it needs, told before it starts.

Every fit, sampling and evaluation that ran on this machine left a measurement: its quantities (rows times columns, passes
times rows, ...) and what it cost. Time and memory are sums of quantities, each at its price; the prices are those,
none below zero, that fit the measurements best, near ones counting more. Until a generator was measured here, by a
run or by the small calibration (`workspace.calibrate`), the measurements of another machine that are shipped with
the app stand in, adjusted to this one's speed.
"""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import psutil
from pydantic import BaseModel, Field

from synth import Model, Params, Schema
from synth.params import POOL
from workspace.settings import cores

REFERENCE = Path(__file__).parent / "reference.json"
CODED_NUMBER = 11
"""Width of a number in a coded table: a value and which of ten modes it belongs to."""
MOST_LEVELS = 500
"""Levels of one category beyond which generators group them."""
MOST_JUDGED = 20_000
"""Rows beyond which most metrics look at a sample."""
HOLDS = ("once", "columns", "width", "cells", "coded", "looked_at")
"""The quantities that memory grows with; time grows with all."""
STAGES = ("start", "fit", "draw", "judge")


class Estimate(BaseModel):
    """What a job is expected to cost."""

    seconds: float = Field(description="From start to finish, with evaluation.")
    memory_mb: float = Field(description="Most memory held at once.")
    free_mb: float = Field(description="Memory that is free now.")
    basis: str = Field(description="What the figures rest on, in a sentence.")
    stages: dict[str, float] = Field(description="Seconds of each stage.")
    measured_here: bool = Field(description="Whether this generator was measured on this machine.")


class Shape(BaseModel):
    """The size of a table as a generator meets it."""

    rows: int
    columns: int
    width: int = Field(description="Columns after coding: one for each level, several for a number.")

    @classmethod
    def of(cls, rows: int, schema: Schema, levels: Mapping[str, int]) -> Shape:
        """The shape of a table whose columns have that many distinct values."""
        names = schema.modelled.names
        categories = set(schema.having(kinds=("category", "boolean")))
        width = sum(min(levels[name] + 1, MOST_LEVELS) if name in categories else CODED_NUMBER for name in names)
        return cls(rows=rows, columns=len(names), width=width)


@dataclass(frozen=True)
class Measurement:
    """What one stage cost once."""

    stage: str
    quantities: dict[str, float]
    seconds: float
    taken_mb: float
    """The most memory held at once, beyond what was held before."""
    kept_mb: float
    """Memory held afterwards, beyond what was held before."""
    here: bool = True

    @property
    def costs(self) -> tuple[float, float, float]:
        return self.seconds, self.taken_mb, self.kept_mb


def stage_name(stage: str, kind: type[Model] | None, params: Params | None) -> str:
    """Fits and draws are priced by generator, and by its variant if it has several; the rest together."""
    if stage not in ("fit", "draw") or kind is None or params is None:
        return stage
    return ":".join(filter(None, (stage, kind.name, kind.variant(params))))


def quantities(stage: str, shape: Shape, passes: float, drawn: int) -> dict[str, float]:
    """What a stage's cost is a sum of, each at its price."""
    if stage == "start":
        return {"once": 1, "cells": shape.rows * shape.columns}
    if stage == "draw":
        return {
            "once": 1,
            "columns": shape.columns,
            "width": shape.width,
            "cells": drawn * shape.columns,
            "coded": drawn * shape.width,
        }
    if stage == "judge":
        looked_at = min(shape.rows, MOST_JUDGED) + min(drawn, MOST_JUDGED)
        return {
            "once": 1,
            "cells": (shape.rows + drawn) * shape.columns,
            "looked_at": looked_at * shape.columns,
            "pairs": looked_at * shape.columns**2,
        }
    return {
        "once": 1,
        "columns": shape.columns,
        "width": shape.width,
        "cells": shape.rows * shape.columns,
        "coded": shape.rows * shape.width,
        "pairs": shape.rows * shape.columns**2,
        "passed": passes * shape.rows,
        "passed_coded": passes * shape.rows * shape.width,
    }


class CostModel:
    """What quantities cost, learned from measurements."""

    def __init__(self, measurements: Sequence[Measurement]):
        self.measurements = measurements

    def knows(self, stage: str) -> bool:
        """Whether this stage was measured on this machine."""
        return any(measured.stage == stage and measured.here for measured in self.measurements)

    def cost(self, stage: str, amounts: dict[str, float]) -> tuple[float, float, float] | None:
        """Expected seconds, memory taken and memory kept; None when nothing like it was ever measured."""
        known = [measured for measured in self.measurements if measured.stage == stage]
        if not known:
            return None
        table = np.array([[measured.quantities.get(name, 0.0) for name in amounts] for measured in known])
        wanted = np.array(list(amounts.values()))
        weights = np.array([1.0 if measured.here else 0.1 for measured in known]) / (1 + _distance(table, wanted))
        seconds, taken, kept = np.array([measured.costs for measured in known]).T
        holds = [name in HOLDS for name in amounts]
        # Differences of a thousandth of a second and of a megabyte are noise.
        return (
            _priced(table, np.maximum(seconds, 1e-3), weights, wanted),
            _priced(table[:, holds], np.maximum(taken, 1.0), weights, wanted[holds]),
            _priced(table[:, holds], np.maximum(kept, 1.0), weights, wanted[holds]),
        )


def _distance(table: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """How many powers of e the quantity that differs most is away."""
    return np.abs(np.log(np.maximum(table, 1.0)) - np.log(np.maximum(wanted, 1.0))).max(axis=1)


def _priced(table: np.ndarray, costs: np.ndarray, weights: np.ndarray, wanted: np.ndarray) -> float:
    """The cost of `wanted` at the prices (none below zero) that come nearest to `costs`, in relative terms."""
    from scipy.optimize import nnls

    scale = np.maximum(table.max(axis=0), 1.0)
    prices, _ = nnls(table / scale * (weights / costs)[:, None], weights)
    return float(prices @ (wanted / scale))


def estimate(prices: CostModel, kind: type[Model], params: Params, shape: Shape, drawn: int) -> Estimate:
    """What training `kind` on a table of this shape, drawing `drawn` rows and scoring them will cost."""
    stages, memory, held = {}, 0.0, 0.0
    for stage in STAGES:
        stages[stage], taken, kept = stage_cost(prices, stage, kind, params, shape, drawn)
        memory, held = max(memory, held + taken), held + kept
    return Estimate(
        seconds=sum(stages.values()),
        memory_mb=memory,
        free_mb=free_mb(),
        basis=_basis(prices, kind, stage_name("fit", kind, params)),
        stages=stages,
        measured_here=prices.knows(stage_name("fit", kind, params)),
    )


def stage_cost(
    prices: CostModel, stage: str, kind: type[Model] | None, params: Params | None, shape: Shape, drawn: int
) -> tuple[float, float, float]:
    """Expected seconds, memory taken and memory kept of one stage; 0 where nothing like it was ever measured.

    Reading and scoring cost the same whatever the generator is: without one, `kind` and `params` are None.
    """
    name = stage_name(stage, kind, params)
    passes = kind.passes(params, shape.rows) if kind is not None and params is not None else 0.0
    many = drawn * POOL if stage == "draw" and params is not None and params.polish else drawn
    seconds, taken, kept = prices.cost(name, quantities(stage, shape, passes, many)) or (0.0, 0.0, 0.0)
    if stage == "fit" and (limit := getattr(params, "time_limit_s", 0)):
        before, _, _ = prices.cost(name, quantities(stage, shape, 0.0, drawn)) or (0.0, 0.0, 0.0)
        seconds = min(seconds, before + limit)
    return seconds, taken, kept


def _basis(prices: CostModel, kind: type[Model], fit: str) -> str:
    here = sum(measured.here for measured in prices.measurements if measured.stage == fit)
    if here:
        return f"Estimated from {here} fit{'s' if here > 1 else ''} of {kind.title} measured on this machine."
    if any(measured.stage == fit for measured in prices.measurements):
        return (
            f"Estimated from another machine, adjusted to this one's speed, until {kind.title} has been measured here."
        )
    return (
        f"{kind.title} has never been measured: its training time is not included. Its first training will be measured."
    )


@cache
def shipped() -> tuple[Measurement, ...]:
    """What another machine measured, as if this one had, by how fast it is."""
    told = json.loads(REFERENCE.read_text(encoding="utf-8"))
    slower = speed() / told["speed"]
    return tuple(replace(Measurement(**row, here=False), seconds=row["seconds"] * slower) for row in told["measured"])


@cache
def speed() -> float:
    """CPU-seconds this machine takes for a fixed piece of work: how slow it is."""
    numbers = np.random.default_rng(0).random(200_000)

    def once() -> float:
        begun = time.process_time()
        np.sort(numbers)
        np.exp(numbers).sum()
        sum(range(300_000))
        return time.process_time() - begun

    return max(min(once() for _ in range(5)), 1e-4)


def machine(threads: int) -> str:
    """A name for machines that take the same time for the same work."""
    cpu = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        models = [
            line.split(":", 1)[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")
        ]
        cpu = models[0] if models else cpu
    return f"{cpu}, {cores()} cores, {threads} threads a job"[:200]


def free_mb() -> float:
    """Memory that a new process could take now, with a container's limit heeded."""
    free = psutil.virtual_memory().available
    limit, used = Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory.current")
    if limit.is_file() and used.is_file() and (most := limit.read_text().strip()).isdigit():
        free = min(free, max(0, int(most) - int(used.read_text())))
    return free / 2**20
