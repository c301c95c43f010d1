"""How rules between columns are kept, by any generator and in every row.

Three means, in this order. *Learning the gap*: for `low <= high` the model also learns `high - low`, and `high` is
computed from the two. *Drawing again*: rows that break a rule are drawn anew, a few times. *Repair*: what is still
broken is changed as little as the rule asks. What the model itself would have done is counted on the way.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict

from synth.columns.frames import stacked
from synth.columns.precision import STEPS_US, Precision
from synth.constraints.discovery import dates_in_order
from synth.errors import Invalid
from synth.schema import Column, Schema
from synth.schema.casting import conform
from synth.schema.comparing import DAY_US, as_written, measure, moved_to, on_days_of
from synth.schema.rules import Ordering, Rule, Seen

REDRAWS = 6
"""Times a broken row is drawn anew before it is repaired."""
REPAIRS = 20
"""Times it is then drawn anew and repaired before giving up."""


class RulesBroken(Invalid):
    """Raised when rows cannot keep all rules at once."""


class Gap(BaseModel):
    """The column that holds `high - low` of a rule, in steps of `unit`."""

    model_config = ConfigDict(extra="forbid")

    column: Column
    unit: float


@dataclass(frozen=True)
class RepairContext:
    """What the repairs of rules go by (`synth.schema.rules.RepairTools` explains its methods)."""

    schema: Schema
    precisions: dict[str, Precision]
    fixed: Collection[str]
    rng: np.random.Generator
    seen: Seen | None = None

    def step(self, name: str) -> Any:
        kind, precision = self.schema[name].kind, self.precisions.get(name)
        if kind == "datetime":
            return pd.Timedelta(STEPS_US.get((precision.step or "") if precision else "s", 1), unit="us")
        decimals = self.decimals(name)
        return 1 if kind == "integer" else 10.0 ** -(6 if decimals is None else decimals)

    def decimals(self, *names: str) -> int | None:
        known = [self.precisions[name].decimals for name in names if name in self.precisions]
        digits = [decimals for decimals in known if decimals is not None]
        return max(digits, default=None) if len(digits) == len(known) else None

    def conformed(self, values: pd.DataFrame) -> pd.DataFrame:
        return conform(values, Schema(columns=[self.schema[name] for name in values.columns]))

    def put(self, table: pd.DataFrame, name: str, rows: np.ndarray, values: pd.Series) -> None:
        column = table[name].copy()
        if isinstance(column.dtype, pd.CategoricalDtype):
            # A category that is new to the column is added.
            column = column.cat.add_categories([c for c in values.cat.categories if c not in column.cat.categories])
            values = values.astype(object)
        column.iloc[rows] = values.to_numpy() if column.dtype.kind in "fM" else values.array
        table[name] = column


class ConstraintEnforcer(BaseModel):
    """The rules of a table, and what keeping them takes to know of it."""

    model_config = ConfigDict(extra="forbid")

    rules: list[Rule] = []
    gaps: dict[int, Gap] = {}
    """By the rule's place, in the order in which columns are put together."""
    seen: dict[int, dict[str, list[Any]]] = {}
    """By the rule's place, the combinations of values that it must know, and in `counts` the rows of each."""
    counts: dict[int, list[int]] = {}

    @classmethod
    def learn(
        cls, table: pd.DataFrame, schema: Schema, modelled: Schema, precisions: dict[str, Precision]
    ) -> ConstraintEnforcer:
        """The schema's rules, and the order of dates where every row keeps one.

        Raises Invalid when a rule speaks of columns that no model draws.
        """
        stated = [(rule.low, rule.high) for rule in schema.rules if isinstance(rule, Ordering)]
        found = [rule for rule in dates_in_order(table, modelled) if (rule.low, rule.high) not in stated]
        enforcer = cls(rules=[*schema.rules, *found])
        for rule in enforcer.rules:
            strange = [name for name in rule.named if schema[name].role not in ("feature", "target")]
            strange += [name for name in rule.named if schema[name].kind == "text" and name not in strange]
            if strange:
                raise Invalid(
                    f"The rule {rule} speaks of {', '.join(map(repr, strange))}, which is not modelled but made new. "
                    "Remove the rule, or give the column another role."
                )
        for index, rule in _in_order(enforcer.rules):
            if {rule.low, rule.high} <= set(modelled.names):
                enforcer.gaps[index] = _gap(rule, modelled, precisions)
        for index, rule in enumerate(enforcer.rules):
            if seen := rule.seen_in(table):
                enforcer.seen[index], enforcer.counts[index] = seen
        return enforcer

    def encoded_schema(self, modelled: Schema) -> Schema:
        """The columns the model learns: the table's and the gaps."""
        return Schema(columns=[*modelled.columns, *(gap.column for gap in self.gaps.values())])

    def encode(self, table: pd.DataFrame) -> pd.DataFrame:
        """`table` with those gaps whose columns it has both."""
        gaps = {}
        for rule, gap in self._gaps():
            if not {rule.low, rule.high} <= set(table.columns):
                continue
            low, high = rule.ends(table)
            narrowest = gap.unit if rule.strict and gap.column.kind == "number" else rule.strict
            if rule.by == "day":
                # From the beginning of the day, so that a gap to a stamp holds its time of day.
                high, narrowest = measure(as_written(table[rule.high])), rule.strict * DAY_US / gap.unit
            distance = (high - low) / gap.unit
            known = rule.applies(table)
            # Real rows that break the rule teach the narrowest gap that keeps it.
            distance = np.maximum(distance, narrowest)
            if gap.column.kind == "integer":
                whole = np.where(known, np.round(distance), 0).astype(np.int64)
                gaps[gap.column.name] = pd.arrays.IntegerArray(whole, ~known)
            else:
                gaps[gap.column.name] = np.where(known, distance, np.nan)
        return table.assign(**gaps) if gaps else table

    def decode(self, table: pd.DataFrame, fixed: Collection[str] = ()) -> pd.DataFrame:
        """`table` without gaps: columns put together from them, totals summed up; `fixed` columns stay."""
        table = table.copy(deep=False)
        for rule, gap in self._gaps():
            distance = table.pop(gap.column.name)
            known, there = rule.applies(table), distance.notna().to_numpy()
            if there.any():
                # A weak model may give both ends and no gap: it takes another row's.
                distance = distance.mask(~there, pd.Series(np.resize(distance[there], len(table)), index=table.index))
            else:
                known &= there
            name, base, unit = (
                (rule.high, rule.low, gap.unit) if rule.high not in fixed else (rule.low, rule.high, -gap.unit)
            )
            if name not in fixed:
                far = np.where(known, distance.to_numpy(float, na_value=0.0), 0.0) * unit
                table[name] = table[name].where(~known, _moved(table[name], table[base], far, rule))
        return table

    def _gaps(self) -> Iterator[tuple[Ordering, Gap]]:
        for index, gap in self.gaps.items():
            if isinstance(rule := self.rules[index], Ordering):
                yield rule, gap

    def kept(self, table: pd.DataFrame) -> np.ndarray:
        """Rules x rows: which rule is kept in which row."""
        kept = np.ones((len(self.rules), len(table)), bool)
        for index, rule in enumerate(self.rules):
            kept[index] = rule.kept(table, self._seen(index))
        return kept

    def _seen(self, index: int) -> Seen | None:
        return Seen(self.seen[index], self.counts[index]) if index in self.seen else None

    def keep(
        self,
        table: pd.DataFrame,
        redraw: Callable[[np.ndarray], pd.DataFrame],
        context: RepairContext,
    ) -> pd.DataFrame:
        """`table` with every rule kept in every row.

        `redraw` gives new rows for the given positions. Raises RulesBroken when the rules (with what is fixed)
        contradict each other.
        """
        done, positions = [], np.arange(len(table))
        order = []
        for turn in range(REDRAWS + REPAIRS):
            repaired = self._repaired(table, context, exact_only=turn < REDRAWS)
            good = self.kept(repaired).all(axis=0)
            done.append(repaired[good])
            order.append(positions[good])
            if good.all():
                return stacked(done).iloc[np.argsort(np.concatenate(order))].reset_index(drop=True)
            positions = positions[~good]
            table = redraw(positions)
        broken = [str(rule) for rule, kept in zip(self.rules, self.kept(repaired), strict=True) if not kept.all()]
        raise RulesBroken(
            f"{len(positions)} rows cannot be made to keep all rules at once: {'; '.join(broken)}. "
            "See whether these rules contradict each other or the values that are given."
        )

    def _repaired(self, table: pd.DataFrame, context: RepairContext, *, exact_only: bool) -> pd.DataFrame:
        table = table.copy(deep=False)
        rules = [(rule, self._seen(index)) for index, rule in enumerate(self.rules) if rule.exact or not exact_only]
        for _ in range(3):
            for rule, seen in rules:
                kept = rule.kept(table, seen)
                if not kept.all():
                    rule.repair(table, np.flatnonzero(~kept), replace(context, seen=seen))
        return table


