"""What a generator is: the contract every file in `synth/` keeps.

A generator is written by subclassing `Generator` and filling in four hooks (`_fit`, `_sample`, `_save`,
`_load`) over the columns that can be modelled. What every analyst expects of every generator, the base class
does around the hooks: roles (new ids, faked personal data, text), columns with nothing to learn, dtypes,
rounding, column order, exact row counts.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
from pandas.api.types import union_categoricals
from pydantic import BaseModel, ConfigDict, Field

from synth.grain import Grain
from synth.roles import Roles
from synth.schema import Schema, conform

Conditions = dict[str, Any]
CHUNK = 100_000
"""Rows drawn at once unless the caller says otherwise."""


def knob(
    default: Any,
    description: str,
    *,
    tune: tuple[float, float] | list[Any] | None = None,
    log: bool = False,
    advanced: bool = False,
    **bounds: Any,
) -> Any:
    """A parameter of a generator: pydantic's `Field` with what the form and the tuner need.

    `tune` is the range (or the choices) the tuner searches, `log` searches it on a log scale, `advanced` folds
    the field away in the form. `bounds` are pydantic's (`ge`, `le`, ...).
    """
    return Field(
        default,
        description=description,
        json_schema_extra={"tune": list(tune) if tune is not None else None, "log": log, "advanced": advanced},
        **bounds,
    )


class Params(BaseModel):
    """Base of every generator's parameters. Unknown names are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())


class Stopped(Exception):
    """Raised out of a fit or a draw when somebody cancelled it."""


class Report:
    """How a long computation says how far it is, and learns that it should stop. This one is silent."""

    def __call__(self, done: float, note: str = "", **curve: float) -> None:
        """Report that `done` (0 to 1) of the work is done; `curve` holds points such as `epoch=3, loss=0.2`.

        Raises Stopped when the work was cancelled.
        """

    @property
    def enough(self) -> bool:
        """True once somebody asked to stop training and keep what is trained."""
        return False

    @property
    def checkpoint(self) -> Path | None:
        """A folder that outlives an interrupted job: a long fit keeps its state there, and goes on from it."""
        return None

    def part(self, start: float, end: float) -> Report:
        """A report whose 0 to 1 is this one's `start` to `end`."""
        return _Part(self, start, end)


class _Part(Report):
    def __init__(self, whole: Report, start: float, end: float):
        self.whole, self.start, self.end = whole, start, end

    def __call__(self, done: float, note: str = "", **curve: float) -> None:
        self.whole(self.start + (self.end - self.start) * done, note, **curve)

    @property
    def enough(self) -> bool:
        return self.whole.enough

    @property
    def checkpoint(self) -> Path | None:
        return self.whole.checkpoint


quiet = Report()


