"""Rules that a table seems to keep, each with its support: suggestions for the analyst, who decides.

A rule is suggested only where it says something: columns drawn independently of each other would break it.
"""

from __future__ import annotations

from itertools import combinations, permutations

import numpy as np
import pandas as pd
from pydantic import BaseModel, Field

from synth.schema import Schema
from synth.schema.casting import conform
from synth.schema.comparing import as_written, days_of, measure, of_whole_days
from synth.schema.rules import Combination, ExactlyOne, Ordering, Range, Rule, Sum

SUPPORT = 0.995
"""Share of rows that must keep a rule."""
SURPRISE = 0.05
"""Share of rows that would break it, were the columns independent."""
FEWEST = 20
"""Rows below which a table tells nothing."""
SCREENED = 4000
"""Rows on which candidates are screened before they are checked on all."""
MOST = 40
"""Suggestions at most, the most surprising first."""
LEVELS = 2000
"""Columns of more different values are no part of a suggested combination."""


class Suggestion(BaseModel):
    """A rule and how well the table keeps it."""

    rule: Rule = Field(description="The rule, as `Schema.rules` takes it.")
    support: float = Field(description="Share of the rows it applies to that keep it.")
    rows: int = Field(description="Rows it applies to.")
    surprise: float = Field(description="Share of rows that would break it, were the columns independent.")

    def __str__(self) -> str:
        return f"{self.rule} ({self.support:.2%} of {self.rows:,} rows)"


def suggest_rules(table: pd.DataFrame, schema: Schema, seed: int = 0) -> list[Suggestion]:
    """Rules that at least 99.5 % of the rows keep and that chance would break; the most surprising first."""
    modelled = schema.modelled
    table = conform(table, modelled).reset_index(drop=True)
    if len(table) < FEWEST:
        return []
    rng = np.random.default_rng(seed)
    sample = table.sample(SCREENED, random_state=seed).reset_index(drop=True) if len(table) > SCREENED else table
    found = [
        *_orders(table, sample, modelled, rng),
        *_sums(table, sample, modelled),
        *_combinations(table, sample, modelled),
        *_exactly_one(table, modelled),
        *_ranges(table, modelled),
    ]
    stated = set(map(str, schema.rules))
    found = [suggestion for suggestion in found if str(suggestion.rule) not in stated]
    return sorted(found, key=lambda suggestion: -suggestion.surprise)[:MOST]


def dates_in_order(table: pd.DataFrame, schema: Schema) -> list[Ordering]:
    """Orders between dates that every row of a conforming table keeps and chance would break.

    They hold without being confirmed by anybody: no ride ends before it begins. Every generator keeps them. Two moments
    may also be equal, even where none of these rows has them so; of days, "after" is kept as the table has it.
    """
    dates = Schema(columns=[column for column in schema if column.kind == "datetime"])
    if len(dates) < 2 or len(table) < FEWEST:
        return []
    sample = table.sample(SCREENED, random_state=0).reset_index(drop=True) if len(table) > SCREENED else table
    found = _orders(table, sample, dates, np.random.default_rng(0))
    rules = [found.rule for found in found if found.support == 1.0 and isinstance(found.rule, Ordering)]
    return [rule if rule.by == "day" else rule.model_copy(update={"strict": False}) for rule in rules]


def _checked(rule: Rule, table: pd.DataFrame, surprise: float) -> list[Suggestion]:
    applies = rule.applies(table)
    rows = int(applies.sum())
    if rows < FEWEST:
        return []
    support = float(rule.holds(table)[applies].mean())
    return [Suggestion(rule=rule, support=support, rows=rows, surprise=surprise)] if support >= SUPPORT else []


