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
from pydantic import BaseModel, ConfigDict, Field

from synth.columns.frames import stacked
from synth.columns.precision import Precision
from synth.columns.roles import Constant, Roles
from synth.constraints.enforcer import ConstraintEnforcer
from synth.sampling.conditions import Case, Conditions, Unmet, matches
from synth.sampling.polish import POOL, Polish
from synth.sampling.sampler import Sampler
from synth.schema import Schema
from synth.schema.casting import conform
from synth.schema.rules import RuleReport

CHUNK = 100_000
"""Rows drawn at once unless the caller says otherwise."""
POLISH = "polish.json"


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

    polish: bool = knob(
        False,
        f"Draw {POOL} times as many rows and keep those that together look most like the table: every column and pair of "
        "columns comes closer. Takes more time to draw, and costs no privacy.",
    )


class Stopped(Exception):
    """Raised out of a fit or a draw when somebody cancelled it."""


class Report:
    """How a long computation says how far it is, and learns that it should stop. This one is silent."""

    def __call__(self, done: float, note: str = "", **curve: float) -> None:
        """Report that `done` (0 to 1) of the work is done; `curve` holds points such as `epoch=3, loss=0.2`.

        Raises Stopped when the work was cancelled.
        """

    @property
    def stop_early(self) -> bool:
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
    def stop_early(self) -> bool:
        return self.whole.stop_early

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

    # What a fit costs, for those who estimate it ---------------------------------------------------------------

    @classmethod
    def passes(cls, params: Params, rows: int) -> float:
        """How often a fit goes over a table of `rows` rows, at most: what its time grows with."""
        return float(getattr(params, "epochs", 1))

    @classmethod
    def lasting(cls, passes: int, rows: int) -> Params:
        """The parameters of a fit that goes over the table `passes` times, if it can, and is otherwise usual."""
        return cls.Params.model_validate({"epochs": passes} if "epochs" in cls.Params.model_fields else {})

    @classmethod
    def variant(cls, params: Params) -> str:
        """Which of several models the parameters choose, where these cost very differently; empty: there is one."""
        return ""

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

    def _complete(self, given: pd.DataFrame, rng: np.random.Generator, report: Report) -> pd.DataFrame:
        """Draw rows to go with `given`, which holds some of the modelled columns without missing values.

        Optional: a generator that cannot condition answers through trees fitted on its own rows.
        """
        return self._stand_in(report)._complete(given, rng, report)

    def _knows(self, column: str, value: str) -> bool:
        """Whether the model ever draws `value` of a category column. Optional: this looks at 20,000 of its rows."""
        if self._vocabulary is None:
            table = self._sample(20_000, np.random.default_rng([self.seed, 3]), quiet)
            self._vocabulary = {
                name: set(table[name].dropna().astype(str).unique())
                for name in self.modelled.having(kinds=("category",))
            }
        return value in self._vocabulary[column]

    def _stand_in(self, report: Report) -> Generator:
        from synth.generators.trees.trees import Trees

        if self._trees is None:
            table = conform(self._sample(20_000, np.random.default_rng([self.seed, 4]), report), self.encoded)
            self._trees = Trees(seed=self.seed)
            self._trees._fit(table.reset_index(drop=True), self.encoded, quiet)
        return self._trees

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
        self.grains = _grains(table, modelled)
        self.keeper = ConstraintEnforcer.learn(table, schema, modelled, self.grains)
        self.polish = Polish.learn(table, modelled) if self.params.polish and len(modelled) else None
        encoded = self.encoded
        table = conform(self.keeper.encode(table[modelled.names]), encoded)
        self.grains = _grains(table, encoded)
        self._forget_draws()
        if len(modelled):
            self._fit(table, encoded, report)
        report(1.0)
        return self

    @property
    def modelled(self) -> Schema:
        """The table's columns that are drawn from the model: features and target with something to learn."""
        return Schema(columns=[column for column in self.schema.modelled if column.name not in self.roles.made])

    @property
    def encoded(self) -> Schema:
        """The columns that the hooks see: those modelled, and the gaps that rules have the model learn."""
        return self.keeper.encoded_schema(self.modelled)

    def sample(
        self,
        rows: int,
        conditions: Conditions | dict[str, Any] | None = None,
        report: Report = quiet,
        seed: int | None = None,
    ) -> pd.DataFrame:
        """Draw `rows` new rows; the same `seed` (default: the generator's own) gives the same rows.

        `conditions` as `synth.sampling.conditions` writes them, such as `{"income": ">50K"}`. Raises ValueError (`Unmet`,
        `RulesBroken`) with the reason when so many rows cannot be drawn; never gives fewer.
        """
        return stacked(list(self.chunks(rows, conditions=conditions, report=report, seed=seed)))

    def chunks(
        self,
        rows: int,
        *,
        size: int = CHUNK,
        conditions: Conditions | dict[str, Any] | None = None,
        report: Report = quiet,
        seed: int | None = None,
    ) -> Iterator[pd.DataFrame]:
        """Draw `rows` new rows, `size` at a time, for tables larger than memory; ids differ across all chunks."""
        if rows < 1:
            raise ValueError(f"{rows} rows were asked for. Ask for at least 1.")
        plan = self._plan(Conditions.of(conditions), rows)
        seed = self.seed if seed is None else seed
        which = np.random.default_rng([seed, 6]).permutation(
            np.repeat(np.arange(len(plan), dtype=np.uint16), [count for _, count in plan])
        )
        self.rule_counts = np.zeros((2, len(self.keeper.rules)), np.int64)
        ends = [*range(size, rows, size), rows]
        sizes = np.diff([0, *ends]).tolist()
        made = self.roles.chunks(self.schema, rows, iter(sizes), seed)
        for number, (end, count, beside) in enumerate(zip(ends, sizes, made, strict=True)):
            part = report.part(number / len(ends), (number + 1) / len(ends))
            drawing = Sampler(self, np.random.default_rng([seed, 1, number]))
            drawn = self._drawn(drawing, plan, which[end - count : end], part)
            yield pd.concat([drawn, beside], axis=1)[self.schema.released.names]
            part(1.0)

    def complete(self, given: pd.DataFrame, report: Report = quiet, seed: int | None = None) -> pd.DataFrame:
        """Whole rows from `given`, which has some of the columns: imputation, or drawing the rest of a table.

        Every cell that holds a value stays as it is. Absent columns are drawn; missing cells of modelled columns are
        filled with values. Ids, personal data and text that are given are left alone. Rows keep their index.
        """
        strange = [name for name in given.columns if name not in self.schema.released.names]
        if strange:
            raise ValueError(f"The model has no column {', '.join(map(repr, strange))}. Remove it, or rename it.")
        if not len(given):
            raise ValueError("There are no rows to complete.")
        names = [name for name in self.schema.released.names if name in given.columns]
        index = given.index
        given = conform(given, Schema(columns=[self.schema[name] for name in names])).reset_index(drop=True)
        rng = np.random.default_rng([self.seed if seed is None else seed, 5])
        beside = next(
            self.roles.chunks(self.schema, len(given), iter([len(given)]), self.seed if seed is None else seed)
        )
        for name in set(beside) & set(names):
            constant = self.schema[name].role in ("feature", "target") and self.schema[name].kind != "text"
            beside[name] = given[name].where(given[name].notna(), beside[name]) if constant else given[name]
        self.rule_counts = np.zeros((2, len(self.keeper.rules)), np.int64)
        table = beside
        if len(self.modelled):
            known = given[[name for name in self.modelled.names if name in names]]
            table = pd.concat([Sampler(self, rng).filled(known, report), beside], axis=1)
        report(1.0)
        return table[self.schema.released.names].set_axis(index)

    @property
    def rule_report(self) -> list[RuleReport]:
        """How often the model by itself broke each rule in the rows it drew last; in the output none is broken."""
        return [
            RuleReport(rule=str(rule), rows=int(applied), broken=float(broken / applied) if applied else 0.0)
            for rule, applied, broken in zip(self.keeper.rules, *self.rule_counts, strict=True)
        ]

    def _plan(self, conditions: Conditions, rows: int) -> list[tuple[Case, int]]:
        """Which case takes how many rows. Raises ValueError for columns that cannot be asked for."""
        return [(self._askable(case), count) for case, count in conditions.plan(rows)]

    def _askable(self, case: Case) -> Case:
        """The case without its wishes for constant columns, which are met or raise Unmet."""
        where = {}
        for name, wish in case.where.items():
            if name not in self.schema.released.names:
                raise ValueError(f"The model has no column {name!r}, so no condition can be met there.")
            made = self.roles.made.get(name)
            if made is None:
                where[name] = wish
            elif not isinstance(made, Constant):
                raise ValueError(f"Column {name!r} is made new in every row, so no condition can be met there.")
            elif not matches({name: wish}, made.rows(1, self.schema[name]).to_frame(name), self.schema).all():
                raise Unmet(f"Column {name!r} has the same value in every row, and not the one asked for.")
        return case.model_copy(update={"where": where})

    def _drawn(self, drawing: Sampler, plan: list[tuple[Case, int]], which: np.ndarray, report: Report) -> pd.DataFrame:
        """The modelled columns of one chunk; `which` names the case of each row."""
        if not len(self.modelled):
            return pd.DataFrame(index=range(len(which)))
        done, tables = 0, []
        for number, count in enumerate(np.bincount(which, minlength=len(plan)).tolist()):
            if count:
                part = report.part(done / len(which), (done + count) / len(which))
                tables.append(drawing.where(plan[number][0], count, part))
                done += count
        order = np.argsort(np.argsort(which, kind="stable"), kind="stable")
        return stacked(tables) if len(tables) == 1 else stacked(tables).iloc[order].reset_index(drop=True)

    def _forget_draws(self) -> None:
        """Nothing is drawn yet that rules or conditions could be answered from."""
        self.rule_counts = np.zeros((2, len(self.keeper.rules)), np.int64)
        self._vocabulary: dict[str, set[str]] | None = None
        self._trees: Generator | None = None

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
            "keeper": self.keeper.model_dump(mode="json"),
        }
        (folder / "generator.json").write_text(json.dumps(about, indent=1, ensure_ascii=False), encoding="utf-8")
        if len(self.modelled):
            self._save(folder)
        if self.polish:
            self.polish.save(folder / POLISH)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """The fitted generator that `save` wrote into `folder`. Load only folders of your own workspace."""
        folder = Path(folder)
        about = json.loads((folder / "generator.json").read_text(encoding="utf-8"))
        generator = cls(cls.Params.model_validate(about["params"]), about["seed"])
        generator.rows_seen = about["rows_seen"]
        generator.schema = Schema.model_validate(about["schema"])
        generator.roles = Roles.model_validate(about["roles"])
        generator.grains = {name: Precision.model_validate(grain) for name, grain in about["grains"].items()}
        generator.keeper = ConstraintEnforcer.model_validate(about["keeper"])
        generator.polish = Polish.load(folder / POLISH) if (folder / POLISH).exists() else None
        generator._forget_draws()
        if len(generator.modelled):
            generator._load(folder)
        return generator


def _grains(table: pd.DataFrame, schema: Schema) -> dict[str, Precision]:
    numeric = schema.having(kinds=("number", "integer", "datetime"))
    return {name: Precision.learn(table[name], schema[name]) for name in numeric}
