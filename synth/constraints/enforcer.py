"""How rules between columns are kept, by any generator and in every row.

Three means, in this order. *Learning the gap*: for `low <= high` the model also learns `high - low`, and `high` is
computed from the two. *Drawing again*: rows that break a rule are drawn anew, a few times. *Repair*: what is still
broken is changed as little as the rule asks. What the model itself would have done is counted on the way.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict

from synth.columns.frames import stacked
from synth.columns.precision import STEPS_US, Precision
from synth.constraints.discovery import dates_in_order
from synth.schema import Column, Schema
from synth.schema.casting import conform
from synth.schema.comparing import DAY_US, as_written, measure, measured, moved_to, on_days_of
from synth.schema.rules import Allowed, Combination, ExactlyOne, Ordering, Range, Rule, Sum

REDRAWS = 6
"""Times a broken row is drawn anew before it is repaired."""
REPAIRS = 20
"""Times it is then drawn anew and repaired before giving up."""


class RulesBroken(ValueError):
    """Raised when rows cannot keep all rules at once."""


class Gap(BaseModel):
    """The column that holds `high - low` of a rule, in steps of `unit`."""

    model_config = ConfigDict(extra="forbid")

    column: Column
    unit: float


@dataclass(frozen=True)
class RepairContext:
    """What a repair goes by."""

    schema: Schema
    precisions: dict[str, Precision]
    fixed: Collection[str]
    """Columns that are never changed."""
    rng: np.random.Generator


class ConstraintEnforcer(BaseModel):
    """The rules of a table, and what keeping them takes to know of it."""

    model_config = ConfigDict(extra="forbid")

    rules: list[Rule] = []
    gaps: dict[int, Gap] = {}
    """By the rule's place, in the order in which columns are put together."""
    seen: dict[int, dict[str, list[Any]]] = {}
    """For each `Combination`, the values seen together."""
    counts: dict[int, list[int]] = {}

    @classmethod
    def learn(
        cls, table: pd.DataFrame, schema: Schema, modelled: Schema, precisions: dict[str, Precision]
    ) -> ConstraintEnforcer:
        """The schema's rules, and the order of dates where every row keeps one.

        Raises ValueError when a rule speaks of columns that no model draws.
        """
        stated = [(rule.low, rule.high) for rule in schema.rules if isinstance(rule, Ordering)]
        found = [rule for rule in dates_in_order(table, modelled) if (rule.low, rule.high) not in stated]
        enforcer = cls(rules=[*schema.rules, *found])
        for rule in enforcer.rules:
            strange = [name for name in rule.named if schema[name].role not in ("feature", "target")]
            strange += [name for name in rule.named if schema[name].kind == "text" and name not in strange]
            if strange:
                raise ValueError(
                    f"The rule {rule} speaks of {', '.join(map(repr, strange))}, which is not modelled but made new. "
                    "Remove the rule, or give the column another role."
                )
        for index, rule in _in_order(enforcer.rules):
            if {rule.low, rule.high} <= set(modelled.names):
                enforcer.gaps[index] = _gap(rule, modelled, precisions)
        for index, rule in enumerate(enforcer.rules):
            if isinstance(rule, Combination):
                enforcer.seen[index], enforcer.counts[index] = _seen_together(table[rule.named].dropna())
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
            kept[index] = self._together(index, table) if isinstance(rule, Combination) else rule.kept(table)
        return kept

    def _together(self, index: int, table: pd.DataFrame) -> np.ndarray:
        rule = self.rules[index]
        seen = set(_keys(pd.DataFrame(self.seen[index], dtype=object)))
        return ~rule.applies(table) | np.array([key in seen for key in _keys(table[rule.named])], bool)

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
            repaired = self._repaired(table, context, sums_only=turn < REDRAWS)
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

    def _repaired(self, table: pd.DataFrame, context: RepairContext, *, sums_only: bool) -> pd.DataFrame:
        table = table.copy(deep=False)
        rules = [(index, rule) for index, rule in enumerate(self.rules) if isinstance(rule, Sum) or not sums_only]
        for _ in range(3):
            for index, rule in rules:
                kept = self._together(index, table) if isinstance(rule, Combination) else rule.kept(table)
                if not kept.all():
                    self._repair(index, table, np.flatnonzero(~kept), context)
        return table

    def _repair(self, index: int, table: pd.DataFrame, rows: np.ndarray, context: RepairContext) -> None:
        """Change the cells of `table` in `rows` as little as the rule at `index` asks."""
        rule = self.rules[index]
        if isinstance(rule, Sum):
            _repair_sum(rule, table, rows, context)
        elif isinstance(rule, Ordering):
            _repair_ordering(rule, table, rows, context)
        elif isinstance(rule, Range) and rule.column not in context.fixed:
            _repair_range(rule, table, rows)
        elif isinstance(rule, Allowed) and rule.column not in context.fixed:
            values = pd.DataFrame({rule.column: context.rng.choice(np.array(rule.values, object), len(rows))})
            _put(table, rule.column, rows, conform(values, _only(context.schema, rule.named))[rule.column])
        elif isinstance(rule, ExactlyOne) and not set(context.fixed) & set(rule.columns):
            _repair_exactly_one(rule, table, rows, context)
        elif isinstance(rule, Combination):
            seen = conform(pd.DataFrame(self.seen[index]), _only(context.schema, rule.named))
            _repair_combination(rule, table, rows, _Seen(seen, np.array(self.counts[index], float)), context)