class Generator(ABC):
    """Learns a table and draws new rows that stand in for it.

    Subclasses set the class attributes and the four hooks. The constructor stores, `fit` validates and returns
    self, `sample` gives the same columns, kinds and order as the fitted table.
    """

    name: ClassVar[str]
    """Short name, as in the API and the saved run."""
    title: ClassVar[str]
    """Name as people write it."""
    summary: ClassVar[str]
    """One sentence for the analyst who must choose."""
    needs: ClassVar[tuple[str, ...]] = ()
    """Packages that `_fit` imports; the generator is offered only where they are installed."""
    licence: ClassVar[str] = ""
    """A restriction its packages carry, in words; empty when there is none."""
    Params: ClassVar[type[Params]] = Params

    def __init__(self, params: Params | None = None, seed: int = 0):
        self.params = params if params is not None else self.Params()
        self.seed = seed

    @classmethod
    def available(cls) -> bool:
        """Whether the packages this generator needs are installed."""
        return all(find_spec(package) is not None for package in cls.needs)

    # What subclasses write -------------------------------------------------------------------------------------

    @abstractmethod
    def _fit(self, table: pd.DataFrame, schema: Schema, report: Report) -> None:
        """Learn the modelled columns; `table` has at least one row and one column and conforms to `schema`."""

    @abstractmethod
    def _sample(self, rows: int, rng: np.random.Generator, report: Report) -> pd.DataFrame:
        """Draw exactly `rows` rows of the modelled columns."""

    @abstractmethod
    def _save(self, folder: Path) -> None:
        """Write what `_load` needs into `folder`, which exists."""

    @abstractmethod
    def _load(self, folder: Path) -> None:
        """Read what `_save` wrote."""

    # What everybody calls --------------------------------------------------------------------------------------

    def fit(self, table: pd.DataFrame, schema: Schema, report: Report = quiet) -> Self:
        """Learn `table`.

        Raises ValueError when the table has no rows or does not conform to the schema, Stopped when cancelled.
        """
        if not len(table):
            raise ValueError("There are no rows to learn from. Upload a table with at least one row.")
        table = conform(table, schema).reset_index(drop=True)
        self.schema = schema
        self.rows_seen = len(table)
        self.roles = Roles.learn(table, schema)
        modelled = self.modelled
        numeric = modelled.having(kinds=("number", "integer", "datetime"))
        self.grains = {name: Grain.learn(table[name], schema[name]) for name in numeric}
        if len(modelled):
            self._fit(table[modelled.names], modelled, report)
        report(1.0)
        return self

    @property
    def modelled(self) -> Schema:
        """The columns that the hooks see: features and target with something to learn."""
        return Schema(columns=[column for column in self.schema.modelled if column.name not in self.roles.made])

    def sample(
        self, rows: int, conditions: Conditions | None = None, report: Report = quiet, seed: int | None = None
    ) -> pd.DataFrame:
        """Draw `rows` new rows; the same `seed` (default: the generator's own) gives the same rows."""
        chunks = list(self.chunks(rows, conditions=conditions, report=report, seed=seed))
        return conform(_joined(chunks), self.schema.released)

    def chunks(
        self,
        rows: int,
        *,
        size: int = CHUNK,
        conditions: Conditions | None = None,
        report: Report = quiet,
        seed: int | None = None,
    ) -> Iterator[pd.DataFrame]:
        """Draw `rows` new rows, `size` at a time, for tables larger than memory; ids differ across all chunks."""
        if rows < 1:
            raise ValueError(f"{rows} rows were asked for. Ask for at least 1.")
        seed = self.seed if seed is None else seed
        sizes = [min(size, rows - start) for start in range(0, rows, size)]
        modelled, released = self.modelled, self.schema.released
        made = self.roles.chunks(self.schema, rows, iter(sizes), seed)
        for number, (count, beside) in enumerate(zip(sizes, made, strict=True)):
            part = report.part(number / len(sizes), (number + 1) / len(sizes))
            rng = np.random.default_rng([seed, 1, number])
            drawn = self._drawn(count, modelled, rng, part) if len(modelled) else pd.DataFrame(index=range(count))
            yield pd.concat([drawn, beside], axis=1)[released.names]
            part(1.0)

    def _drawn(self, rows: int, modelled: Schema, rng: np.random.Generator, report: Report) -> pd.DataFrame:
        """Exactly `rows` rows of the model, with the digits and within the reach of what it learned."""
        table = conform(self._sample(rows, rng, report), modelled).reset_index(drop=True)
        if len(table) != rows:
            raise RuntimeError(f"{self.title} drew {len(table)} rows where {rows} were asked for.")
        for name, grain in self.grains.items():
            table[name] = grain.apply(table[name], modelled[name])
        return table

    def save(self, folder: Path) -> None:
        """Write the fitted generator into `folder` (made if absent)."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        about = {
            "generator": self.name,
            "params": self.params.model_dump(mode="json"),
            "seed": self.seed,
            "rows_seen": self.rows_seen,
            "schema": self.schema.model_dump(mode="json"),
            "roles": self.roles.model_dump(mode="json"),
            "grains": {name: grain.model_dump(mode="json") for name, grain in self.grains.items()},
        }
        (folder / "generator.json").write_text(json.dumps(about, indent=1, ensure_ascii=False), encoding="utf-8")
        if len(self.modelled):
            self._save(folder)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """The fitted generator that `save` wrote into `folder`. Load only folders of your own workspace."""
        folder = Path(folder)
        about = json.loads((folder / "generator.json").read_text(encoding="utf-8"))
        generator = cls(cls.Params.model_validate(about["params"]), about["seed"])
        generator.rows_seen = about["rows_seen"]
        generator.schema = Schema.model_validate(about["schema"])
        generator.roles = Roles.model_validate(about["roles"])
        generator.grains = {name: Grain.model_validate(grain) for name, grain in about["grains"].items()}
        if len(generator.modelled):
            generator._load(folder)
        return generator


def _joined(chunks: list[pd.DataFrame]) -> pd.DataFrame:
    """The chunks below each other; categories united, since pandas would make objects of different ones."""
    if len(chunks) == 1:
        return chunks[0]
    return pd.DataFrame(
        {
            name: union_categoricals([chunk[name] for chunk in chunks], sort_categories=True)
            if isinstance(chunks[0][name].dtype, pd.CategoricalDtype)
            else pd.concat([chunk[name] for chunk in chunks], ignore_index=True)
            for name in chunks[0].columns
        }
    )