def _orders(table: pd.DataFrame, sample: pd.DataFrame, schema: Schema, rng: np.random.Generator) -> list[Suggestion]:
    found, zoned = [], {column.name for column in schema if column.timezone}
    shuffled = rng.permutation(len(sample))
    for kinds in (("datetime",), ("number", "integer")):
        names = [name for name in schema.having(kinds=kinds) if sample[name].nunique() > 2]
        # As `Ordering.ends` compares two columns, each column measured once.
        moments = {name: measure(sample[name]) for name in names}
        clocks = {name: measure(as_written(sample[name])) for name in names}
        days = {name: days_of(sample[name]) for name in names if kinds == ("datetime",)}
        known = {name: sample[name].notna().to_numpy() for name in names}
        # Beside a column with a time of day, one of whole days means all of the day.
        whole = {name for name in days if of_whole_days(table[name])}
        whole = whole if len(whole) < len(days) else set()
        for low, high in permutations(names, 2):
            both = known[low] & known[high]
            if both.sum() < FEWEST:
                continue
            # A stamp that always lies on the day beside it keeps its order within that day.
            by_day = bool(whole & {low, high}) and not (days[low] == days[high])[both].all()
            clocked = (low in zoned) != (high in zoned)
            numbers = days if by_day else clocks if clocked else moments
            lows, highs = numbers[low], numbers[high]
            if (lows > highs)[both].mean() > 1 - SUPPORT or (lows == highs)[both].all():
                continue
            crossed = known[low] & known[high][shuffled]
            surprise = float((lows > highs[shuffled])[crossed].mean())
            if surprise >= SURPRISE:
                strict = not (lows == highs)[both].any()
                rule = Ordering(low=low, high=high, strict=strict, by="day" if by_day else "moment")
                suggestions = _checked(rule, table, surprise)
                # One row on the very day is enough to show that the day itself counts.
                if by_day and strict and any(suggestion.support < 1 for suggestion in suggestions):
                    suggestions = []
                found += suggestions or (_checked(rule.model_copy(update={"strict": False}), table, surprise))
    return _without_implied(found, zoned)


def _without_implied(found: list[Suggestion], zoned: set[str]) -> list[Suggestion]:
    """Without `a <= c` where `a <= b` and `b <= c` are there, and imply it as the three are compared."""
    orders = [suggestion.rule for suggestion in found if isinstance(suggestion.rule, Ordering)]
    rules = {(rule.low, rule.high): rule for rule in orders}
    middle = {name for pair in rules for name in pair}

    def implied(rule: Ordering, by: str) -> bool:
        first, second = rules.get((rule.low, by)), rules.get((by, rule.high))
        if first is None or second is None:
            return False
        steps = (first, second)
        if rule.by == "moment":
            return all(step.by == "moment" for step in steps) and len({rule.low, by, rule.high} & zoned) in (0, 3)
        # Moments of two zones may lie on days in the other order.
        alike = all(step.by == "day" or len(set(step.named) & zoned) < 2 for step in steps)
        return alike and (not rule.strict or any(step.strict and step.by == "day" for step in steps))

    implied_ones = [rule for rule in orders if any(implied(rule, by) for by in middle)]
    return [suggestion for suggestion in found if suggestion.rule not in implied_ones]


def _sums(table: pd.DataFrame, sample: pd.DataFrame, schema: Schema) -> list[Suggestion]:
    """Totals whose least-squares weights on the other columns are all 0 or 1."""
    names = [name for name in schema.having(kinds=("number", "integer")) if sample[name].nunique() > 2]
    known = sample[names].dropna()
    if len(names) < 3 or len(names) > 60 or len(known) < max(50, 2 * len(names)):
        return []
    numbers = known.to_numpy(float)
    found = []
    for place, total in enumerate(names):
        others = np.delete(numbers, place, axis=1)
        scale = np.maximum(others.std(axis=0), 1e-12)
        weights = np.linalg.lstsq(others / scale, numbers[:, place], rcond=None)[0] / scale
        parts = [name for name, weight in zip(np.delete(names, place), weights, strict=True) if abs(weight - 1) < 0.02]
        matters = np.abs(weights) * scale > 0.02 * max(numbers[:, place].std(), 1e-12)
        if len(parts) >= 2 and matters.sum() <= len(parts):
            decimals = [schema[name].decimals or 0 for name in (total, *parts)]
            rule = Sum(total=total, parts=parts, tolerance=0.51 * 10.0 ** -min(decimals) if min(decimals) else 0.005)
            found += _checked(rule, table, 1.0)
    return found