class _Seen(NamedTuple):
    """Combinations of values, one a row, and how often each was seen."""

    values: pd.DataFrame
    counts: np.ndarray


def _only(schema: Schema, names: list[str]) -> Schema:
    return Schema(columns=[schema[name] for name in names])


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


def _seen_together(table: pd.DataFrame) -> tuple[dict[str, list], list[int]]:
    """The combinations in `table` and how often each occurs; those of one row only where they make up the table."""
    counted = table.value_counts(sort=False).reset_index(name="__rows__")
    rows = counted.pop("__rows__").to_numpy()
    # A combination of one person is left out, unless so many are that the rule would lose half the table.
    often = rows > 1
    if rows[often].sum() >= rows.sum() / 2:
        counted, rows = counted[often], rows[often]
    return {name: [_json(value) for value in values] for name, values in counted.items()}, rows.tolist()


def _json(value: Any) -> Any:
    if isinstance(value, pd.Timestamp):
        return value.isoformat()
    return value.item() if isinstance(value, np.generic) else value


def _keys(table: pd.DataFrame) -> list[tuple]:
    """One hashable key a row; equal for values as drawn and as stored."""
    return list(zip(*([_json(value) for value in table[name].astype(object)] for name in table.columns), strict=True))


def _put(table: pd.DataFrame, name: str, rows: np.ndarray, values: pd.Series) -> None:
    """Set the cells of a column; a category that is new to it is added."""
    column = table[name].copy()
    if isinstance(column.dtype, pd.CategoricalDtype):
        column = column.cat.add_categories([c for c in values.cat.categories if c not in column.cat.categories])
        values = values.astype(object)
    column.iloc[rows] = values.to_numpy() if column.dtype.kind in "fM" else values.array
    table[name] = column


def _repair_ordering(rule: Ordering, table: pd.DataFrame, rows: np.ndarray, context: RepairContext) -> None:
    """Set the end that may move to the other (when strict, one step beyond)."""
    schema, move_low = context.schema, rule.high in context.fixed
    if move_low and rule.low in context.fixed:
        return
    name, base = (rule.low, rule.high) if move_low else (rule.high, rule.low)
    if rule.by == "day":
        days = as_written(table[base].iloc[rows]) + pd.Timedelta(days=rule.strict * (-1 if move_low else 1))
        _put(table, name, rows, on_days_of(days, table[name].iloc[rows]))
        return
    precision = context.precisions.get(name)
    step: Any = 0
    if rule.strict and schema[name].kind == "datetime":
        step = pd.Timedelta(STEPS_US.get(precision.step if precision else "s", 1), unit="us")
    elif rule.strict:
        step = (
            1
            if schema[name].kind == "integer"
            else 10.0 ** -(6 if precision is None or precision.decimals is None else precision.decimals)
        )
    anchor = table[base].iloc[rows]
    if step:
        anchor = anchor - step if move_low else anchor + step
    if schema[name].kind == "datetime":
        anchor = moved_to(anchor, table[name].dtype)
    _put(table, name, rows, conform(anchor.to_frame(name).reset_index(drop=True), _only(schema, [name]))[name])


