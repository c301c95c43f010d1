"""Cells in several written forms: `12`, `12.50`, `n/a`, `300 g`, `128/82`, `17/04/2023` beside `2023-04-17`.

Each cell is a form (the text with its numbers or its moment taken out) and the values that stood there. A column whose
cells are written in one form needs none of this: `synth.schema.Column` says how it is written.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
from pydantic import BaseModel, ConfigDict

from synth.linear import Match, Within, escape, whole, within
from synth.schema.dates import parse_dates, read_dates, written_dates
from synth.schema.kinds import Column

LONGEST = 48
"""A longer cell is a text, whatever stands in it."""
MOST_PARTS = 4
"""Numbers in a cell, at most."""
SIGN = r"(?:(?<![\w.,)\]])[-+](?=[0-9.,]))?"
EXPONENT = r"(?:[eE][-+]?[0-9]{1,3})?"
OFFSET = within(r"(?<=[0-9]) ?(?:Z|[+-][0-9]{2}:?[0-9]{2})$")
NEGATIVE = whole(r"-\s?[$€£¥₹]\s?")
"""What stands before a negative amount with a currency sign."""
PLAIN = whole(r"([0-9.]*)([eE]?)([-+]?[0-9]*)")
"""A number without signs and marks: mantissa and exponent."""
WORD = within(r"[^\W\d_]+")
DAY_AND_MONTH = within("%-?([dm]).%-?([dm])")
DIGITS = str.maketrans("0123456789", "9" * 10)


@dataclass(frozen=True)
class Marks:
    """What stands before the decimals of a column's numbers, and what groups their digits by three."""

    decimal: str = "."
    group: str = ","

    @classmethod
    def of(cls, column: Column) -> Marks:
        """Those of a column."""
        return cls(column.decimal_mark, column.thousands or ("." if column.decimal_mark == "," else ","))

    def numbers(self, text: str) -> Iterator[Match]:
        """The numbers in a text."""
        return _number(self.decimal, self.group).finditer(text)


@cache
def _number(decimal: str, group: str) -> Within[str]:
    """A number: grouped by three, plain, with an exponent, or begun by the mark."""
    point, group = escape(decimal), escape(group)
    return within(
        rf"(?<![0-9]){SIGN}(?:[0-9]{{1,3}}(?:{group}[0-9]{{3}}){{1,5}}(?![0-9])(?:{point}[0-9]{{1,12}})?"
        rf"|[0-9]{{1,15}}(?:{point}[0-9]{{1,17}})?{EXPONENT}|{point}[0-9]{{1,17}}{EXPONENT})(?![0-9])"
    )


class NumberForm(BaseModel):
    """How one number in a cell is written."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    decimals: int = 0
    mark: str = "."
    group: str = ""
    """What groups the digits by three; empty: nothing."""
    plus: bool = False
    bare: bool = False
    """Nothing before the decimal mark: `.5`."""
    width: int = 0
    """Digits before the decimal mark when zeros fill them up; 0: they do not."""
    exponent: str = ""
    """`e` or `E`, `+` where the sign is written out, and the digits: `e+2`."""

    def write(self, value: float) -> str:
        """The number in this form."""
        if self.exponent:
            mantissa, power = f"{value:.{self.decimals}e}".split("e")
            sign = "-" if power.startswith("-") else self.exponent[1:-1]
            text = mantissa + self.exponent[0] + sign + power[1:].lstrip("0").zfill(int(self.exponent[-1]))
        else:
            text = f"{value:{',' if self.group else ''}.{self.decimals}f}"
            digits = text.lstrip("-")
            if self.width:
                digits = digits.zfill(self.width + (self.decimals + 1 if self.decimals else 0))
            if self.bare:
                digits = digits.removeprefix("0")
            text = ("-" if text.startswith("-") else "") + digits
        if self.group or self.mark != ".":
            text = text.translate({ord("."): self.mark, ord(","): self.group})
        return "+" + text if self.plus and not text.startswith("-") else text

    @classmethod
    def of(cls, token: str, marks: Marks) -> tuple[NumberForm, float] | None:
        """The form and the value of a number as it is written; None when the form would not give it back."""
        plain = token.translate({ord(marks.group): ",", ord(marks.decimal): "."})
        plus, digits = plain.startswith("+"), plain.lstrip("+-")
        group = marks.group if "," in digits else ""
        if (parts := PLAIN.fullmatch(digits.replace(",", ""))) is None:
            return None
        mantissa, letter, power = parts.groups()
        whole, _, fraction = mantissa.partition(".")
        exponent = ""
        if letter:
            exponent = letter + ("+" if power.startswith("+") else "") + str(len(power.lstrip("+-")))
        width = len(whole) if len(whole) > 1 and whole.startswith("0") else 0
        form = cls(
            decimals=len(fraction),
            mark=marks.decimal,
            group=group,
            plus=plus,
            bare=not whole,
            width=width,
            exponent=exponent,
        )
        value = float(plain.replace(",", ""))
        return (form, value) if form.write(value) == token else None


class Form(BaseModel):
    """How a cell is written: texts around its numbers, or around its moment. Without either it is a word."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    texts: tuple[str, ...]
    """One more than there are numbers, or two around a moment."""
    numbers: tuple[NumberForm, ...] = ()
    moment: str | None = None
    """The format of a moment, as strftime has it."""
    offset: int | None = None
    """Minutes by which the moment's clock is ahead of UTC, where the cell names an offset."""
    negative: bool = False
    """The first number is below zero by what stands around it: `(12.00)`, `-$5`."""

    @property
    def values(self) -> int:
        """How many values a cell of this form holds."""
        return len(self.texts) - 1

    @property
    def family(self) -> tuple[str, ...]:
        """What forms have in common that differ in the digits of their numbers."""
        return (*self.texts, self.moment or "")

    @property
    def label_of_family(self) -> str:
        """A name for the family, such as `# kg`."""
        return "#".join(self.texts) + (f" [{self.moment}]" if self.moment else "")

    def write(self, values: Sequence[np.ndarray]) -> np.ndarray:
        """Cells from the values of each (microseconds since 1970 for a moment), as texts."""
        if self.moment is not None:
            shift = 60_000_000 * (self.offset or 0)
            moments = pd.Series(np.round(values[0]).astype(np.int64) + shift).astype("datetime64[us]")
            return (self.texts[0] + written_dates(moments, self.moment) + self.texts[1]).to_numpy(object)
        if not self.numbers:
            return np.full(len(values[0]) if values else 0, self.texts[0], object)
        cells = []
        for row in zip(*values, strict=True):
            text = self.texts[0]
            for place, (form, value) in enumerate(zip(self.numbers, row, strict=True)):
                text += form.write(-value if self.negative and place == 0 else value) + self.texts[place + 1]
            cells.append(text)
        return np.array(cells, object)