def _in_order(rules: list[Rule]) -> list[tuple[int, Ordering]]:
    """The orderings whose gap is learned, with their places: one for each `high`, each after the one of its `low`."""
    chosen: dict[str, tuple[int, Ordering]] = {}
    for index, rule in enumerate(rules):
        if isinstance(rule, Ordering) and rule.high not in chosen:
            low, chain = rule.low, {rule.high}
            while low in chosen and low not in chain:
                chain.add(low)
                low = chosen[low][1].low
            if low not in chain:
                chosen[rule.high] = index, rule

    def depth(rule: Ordering) -> int:
        return 1 + depth(chosen[rule.low][1]) if rule.low in chosen else 0

    return sorted(chosen.values(), key=lambda place: depth(place[1]))


def _gap(rule: Ordering, modelled: Schema, precisions: dict[str, Precision]) -> Gap:
    low, high = modelled[rule.low], modelled[rule.high]
    name = f"{rule.high} after {rule.low}"
    while name in modelled.names:
        name += "'"
    if high.kind == "datetime":
        # Of days, the gap is as fine as what it leads to: whole days to a day.
        ends = (rule.high,) if rule.by == "day" else (rule.low, rule.high)
        steps = {precisions[end].step for end in ends}
        unit = min((STEPS_US[step] for step in steps), default=1_000_000) if None not in steps else 1
        return Gap(column=Column(name=name, kind="integer"), unit=unit)
    if low.kind == high.kind == "integer":
        return Gap(column=Column(name=name, kind="integer"), unit=1)
    decimals = [precisions[column].decimals for column in (rule.low, rule.high)]
    digits = None if None in decimals else max(decimals)
    return Gap(column=Column(name=name, kind="number", decimals=digits), unit=1)


def _moved(values: pd.Series, base: pd.Series, far: np.ndarray, rule: Ordering) -> pd.Series:
    """The values of one column of the rule, so far from those of the other."""
    if rule.by == "day" and values.name == rule.high:
        moved = moved_to(as_written(base).dt.normalize() + _microseconds(far), values.dtype)
    elif rule.by == "day":
        moved = on_days_of(as_written(base) + _microseconds(far), values)
    elif isinstance(values.dtype, pd.DatetimeTZDtype) or values.dtype.kind == "M":
        moved = moved_to(base + _microseconds(far), values.dtype)
    elif values.dtype.kind == "f":
        moved = base.astype(float) + far
    else:
        moved = base + pd.array(far.round().astype(np.int64), dtype="Int64")
    return moved.astype(values.dtype)


def _microseconds(count: np.ndarray) -> pd.TimedeltaIndex:
    return pd.to_timedelta(count.astype(np.int64), unit="us")