def _repair_range(rule: Range, table: pd.DataFrame, rows: np.ndarray) -> None:
    """Move the values to the bound that they lie beyond."""
    column = table[rule.column]
    values = measure(column)[rows]
    if rule.low is not None:
        values = np.maximum(values, measured(rule.low, column))
    if rule.high is not None:
        values = np.minimum(values, measured(rule.high, column))
    if isinstance(column.dtype, pd.DatetimeTZDtype):
        new = pd.Series(values.astype("datetime64[us]")).dt.tz_localize("UTC").dt.tz_convert(column.dtype.tz)
    elif column.dtype.kind == "M":
        new = pd.Series(values.astype("datetime64[us]"))
    elif column.dtype == "Int64":
        # Inwards, so that a bound of 0.5 makes a 1 and not a 0.
        inward = np.where(measure(column)[rows] < values, np.ceil(values), np.floor(values))
        new = pd.Series(inward.astype(np.int64)).astype("Int64")
    else:
        new = pd.Series(values)
    _put(table, rule.column, rows, new.astype(column.dtype))


def _repair_exactly_one(rule: ExactlyOne, table: pd.DataFrame, rows: np.ndarray, context: RepairContext) -> None:
    """Keep one of the columns that are set; where none is, set one as some other row has it."""
    rng, is_set = context.rng, rule.set_in(table)
    mine = is_set[rows]
    shares = np.where(mine.any(axis=1)[:, None], mine, np.maximum(is_set.mean(axis=0), 1e-9))
    keep = np.argmax(rng.random(shares.shape) ** (1 / np.maximum(shares, 1e-12)), axis=1)
    for place, name in enumerate(rule.columns):
        column = table[name]
        flag = column.dtype == "boolean"
        numeric = flag or pd.api.types.is_numeric_dtype(column.dtype)
        unset = rows[(keep != place) & mine[:, place]]
        if len(unset):
            _put(table, name, unset, pd.Series([0 if numeric else None] * len(unset)).astype(column.dtype))
        to_set = rows[(keep == place) & ~mine[:, place]]
        donors = np.flatnonzero(is_set[:, place])
        if len(to_set) and (len(donors) or numeric):
            known = column.iloc[rng.choice(donors, len(to_set))] if len(donors) else pd.Series([1] * len(to_set))
            _put(table, name, to_set, known.reset_index(drop=True).astype(column.dtype))


def _repair_combination(
    rule: Combination, table: pd.DataFrame, rows: np.ndarray, seen: _Seen, context: RepairContext
) -> None:
    """Replace the combination by one seen with the value of the leading column (or of those that are fixed)."""
    fixed = set(context.fixed)
    leading = [name for name in rule.columns if name in fixed] or rule.columns[:1]
    partners: dict[tuple, list[int]] = {}
    for place, key in enumerate(_keys(seen.values[leading])):
        partners.setdefault(key, []).append(place)
    anyone = None if set(rule.columns) & fixed else list(range(len(seen.counts)))
    chosen: list[int] = []
    repairable: list[int] = []
    for row, key in zip(rows, _keys(table[leading].iloc[rows]), strict=True):
        places = partners.get(key, anyone)
        if places:
            weights = seen.counts[places]
            point = context.rng.random() * weights.sum()
            chosen.append(places[np.searchsorted(np.cumsum(weights), point, side="right")])
            repairable.append(row)
    if repairable:
        for name in rule.columns:
            if name not in fixed:
                _put(table, name, np.array(repairable), seen.values[name].iloc[np.array(chosen)].reset_index(drop=True))


def _repair_sum(rule: Sum, table: pd.DataFrame, rows: np.ndarray, context: RepairContext) -> None:
    """Sum up the total; where the total is fixed, stretch the parts that are not, the last taking the rounding."""
    precisions, fixed = context.precisions, context.fixed
    parts = {name: table[name].iloc[rows].to_numpy(float) for name in rule.parts}
    if rule.total not in fixed:
        digits = [precisions[name].decimals for name in rule.named if name in precisions]
        total = sum(parts.values())
        total = np.round(total, 9 if None in digits or not digits else max(digits))
        _put(table, rule.total, rows, pd.Series(total).astype(table[rule.total].dtype))
        return
    free = [name for name in rule.parts if name not in fixed]
    if not free:
        return
    total = table[rule.total].iloc[rows].to_numpy(float)
    left = total - sum(values for name, values in parts.items() if name not in free)
    before = sum(parts[name] for name in free)
    with np.errstate(divide="ignore", invalid="ignore"):
        stretch = np.where(before != 0, left / before, 0.0)
    for name in free:
        new = parts[name] * stretch if name != free[-1] else left
        precision = precisions.get(name)
        if name != free[-1] and precision is not None and precision.decimals is not None:
            new = np.round(new, precision.decimals)
        left = left - new if name != free[-1] else left
        decimals = 9 if precision is None or precision.decimals is None else precision.decimals
        _put(table, name, rows, pd.Series(np.round(new, decimals)).astype(table[name].dtype))
