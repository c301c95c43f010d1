"""What the texts of a column are: numbers, dates, yes and no, or just texts.

One set of rules for tables in memory and for files: both come here with the distinct texts of a column and how
often each occurs, and get back how those texts are to be read, in the words of `synth.schema.Column`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from synth.linear import escape
from synth.schema.dates import read_dates

MISSING_WORDS = frozenset(
    {"?", "-", "--", "---", ".", "..", "*", "na", "n/a", "#n/a", "nan", "null", "nil", "none", "missing", "unknown"}
    | {"not available", "not applicable", "undefined", "n.a.", "<na>", "#null!", "\\n", "(null)", "inf", "-inf"}
)
"""Texts, in lower case and without blanks around them, that stand for a missing value among numbers or dates."""

BOOLEANS = (("false", "true"), ("no", "yes"), ("n", "y"), ("f", "t"), ("off", "on"), ("nein", "ja"), ("non", "oui"))
CURRENCIES = "$€£¥₹"

INTEGER = r"^-?(0|[1-9][0-9]*)$"
NUMBER = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$"
PROVED = r"^(0|-?[1-9][0-9]*|-?0\.[0-9]*[1-9][0-9]*)(\.[0-9]+)?$|^0\.0+$"
"""Written as a double of few digits is, but for the number of decimals: no plus, no bare point, no minus zero."""
ZERO_PADDED = r"^[+-]?0[0-9]"
MOST_DECIMALS = 18
"""Of a column that has a fixed number of them."""
BARE_EXPONENT = r"^[0-9]+[eE][0-9]+$"
"""Neither point nor sign: `1e5` is an id more often than a hundred thousand."""


@dataclass(frozen=True)
class Levels:
    """The distinct texts of one column, none of them empty, and how often each occurs."""

    texts: pa.Array
    counts: np.ndarray
    rows: int

    @property
    def filled(self) -> int:
        """How many rows hold a text."""
        return int(self.counts.sum())

    def only(self, mask: pa.Array | np.ndarray) -> Levels:
        mask = mask if isinstance(mask, pa.Array) else pa.array(mask)
        return Levels(self.texts.filter(mask), self.counts[mask.to_numpy(zero_copy_only=False)], self.rows)

    def all_match(self, pattern: str) -> bool:
        return _all_match(self.texts, pattern)

    def share(self, pattern: str) -> float:
        """Share of the filled rows whose text matches."""
        matches = pc.match_substring_regex(self.texts, pattern).to_numpy(zero_copy_only=False)
        return float(self.counts[matches].sum() / max(self.filled, 1))

    @classmethod
    def of(cls, values: pd.Series) -> Levels:
        """The levels of a series of texts; missing and empty ones are left out."""
        counts = values.dropna().astype(str).value_counts(sort=False)
        counts = counts[(counts.index != "") & (counts > 0)]
        return cls(pa.array(counts.index, pa.string()), counts.to_numpy(np.int64), len(values))


@dataclass(frozen=True)
class Reading:
    """How the texts of a column are to be read."""

    kind: str
    fields: dict[str, Any] = field(default_factory=dict)
    """Values for fields of `synth.schema.Column`: decimals, format, labels, missing, ..."""
    values: pd.Series | None = None
    """The levels as values, in the order of the texts; missing where a text stands for none."""
    proved: bool = False
    """Whether the values must give back every text, by how the texts are written."""
    note: str = ""
    """What the reader should know about the decision, in a sentence."""


def read_texts(levels: Levels, decimal_mark: str | None = None, day_first: bool | None = None) -> Reading:
    """How the texts of one column are to be read.

    `decimal_mark` and `day_first` settle what the texts alone leave open ("1,234", "03/04/2020").
    """
    if not len(levels.texts):
        return Reading("category")
    reading = _boolean(levels) or _number(levels, decimal_mark) or _datetime(levels, day_first)
    return (
        reading
        or _with_missing_word(levels, decimal_mark, day_first)
        or Reading("text" if _is_text(levels) else "category")
    )


def _all_match(texts: pa.Array, pattern: str) -> bool:
    """Whether every text matches; most patterns fail on the first few."""
    head = texts.slice(0, 32)
    if not pc.all(pc.match_substring_regex(head, pattern), min_count=0).as_py():
        return False
    return len(texts) <= 32 or pc.all(pc.match_substring_regex(texts, pattern)).as_py()


def _with_missing_word(levels: Levels, decimal_mark: str | None, day_first: bool | None) -> Reading | None:
    """Numbers or dates among which some texts stand for a missing value."""
    short = pc.less_equal(pc.utf8_length(levels.texts), 16)
    trimmed = pc.utf8_trim_whitespace(pc.utf8_lower(pc.if_else(short, levels.texts, "long")))
    words = pc.is_in(trimmed, pa.array([*MISSING_WORDS, ""])).to_numpy(zero_copy_only=False)
    if not words.any() or words.all():
        return None
    present = levels.only(~words)
    reading = _number(present, decimal_mark) or _datetime(present, day_first)
    if reading is None:
        return None
    absent = levels.only(words)
    word = absent.texts[int(absent.counts.argmax())].as_py()
    values = reading.values.reindex(np.where(words, -1, np.cumsum(~words) - 1)).reset_index(drop=True)
    proved = reading.proved and int(words.sum()) == 1
    return Reading(reading.kind, {**reading.fields, "missing": word}, values, proved, reading.note)


# Yes and no --------------------------------------------------------------------------------------------------------


def _boolean(levels: Levels) -> Reading | None:
    if len(levels.texts) != 2:
        return None
    texts = levels.texts.to_pylist()
    for labels in BOOLEANS:
        for spell in (str, str.capitalize, str.upper):
            spelled = tuple(map(spell, labels))
            if set(texts) == set(spelled):
                values = pd.Series([text == spelled[1] for text in texts], dtype="boolean")
                return Reading("boolean", {"labels": spelled}, values, proved=True)
    return None


# Numbers -----------------------------------------------------------------------------------------------------------


def _number(levels: Levels, decimal_mark: str | None = None) -> Reading | None:
    if not _all_match(levels.texts.slice(0, 32), "[0-9]"):
        return None
    trimmed = pc.utf8_trim_whitespace(levels.texts)
    if not trimmed.slice(0, 32).equals(levels.texts.slice(0, 32)):
        reading = _number(Levels(trimmed, levels.counts, levels.rows), decimal_mark)
        return reading and replace(reading, proved=False)
    if levels.all_match(INTEGER):
        try:
            values = pc.cast(levels.texts, pa.int64())
        except pa.ArrowInvalid:
            return None  # beyond 64 bits: a code, whose digits would be lost
        proved = not pc.any(pc.equal(levels.texts, "-0")).as_py()
        return Reading("integer", {}, pd.Series(values.to_numpy()).astype("Int64"), proved)
    for mark, fields, plain in _plain_numbers(levels.texts, decimal_mark):
        if not _all_match(plain, NUMBER):
            continue
        if pc.any(pc.match_substring_regex(plain, ZERO_PADDED)).as_py():
            return None
        note = ""
        if fields.get("thousands") == "," and _all_match(levels.texts, r"^-?[0-9]{1,3}(,[0-9]{3})?$"):
            note = "The comma may group digits or stand before decimals: taken for grouping."
        if _is_code_with_exponent(plain):
            return None
        reading = _numeric(plain, {"decimal_mark": mark, **fields} if mark != "." else fields)
        return reading and replace(reading, note=note)
    return None


def _plain_numbers(texts: pa.Array, decimal_mark: str | None):
    """The texts as plain numbers would be written, for each way of writing numbers that could be meant."""
    fields: dict[str, Any] = {}
    first = texts[0].as_py()
    if first.endswith("%"):
        suffix = " %" if first.endswith(" %") else "%"
        texts, fields = pc.replace_substring_regex(texts, escape(suffix) + "$", ""), {"suffix": suffix}
    elif first[-1] in CURRENCIES:
        suffix = (" " if first[-2:-1] == " " else "") + first[-1]
        texts, fields = pc.replace_substring_regex(texts, escape(suffix) + "$", ""), {"suffix": suffix}
    elif first.lstrip("-")[:1] and first.lstrip("-")[0] in CURRENCIES:
        prefix = first.lstrip("-")[0]
        texts = pc.replace_substring_regex(texts, r"^(-?)" + escape(prefix), r"\1")
        fields = {"prefix": prefix}
    if decimal_mark != ",":
        yield ".", fields, texts
        if _all_match(texts, r"^-?[0-9]{1,3}(,[0-9]{3})*(\.[0-9]+)?$"):
            yield ".", {**fields, "thousands": ","}, pc.replace_substring(texts, ",", "")
    if decimal_mark != "." and _all_match(texts, r"^[+-]?[0-9]*(,[0-9]+)?$"):
        yield ",", fields, pc.replace_substring(texts, ",", ".")
    if decimal_mark != "." and _all_match(texts, r"^-?[0-9]{1,3}(\.[0-9]{3})*(,[0-9]+)?$"):
        yield ",", {**fields, "thousands": "."}, pc.replace_substring(pc.replace_substring(texts, ".", ""), ",", ".")
    for blank in (" ", "\u00a0", "\u202f", "'"):
        for mark in (".", ","):
            pattern = rf"^-?[0-9]{{1,3}}({blank}[0-9]{{3}})*([{mark}][0-9]+)?$"
            if mark != {".": ",", ",": "."}.get(decimal_mark) and _all_match(texts, pattern):
                plain = pc.replace_substring(pc.replace_substring(texts, blank, ""), mark, ".")
                yield mark, {**fields, "thousands": blank}, plain


def _is_code_with_exponent(plain: pa.Array) -> bool:
    if not pc.any(pc.match_substring_regex(plain, BARE_EXPONENT)).as_py():
        return False
    return not pc.any(pc.match_substring_regex(plain, r"\.|[eE][+-]")).as_py()


def _numeric(plain: pa.Array, fields: dict[str, Any]) -> Reading | None:
    values = pc.cast(pc.replace_substring_regex(plain, r"^\+", ""), pa.float64()).to_pandas()
    if not np.isfinite(values.to_numpy()).all():
        return None
    fraction = pc.replace_substring_regex(plain, r"^[^.eE]*\.?([0-9]*)([eE].*)?$", r"\1")
    digits = pc.utf8_length(fraction).to_numpy(zero_copy_only=False)
    has_exponent = pc.any(pc.match_substring_regex(plain, "[eE]")).as_py()
    most, least = int(digits.max()), int(digits.min())
    # A double gives back any 15 digits; a cell that begins or ends with the point, or with a plus, it does not.
    long = pc.max(pc.utf8_length(plain)).as_py() - (most > 0)
    proved = not fields and most <= 12 and long + most - least <= 15 and _all_match(plain, PROVED)
    whole = not has_exponent and bool((values == values.round()).all()) and bool((values.abs() < 2**53).all())
    if whole and most == least <= MOST_DECIMALS:
        return Reading("integer", {**fields, **({"decimals": most} if most else {})}, values.astype("Int64"), proved)
    shortest = int(digits[pc.match_substring_regex(fraction, "0$").to_numpy(zero_copy_only=False)].max(initial=0))
    least = min(most if most == least else shortest, most, MOST_DECIMALS)
    fields = {**fields, "decimals": None if has_exponent or most > 12 else most, "least_decimals": least}
    return Reading("number", fields, values, proved and bool((digits >= least).all()))


def _datetime(levels: Levels, day_first: bool | None) -> Reading | None:
    dates = read_dates(levels.texts, day_first) if _may_be_dates(levels.texts) else None
    if dates is None:
        return None
    fields = {"format": dates.format, **({"timezone": dates.timezone} if dates.timezone else {})}
    return Reading("datetime", fields, dates.values, dates.proved, dates.note)


def _may_be_dates(texts: pa.Array) -> bool:
    """A quick look that spares most columns the long one."""
    return _all_match(texts.slice(0, 50), r"[0-9].*[-/._ :].*[0-9]|^[0-9]{8}T")


# Texts -------------------------------------------------------------------------------------------------------------


def _is_text(levels: Levels) -> bool:
    """Whether the texts are sentences, or all differ: a model could only repeat them."""
    distinct, filled = len(levels.texts), levels.filled
    length = float(np.mean(pc.utf8_length(levels.texts).to_numpy(zero_copy_only=False)))
    if distinct < 20:
        return length > 60
    spaces = pc.count_substring(levels.texts.slice(0, 2000), " ").to_numpy(zero_copy_only=False)
    sentences = float(np.mean(spaces)) >= 3
    return (
        distinct == filled
        or length > 100
        or (distinct > 0.5 * filled and sentences)
        or (distinct > 0.9 * filled and length > 30)
    )
