"""From a fitted model to the rows that were asked for: digits, rules, conditions, completion.

Everything here works on the modelled columns of one chunk. A condition is met by drawing and choosing while enough
of the model's rows meet it, which is exact; where hardly any does, the columns it speaks of are set first and the
model draws the others to fit them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
import pandas as pd

from synth.columns.frames import stacked
from synth.columns.rare import OF_PEOPLE
from synth.columns.roles import Constant, typed
from synth.constraints.enforcer import RepairContext, RulesBroken
from synth.params import POOL
from synth.report import Report
from synth.sampling.completion import Completion
from synth.sampling.conditions import Bounds, Case, Criterion, Unmet, in_words
from synth.sampling.matching import as_level, is_fixed, matches, truth
from synth.sampling.polish import PART
from synth.sampling.preparation import Preparation
from synth.schema import Column, Schema
from synth.schema.casting import conform
from synth.schema.comparing import measured
from synth.schema.kinds import Bound

PILOT = 1000
"""Rows drawn, at least, to see how many meet a condition."""
ENOUGH = 0.02
"""Share of rows that must meet a condition for it to be met by choosing among them."""
BATCH = 100_000
TRIES = 20
"""Times that single rows are drawn anew before giving up."""
TUPLES = 20
"""Different rows that must have met a condition for their values to stand for all."""


class Sampler:
    """Draws finished rows of a model: all rules kept, digits and reach as in the table it learned.

    `rule_counts` (two rows: how many rows of the model each rule applies to, and how many of them break it) grows with
    every draw.
    """

    def __init__(
        self, completion: Completion, preparation: Preparation, rule_counts: np.ndarray, rng: np.random.Generator
    ):
        self.completion, self.model, self.rng = completion, completion.model, rng
        self.schema, self.modelled, self.encoded = preparation.schema, preparation.modelled, preparation.encoded
        self.enforcer, self.precisions, self.polish = preparation.enforcer, preparation.precisions, preparation.polish
        self.classes, self.protections = preparation.classes, preparation.protections
        self.rule_counts = rule_counts
        self.constants = {
            name: made
            for name, made in preparation.roles.made.items()
            if isinstance(made, Constant) and any(name in rule.named for rule in self.enforcer.rules)
        }

    def rows(self, count: int, report: Report) -> pd.DataFrame:
        """`count` rows, polished where polish was learned."""
        if self.polish is None:
            return self._as_they_come(count, report)
        tables, done = [], 0
        for part in np.array_split(np.arange(count), -(-count // PART)):
            share = report.part(done / count, (done + len(part)) / count)
            pool = self._as_they_come(POOL * len(part), share)
            tables.append(pool.iloc[self.polish.keep(pool, len(part), self.rng)])
            done += len(part)
        return stacked(tables).reset_index(drop=True)

    def _as_they_come(self, count: int, report: Report) -> pd.DataFrame:

        def draw(positions: np.ndarray) -> pd.DataFrame:
            table = self.classes.draw(len(positions), self.encoded, lambda rows: self._drawn(rows, report), self.rng)
            self._count_broken(table)
            return self._finished(table, pd.DataFrame(index=table.index))

        return self._kept(draw, count, set())

    def completed(self, given: pd.DataFrame, report: Report, filled: Sequence[str] = ()) -> pd.DataFrame:
        """Rows with the values of `given` (none missing) and drawn ones beside them, none missing in `filled`."""
        filled = list(filled)
        if set(given.columns) >= set(self.modelled.names):
            return given[self.modelled.names].reset_index(drop=True)
        given = given.reset_index(drop=True)

        def draw(positions: np.ndarray) -> pd.DataFrame:
            known = given.iloc[positions].reset_index(drop=True)
            encoded = self.enforcer.encode(known)
            if len(encoded.columns):
                table = self.classes.complete(encoded, self.encoded, lambda some: self._with(some, report), self.rng)
            else:
                table = self._drawn(len(known), report)
            return self._finished(_beside(table, encoded), known)

        def filled_draw(positions: np.ndarray) -> pd.DataFrame:
            table = draw(positions)
            for _ in range(TRIES):
                lacking = np.flatnonzero(table[filled].isna().any(axis=1).to_numpy())
                if not len(lacking):
                    return table
                again = draw(positions[lacking])
                better = (
                    again[filled].notna().sum(axis=1).to_numpy()
                    > table[filled].iloc[lacking].notna().sum(axis=1).to_numpy()
                )
                table = _replaced(table, lacking[better], again[better])
            return self._filled_by_others(table, filled, report)

        return self._kept(filled_draw if len(filled) else draw, len(given), set(given.columns))

    def filled(self, given: pd.DataFrame, report: Report) -> pd.DataFrame:
        """Whole rows from `given`: its missing cells filled, its absent columns drawn."""
        present = given.notna().to_numpy()
        patterns, which = np.unique(present, axis=0, return_inverse=True)
        which, tables, done = which.ravel(), [], 0
        for number, pattern in enumerate(patterns):
            rows = given[which == number]
            known = rows[[name for name, there in zip(given.columns, pattern, strict=True) if there]]
            lacking = [name for name, there in zip(given.columns, pattern, strict=True) if not there]
            part = report.part(done / len(given), (done + len(rows)) / len(given))
            tables.append(self.completed(known, part, lacking))
            done += len(rows)
        order = np.argsort(np.argsort(which, kind="stable"), kind="stable")
        return stacked(tables).iloc[order].reset_index(drop=True)

    def where(self, case: Case, count: int, report: Report) -> pd.DataFrame:
        """`count` rows of the case. Raises Unmet."""
        if not case.where:
            return self.rows(count, report)
        self._refuse_too_few(case)
        chosen, have, drawn = [], 0, 0
        batch = max(2 * count, PILOT)
        while True:
            batch = min(batch, BATCH)
            table = self.rows(batch, report)
            chosen.append(table[matches(case.where, table, self.modelled)])
            have, drawn = have + len(chosen[-1]), drawn + batch
            if have >= count:
                return stacked(chosen).head(count).reset_index(drop=True)
            if have < ENOUGH * drawn:
                break
            batch = int(1.2 * (count - have) * drawn / have) + PILOT
        found = stacked(chosen).reset_index(drop=True)
        given = self._given(case, count, found, drawn)
        return self._completed_where(case, given, found, report)

    def _refuse_too_few(self, case: Case) -> None:
        """Raises Unmet where a case asks for an answer or a class that hardly any training row is of."""
        for one in self.protections:
            if not one.smallest or one.column not in case.where:
                continue
            column, criterion = self.modelled[one.column], case.where[one.column]
            levels = [as_level(value, column) for value in (criterion if isinstance(criterion, list) else [criterion])]
            rows = sum(one.smallest.get(level or "", 0) for level in levels)
            if all(level in one.smallest for level in levels):
                raise Unmet(
                    f"{column.name!r} {in_words(criterion)} in {rows} row{'s' * (rows > 1)} of the training table, and rows "
                    f"like these would point at them. It takes {OF_PEOPLE} rows to draw more."
                )

    def _completed_where(self, case: Case, given: pd.DataFrame, found: pd.DataFrame, report: Report) -> pd.DataFrame:
        pieces = []
        for _ in range(TRIES):
            try:
                table = self.completed(given, report)
            except RulesBroken as error:
                raise Unmet(f"No rows can be drawn where {case}. {error}") from error
            good = matches(case.where, table, self.modelled)
            pieces.append(table[good])
            given = given[~good]
            if not len(given):
                return stacked(pieces).reset_index(drop=True)
        possible = sum(map(len, pieces))
        raise Unmet(
            f"Only {possible} of {possible + len(given)} rows could be drawn where {case}: what else the model or the "
            "rules ask contradicts it. Loosen the condition.",
            possible,
        )

    def _given(self, case: Case, count: int, found: pd.DataFrame, drawn: int) -> pd.DataFrame:
        """Values for the columns of the case, one row for each row wanted."""
        names = list(case.where)
        if len(found) >= TUPLES and found[names].notna().all(axis=None):
            return found[names].iloc[self.rng.integers(0, len(found), count)].reset_index(drop=True)
        columns = {}
        for name, criterion in case.where.items():
            column = self.modelled[name]
            values = self._invented(criterion, column, count)
            if values is None:
                changed = next((one for one in self.protections if one.column == name and one.changes), None)
                rare = (
                    f" Levels of {name!r} that fewer than {changed.below} rows hold are protected." if changed else ""
                )
                raise Unmet(
                    f"{len(found)} of {drawn} rows drawn were such that {case}, and {count} are wanted.{rare} "
                    "Loosen the condition, or ask for fewer rows.",
                    len(found),
                )
            columns[name] = values
        return conform(pd.DataFrame(columns), Schema(columns=[self.modelled[name] for name in names]))

    def _invented(self, criterion: Criterion, column: Column, count: int) -> pd.Series | None:
        """Values that meet a criterion which hardly any row of the model meets; None where that is hopeless."""
        if isinstance(criterion, list):
            picks = [self._invented(value, column, count) for value in criterion if value is not None]
            if not picks or any(pick is None for pick in picks):
                return None
            which = self.rng.integers(0, len(picks), count)
            return pd.Series([picks[pick].iloc[row] for row, pick in enumerate(which)], dtype=object)
        if is_fixed(criterion):
            value = truth(criterion, column) if column.kind == "boolean" else criterion
            if column.kind in ("number", "integer", "datetime") and not self._reaches(value, column):
                return None
            if column.kind == "category" and not (
                self.classes.knows(column.name, str(value)) or self.completion.knows(column.name, str(value))
            ):
                return None
            return pd.Series([str(value) if column.kind == "category" else value] * count, dtype=object)
        return self._within(criterion, column, count) if isinstance(criterion, Bounds) else None

    def _within(self, criterion: Bounds, column: Column, count: int) -> pd.Series | None:
        """Values spread evenly over the part of the range that the model reaches."""
        reach, like = self.precisions[column.name].reach, _none_of(column)
        if reach is None:
            return None
        low = max([reach[0], *(measured(bound, like) for bound in (criterion.ge, criterion.gt) if bound is not None)])
        high = min([reach[1], *(measured(bound, like) for bound in (criterion.le, criterion.lt) if bound is not None)])
        if low > high:
            return None
        # A margin of tries: values on an open end do not count.
        values = low + (high - low) * self.rng.random(4 * count + 50)
        table = self._column_of(values, column)
        good = table[matches({column.name: criterion}, table, Schema(columns=[column]))]
        if not len(good):
            return None
        return good[column.name].iloc[self.rng.integers(0, len(good), count)].reset_index(drop=True)

    def _column_of(self, numbers: np.ndarray, column: Column) -> pd.DataFrame:
        """Numbers as `measure` gives them, as values of a column."""
        absent = np.zeros(len(numbers), bool)
        if column.kind == "datetime":
            values = typed(np.round(numbers).astype(np.int64).astype("datetime64[us]"), absent, column)
        else:
            values = typed(np.round(numbers) if column.kind == "integer" else numbers, absent, column)
        return self.precisions[column.name].apply(values, column).to_frame(column.name)

    def _reaches(self, value: Bound, column: Column) -> bool:
        reach = self.precisions[column.name].reach
        return reach is not None and reach[0] <= measured(value, _none_of(column)) <= reach[1]

    def _drawn(self, rows: int, report: Report) -> pd.DataFrame:
        """Rows of the model as it draws them."""
        return self._checked(self.model.sample(rows, self.rng, report), rows)

    def _with(self, given: pd.DataFrame, report: Report) -> pd.DataFrame:
        """Rows of the model with the values of `given`."""
        return self._checked(self.completion.complete(given, self.rng, report), len(given))

    def _checked(self, table: pd.DataFrame, rows: int) -> pd.DataFrame:
        if len(table) != rows:
            raise RuntimeError(f"{self.model.title} drew {len(table)} rows where {rows} were asked for.")
        return conform(table, self.encoded).reset_index(drop=True)

    def _rounded(self, table: pd.DataFrame, schema: Schema, fixed: Iterable[str]) -> pd.DataFrame:
        """`table` with the digits and reach that its columns have, but for those that are fixed."""
        table = table.copy(deep=False)
        for name, precision in self.precisions.items():
            if name in table and name not in fixed:
                table[name] = precision.apply(table[name], schema[name])
        return table

    def _finished(self, table: pd.DataFrame, known: pd.DataFrame) -> pd.DataFrame:
        """Rows of the model with gaps undone and numbers rounded; the values of `known` stay untouched."""
        fixed = set(map(str, known.columns))
        table = self._rounded(table, self.encoded, fixed)
        if self.enforcer.gaps:
            table = self.enforcer.decode(table, fixed=fixed)
            table = self._rounded(table, self.modelled, fixed)
        return table.assign(**dict(known.items()))

    def _count_broken(self, table: pd.DataFrame) -> None:
        """Note how often the model by itself breaks each rule."""
        if self.enforcer.rules:
            table = self._with_constants(self._rounded(table[self.modelled.names], self.modelled, ()))
            applies = [rule.applies(table) for rule in self.enforcer.rules]
            self.rule_counts[0] += np.sum(applies, axis=1)
            self.rule_counts[1] += (~self.enforcer.kept(table)).sum(axis=1)

    def _with_constants(self, table: pd.DataFrame) -> pd.DataFrame:
        constants = {name: made.rows(len(table), self.schema[name]) for name, made in self.constants.items()}
        return table.assign(**constants)

    def _kept(self, draw: Callable[[np.ndarray], pd.DataFrame], count: int, fixed: set[str]) -> pd.DataFrame:
        table = draw(np.arange(count))
        if not self.enforcer.rules:
            return table
        context = RepairContext(self.schema, self.precisions, fixed | set(self.constants), self.rng)
        table = self.enforcer.keep(
            self._with_constants(table), lambda positions: self._with_constants(draw(positions)), context
        )
        return table[self.modelled.names]

    def _filled_by_others(self, table: pd.DataFrame, filled: Sequence[str], report: Report) -> pd.DataFrame:
        """`table` with what the model still leaves empty taken from other rows it draws."""
        others = self._as_they_come(max(PILOT, len(table)), report)
        for name in filled:
            lacking = np.flatnonzero(table[name].isna().to_numpy())
            donors = others[others[name].notna()]
            if len(lacking) and not len(donors):
                raise Unmet(f"The model never draws a value of {name!r}, so its {len(lacking)} empty cells stay empty.")
            if len(lacking):
                donor = donors.iloc[self.rng.integers(0, len(donors), len(lacking))]
                table = _replaced(table, lacking, table.iloc[lacking].assign(**{name: donor[name].array}))
        return table


def _none_of(column: Column) -> pd.Series:
    """The column without a value, which bounds are measured beside."""
    return typed(np.empty(0, object), np.empty(0, bool), column).rename(column.name)


def _beside(table: pd.DataFrame, given: pd.DataFrame) -> pd.DataFrame:
    """`table` with the columns of `given` in place of its own."""
    return table.assign(**{str(name): given[name] for name in given.columns})


def _replaced(table: pd.DataFrame, positions: np.ndarray, rows: pd.DataFrame) -> pd.DataFrame:
    """`table` with the rows at `positions` replaced."""
    if not len(positions):
        return table
    stay = np.setdiff1d(np.arange(len(table)), positions)
    order = np.argsort(np.concatenate([stay, positions]), kind="stable")
    return stacked([table.iloc[stay], rows]).iloc[order].reset_index(drop=True)
