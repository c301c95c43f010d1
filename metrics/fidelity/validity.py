"""Validity: does every synthetic row follow the rules of the real data? Rules are discovered, or given."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from metrics.base import Score, Tables, conformed
from metrics.detail import BrokenRule, Rules
from metrics.fidelity.coverage import missing
from metrics.registry import metric
from metrics.tools.compare import NO_HOLDOUT, plain
from metrics.tools.encode import Encoded, Side, as_floats, encoded
from metrics.tools.intervals import share_interval
from metrics.tools.sampling import randomness
from synth.linear import within

OPERATORS: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    ">": operator.gt,
}
COMPARISON = within("<=|>=|==|!=|<|>")
TELLING = 0.01
"""A rule found is worth telling when rows shuffled column by column would break it more often than this."""
ROWS_PER_VALUE = 5
"""That one column settles another is believed only of values that occur this often."""
MOST_VALUES = 200
FIRST_LOOK = 1000


@dataclass(frozen=True)
class Rule:
    """A condition on single rows; `broken(table)` marks the rows that do not keep it."""

    kind: str
    text: str
    columns: list[str]
    broken: Callable[[pd.DataFrame, Side], np.ndarray]


class RuleBroken(BrokenRule):
    kind: str
    columns: list[str]


class ValidityDetail(Rules):
    rules: list[RuleBroken]


@metric(
    "Validity",
    "fidelity",
    "Does every row follow the rules that hold in the real data?",
    0,
    1,
    "high",
    detail=ValidityDetail,
    place=80,
    why="1 means that no row is impossible.",
    matters=0.005,
    every_row=True,
    source="SDMetrics, DiagnosticReport (keys, kinds); order and determination rules found as in Papenbrock et al. 2015",
)
def validity(tables: Tables) -> Score:
    """Does every row follow the rules that hold in the real data?

    A trip that ends before it starts, two customers with one number, a bachelor of primary school: a single such
    row and nobody trusts the rest. The rules are those that no training row breaks (keys differ, columns are always
    filled or always whole, one column is never above another, one settles another) and those given in
    `options["rules"]`. The share of synthetic rows that break none. In [0, 1].
    """
    tables, sides = conformed(tables), encoded(tables)
    given, unread = given_rules(tables)
    rules = key_rules(tables) + column_rules(tables, sides) + order_rules(tables, sides) + settling_rules(sides) + given
    if not rules:
        return Score(value=1.0, reference=1.0, ci=(1.0, 1.0), note="No rule holds in the real data.")
    synthetic = np.column_stack([rule.broken(tables.synthetic, sides.synthetic) for rule in rules])
    kept = ~synthetic.any(axis=1)
    score = Score(value=float(kept.mean()), ci=share_interval(int(kept.sum()), len(kept)))
    if tables.holdout is None:
        fresh = None
        score.note = NO_HOLDOUT
    else:
        fresh = np.column_stack([rule.broken(tables.holdout, sides.holdout) for rule in rules])
        also = ~fresh.any(axis=1)
        score.reference = float(also.mean())
        score.reference_ci = share_interval(int(also.sum()), len(also))
    items = [
        RuleBroken(
            rule=rule.text,
            kind=rule.kind,
            columns=rule.columns,
            broken=plain(synthetic[:, place].mean()),
            reference=None if fresh is None else plain(fresh[:, place].mean()),
        )
        for place, rule in enumerate(rules)
    ]
    score.detail = ValidityDetail(rules=sorted(items, key=lambda item: -item.broken))
    if unread:
        score.note = f"{score.note} Not understood, and left out: {'; '.join(unread)}.".strip()
    return score


def key_rules(tables: Tables) -> list[Rule]:
    """Ids that are always there and never twice in train."""

    def repeated(name: str) -> Callable[[pd.DataFrame, Side], np.ndarray]:
        return lambda table, side: (table[name].isna() | table[name].duplicated()).to_numpy()

    names = tables.schema.having(roles=("id",))
    keys = [name for name in names if tables.train[name].notna().all() and tables.train[name].is_unique]
    return [Rule("key", f"{name} is there and differs in every row", [name], repeated(name)) for name in keys]


def column_rules(tables: Tables, sides: Encoded) -> list[Rule]:
    """Columns that never lack a value, and numbers that are always whole."""

    def lacking(name: str) -> Callable[[pd.DataFrame, Side], np.ndarray]:
        return lambda table, side: missing(sides, side, name)

    def broken_number(name: str) -> Callable[[pd.DataFrame, Side], np.ndarray]:
        return lambda table, side: ~np.isnan(side.numbers[name]) & (side.numbers[name] % 1 != 0)

    filled = [name for name in sides.names if not missing(sides, sides.train, name).any()]
    whole = []
    for name in tables.schema.modelled.having(kinds=("number",)):
        there = sides.train.numbers[name][~np.isnan(sides.train.numbers[name])]
        if len(there) and (there % 1 == 0).all():
            whole.append(name)
    return [Rule("filled", f"{name} is never missing", [name], lacking(name)) for name in filled] + [
        Rule("whole", f"{name} is a whole number", [name], broken_number(name)) for name in whole
    ]


def order_rules(tables: Tables, sides: Encoded) -> list[Rule]:
    """Two dates, or two numbers, of which one is never above the other, although by their ranges it could be."""

    def above(left: str, right: str) -> Callable[[pd.DataFrame, Side], np.ndarray]:
        return lambda table, side: side.numbers[left] > side.numbers[right]

    dates = [name for name in sides.continuous if tables.schema[name].kind == "datetime"]
    numbers = [name for name in sides.continuous if name not in dates]
    rng = randomness(tables.seed, "orders")
    rules = []
    for names in (dates, numbers):
        for left in names:
            for right in names:
                ahead, behind = sides.train.numbers[left], sides.train.numbers[right]
                if left == right or (ahead[:FIRST_LOOK] > behind[:FIRST_LOOK]).any() or (ahead > behind).any():
                    continue
                both = ~np.isnan(ahead) & ~np.isnan(behind)
                if both.sum() < FIRST_LOOK // 10:
                    continue
                if (rng.permutation(ahead[both]) > behind[both]).mean() > TELLING:
                    rules.append(Rule("order", f"{left} is at most {right}", [left, right], above(left, right)))
    return rules


def settling_rules(sides: Encoded) -> list[Rule]:
    """Columns of which each value occurs with one value of another column only: a town and its country."""
    readers = {name: reader for name in sides.names if (reader := Values.of(sides, name))}
    columns = {name: reader.codes(sides.train) for name, reader in readers.items()}

    def unsettled(left: str, right: str, partner: np.ndarray) -> Callable[[pd.DataFrame, Side], np.ndarray]:
        def broken(table: pd.DataFrame, side: Side) -> np.ndarray:
            value, other = readers[left].codes(side), readers[right].codes(side)
            expected = np.where(value >= 0, partner[value], UNKNOWN)
            return (expected >= 0) & (other != ABSENT) & (other != expected)

        return broken

    rules = []
    for left, values in columns.items():
        for right, others in columns.items():
            if left == right or partners(values[:FIRST_LOOK], others[:FIRST_LOOK]) is None:
                continue
            partner = partners(values, others)
            if partner is None:
                continue
            shares = np.bincount(others[others >= 0]) / max((others >= 0).sum(), 1)
            # Shuffled, two rows would differ this often: a nearly constant column is settled by anything.
            if 1 - (shares**2).sum() > TELLING:
                rules.append(Rule("settled", f"{left} settles {right}", [left, right], unsettled(left, right, partner)))
    return rules


ABSENT, UNKNOWN = -2, -1


@dataclass(frozen=True)
class Values:
    """The few values that a column has in train."""

    name: str
    occurring: np.ndarray

    @classmethod
    def of(cls, sides: Encoded, name: str) -> Values | None:
        """None when the column is constant, or has too many values for each to be seen often."""
        train = sides.train
        if name in sides.levels:
            occurring = np.setdiff1d(train.codes[name], len(sides.levels[name]))
        else:
            occurring = np.unique(train.numbers[name][~np.isnan(train.numbers[name])])
        most = min(MOST_VALUES, train.rows // ROWS_PER_VALUE)
        return cls(name, occurring) if 2 <= len(occurring) <= most else None

    def codes(self, side: Side) -> np.ndarray:
        """Which of the values each row has; UNKNOWN for others, ABSENT where there is none."""
        given = side.codes[self.name] if self.name in side.codes else side.numbers[self.name]
        place = np.searchsorted(self.occurring, given).clip(0, len(self.occurring) - 1)
        codes = np.where(self.occurring[place] == given, place, UNKNOWN)
        # A missing level is a code like others, one that train's values do not contain.
        return np.where(np.isnan(given), ABSENT, codes) if given.dtype.kind == "f" else codes


def partners(values: np.ndarray, others: np.ndarray) -> np.ndarray | None:
    """The one value of the other column that goes with each value; None when some value goes with several.

    UNKNOWN for values seen too rarely to believe it.
    """
    both = (values >= 0) & (others >= 0)
    values, others = values[both], others[both]
    if not len(values):
        return None
    table = np.bincount(values * (others.max() + 1) + others).astype(np.int64)
    table = np.pad(table, (0, -len(table) % (others.max() + 1))).reshape(-1, others.max() + 1)
    if (np.count_nonzero(table, axis=1) > 1).any():
        return None
    partner = np.full(MOST_VALUES, UNKNOWN)
    often = table.sum(axis=1) >= ROWS_PER_VALUE
    partner[np.flatnonzero(often)] = table.argmax(axis=1)[often]
    return partner


def given_rules(tables: Tables) -> tuple[list[Rule], list[str]]:
    """The rules the analyst gave, and those of them that cannot be read."""
    rules, unread = [], []
    for text in tables.options.get("rules", []):
        rule = read_rule(str(text), tables)
        if rule is None:
            unread.append(str(text))
        else:
            rules.append(rule)
    return rules, unread


def read_rule(text: str, tables: Tables) -> Rule | None:
    """A rule such as `dropoff >= pickup` or `age >= 18`; None when it names no column or no known comparison.

    Read by hand and never evaluated as code: rules come from whoever uses the page.
    """
    text = text.strip()
    found = COMPARISON.search(text[1:])  # a name has a character at least
    if not found:
        return None
    left, compared, right = text[: found.start() + 1].strip(), found[0], text[found.end() + 1 :].strip()
    if not right or left not in tables.schema.names:
        return None
    sign = OPERATORS[compared]
    other = right if right in tables.schema.names else None
    ordered = tables.schema[left].kind in ("number", "integer", "datetime")
    if ordered and other is None:
        constant = pd.to_datetime(right, errors="coerce") if tables.schema[left].kind == "datetime" else right
        limit = as_floats(pd.Series([constant])) if tables.schema[left].kind == "datetime" else to_number(right)
        if np.isnan(limit).any():
            return None
    elif (ordered and tables.schema[other].kind not in ("number", "integer", "datetime")) or (
        not ordered and compared not in ("==", "!=")
    ):
        return None

    def broken(table: pd.DataFrame, side: Side) -> np.ndarray:
        if ordered:
            values = as_floats(table[left])
            others = limit if other is None else as_floats(table[other])
            unknown = np.isnan(values) | np.isnan(others)
        else:
            values = as_texts(table[left])
            others = right if other is None else as_texts(table[other])
            unknown = np.equal(values, None) | np.equal(others, None)
        return ~unknown & ~np.asarray(sign(values, others), dtype=bool)

    return Rule("given", text, [left] + ([other] if other else []), broken)


def as_texts(values: Any) -> np.ndarray:
    """The values of a column as texts, None where one is missing."""
    return values.astype("string").to_numpy(dtype=object, na_value=None)


def to_number(text: str) -> np.ndarray:
    """The number a text spells, NaN where it spells none."""
    return pd.to_numeric(pd.Series([text]), errors="coerce").to_numpy(dtype=float)
