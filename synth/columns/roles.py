"""The columns that no model sees: new ids, faked personal data, text, and columns with nothing to learn.

What is kept of them, in memory and on disk, is how they look (patterns, shares of missing values, lengths),
never a value; the value of a constant column alone is kept, since it is the same for everybody.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field

from synth.columns.fakes import Fakes, People, fakes_of, kind_of
from synth.columns.patterns import Pattern, Stream
from synth.columns.precision import Precision
from synth.errors import Invalid
from synth.linear import within
from synth.schema import Column, Schema
from synth.schema.casting import dtype_of

DIGIT = within(r"\d")
LOOKED_AT = 5000
"""Rows looked at to tell how names or texts are written."""


class _Made(BaseModel):
    model_config = ConfigDict(extra="forbid")

    missing: float = 0.0
    """Share of missing values."""


class Constant(_Made):
    """The one value of the column; None where all are missing."""

    how: Literal["constant"] = "constant"
    value: bool | int | float | str | None

    def rows(self, count: int, column: Column) -> pd.Series:
        """The value `count` times, with the column's dtype."""
        return typed(np.full(count, self.value, object), np.full(count, self.value is None), column)


class Patterned(_Made):
    """New values in the pattern of the old ones, all different."""

    how: Literal["pattern"] = "pattern"
    pattern: Pattern


class Faked(_Made):
    """Faked by what it means: one of `synth.columns.fakes.KINDS`, of the row's nth person."""

    how: Literal["faked"] = "faked"
    kind: str
    person: int = 0
    surname_first: bool = False
    """Written `Harris, Owen`."""
    upper: bool = False


class Prose(_Made):
    """Sentences without meaning, of the real texts' lengths in words (nine quantiles)."""

    how: Literal["prose"] = "prose"
    words: list[int]


class Spread(_Made):
    """Dates and flags that are personal data: any within the reach, equally likely."""

    model_config = ConfigDict(validate_by_name=True)

    how: Literal["spread"] = "spread"
    precision: Precision | None = Field(None, alias="grain")


Made = Annotated[Constant | Patterned | Faked | Prose | Spread, Field(discriminator="how")]


class Roles(BaseModel):
    """How each column that is not modelled is made."""

    model_config = ConfigDict(extra="forbid")

    made: dict[str, Made] = {}
    locale: str = "en_US"

    @classmethod
    def learn(cls, table: pd.DataFrame, schema: Schema) -> Roles:
        """Look at the columns of `table` that are ids, personal data, text, or have nothing to learn.

        Raises Invalid for an id column whose kind cannot hold one.
        """
        made: dict[str, Made] = {}
        for column in schema:
            if column.role != "drop" and (how := _how(table[column.name], column)) is not None:
                made[column.name] = how
        persons: dict[str, int] = {}
        for how in made.values():
            # The second e-mail address of a row is its second person's.
            if isinstance(how, Faked):
                how.person = persons[how.kind] = persons.get(how.kind, -1) + 1
        return cls(made=made, locale=schema.locale)

    def chunks(self, schema: Schema, rows: int, sizes: Iterator[int], seed: int) -> Iterator[pd.DataFrame]:
        """The columns for chunks of `sizes` rows, `rows` in all; ids differ across all chunks."""
        rng = np.random.default_rng([seed, 2])
        fakes = None
        if any(isinstance(how, (Faked, Prose)) for how in self.made.values()):
            fakes = fakes_of(self.locale)
        streams = {name: how.pattern.stream(rows, rng) for name, how in self.made.items() if isinstance(how, Patterned)}
        start = 0
        for size in sizes:
            people: dict[int, People] = {}
            chunk = _Chunk(size, rng, fakes, people, streams)
            columns = {}
            for name, how in self.made.items():
                if isinstance(how, Faked) and how.person not in people:
                    people[how.person] = fakes.people(size, start, rng)
                columns[name] = _make(how, schema[name], chunk)
            yield pd.DataFrame(columns, index=range(size))
            start += size


def _how(values: pd.Series, column: Column) -> Made | None:
    """How to make a column; None when a model learns it."""
    missing = float(values.isna().mean())
    if missing == 1.0:
        return Constant(value=None)
    if column.role == "id":
        if column.kind in ("boolean", "datetime"):
            raise Invalid(
                f"Column {column.name!r} is marked as an id, but holds {column.kind} values. "
                "Give it another role, or declare it text."
            )
        return Patterned(pattern=Pattern.learn(_texts(values)), missing=missing)
    if column.role == "pii":
        return _personal(values, column, missing)
    if column.kind == "text":
        return _text(values, column, missing)
    if missing == 0.0 and _is_constant(values):
        return Constant(value=_plain(values.iloc[0]))
    return None