class Cells(NamedTuple):
    """A column of cells taken apart."""

    forms: list[Form]
    codes: np.ndarray
    """The form of each cell; that of an empty one is the empty word."""
    values: list[np.ndarray]
    """The first, second, ... value of each cell, NaN where it has none."""


def take_apart(texts: pd.Series, column: Column) -> Cells:
    """The forms and the values of a column's cells; its kind says whether moments or numbers are looked for."""
    texts = texts.fillna("").astype(object)
    levels = texts.drop_duplicates()
    split = _split(levels.tolist(), column)
    forms: dict[Form, int] = {}
    code_of = {level: forms.setdefault(form, len(forms)) for level, (form, _) in zip(levels, split, strict=True)}
    most = max((form.values for form in forms), default=0)
    places = pd.Index(levels).get_indexer(pd.Index(texts))
    codes = np.array([code_of[level] for level in levels], np.int32)[places]
    table = np.full((len(levels), most), np.nan)
    for row, (_, values) in enumerate(split):
        table[row, : len(values)] = values
    return Cells(list(forms), codes, list(table[places].T))


def as_values(texts: pd.Series, column: Column) -> np.ndarray:
    """The first value of each cell (of a moment: microseconds since 1970, in UTC where the cell names an offset)."""
    values = np.full(len(texts), np.nan)
    rest = np.ones(len(texts), bool)
    if column.kind != "datetime" and column.decimal_mark == ".":
        # Most cells are plain numbers, which takes one look for all of them.
        values = pd.to_numeric(texts.astype(object), errors="coerce").to_numpy(float)
        rest = ~np.isfinite(values)
    cells = take_apart(texts[rest], column)
    values[rest] = cells.values[0] if cells.values else np.nan
    return values


def _split(levels: Sequence[str], column: Column) -> list[tuple[Form, list[float]]]:
    if column.kind == "datetime":
        return _moments(levels, _day_first(column.format or ""))
    marks = Marks.of(column)
    return [_number_form(text, marks) for text in levels]


def _day_first(code: str) -> bool | None:
    """What a format says of which comes first, day or month; None: nothing."""
    found = DAY_AND_MONTH.search(code)
    return found[1] == "d" if found else None


# Numbers in cells --------------------------------------------------------------------------------------------------


def _number_form(text: str, marks: Marks) -> tuple[Form, list[float]]:
    word = Form(texts=(text,)), []
    if len(text) > LONGEST:
        return word
    texts, numbers, values, end = [], [], [], 0
    for match in marks.numbers(text):
        if (found := NumberForm.of(match[0], marks)) is None:
            return word
        texts.append(text[end : match.start()])
        numbers.append(found[0])
        values.append(found[1])
        end = match.end()
    if not 0 < len(numbers) <= MOST_PARTS:
        return word
    texts.append(text[end:])
    negative = _is_negative(texts, values[0])
    if negative:
        values[0] = -values[0]
    return Form(texts=tuple(texts), numbers=tuple(numbers), negative=negative), values


def _is_negative(texts: list[str], value: float) -> bool:
    if len(texts) != 2 or value < 0:
        return False
    before, after = texts[0].strip(), texts[1].strip()
    return (before.startswith("(") and after.endswith(")")) or bool(NEGATIVE.fullmatch(texts[0])) or after == "-"


# Moments in cells --------------------------------------------------------------------------------------------------


