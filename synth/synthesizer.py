"""A synthesizer: a model, and around it what makes a table of what the model draws.

    synthesizer = Synthesizer(Trees(Trees.Params(), seed=1), schema).fit(table)
    synthesizer.sample(500, {"income": ">50K"})

Around the model stand roles (new ids, faked personal data, text), precision (digits and reach), rules, conditions,
polish, seeds, column order, exact row counts, and saving.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd

from synth.columns.cells import MixedColumns
from synth.columns.frames import stacked
from synth.columns.precision import Precision
from synth.columns.rare import Protection
from synth.columns.roles import Constant, Roles
from synth.constraints.enforcer import ConstraintEnforcer
from synth.errors import Invalid
from synth.generators.base import GENERATORS, Model
from synth.preprocessing import Preprocessor, prepare, usual_steps
from synth.report import Report, quiet
from synth.sampling.classes import SmallClasses
from synth.sampling.completion import Completion
from synth.sampling.conditions import Case, Conditions, Unmet
from synth.sampling.matching import matches
from synth.sampling.polish import Polish
from synth.sampling.preparation import Preparation
from synth.sampling.sampler import Sampler
from synth.schema import Schema
from synth.schema.casting import conform
from synth.schema.rules import RuleReport

CHUNK = 100_000
"""Rows drawn at once unless the caller says otherwise."""
FORMAT = 1
"""The number of the format in which models are saved. A model without one is of format 1."""
ABOUT, POLISH, CLASSES = "generator.json", "polish.json", "classes"


class Synthesizer:
    """Learns a table and draws new rows that stand in for it: the same columns, kinds and order.

    `preprocessors` are the steps that learn from the real rows before the model does; None: the usual ones. All
    randomness comes from the model's seed unless a draw is given its own.
    """

    def __init__(self, model: Model, schema: Schema, preprocessors: Sequence[Preprocessor] | None = None):
        self.model, self.schema = model, schema
        self.preprocessors = usual_steps(model.params) if preprocessors is None else preprocessors

    def fit(self, table: pd.DataFrame, report: Report = quiet) -> Self:
        """Learn `table`.

        Raises Invalid when the table has no rows, does not conform to the schema, or the model refuses a
        preprocessing step; Stopped when cancelled.
        """
        if not len(table):
            raise Invalid("There are no rows to learn from. Upload a table with at least one row.")
        table = conform(table, self.schema, keep_cells=True).reset_index(drop=True)
        preparation, table = prepare(table, self.schema, self.model, self.preprocessors)
        self._use(preparation)
        if len(preparation.modelled):
            encoded = preparation.enforcer.encode(table[preparation.modelled.names])
            self.model.fit(conform(encoded, preparation.encoded), preparation.encoded, report)
        report(1.0)
        return self

    def sample(
        self,
        rows: int,
        conditions: Conditions | dict[str, Any] | None = None,
        report: Report = quiet,
        seed: int | None = None,
    ) -> pd.DataFrame:
        """Draw `rows` new rows; the same `seed` (default: the model's own) gives the same rows.

        `conditions` as `synth.sampling.conditions` writes them, such as `{"income": ">50K"}`. Raises Invalid (`Unmet`,
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
            raise Invalid(f"{rows} rows were asked for. Ask for at least 1.")
        plan = [(self._askable(case), count) for case, count in Conditions.of(conditions).plan(rows)]
        seed = self.model.seed if seed is None else seed
        case_of = np.random.default_rng([seed, 6]).permutation(
            np.repeat(np.arange(len(plan), dtype=np.uint16), [count for _, count in plan])
        )
        self._forget_rule_counts()
        ends = [*range(size, rows, size), rows]
        sizes = np.diff([0, *ends]).tolist()
        made = self.preparation.roles.chunks(self.preparation.schema, rows, iter(sizes), seed)
        for number, (end, count, beside) in enumerate(zip(ends, sizes, made, strict=True)):
            part = report.part(number / len(ends), (number + 1) / len(ends))
            sampler = self._sampler(np.random.default_rng([seed, 1, number]))
            drawn = self._drawn(sampler, plan, case_of[end - count : end], part)
            rng = np.random.default_rng([seed, 7, number])
            yield self._written(pd.concat([drawn, beside], axis=1), rng)
            part(1.0)

    def complete(self, given: pd.DataFrame, report: Report = quiet, seed: int | None = None) -> pd.DataFrame:
        """Whole rows from `given`, which has some of the columns: imputation, or drawing the rest of a table.

        Every cell that holds a value stays as it is. Absent columns are drawn; missing cells of modelled columns are
        filled with values. Ids, personal data and text that are given are left alone. Rows keep their index.
        """
        released, modelled = self.schema.released.names, self.preparation.modelled.names
        strange = [name for name in given.columns if name not in released]
        if strange:
            raise Invalid(f"The model has no column {', '.join(map(repr, strange))}. Remove it, or rename it.")
        if not len(given):
            raise Invalid("There are no rows to complete.")
        names = [name for name in released if name in given.columns]
        index = given.index
        schema = self.preparation.schema
        given = conform(given, Schema(columns=[self.schema[name] for name in names]), keep_cells=True)
        given = self.preparation.mixed.encode(given.reset_index(drop=True))
        given = conform(given, Schema(columns=[schema[name] for name in given.columns]))
        names = list(given.columns)
        seed = self.model.seed if seed is None else seed
        beside = next(self.preparation.roles.chunks(schema, len(given), iter([len(given)]), seed))
        for name in set(map(str, beside)) & set(names):
            constant = schema[name].role in ("feature", "target") and schema[name].kind != "text"
            beside[name] = given[name].where(given[name].notna(), beside[name]) if constant else given[name]
        self._forget_rule_counts()
        table = beside
        if modelled:
            known = given[[name for name in modelled if name in names]]
            sampler = self._sampler(np.random.default_rng([seed, 5]))
            table = pd.concat([sampler.filled(known, report), beside], axis=1)
        report(1.0)
        return self._written(table, np.random.default_rng([seed, 7])).set_axis(index)

    def _written(self, table: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
        """The released columns, with cells in the place of forms and values."""
        return self.preparation.mixed.decode(table, rng)[self.schema.released.names]

    @property
    def rule_report(self) -> list[RuleReport]:
        """How often the model by itself broke each rule in the rows it drew last; in the output none is broken."""
        return [
            RuleReport(rule=str(rule), rows=int(applied), broken=float(broken / applied) if applied else 0.0)
            for rule, applied, broken in zip(self.preparation.enforcer.rules, *self.rule_counts, strict=True)
        ]

    def save(self, folder: Path) -> None:
        """Write the fitted synthesizer into `folder` (made if absent)."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        learned = self.preparation
        about = {
            "format": FORMAT,
            "generator": self.model.name,
            "params": self.model.params.model_dump(mode="json"),
            "seed": self.model.seed,
            "rows_seen": learned.rows_seen,
            "schema": self.schema.model_dump(mode="json"),
            "rare": [one.model_dump(mode="json") for one in learned.protections],
            "mixed": learned.mixed.model_dump(mode="json"),
            "roles": learned.roles.model_dump(mode="json", by_alias=True),
            "grains": {name: precision.model_dump(mode="json") for name, precision in learned.precisions.items()},
            "keeper": learned.enforcer.model_dump(mode="json"),
        }
        (folder / ABOUT).write_text(json.dumps(about, indent=1, ensure_ascii=False), encoding="utf-8")
        if len(learned.modelled):
            self.model.save(folder)
        if learned.classes.classes:
            learned.classes.save(folder / CLASSES)
        if learned.polish:
            learned.polish.save(folder / POLISH)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """The fitted synthesizer that `save` wrote into `folder`. Load only folders of your own workspace.

        What a later version added to the file is ignored. Raises Invalid when the generator is not there, or when
        the model is saved in a format that this version does not know.
        """
        folder = Path(folder)
        about = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
        saved_as, name = about.get("format", 1), about["generator"]
        if saved_as > FORMAT:
            raise Invalid(
                f"This model is saved in format {saved_as}, and this version of Understudy reads formats up to {FORMAT}. "
                "Upgrade Understudy to the version that saved it, or train the model again."
            )
        if name not in GENERATORS:
            raise Invalid(f"This model needs the generator {name!r}, which is not here. Install its plugin again.")
        kind = GENERATORS[name]
        schema = Schema.model_validate(about["schema"], extra="ignore")
        synthesizer = cls(kind(kind.Params.model_validate(about["params"], extra="ignore"), about["seed"]), schema)
        mixed = MixedColumns.model_validate(about.get("mixed", {}), extra="ignore")
        preparation = Preparation(
            mixed.expanded(schema),
            about["rows_seen"],
            about["seed"],
            [Protection.model_validate(one, extra="ignore") for one in about.get("rare", [])],
            mixed,
            Roles.model_validate(about["roles"], extra="ignore"),
            {name: Precision.model_validate(known, extra="ignore") for name, known in about["grains"].items()},
            enforcer := ConstraintEnforcer.model_validate(about["keeper"], extra="ignore"),
            SmallClasses.load(folder / CLASSES, enforcer.encoded_schema(schema)),
            Polish.load(folder / POLISH) if (folder / POLISH).exists() else None,
        )
        synthesizer._use(preparation)
        if len(preparation.modelled):
            synthesizer.model.load(folder, preparation.encoded)
        return synthesizer

    def _use(self, preparation: Preparation) -> None:
        self.preparation = preparation
        self.completion = Completion(self.model, preparation.encoded)
        self._forget_rule_counts()

    def _forget_rule_counts(self) -> None:
        self.rule_counts = np.zeros((2, len(self.preparation.enforcer.rules)), np.int64)

    def _sampler(self, rng: np.random.Generator) -> Sampler:
        return Sampler(self.completion, self.preparation, self.rule_counts, rng)

    def _askable(self, case: Case) -> Case:
        """The case without its criteria for constant columns, which are met or raise Unmet.

        Raises Invalid for columns that cannot be asked for.
        """
        where = {}
        for name, criterion in case.where.items():
            if name not in self.schema.released.names:
                raise Invalid(f"The model has no column {name!r}, so no condition can be met there.")
            made = self.preparation.roles.made.get(name)
            if made is None:
                where[name] = criterion
            elif not isinstance(made, Constant):
                raise Invalid(f"Column {name!r} is made new in every row, so no condition can be met there.")
            elif not matches(
                {name: criterion}, made.rows(1, self.preparation.schema[name]).to_frame(name), self.preparation.schema
            ).all():
                raise Unmet(f"Column {name!r} has the same value in every row, and not the one asked for.")
        return case.model_copy(update={"where": where})

    def _drawn(
        self, sampler: Sampler, plan: list[tuple[Case, int]], case_of: np.ndarray, report: Report
    ) -> pd.DataFrame:
        """The modelled columns of one chunk; `case_of` names the case of each row."""
        if not len(self.preparation.modelled):
            return pd.DataFrame(index=range(len(case_of)))
        done, tables = 0, []
        for number, count in enumerate(np.bincount(case_of, minlength=len(plan)).tolist()):
            if count:
                part = report.part(done / len(case_of), (done + count) / len(case_of))
                tables.append(sampler.where(plan[number][0], count, part))
                done += count
        order = np.argsort(np.argsort(case_of, kind="stable"), kind="stable")
        return stacked(tables) if len(tables) == 1 else stacked(tables).iloc[order].reset_index(drop=True)
