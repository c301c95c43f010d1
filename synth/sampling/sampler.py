"""From a fitted model to the rows that were asked for: digits, rules, conditions, completion.

Everything here works on the modelled columns of one chunk. A condition is met by drawing and choosing while enough
of the model's rows meet it, which is exact; where hardly any does, the columns it speaks of are set first and the
model draws the others to fit them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from synth.columns.frames import stacked
from synth.columns.roles import Constant, typed
from synth.constraints.enforcer import RulesBroken
from synth.sampling.conditions import Bounds, Case, Criterion, Unmet, is_fixed, matches, truth
from synth.sampling.polish import PART, POOL
from synth.schema import Column, Schema
from synth.schema.casting import conform
from synth.schema.comparing import measured

if TYPE_CHECKING:
    from synth.generators.base import Generator, Report

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
    """Draws finished rows of a generator: all rules kept, digits and reach as in the table it learned."""

    def __init__(self, generator: Generator, rng: np.random.Generator):
        self.generator, self.rng = generator, rng
        self.modelled = generator.modelled
        self.encoded = generator.encoded
        self.constants = {
            name: made
            for name, made in generator.roles.made.items()
            if isinstance(made, Constant) and any(name in rule.named for rule in generator.keeper.rules)
        }

    def rows(self, count: int, report: Report) -> pd.DataFrame:
        """`count` rows, polished if the generator polishes."""
        polish = self.generator.polish
        if polish is None:
            return self._as_they_come(count, report)
        tables, done = [], 0
        for part in np.array_split(np.arange(count), -(-count // PART)):
            share = report.part(done / count, (done + len(part)) / count)
            pool = self._as_they_come(POOL * len(part), share)
            tables.append(pool.iloc[polish.keep(pool, len(part), self.rng)])
            done += len(part)
        return stacked(tables).reset_index(drop=True)

    def _as_they_come(self, count: int, report: Report) -> pd.DataFrame:

        def draw(positions: np.ndarray) -> pd.DataFrame:
            table = self._checked(self.generator._sample(len(positions), self.rng, report), len(positions))
            self._count_broken(table)
            return self._finished(table, pd.DataFrame(index=table.index))

        return self._kept(draw, count, set())

    def completed(self, given: pd.DataFrame, report: Report, filled: list[str] = ()) -> pd.DataFrame:
        """Rows with the values of `given` (none missing) and drawn ones beside them, none missing in `filled`."""
        if set(given.columns) >= set(self.modelled.names):
            return given[self.modelled.names].reset_index(drop=True)
        given = given.reset_index(drop=True)

        def draw(positions: np.ndarray) -> pd.DataFrame:
            known = given.iloc[positions].reset_index(drop=True)
            encoded = self.generator.keeper.encode(known)
            if len(encoded.columns):
                table = self.generator._complete(encoded, self.rng, report)
            else:
                table = self.generator._sample(len(known), self.rng, report)
            table = self._checked(table, len(known)).assign(**dict(encoded.items()))
            return self._finished(table, known)

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
        for name, wish in case.where.items():
            column = self.modelled[name]
            values = self._invented(wish, column, count)
            if values is None:
                raise Unmet(
                    f"{len(found)} of {drawn} rows drawn were such that {case}, and {count} are wanted. "
                    "Loosen the condition, or ask for fewer rows.",
                    len(found),
                )
            columns[name] = values
        return conform(pd.DataFrame(columns), Schema(columns=[self.modelled[name] for name in names]))

    def _invented(self, wish: Criterion, column: Column, count: int) -> pd.Series | None:
        """Values that meet a wish which hardly any row of the model meets; None where that is hopeless."""
        if isinstance(wish, list):
            picks = [self._invented(value, column, count) for value in wish if value is not None]
            if not picks or any(pick is None for pick in picks):
                return None
            which = self.rng.integers(0, len(picks), count)
            return pd.Series([picks[pick].iloc[row] for row, pick in enumerate(which)], dtype=object)
        if is_fixed(wish):
            value = truth(wish, column) if column.kind == "boolean" else wish
            if column.kind in ("number", "integer", "datetime") and not self._reaches(value, value, column):
                return None
            if column.kind == "category" and not self.generator._knows(column.name, str(value)):
                return None
            return pd.Series([str(value) if column.kind == "category" else value] * count, dtype=object)
        return self._within(wish, column, count) if isinstance(wish, Bounds) else None

    def _within(self, wish: Bounds, column: Column, count: int) -> pd.Series | None:
        """Values spread evenly over the part of the range that the model reaches."""
        grain, like = self.generator.grains[column.name], typed(np.empty(0, object), np.empty(0, bool), column)
        like.name = column.name
        low = max((measured(b, like) for b in (wish.ge, wish.gt) if b is not None), default=grain.low)
        high = min((measured(b, like) for b in (wish.le, wish.lt) if b is not None), default=grain.high)
        if grain.low is None or max(low, grain.low) > min(high, grain.high):
            return None
        low, high = max(low, grain.low), min(high, grain.high)
        # A margin of tries: values on an open end do not count.
        values = low + (high - low) * self.rng.random(4 * count + 50)
        table = self._column_of(values, column)
        good = table[matches({column.name: wish}, table, Schema(columns=[column]))]
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
        return self.generator.grains[column.name].apply(values, column).to_frame(column.name)

    def _reaches(self, low, high, column: Column) -> bool:
        grain, like = self.generator.grains[column.name], typed(np.empty(0, object), np.empty(0, bool), column)
        like.name = column.name
        return grain.low is not None and grain.low <= measured(high, like) and measured(low, like) <= grain.high

    def _checked(self, table: pd.DataFrame, rows: int) -> pd.DataFrame:
        if len(table) != rows:
            raise RuntimeError(f"{self.generator.title} drew {len(table)} rows where {rows} were asked for.")
        return conform(table, self.encoded).reset_index(drop=True)

    def _grained(self, table: pd.DataFrame, schema: Schema, fixed) -> pd.DataFrame:
        table = table.copy(deep=False)
        for name, grain in self.generator.grains.items():
            if name in table and name not in fixed:
                table[name] = grain.apply(table[name], schema[name])
        return table

    def _finished(self, table: pd.DataFrame, known: pd.DataFrame) -> pd.DataFrame:
        """Rows of the model with gaps undone and numbers on their grain; the values of `known` stay untouched."""
        table = self._grained(table, self.encoded, known)
        if self.generator.keeper.gaps:
            table = self.generator.keeper.decode(table, fixed=set(known))
            table = self._grained(table, self.modelled, known)
        return table.assign(**dict(known.items()))

    def _count_broken(self, table: pd.DataFrame) -> None:
        """Note how often the model by itself breaks each rule."""
        keeper, counts = self.generator.keeper, self.generator.rule_counts
        if keeper.rules:
            table = self._with_constants(self._grained(table[self.modelled.names], self.modelled, ()))
            applies = [rule.applies(table) for rule in keeper.rules]
            counts[0] += np.sum(applies, axis=1)
            counts[1] += (~keeper.kept(table)).sum(axis=1)

    def _with_constants(self, table: pd.DataFrame) -> pd.DataFrame:
        schema, rows = self.generator.schema, len(table)
        return table.assign(**{name: constant.rows(rows, schema[name]) for name, constant in self.constants.items()})

    def _kept(self, draw, count: int, fixed: set[str]) -> pd.DataFrame:
        keeper = self.generator.keeper
        table = draw(np.arange(count))
        if not keeper.rules:
            return table
        return keeper.keep(
            self._with_constants(table),
            lambda positions: self._with_constants(draw(positions)),
            self.generator.schema,
            self.generator.grains,
            fixed | set(self.constants),
            self.rng,
        )[self.modelled.names]

    def _filled_by_others(self, table: pd.DataFrame, filled: list[str], report: Report) -> pd.DataFrame:
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


def _replaced(table: pd.DataFrame, positions: np.ndarray, rows: pd.DataFrame) -> pd.DataFrame:
    """`table` with the rows at `positions` replaced."""
    if not len(positions):
        return table
    stay = np.setdiff1d(np.arange(len(table)), positions)
    order = np.argsort(np.concatenate([stay, positions]), kind="stable")
    return stacked([table.iloc[stay], rows]).iloc[order].reset_index(drop=True)