def _is_constant(values: pd.Series) -> bool:
    if isinstance(values.dtype, pd.CategoricalDtype):
        codes = values.cat.codes
        return bool((codes == codes.iloc[0]).all())
    return bool((values == values.iloc[0]).all())


def _plain(value: Any) -> bool | int | float | str:
    """A value as JSON holds it."""
    if isinstance(value, pd.Timestamp):
        return value.isoformat()
    return value.item() if isinstance(value, np.generic) else value


def _texts(values: pd.Series) -> pd.Series:
    """The values that are there, as text."""
    return values.dropna().astype(object).map(str)


def _personal(values: pd.Series, column: Column, missing: float) -> Made:
    if column.kind in ("boolean", "datetime"):
        precision = Precision.learn(values, column) if column.kind == "datetime" else None
        return Spread(precision=precision, missing=missing)
    kind = kind_of(column.pii) or (None if column.pii else kind_of(column.name))
    some = _texts(values.dropna().head(LOOKED_AT))
    if column.kind in ("integer", "number"):
        kind = None
    elif kind is None and not column.pii:
        kind = _guessed(some)
    if kind is None:
        return Patterned(pattern=Pattern.learn(_texts(values)), missing=missing)
    return Faked(
        kind=kind,
        missing=missing,
        surname_first=kind == "name" and bool(some.str.contains(", ", regex=False).mean() > 0.5),
        upper=bool((some == some.str.upper()).mean() > 0.9 and (some != some.str.lower()).any()),
    )


def _guessed(texts: pd.Series) -> str | None:
    """What personal data of no stated kind looks like; None: something to be made by pattern."""
    if texts.str.contains("@", regex=False).mean() > 0.5:
        return "email"
    return "name" if _with_digit(texts) < 0.2 and texts.str.contains(" ", regex=False).mean() > 0.5 else None


def _with_digit(texts: pd.Series) -> float:
    """Share of the texts in which a digit stands."""
    return float(texts.map(lambda text: DIGIT.search(text) is not None).mean())


def _text(values: pd.Series, column: Column, missing: float) -> Made:
    if column.text == "empty":
        return Constant(value=None)
    texts = _texts(values)
    words = texts.head(LOOKED_AT).str.split().str.len()
    if words.median() <= 2 and _with_digit(texts.head(LOOKED_AT)) > 0.5:
        return Patterned(pattern=Pattern.learn(texts), missing=missing)
    # The longest text is one person's; the reach ends at the 95th percentile.
    quantiles = np.quantile(words, np.linspace(0.05, 0.95, 9)).round().astype(int)
    return Prose(words=[max(1, int(q)) for q in quantiles], missing=missing)


class _Chunk(NamedTuple):
    """What the columns of one chunk are made from."""

    rows: int
    rng: np.random.Generator
    fakes: Fakes | None
    people: dict[int, People]
    streams: dict[str, Stream]


def _make(how: Made, column: Column, chunk: _Chunk) -> pd.Series:
    rows, rng = chunk.rows, chunk.rng
    if isinstance(how, Constant):
        return how.rows(rows, column)
    absent = rng.random(rows) < how.missing
    if isinstance(how, Patterned):
        return typed(chunk.streams[column.name].take(rows, rng), absent, column)
    if isinstance(how, Prose):
        return typed(chunk.fakes.text(how.words, rows, rng), absent, column)
    if isinstance(how, Faked):
        return typed(_written(how, chunk.people[how.person]), absent, column)
    if how.precision is None:
        return typed(rng.random(rows) < 0.5, absent, column)
    ticks = rng.integers(how.precision.low, how.precision.high, rows, endpoint=True)
    return how.precision.apply(typed(ticks.astype("datetime64[us]"), absent, column), column)


def _written(how: Faked, person: People) -> np.ndarray:
    values = person["last_name"] + ", " + person["first_name"] if how.surname_first else person[how.kind]
    return np.array([value.upper() for value in values], object) if how.upper else values


def typed(values: np.ndarray, absent: np.ndarray, column: Column) -> pd.Series:
    """`values` (text, or already of the kind) as the column's dtype, missing where `absent`."""
    if column.kind == "integer":
        numbers = np.where(absent, 0, values.astype(object)).astype(np.int64)
        return pd.Series(pd.arrays.IntegerArray(numbers, absent.copy()))
    if column.kind == "number":
        return pd.Series(np.where(absent, np.nan, values).astype(np.float64))
    if column.kind == "datetime":
        moments = pd.to_datetime(pd.Series(values), utc=bool(column.timezone))
        if column.timezone:
            moments = moments.dt.tz_convert(column.timezone)
        return moments.astype(dtype_of(column)).mask(absent)
    if column.kind == "boolean":
        return pd.Series(pd.arrays.BooleanArray(np.where(absent, False, values).astype(bool), absent.copy()))
    texts = pd.Series(np.where(absent, None, values), dtype=object)
    return texts.astype("string" if column.kind == "text" else "category")