def _moments(levels: Sequence[str], day_first: bool | None) -> list[tuple[Form, list[float]]]:
    found: list[tuple[Form, list[float]]] = [(Form(texts=(text,)), []) for text in levels]
    alike: dict[tuple[str, str], list[int]] = defaultdict(list)
    for place, text in enumerate(levels):
        if len(text) <= LONGEST and (match := OFFSET.search(text)):
            alike[_skeleton(text[: match.start()]), match[0]].append(place)
        elif len(text) <= LONGEST:
            alike[_skeleton(text), ""].append(place)
    for (_, end), places in alike.items():
        texts = pd.Series([levels[place].removesuffix(end) for place in places], dtype=object)
        dates = read_dates(pa.array(texts, pa.string()), day_first)
        if dates is None:
            continue
        form = Form(texts=("", end), moment=dates.format, offset=_minutes(end) if end else None)
        moments = parse_dates(texts, dates.format).to_numpy("datetime64[us]").astype(np.int64).astype(float)
        moments -= 60_000_000 * (form.offset or 0)
        again = form.write([moments])
        for place, moment, text in zip(places, moments.tolist(), again, strict=True):
            if text == levels[place]:
                found[place] = form, [moment]
    return found


def _skeleton(text: str) -> str:
    """The text with every digit a 9 and every word an a."""
    return WORD.sub("a", text.translate(DIGITS))


def _minutes(end: str) -> int:
    digits = "".join(filter(str.isdecimal, end))
    if not digits:
        return 0
    return (-1 if "-" in end else 1) * (60 * int(digits[:2]) + int(digits[2:]))


# Which columns are such --------------------------------------------------------------------------------------------

LOOKED_AT = 500
MOST_FAMILIES = 24
MOST_WORDS = 24
FEW_LEVELS = 30
"""A column of so few different cells is a category, whatever they hold."""
CODE_MARKS = frozenset("._:#")
"""Between numbers these make versions, addresses and codes."""


def holds_values(texts: Sequence[str], counts: np.ndarray, column: Column) -> bool:
    """Whether cells in several forms are numbers (or moments), with words of their own, and not codes or texts.

    `texts` are distinct, and `counts` says how often each occurs.
    """
    dated = column.kind == "datetime"
    if not dated and len(texts) <= FEW_LEVELS:
        return False
    split = _split(texts, column)
    rows: Counter[tuple[str, ...]] = Counter()
    words = 0
    for (form, _), count in zip(split, counts.tolist(), strict=True):
        if form.values:
            rows[form.family] += count
        else:
            words += 1
    if words > min(MOST_WORDS, 0.2 * len(texts)) or not 0 < len(rows) <= MOST_FAMILIES:
        return False
    if sum(rows.values()) < 0.5 * counts.sum():
        return False
    if dated:
        return True
    main = max(rows, key=lambda one: rows[one])
    return not _are_codes([(form, values) for form, values in split if form.values], main)


def agrees(texts: Sequence[str], values: pd.Series, column: Column) -> bool:
    """Whether cells taken apart give the values that were read otherwise, with few forms and few words among them."""
    cells = take_apart(pd.Series(texts, dtype="string"), column)
    words = sum(not form.values for form in cells.forms)
    families = {form.family for form in cells.forms if form.values}
    if not cells.values or words > MOST_WORDS or len(families) > MOST_FAMILIES:
        return False
    if isinstance(values.dtype, pd.DatetimeTZDtype):
        values = values.dt.tz_convert("UTC").dt.tz_localize(None)
    if values.dtype.kind == "M":
        read = values.to_numpy("datetime64[us]").astype(np.int64).astype(float)
        read[values.isna().to_numpy()] = np.nan
    else:
        read = values.to_numpy(dtype=float, na_value=np.nan)
    return bool(np.isclose(cells.values[0], read, rtol=1e-12, atol=0, equal_nan=True).mean() > 0.99)


def _are_codes(cells: Sequence[tuple[Form, list[float]]], main: tuple[str, ...]) -> bool:
    """Whether what looks like numbers in cells are parts of codes.

    These are glued to letters, filled up with zeros or joined by points; all of one length; or a word before a number
    that is hardly ever the same. `main` is the family that most cells are of.
    """
    forms = [form for form, _ in cells]
    few = 0.02 * len(forms)
    if sum(any(number.width for number in form.numbers) or form.texts[0][-1:].isalpha() for form in forms) > few:
        return True
    if sum(any(_joins(text) for text in form.texts[1:-1]) for form in forms) > few:
        return True
    mine = [(form, values) for form, values in cells if form.family == main]
    if any(number.decimals or number.exponent for form, _ in mine for number in form.numbers):
        return False
    numbers = np.abs(np.array([values for _, values in mine]))
    lengths = np.floor(np.log10(np.maximum(numbers, 1)))
    if numbers.shape[1] > 1 and (lengths == lengths[0]).all():
        return True
    named = any(map(str.isalpha, main[0]))
    return named and len(np.unique(numbers[:, 0])) > 0.9 * len(numbers)


def _joins(text: str) -> bool:
    """Whether a text between two numbers makes one code of them."""
    return not set(text) - CODE_MARKS