def _combinations(table: pd.DataFrame, sample: pd.DataFrame, schema: Schema) -> list[Suggestion]:
    """Pairs of columns where one tells the other, or where pairs of frequent values never meet."""
    names = [
        name
        for name in schema.having(kinds=("category", "integer", "boolean"))
        if 2 <= table[name].nunique() <= min(LEVELS, len(table) / 4)
    ]
    codes = {name: pd.factorize(table[name])[0] for name in names}
    levels = {name: codes[name].max() + 1 for name in names}
    screened = {name: codes[name][:: max(1, len(table) // SCREENED)] for name in names}
    found = []
    for first, second in combinations(names, 2):
        for from_, to in ((first, second), (second, first)):
            if levels[from_] < levels[to] or (schema[from_].kind == "integer" and levels[from_] > 50):
                continue
            if _determined(screened[from_], screened[to]) < SUPPORT:
                continue
            support = _determined(codes[from_], codes[to])
            surprise = _chance_of_mismatch(codes[to])
            if support >= SUPPORT and surprise >= SURPRISE:
                rows = int(((codes[first] >= 0) & (codes[second] >= 0)).sum())
                rule = Combination(columns=[from_, to])
                found.append(Suggestion(rule=rule, support=support, rows=rows, surprise=surprise))
                break
        else:
            # What two columns have in common with a third needs no rule of its own.
            pairs = [set(suggestion.rule.columns) for suggestion in found]
            if not any({first, by} in pairs and {second, by} in pairs for by in names):
                found += _never_together(first, second, codes, levels)
    return found


def _determined(of: np.ndarray, by: np.ndarray) -> float:
    """Share of rows whose value in `by` is the usual one for their value in `of`."""
    both = (of >= 0) & (by >= 0)
    if both.sum() < FEWEST:
        return 0.0
    pairs = np.bincount(of[both].astype(np.int64) * (by.max() + 1) + by[both])
    pairs = np.pad(pairs, (0, -len(pairs) % (by.max() + 1))).reshape(-1, by.max() + 1)
    # Values of a single row tell nothing, whatever stands beside them.
    told = pairs[pairs.sum(axis=1) > 1]
    return float(told.max(axis=1).sum() / max(told.sum(), 1)) if told.sum() > both.sum() / 2 else 0.0


def _chance_of_mismatch(codes: np.ndarray) -> float:
    shares = np.bincount(codes[codes >= 0]) / max(1, (codes >= 0).sum())
    return float(1 - (shares**2).sum())


def _never_together(first: str, second: str, codes: dict, levels: dict) -> list[Suggestion]:
    """A combination of two short lists where at least one pair should be frequent by chance and never occurs."""
    if levels[first] * levels[second] > 100:
        return []
    both = (codes[first] >= 0) & (codes[second] >= 0)
    counts = np.zeros((levels[first], levels[second]))
    np.add.at(counts, (codes[first][both], codes[second][both]), 1)
    expected = counts.sum(axis=1, keepdims=True) * counts.sum(axis=0) / max(1, both.sum())
    missing = float(expected[(counts == 0) & (expected >= 30)].sum() / max(1, both.sum()))
    if missing < SURPRISE:
        return []
    rule = Combination(columns=[first, second])
    return [Suggestion(rule=rule, support=1.0, rows=int(both.sum()), surprise=missing)]


def _exactly_one(table: pd.DataFrame, schema: Schema) -> list[Suggestion]:
    """Flags that exclude each other and leave no row without one; also columns of which one is filled."""
    flags = [name for name in schema.having(kinds=("boolean", "integer")) if set(table[name].dropna()) == {0, 1}]
    groups: dict[str, list[str]] = {}
    for name in flags:
        groups.setdefault(name.replace(" ", "_").rsplit("_", 1)[0], []).append(name)
    candidates = [group for group in groups.values() if len(group) > 2] + ([flags] if len(flags) > 2 else [])
    candidates += [list(pair) for pair in combinations(flags, 2)] if len(flags) <= 30 else []
    gapped = [n for n in schema.names if n not in flags and 0.05 < table[n].isna().mean() < 0.95]
    candidates += [list(pair) for pair in combinations(gapped, 2)] if len(gapped) <= 30 else []
    found, seen = [], set()
    for columns in candidates:
        rule = ExactlyOne(columns=columns)
        if str(rule) in seen:
            continue
        seen.add(str(rule))
        shares = rule.set_in(table).mean(axis=0)
        none = np.prod(1 - shares)
        one = sum(share / (1 - share) for share in shares if share < 1) * none
        if 1 - one >= SURPRISE and (_plainly_set(table, columns)):
            found += _checked(rule, table, float(1 - one))
    return found


def _plainly_set(table: pd.DataFrame, columns: list[str]) -> bool:
    """Whether 0 means unset, as in flags, or the columns hold no number that could be 0 by itself."""
    return all(set(table[name].dropna().unique()) <= {0, 1} or not (table[name] == 0).any() for name in columns)


def _ranges(table: pd.DataFrame, schema: Schema) -> list[Suggestion]:
    """Columns that end exactly at 0, 1 or 100, where values stand close to the end."""
    found = []
    for name in schema.having(kinds=("number", "integer")):
        values = table[name].dropna()
        if values.nunique() < 10:
            continue
        low, high = float(values.min()), float(values.max())
        rule = Range(
            column=name, low=0 if low == 0 else None, high=int(high) if low == 0 and high in (1, 100) else None
        )
        if rule.low is not None or rule.high is not None:
            found += _checked(rule, table, 0.0)
    return found
