"""Columns whose cells are written in several forms, as a model sees them: the form of each cell, and its values.

`300 g` and `1.2 kg` become a category (which of the two forms) and a number; `128/82` becomes two numbers; `n/a` is a form
without a number. What the model draws is put together again, each form with the digits and within the reach of its own.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict

from synth.columns.endings import Endings
from synth.columns.precision import Precision
from synth.schema import Column, Schema
from synth.schema.forms import Form, take_apart

FEWEST = 5
"""A form that fewer rows have could point at one of them: their cells are written in the form nearest to it."""
SMALL = 100
"""In tables of fewer rows two rows of a form are enough."""
QUANTILES = 33
PARTS = 10
"""Parts of the reach in which the shares of forms are told apart."""
MOST_LEVELS = 12
"""So few different values of a form, each in enough rows, are all there can be."""
ORDERED = 20
"""Rows in which one value is never above another for it to be always so."""


class FormOfCells(BaseModel):
    """One form of a family, and where the values lie that are written in it."""

    model_config = ConfigDict(extra="forbid")

    form: Form
    quantiles: list[list[float]]
    """Of each value: its quantiles, from one end of its reach to the other."""
    levels: list[list[float]]
    """Of each value: all there are, where these are few; else none."""
    endings: list[Endings | None]
    """Of each value: the last digits there are, where these are few."""

    @classmethod
    def learn(cls, form: Form, values: Sequence[np.ndarray]) -> FormOfCells:
        """What is kept of the values that are written in a form."""
        quantiles, levels, endings = [], [], []
        for place, numbers in enumerate(values):
            quantiles.append(_quantiles(numbers))
            distinct, counts = np.unique(numbers, return_counts=True)
            few = len(distinct) <= MOST_LEVELS and counts.min() >= FEWEST
            levels.append(distinct.tolist() if few else [])
            written_out = form.numbers and not form.numbers[place].exponent
            learned = Endings.learn(numbers, form.numbers[place].decimals) if written_out and not few else None
            endings.append(learned)
        return cls(form=form, quantiles=quantiles, levels=levels, endings=endings)

    def on_grid(self, place: int, values: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """The nearest of the values there are, or the values with the last digits there are."""
        if self.levels[place]:
            levels = np.asarray(self.levels[place])
            return levels[np.abs(levels[:, None] - values).argmin(0)]
        endings = self.endings[place]
        if endings is None:
            return values
        return endings.apply(values, (self.quantiles[place][0], self.quantiles[place][-1]), rng)


class Family(BaseModel):
    """Forms that differ in the digits of their numbers alone, such as `12.5 kg` and `12 kg`; or one word."""

    model_config = ConfigDict(extra="forbid")

    label: str
    """Names the family for the model."""
    rows: int
    forms: list[FormOfCells]
    quantiles: list[list[float]]
    """Of each value: its quantiles, whichever the form."""
    orders: list[tuple[int, int, float]]
    """Pairs of values of which the first lies below the second by so much at least: 0, or one unit of the last digit."""
    edges: list[float]
    """Where one part of the first value's reach ends and the next begins."""
    shares: list[list[float]]
    """How often each form occurs, in each part of the reach."""

    @property
    def values(self) -> int:
        """How many values a cell of the family holds."""
        return self.forms[0].form.values

    @classmethod
    def learn(cls, forms: Sequence[Form], codes: np.ndarray, values: Sequence[np.ndarray]) -> Family:
        """What is kept of one family; `codes` says in which of `forms` each of its rows is written."""
        held = [part[: len(codes)] for part in values[: forms[0].values]]
        learned = [FormOfCells.learn(form, [part[codes == code] for part in held]) for code, form in enumerate(forms)]
        edges, parts = [], np.zeros(len(codes), np.intp)
        if len(forms) > 1:
            edges = np.unique(np.quantile(held[0], np.linspace(0, 1, PARTS + 1)[1:-1])).tolist()
            parts = np.searchsorted(edges, held[0], "right")
        counts = np.zeros((len(edges) + 1, len(forms)))
        np.add.at(counts, (parts, codes), 1.0)
        # A part in which a form is rare tells of single rows: there it is as rare as in the whole.
        counts = np.where(counts < FEWEST, counts.sum(0) / len(counts), counts)
        return cls(
            label=forms[0].label_of_family,
            rows=len(codes),
            forms=learned,
            quantiles=[_quantiles(part) for part in held],
            orders=_orders(forms, held) if len(codes) >= ORDERED else [],
            edges=edges,
            shares=(counts / counts.sum(1, keepdims=True)).tolist(),
        )

    def fit_in(self, values: Sequence[np.ndarray], rng: np.random.Generator) -> list[np.ndarray]:
        """Values that the family can have: what is missing, out of reach or out of order is drawn anew."""
        fitted = []
        for known, drawn in zip(self.quantiles, values, strict=True):
            strange = np.flatnonzero(~((drawn >= known[0]) & (drawn <= known[-1])))
            drawn = drawn.copy()
            drawn[strange] = np.interp(rng.random(len(strange)), np.linspace(0, 1, len(known)), known)
            fitted.append(drawn)
        for low, high, gap in self.orders:
            wrong = np.flatnonzero(fitted[low] > fitted[high] - gap)
            fitted[low][wrong] = self._below(low, fitted[high][wrong] - gap, rng)
        return fitted

    def write(self, values: Sequence[np.ndarray], rng: np.random.Generator) -> np.ndarray:
        """Cells of the family with such values, one for each row of them."""
        fitted = self.fit_in(values, rng)
        codes = self._codes(fitted, rng)
        cells = np.empty(len(codes), object)
        for code, one in enumerate(self.forms):
            mine = np.flatnonzero(codes == code)
            if len(mine):
                parts = [one.on_grid(place, part[mine], rng) for place, part in enumerate(fitted)]
                for low, high, gap in self.orders:
                    parts[low] = np.minimum(parts[low], parts[high] - gap)
                cells[mine] = one.form.write(parts)
        return cells

    def _codes(self, values: Sequence[np.ndarray], rng: np.random.Generator) -> np.ndarray:
        """A form for each row, so that each is as frequent as it is where the first value lies.

        A value that a short form holds as it is keeps that form: `0.998` does not become `0.99800`, nor `0.99871` the
        other. The other rows fill up what is lacking of each form.
        """
        if len(self.forms) == 1:
            return np.zeros(len(values[0]), np.intp)
        codes = self._shortest(values)
        parts = np.searchsorted(self.edges, values[0], "right")
        for part, shares in enumerate(self.shares):
            mine = np.flatnonzero(parts == part)
            held = np.bincount(codes[mine][codes[mine] >= 0], minlength=len(shares))
            lacking = np.maximum(np.asarray(shares) * len(mine) - held, 0)
            free = mine[codes[mine] < 0]
            lacking = lacking if lacking.sum() > 0 else np.asarray(shares)
            codes[free] = rng.choice(len(shares), len(free), p=lacking / lacking.sum())
        return codes

    def _shortest(self, values: Sequence[np.ndarray]) -> np.ndarray:
        """The form of fewest digits that holds the values of a row as they are; -1 where only the longest does."""
        codes = np.full(len(values[0]), -1, np.intp)
        digits = [sum(number.decimals for number in one.form.numbers) for one in self.forms]
        if any(number.exponent for one in self.forms for number in one.form.numbers):
            return codes
        for code in sorted(range(len(digits)), key=lambda code: -digits[code])[1:]:
            held = np.ones(len(codes), bool)
            for part, number in zip(values, self.forms[code].form.numbers, strict=True):
                held &= np.round(part, number.decimals) == part
            codes[held] = code
        return codes

    def _below(self, place: int, most: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Values of a place that are not above others."""
        known = np.asarray(self.quantiles[place])
        room = np.searchsorted(known, most, "right")
        return np.minimum(known[(rng.random(len(most)) * room).astype(int)], most)


class MixedColumn(BaseModel):
    """What is learned of one column of cells in several forms."""

    model_config = ConfigDict(extra="forbid")

    column: Column
    families: list[Family]
    form_name: str
    value_names: list[str]
    """Of the columns that the model sees; the first value bears the column's own name."""

    @classmethod
    def learn(cls, texts: pd.Series, column: Column, taken: set[str]) -> MixedColumn:
        """The forms of a column of texts; `taken` are names that other columns have."""
        cells = take_apart(texts, column)
        rows = np.bincount(cells.codes, minlength=len(cells.forms))
        kept = _nearest_kept(cells.forms, rows, FEWEST if len(texts) >= SMALL else 2)
        alike: dict[tuple[str, ...], list[int]] = defaultdict(list)
        for code in np.unique(kept):
            alike[cells.forms[code].family].append(int(code))
        families = []
        for codes in alike.values():
            mine = np.flatnonzero(np.isin(cells.codes, codes))
            place_of = np.zeros(len(cells.forms), np.intp)
            place_of[codes] = np.arange(len(codes))
            values = [part[mine] for part in cells.values]
            families.append(Family.learn([cells.forms[code] for code in codes], place_of[cells.codes[mine]], values))
        most = max(family.values for family in families)
        names = _free_names(column.name, 1 + max(most - 1, 0), taken)
        return cls(column=column, families=families, form_name=names[0], value_names=[column.name, *names[1:]][:most])

    def columns(self) -> list[Column]:
        """The columns that the model sees in the place of this one."""
        column = self.column
        seen = [Column(name=self.form_name, kind="category")] if len(self.families) > 1 else []
        for place, name in enumerate(self.value_names):
            kind = "datetime" if column.kind == "datetime" else "integer" if self._whole(place) else "number"
            role = column.role if place == 0 else "feature"
            zone = column.timezone if kind == "datetime" else None
            seen.append(Column(name=name, kind=kind, role=role, timezone=zone))
        return seen

    def encode(self, texts: pd.Series) -> pd.DataFrame:
        """The family and the values of each cell, in the dtypes of `columns`."""
        cells = take_apart(texts, self.column)
        own = [family.forms[0].form for family in self.families]
        rows = np.array([family.rows for family in self.families])
        codes = np.array([_nearest(form, own, rows) for form in cells.forms], np.intp)[cells.codes]
        absent = np.full(len(texts), np.nan)
        given = [*cells.values, *[absent] * len(self.value_names)][: len(self.value_names)]
        parts = [absent.copy() for _ in given]
        rng = np.random.default_rng(0)
        for code, family in enumerate(self.families):
            mine = np.flatnonzero(codes == code)
            # Values of a form that was not kept lie where they did not before.
            for place, part in enumerate(family.fit_in([part[mine] for part in given[: family.values]], rng)):
                parts[place][mine] = part
        labels = [family.label for family in self.families]
        form = pd.Series(np.array(labels, object)[codes], index=texts.index, dtype="category")
        encoded: dict[str, pd.Series] = {self.form_name: form}
        for part, name in zip(parts, self.value_names, strict=True):
            encoded[name] = pd.Series(part, index=texts.index)
        return pd.DataFrame({seen.name: _typed(encoded[seen.name], seen) for seen in self.columns()})

    def decode(self, table: pd.DataFrame, rng: np.random.Generator) -> pd.Series:
        """The cells that a model's form and values make."""
        common = int(np.argmax([family.rows for family in self.families]))
        codes = np.zeros(len(table), np.intp)
        if len(self.families) > 1:
            code_of = {family.label: code for code, family in enumerate(self.families)}
            codes = np.array([code_of.get(label, common) for label in table[self.form_name].astype(object)], np.intp)
        values = [_floats(table[name]) for name in self.value_names]
        cells = np.full(len(table), None, object)
        for code, family in enumerate(self.families):
            mine = np.flatnonzero(codes == code)
            if not family.values:
                cells[mine] = family.forms[0].form.texts[0] or None
            elif len(mine):
                cells[mine] = family.write([part[mine] for part in values[: family.values]], rng)
        return pd.Series(cells, index=table.index, dtype="string")

    def _whole(self, place: int) -> bool:
        """Whether a value is a whole number in every form."""
        forms = [one.form for family in self.families for one in family.forms]
        numbers = [form.numbers[place] for form in forms if place < len(form.numbers)]
        return all(not number.decimals and not number.exponent for number in numbers)


class MixedColumns(BaseModel):
    """Every column of a table whose cells are written in several forms."""

    model_config = ConfigDict(extra="forbid")

    columns: dict[str, MixedColumn] = {}

    @classmethod
    def learn(cls, table: pd.DataFrame, schema: Schema) -> MixedColumns:
        """Look at the columns of texts in `table` that the schema calls mixed, and that a model learns."""
        found: dict[str, MixedColumn] = {}
        taken = set(schema.names)
        for column in schema.modelled:
            if column.mixed and pd.api.types.is_string_dtype(table[column.name].dtype):
                found[column.name] = MixedColumn.learn(table[column.name], column, taken)
        return cls(columns=found)

    def expanded(self, schema: Schema) -> Schema:
        """The schema of the table as `encode` gives it."""
        columns = []
        for column in schema:
            mixed = self.columns.get(column.name)
            columns += mixed.columns() if mixed else [column]
        return schema.model_copy(update={"columns": columns})

    def encode(self, table: pd.DataFrame) -> pd.DataFrame:
        """`table` with the form and the values of each mixed column that it has."""
        parts = []
        for name in table.columns:
            mixed = self.columns.get(name)
            cells = mixed is not None and pd.api.types.is_string_dtype(table[name].dtype)
            parts.append(mixed.encode(table[name]) if cells else table[[name]])
        return pd.concat(parts, axis=1) if parts else table

    def decode(self, table: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
        """`table` with cells in the place of forms and values."""
        hidden = set()
        for name, mixed in self.columns.items():
            if name in table.columns:
                table = table.assign(**{name: mixed.decode(table, rng)})
                hidden |= {mixed.form_name, *mixed.value_names[1:]}
        return table[[name for name in table.columns if name not in hidden]]


def _orders(forms: Sequence[Form], values: Sequence[np.ndarray]) -> list[tuple[int, int, float]]:
    """Which value is below which other one in every row."""
    unit = 10.0 ** -max((number.decimals for form in forms for number in form.numbers), default=0)
    found = []
    for low in range(len(values)):
        for high in range(len(values)):
            if low != high and (values[low] <= values[high]).all():
                found.append((low, high, unit if (values[low] < values[high]).all() else 0.0))
    return found


def _quantiles(numbers: np.ndarray) -> list[float]:
    reach = Precision.learn(pd.Series(numbers), Column(name="value", kind="number")).reach or (0.0, 0.0)
    return np.clip(np.quantile(numbers, np.linspace(0, 1, QUANTILES)), *reach).tolist()


def _nearest_kept(forms: Sequence[Form], rows: np.ndarray, fewest: int) -> np.ndarray:
    """The form that each form is written in: itself, or the nearest that enough rows have."""
    kept = np.flatnonzero(rows >= fewest)
    if not len(kept):
        kept = np.array([rows.argmax()])
    own = [forms[int(code)] for code in kept]
    return np.array([kept[_nearest(form, own, rows[kept])] for form in forms], np.int64)


def _nearest(form: Form, own: Sequence[Form], rows: np.ndarray) -> int:
    """The place of the form most like another: itself, of its family with the nearest digits, or the commonest."""
    if form in own:
        return own.index(form)
    alike = [place for place, other in enumerate(own) if other.family == form.family and other.values == form.values]
    if alike and form.numbers:
        far = [
            sum(abs(a.decimals - b.decimals) for a, b in zip(own[p].numbers, form.numbers, strict=True)) for p in alike
        ]
        return alike[int(np.argmin(far))]
    if alike:
        return alike[0]
    valued = [place for place, other in enumerate(own) if other.values == form.values] or list(range(len(own)))
    return max(valued, key=lambda place: rows[place])


def _free_names(name: str, count: int, taken: set[str]) -> list[str]:
    names = []
    for number in range(1, count + 1):
        free = f"{name} (form)" if number == 1 else f"{name} ({number})"
        while free in taken:
            free += "'"
        taken.add(free)
        names.append(free)
    return names


def _typed(values: pd.Series, column: Column) -> pd.Series:
    if column.kind == "category":
        return values
    numbers, index = values.to_numpy(float), values.index
    absent = np.isnan(numbers)
    if column.kind == "integer":
        whole = np.where(absent, 0, numbers).round().astype(np.int64)
        return pd.Series(pd.arrays.IntegerArray(whole, absent), index=index)
    if column.kind == "datetime":
        micros = np.where(absent, np.iinfo(np.int64).min, np.where(absent, 0, numbers).round()).astype(np.int64)
        moments = pd.Series(micros.view("datetime64[us]"), index=index)
        return moments.dt.tz_localize("UTC").dt.tz_convert(column.timezone) if column.timezone else moments
    return values


def _floats(values: pd.Series) -> np.ndarray:
    if isinstance(values.dtype, pd.DatetimeTZDtype) or values.dtype.kind == "M":
        micros = values.dt.as_unit("us").astype("int64").to_numpy().astype(float)
        return np.where(values.isna().to_numpy(), np.nan, micros)
    return values.to_numpy(dtype=float, na_value=np.nan)
